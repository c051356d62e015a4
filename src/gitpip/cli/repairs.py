"""The commands about many publications: their causes, and one act on all that a filter finds."""

from dataclasses import replace
from typing import Annotated

import typer

from gitpip.actions import repairs as actions
from gitpip.actions.acting import Acting
from gitpip.actions.repairs import RepairAction
from gitpip.bodies.repairs import CauseBody, CountedBody, RepairBody
from gitpip.cli.asking import Yes, ask, asks
from gitpip.cli.output import (
    Json,
    act,
    console,
    day,
    prepared_settings,
    print_json,
    print_rows,
    progress_bar,
    read,
)
from gitpip.counts import count
from gitpip.model import PublicationId, PublicationState
from gitpip.store.publications import causes, repairs
from gitpip.store.publications.repairs import LEFT, Counted, Repair, RepairId
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_publishing import RepairAct

States = Annotated[
    list[PublicationState] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help=f"Filter by state: {', '.join(PublicationState)}. Repeat for several.",
    ),
]
OfCause = Annotated[
    str, typer.Option("--cause", help="Filter by cause, from gitpip publications causes.")
]
OfUser = Annotated[str, typer.Option("--user", help="Filter by username.")]
Tagged = Annotated[str, typer.Option("--tag", help="Filter by tag of the user.")]
OfCheck = Annotated[int | None, typer.Option("--check", min=1, help="Filter by check (ID).")]
FoundOn = Annotated[
    str | None,
    typer.Option("--found-on", metavar="YYYY-MM-DD", help="Filter by day found (UTC)."),
]
PublishedOn = Annotated[
    str | None,
    typer.Option("--published-on", metavar="YYYY-MM-DD", help="Filter by day sent (UTC)."),
]

Resumed = Annotated[
    int | None, typer.Option(min=1, help="Continue an interrupted repair (ID from repairs).")
]


def list_causes(  # noqa: PLR0913, PLR0917 (each is an option)
    states: States = None,
    cause: OfCause = "",
    login: OfUser = "",
    tag: Tagged = "",
    check: OfCheck = None,
    found_on: FoundOn = None,
    published_on: PublishedOn = None,
    as_json: Json = False,
) -> None:
    """Group publications by cause."""
    wanted = PublicationFilter(
        states=tuple(states or ()),
        cause=cause,
        login=login,
        tag=tag,
        check_id=check,
        found_on=day(found_on, "--found-on"),
        published_on=day(published_on, "--published-on"),
    )
    found = read(prepared_settings(), lambda transaction: causes.of(transaction, wanted))
    bodies = [CauseBody.of(one).model_dump() for one in found]
    print_rows(bodies, as_json, "No publications match.", advice="what_to_do")


def list_repairs(as_json: Json = False) -> None:
    """List the last hundred repairs, newest first."""
    found = read(
        prepared_settings(),
        lambda transaction: repairs.latest(transaction, limit=repairs.MAX_REPAIRS_LISTED),
    )
    print_rows([RepairBody.of(one).model_dump() for one in found], as_json, "No repairs yet.")


def repair(  # noqa: PLR0913, PLR0917 (each is an option)
    what: Annotated[RepairAct | None, typer.Argument(help="What to do.")] = None,
    numbers: Annotated[
        list[int] | None, typer.Argument(min=1, help="IDs from gitpip publications list.")
    ] = None,
    states: States = None,
    cause: OfCause = "",
    login: OfUser = "",
    tag: Tagged = "",
    check: OfCheck = None,
    found_on: FoundOn = None,
    published_on: PublishedOn = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All publications that allow it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change without changing it.")
    ] = False,
    yes: Yes = False,
    resume: Resumed = None,
    as_json: Json = False,
) -> None:
    """Retry, skip, approve, hold or send again many publications, by ID or filter.

    send-again sends a new activity with the present settings; the old one stays in Pipedrive.

    Files that are being sent are not changed. Skipped and held files are included only with
    --state or by ID, and files that are held for credentials only by ID.
    """
    if resume is not None:
        _resume(RepairId(resume), what, as_json=as_json)
        return
    if what is None:
        acts = ", ".join(RepairAct)
        raise typer.BadParameter(f"say what to do: {acts}", param_hint="what")
    wanted = PublicationFilter(
        ids=tuple(dict.fromkeys(map(PublicationId, numbers or ()))),
        states=tuple(states or ()),
        cause=cause,
        login=login,
        tag=tag,
        check_id=check,
        found_on=day(found_on, "--found-on"),
        published_on=day(published_on, "--published-on"),
        everything=everything,
    )
    order = RepairAction(what, wanted)
    if dry_run:
        _count(order, as_json=as_json, asking=False)
        return
    if (
        not numbers
        and asks(yes=yes, as_json=as_json)
        and (total := _count(order, as_json=as_json, asking=True))
    ):
        ask()
        order = replace(order, shown=total)
    _carry_out(order, as_json=as_json)


def _resume(number: RepairId, what: RepairAct | None, *, as_json: bool) -> None:
    if what is not None:
        raise typer.BadParameter("can't be combined with another action", param_hint="--resume")
    _carry_out(number, as_json=as_json)


def _count(order: RepairAction, *, as_json: bool, asking: bool) -> int:
    """Show how many publications an order would change, and return the number."""
    counted = read(prepared_settings(), lambda rows: actions.counted(rows, order))
    _tell_counted(counted, order.act, as_json=as_json, asking=asking)
    return counted.total


def _carry_out(what: RepairId | RepairAction, *, as_json: bool) -> None:
    with progress_bar(as_json) as progress:
        task = progress.add_task("Repairing", total=None)

        def follow(done: Repair) -> None:
            progress.update(task, total=done.total, completed=done.done + done.changed)

        async def work(acting: Acting) -> Repair:
            if isinstance(what, RepairAction):
                begun = await actions.begin(acting, what)
            else:
                begun = await actions.resume(acting, what)
            return await actions.carry_out(acting, begun.id, follow=follow)

        done = act(prepared_settings(), work)
    if as_json:
        print_json(RepairBody.of(done).model_dump())
        return
    if not done.total:
        console.say("No publications match.")
        return
    console.say(f"Repair {done.id}: {done.act}, {count(done.done, 'publication')} done.")
    if done.changed:
        console.say(f"  {done.changed:,} had changed in the meantime and were skipped.")


def _tell_counted(counted: Counted, what: RepairAct, *, as_json: bool, asking: bool) -> None:
    if as_json:
        print_json(CountedBody.of(counted).model_dump())
        return
    nothing = "" if asking else " Nothing changed."
    console.say(f"{what}: {count(counted.total, 'publication')}.{nothing}")
    for one in counted.states:
        console.say(f"  {one.publications:,} {one.state}")
    for left in counted.left:
        why = f" ({LEFT[left.because]})" if left.because else ""
        if left.state is PublicationState.SENDING:
            why = " (being sent)"
        console.say(f"  {left.publications:,} {left.state}: not changed{why}")
    for cause in counted.causes:
        console.say(f"  {cause.publications:,} since: {cause.example}")
