"""The commands about publications, and about notes that Pipedrive refused."""

from typing import Annotated, Literal

import typer

from gitpip.actions import publications as actions
from gitpip.cli.output import (
    Json,
    act,
    console,
    prepared_settings,
    print_facts,
    print_json,
    print_rows,
    read,
)
from gitpip.model import Page, Publication, PublicationId, PublicationState
from gitpip.publish.activity import Rendered
from gitpip.publish.policy import Policies
from gitpip.publish.preview import rendered
from gitpip.status.problem import count
from gitpip.store.database import Transaction
from gitpip.store.publications import publications
from gitpip.web.api.schemas import PublicationBody

MOST = 1_000

publications_app = typer.Typer(
    help="List, show, retry and skip publications: the files that go to Pipedrive.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(min=1, help="The number of the publication.")]


@publications_app.command("list")
def list_publications(
    state: Annotated[PublicationState | None, typer.Option(help="Only those in a state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the publications, newest first."""

    async def listed(transaction: Transaction) -> Page[Publication]:
        return await publications.page(transaction, offset=0, limit=limit, state=state)

    page = read(prepared_settings(), listed)
    if as_json:
        print_json([_facts(publication) for publication in page.items])
        return
    rows: list[dict[str, object]] = [
        {
            "id": publication.id,
            "login": publication.login,
            "filename": publication.filename,
            "state": publication.state,
            "due_at": publication.due_at,
            "activity": publication.activity_id,
            "reason": publication.reason,
        }
        for publication in page.items
    ]
    print_rows(rows, as_json, "There are no publications" + (f" {state}." if state else "."))
    if page.total > len(page.items):
        console.say(f"These are {len(page.items)} of {page.total:,}; --limit shows more.")


@publications_app.command("show")
def show_publication(number: Number, as_json: Json = False) -> None:
    """Show one publication, and what exactly is or would be sent."""
    settings = prepared_settings()

    async def found(transaction: Transaction) -> tuple[Publication, Rendered]:
        publication = await publications.get(transaction, PublicationId(number))
        return publication, await rendered(
            transaction,
            publication.file_key,
            publication.revision,
            on_edit=settings.on_edit,
            on_delete=settings.on_delete,
            policies=Policies(settings.publishing),
        )

    publication, activity = read(settings, found)
    facts = _facts(publication) | {"subject": activity.subject, "note": activity.note}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@publications_app.command("retry")
def retry_publication(number: Number, as_json: Json = False) -> None:
    """Send a publication that failed, was skipped or is held, or one that waits, now."""
    moved = act(prepared_settings(), lambda acting: actions.retry(acting, PublicationId(number)))
    if as_json:
        print_json(_facts(moved))
    else:
        console.say(
            f"{moved.filename} of {moved.login} is sent within seconds if gitpip serves; "
            "otherwise run gitpip publish."
        )


@publications_app.command("skip")
def skip_publication(number: Number, as_json: Json = False) -> None:
    """Decide that a publication is not to be sent."""
    moved = act(prepared_settings(), lambda acting: actions.skip(acting, PublicationId(number)))
    if as_json:
        print_json(_facts(moved))
    else:
        console.say(f"{moved.filename} of {moved.login} is not sent.")


def settle_notes(
    what: Annotated[
        Literal["retry", "leave"], typer.Argument(help="Write them once more, or leave them.")
    ],
    as_json: Json = False,
) -> None:
    """Write the notes that Pipedrive refused once more, or leave them as they are."""
    again = what == "retry"
    number = act(
        prepared_settings(), lambda acting: actions.settle_failed_notes(acting, again=again)
    )
    if as_json:
        print_json({"notes": number})
    elif not number:
        console.say("Pipedrive refused no note that was not settled since.")
    else:
        done = "to be written once more" if again else "left as they are in Pipedrive"
        console.say(f"{count(number, 'note')} {done}.")


def _facts(publication: Publication) -> dict[str, object]:
    return PublicationBody.of(publication).model_dump()
