"""The commands that take back what was published."""

from typing import Annotated

import typer

from gitpip.actions import undo as actions
from gitpip.actions.adoption import Acknowledgeable, acknowledge
from gitpip.actions.undo import What
from gitpip.bodies.undos import UndoBody, UndoneBody, UndoneDealBody, UndoPlanBody
from gitpip.cli.asking import Yes, ask, asks
from gitpip.cli.output import (
    Json,
    act,
    console,
    prepared_settings,
    print_facts,
    print_json,
    print_rows,
    read,
    read_stops_now,
)
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.model import CheckId, Page, PublicationId
from gitpip.status.reading import ProcessFacts, ServiceCondition, read_stops
from gitpip.store.database import Transaction
from gitpip.store.publications import undone_deals, undos
from gitpip.store.publications.undone_deals import UndoneDeal
from gitpip.store.publications.undos import Undo, UndoId, Undone, UndoPlan
from gitpip.store.schema_undo import UndoScope
from gitpip.store.users.imports import ImportId

undos_app = typer.Typer(help="List, show, resume and acknowledge undos.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(min=1, help="ID from gitpip undos list.")]
MAX_LISTED = 1_000


def undo(  # noqa: PLR0913, PLR0917 (each is an option)
    check: Annotated[
        int | None, typer.Option(min=1, help="Everything this check caused (ID).")
    ] = None,
    import_: Annotated[
        int | None,
        typer.Option(
            "--import", min=1, help="All publications of the users this import added (ID)."
        ),
    ] = None,
    publications: Annotated[
        list[int] | None,
        typer.Option("--publication", min=1, help="This publication (ID). Repeat for several."),
    ] = None,
    login: Annotated[str, typer.Option("--user", help="All of this user's publications.")] = "",
    which: Annotated[
        UndoScope, typer.Option(help="Which activities of files that were sent again.")
    ] = UndoScope.ALL,
    with_deals: Annotated[
        bool,
        typer.Option("--with-deals", help="Also delete deals that gitpip made, if they are empty."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be undone without undoing it.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete the activities in Pipedrive that a check, an import, a user or files caused."""
    what = What(
        None if check is None else CheckId(check),
        None if import_ is None else ImportId(import_),
        login,
        [PublicationId(each) for each in publications or ()],
        which,
        with_deals,
    )
    settings = prepared_settings()
    is_asked = asks(yes=yes, as_json=as_json)
    if dry_run or is_asked:
        planned = read(settings, lambda transaction: actions.plan(transaction, what))
        if as_json:
            print_json(UndoPlanBody.of(planned).model_dump())
        else:
            _say_plan(planned)
        if dry_run:
            return
        if planned.total or planned.deals:
            ask(question="Undo this?")
    begun = act(settings, lambda acting: actions.undo(acting, what))
    body = UndoBody.under(begun, read_stops_now(settings))
    if as_json:
        print_json(body.model_dump())
        return
    _say_begun(begun)
    _say_waits(body)


def _say_begun(begun: Undo) -> None:
    deleted = "activities" if begun.total else "empty deals"
    console.say(
        f"Started undo {begun.id} of {begun.subject}: {count(begun.total, 'publication')}. A "
        f"running service deletes the {deleted}. If none runs: gitpip publish. To see the "
        f"progress: gitpip undos show {begun.id}"
    )


def _say_waits(body: UndoBody) -> None:
    if body.waits_because:
        console.say(f"Waits. {body.waits_because}")


def _say_plan(plan: UndoPlan) -> None:
    """Say what an undo would do, as its page does."""
    if not plan.total and not plan.deals:
        console.say(
            f"Nothing of {plan.subject} is left to undo: {plan.done:,} undone before, "
            f"{plan.under_way:,} being undone."
        )
        _say_kept(plan)
        return
    parts = [
        f"{count(number, thing, things)} would {what}"
        for number, thing, things, what in (
            (plan.activities, "activity in Pipedrive", "activities in Pipedrive", "be deleted"),
            (plan.to_withdraw, "file", "files", "not be sent"),
            (plan.to_settle, "file", "files", "be looked for first"),
        )
        if number
    ]
    if parts:
        console.say(
            f"Undo of {plan.subject}: {count(plan.total, 'file')}. {', '.join(parts)}. "
            f"It takes {count(plan.tokens, 'API token')} at most. "
            "Activities that a person has changed are kept."
        )
    else:
        console.say(f"Undo of {plan.subject}: no file of it is in Pipedrive or waits.")
    _say_kept(plan)
    if plan.deals:
        would = "would be deleted" if plan.with_deals else "can be deleted by --with-deals"
        console.say(f"  Up to {count(plan.deals, 'deal')} {would}, if empty afterwards.")


def _say_kept(plan: UndoPlan) -> None:
    if plan.total and plan.done:
        console.say(f"  Undone before: {count(plan.done, 'file')}.")
    if plan.kept_before:
        console.say(
            f"  Kept by an earlier undo, since a person had changed the activity: "
            f"{count(plan.kept_before, 'file')}. What is still changed is kept again."
        )
    if plan.kept:
        console.say(f"  Kept with files that are not undone: {count(plan.kept, 'publication')}.")
    if plan.kept_of_others:
        made = count(plan.kept_of_others, "activity", "activities")
        console.say(f"  Kept, as another tool made them: {made}.")


@undos_app.command("list")
def list_undos(as_json: Json = False) -> None:
    """List undos, newest first."""
    settings = prepared_settings()

    async def listed(transaction: Transaction) -> tuple[Page[Undo], ServiceCondition]:
        page = await undos.page(transaction, offset=0, limit=MAX_LISTED)
        return page, await read_stops(transaction, ProcessFacts(settings), utc_now())

    page, stops = read(settings, listed)
    if as_json:
        print_json([UndoBody.under(one, stops).model_dump() for one in page.items])
        return
    rows: list[dict[str, object]] = [
        {
            "id": one.id,
            "subject": one.subject,
            "by": one.asked_by,
            "total": one.total,
            "ended_at": one.ended_at,
            "stopped": one.stopped_because,
        }
        for one in page.items
    ]
    print_rows(rows, as_json, "No undos yet.")


@undos_app.command("show")
def show_undo(number: Number, as_json: Json = False) -> None:
    """Show the progress of an undo and the result for each publication."""

    settings = prepared_settings()

    async def found(
        transaction: Transaction,
    ) -> tuple[Undo, ServiceCondition, tuple[Undone, ...], tuple[UndoneDeal, ...]]:
        one = await undos.get(transaction, UndoId(number))
        stops = await read_stops(transaction, ProcessFacts(settings), utc_now())
        files = await undos.files(transaction, one.id, offset=0, limit=MAX_LISTED)
        deals = await undone_deals.of_undo(transaction, one.id, offset=0, limit=MAX_LISTED)
        return one, stops, files, deals

    one, stops, each, deals = read(settings, found)
    facts = UndoBody.under(one, stops).model_dump()
    rows = [UndoneBody.of(row).model_dump() for row in each]
    of_deals = [UndoneDealBody.of(row).model_dump() for row in deals]
    if as_json:
        print_json(facts | {"publications": rows, "deals": of_deals})
        return
    print_facts(facts)
    print_rows(rows, as_json, "No publications.")
    if one.with_deals:
        print_rows(of_deals, as_json, "No deals.")


@undos_app.command("resume")
def resume_undo(number: Number, as_json: Json = False) -> None:
    """Resume a stopped undo and retry what failed."""
    settings = prepared_settings()
    resumed = act(settings, lambda acting: actions.resume_undo(acting, UndoId(number)))
    body = UndoBody.under(resumed, read_stops_now(settings))
    if as_json:
        print_json(body.model_dump())
        return
    console.say(f"Resumed undo {resumed.id}.")
    _say_waits(body)


@undos_app.command("acknowledge")
def acknowledge_failures(as_json: Json = False) -> None:
    """Acknowledge what undos could not delete, so that status stops showing it."""
    kind: Acknowledgeable = "undo-failed"
    ended = act(prepared_settings(), lambda acting: acknowledge(acting, (kind,)))
    number = ended.get(kind, 0)
    if as_json:
        print_json({"acknowledged": number})
    elif not number:
        console.say(
            "No failures of undos to acknowledge. To continue a stopped one: gitpip undos resume ID"
        )
    else:
        console.say(f"Acknowledged what undos could not delete ({number}).")
