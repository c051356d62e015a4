"""The commands about publications, and about notes that Pipedrive refused."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from gitpip.actions import publications as actions
from gitpip.actions import repairs as repair_acts
from gitpip.actions.repairs import RepairAction
from gitpip.bodies.publications import MovedBody, PublicationBody
from gitpip.bodies.status import NotesBody
from gitpip.cli import repairs
from gitpip.cli.asking import Yes, ask, asks
from gitpip.cli.held import say_left_for_credentials
from gitpip.cli.output import (
    Json,
    act,
    console,
    day,
    errors,
    prepared_settings,
    print_facts,
    print_json,
    print_rows,
    print_text,
    read,
    read_stops_now,
)
from gitpip.cli.repairs import FoundOn, OfCause, OfCheck, PublishedOn, States, Tagged
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.model import Page, Publication, PublicationId, PublicationState
from gitpip.modes import FoundCredentials
from gitpip.publish.activity import Rendered
from gitpip.publish.credentials.findings import listed
from gitpip.publish.policy import Policies
from gitpip.publish.preview import PreviewedFields, RenderOptions, conditions, previewed
from gitpip.same_activity import in_words
from gitpip.status.reading import ProcessFacts, ServiceCondition, read_stops
from gitpip.store.database import Transaction
from gitpip.store.publications import publications, undone
from gitpip.store.publications.approvals import Moved
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_publishing import RepairAct

MAX_LISTED = 1_000
Shown = tuple[Rendered, PreviewedFields, bool]

publications_app = typer.Typer(
    help="List, show, approve, hold, retry and skip files on their way to Pipedrive.",
    no_args_is_help=True,
)
publications_app.command("causes")(repairs.list_causes)
publications_app.command("repair")(repairs.repair)
publications_app.command("repairs")(repairs.list_repairs)
Number = Annotated[int, typer.Argument(min=1, help="ID from gitpip publications list.")]
OfCredentials = Annotated[
    FoundCredentials,
    typer.Option(help="What looks like credentials in a held file: send it, or leave it out."),
]
OfApproval = Annotated[
    FoundCredentials | None,
    typer.Option(
        help="What looks like credentials in a held file: send it, or leave it out. "
        "Default: as decided before, else publish."
    ),
]


@publications_app.command("list")
def list_publications(  # noqa: PLR0913, PLR0917 (each is an option)
    states: States = None,
    cause: OfCause = "",
    login: repairs.OfUser = "",
    tag: Tagged = "",
    check: OfCheck = None,
    found_on: FoundOn = None,
    published_on: PublishedOn = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Maximum number to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List publications, newest first."""

    settings = prepared_settings()
    wanted = PublicationFilter(
        states=tuple(states or ()),
        cause=cause,
        login=login,
        tag=tag,
        check_id=check,
        found_on=day(found_on, "--found-on"),
        published_on=day(published_on, "--published-on"),
    )

    async def listed(transaction: Transaction) -> tuple[Page[Publication], ServiceCondition]:
        page = await publications.page(transaction, wanted, offset=0, limit=limit)
        return page, await read_stops(transaction, ProcessFacts(settings), utc_now())

    page, stops = read(settings, listed)
    if as_json:
        print_json([_facts(publication, stops) for publication in page.items])
        return
    rows: list[dict[str, object]] = [
        {
            "id": publication.id,
            "login": publication.login,
            "filename": publication.filename,
            "state": publication.state,
            "due_at": stops.due_of(publication),
            "activity": publication.activity_id,
            "reason": "; ".join(filter(None, [publication.reason, _together(publication)])),
        }
        for publication in page.items
    ]
    fitting = f"{' or '.join(states)} " if states else ""
    print_rows(rows, as_json, f"No {fitting}publications.")
    if page.total > len(page.items):
        errors.say(f"Showing {len(page.items)} of {page.total:,}. Use --limit to show more.")


@publications_app.command("show")
def show_publication(
    number: Number,
    credentials: OfCredentials = FoundCredentials.PUBLISH,
    as_json: Json = False,
) -> None:
    """Show one publication and its activity, as it would be sent now."""
    settings = prepared_settings()

    async def found(transaction: Transaction) -> tuple[Publication, ServiceCondition, Shown]:
        policies = Policies(settings.publishing)
        publication = await publications.get(transaction, PublicationId(number))
        stops = await read_stops(transaction, ProcessFacts(settings), utc_now())
        activity = await previewed(
            transaction,
            publication.file_key,
            publication.revision,
            options=RenderOptions(settings.on_edit, settings.on_delete, policies),
            credentials=credentials,
        )
        sent = await conditions(transaction, activity.day, policies=policies, now=utc_now())
        adopted = await undone.is_of_another_tool(transaction, publication.id)
        return publication, stops, (activity, sent, adopted)

    publication, stops, (activity, sent, adopted) = read(settings, found)
    facts = _facts(publication, stops) | asdict(sent)
    facts |= {"masked": activity.masked, "credentials": activity.credentials}
    subject = {"subject": activity.subject}
    if as_json:
        print_json(facts | subject | {"note": activity.note})
    else:
        as_words = {
            "done": "yes" if sent.done else "no",
            "masked": listed(activity.masked) or None,
            "credentials": _with_credentials(publication, activity),
            "sent_with": ", ".join(f"{one.filename} ({one.id})" for one in publication.sent_with),
        }
        print_facts(facts | as_words | subject)
        print_text("note", activity.note)
        if adopted:
            console.say("Another tool made the activity in Pipedrive, and gitpip adopted it.")
        elif publication.state is PublicationState.PUBLISHED:
            console.say(
                "The activity is shown as it would be sent now. The one in Pipedrive may differ."
            )


@publications_app.command("retry")
def retry_publication(
    number: Number,
    credentials: OfApproval = None,
    as_json: Json = False,
) -> None:
    """Retry a failed, skipped, held or queued publication now."""
    settings = prepared_settings()
    moved = act(settings, lambda acting: actions.retry(acting, PublicationId(number), credentials))
    if as_json:
        print_json(_facts(moved, read_stops_now(settings)))
    else:
        console.say(
            f"A running service sends {moved.filename} of {moved.login} within seconds. "
            "If none runs: gitpip publish"
        )


Numbers = Annotated[
    list[int] | None, typer.Argument(min=1, help="IDs from gitpip publications list.")
]
OfUser = Annotated[str, typer.Option("--user", help="All of this user's publications.")]
Everything = Annotated[bool, typer.Option("--all", help="All publications.")]


@publications_app.command("approve")
def approve_publications(
    numbers: Numbers = None,
    login: OfUser = "",
    everything: Everything = False,
    credentials: OfApproval = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Approve held publications. They are sent and not held again."""
    which = _which(numbers, login, everything=everything)
    settings = prepared_settings()
    if (login or everything) and not numbers and asks(yes=yes, as_json=as_json):
        order = RepairAction(
            RepairAct.APPROVE, PublicationFilter(states=(PublicationState.HELD,), login=login)
        )
        found = read(settings, lambda transaction: repair_acts.counted(transaction, order))
        if found.total:
            ask(f"{count(found.total, 'held publication')} would be approved, and sent.")
    moved = act(settings, lambda acting: actions.approve(acting, which, credentials))
    _tell(moved, "Approved", as_json=as_json)


@publications_app.command("hold")
def hold_publications(
    numbers: Numbers = None,
    login: OfUser = "",
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Hold queued publications until someone approves them."""
    which = _which(numbers, login, everything=everything)
    moved = act(prepared_settings(), lambda acting: actions.hold(acting, which))
    _tell(moved, "Held", as_json=as_json)


def _which(numbers: list[int] | None, login: str, *, everything: bool) -> actions.PublicationChoice:
    return actions.PublicationChoice(
        [PublicationId(each) for each in numbers or ()], login, everything
    )


def _tell(moved: Moved, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(MovedBody.of(moved).model_dump())
        return
    console.say(f"{done} {count(len(moved.ids), 'publication')}.")
    say_left_for_credentials(moved.for_credentials)
    for left in moved.left:
        console.say(f"  Publication {left.id} is {left.state} and was not changed.")


@publications_app.command("skip")
def skip_publication(number: Number, as_json: Json = False) -> None:
    """Skip a publication. It is not sent."""
    settings = prepared_settings()
    moved = act(settings, lambda acting: actions.skip(acting, PublicationId(number)))
    if as_json:
        print_json(_facts(moved, read_stops_now(settings)))
    else:
        console.say(f"Skipped {moved.filename} of {moved.login}.")


def settle_notes(
    what: Annotated[Literal["retry", "leave"], typer.Argument(help="Retry, or leave as they are.")],
    as_json: Json = False,
) -> None:
    """Retry notes that Pipedrive rejected, or leave them as they are."""
    again = what == "retry"
    number = act(
        prepared_settings(), lambda acting: actions.settle_failed_notes(acting, again=again)
    )
    if as_json:
        print_json(NotesBody(notes=number).model_dump())
    elif not number:
        console.say("No rejected notes.")
    else:
        done = "Retrying" if again else "Left as in Pipedrive:"
        console.say(f"{done} {count(number, 'note')}.")


def _with_credentials(publication: Publication, activity: Rendered) -> str | None:
    """Return what in the note looks like a credential, and what an approval does."""
    if not activity.credentials:
        return None
    is_held = publication.state is PublicationState.HELD
    doing = ". Approving sends the note as it is shown here" if is_held else ""
    if is_held and activity.can_be_masked:
        doing += "; --credentials mask leaves them out"
    return listed(activity.credentials) + doing


def _together(publication: Publication) -> str:
    is_sent = publication.state is PublicationState.PUBLISHED
    return in_words(publication.sent_with, publication.activity_id, is_sent=is_sent)


def _facts(publication: Publication, stops: ServiceCondition) -> dict[str, object]:
    return PublicationBody.under(publication, stops).model_dump()
