"""The commands about the inbox: list gists, mark them, undo that, and save filters."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer
from pydantic import BaseModel

from gitpip.actions import inbox as actions
from gitpip.actions.acting import Acting
from gitpip.actions.feeds import owner_named
from gitpip.bodies.inbox import InboxGistBody, MarkBody, SavedFilterBody
from gitpip.cli.output import (
    Json,
    Result,
    act,
    console,
    prepared_settings,
    print_json,
    print_rows,
)
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.errors import InvalidInput
from gitpip.model import GistId, VisitId
from gitpip.store.inbox import entries, filters, pages, saved
from gitpip.store.inbox.entries import InboxEntry
from gitpip.store.inbox.filters import InboxFilter
from gitpip.store.inbox.saved import FilterId, SavedFilter
from gitpip.store.visits.home import HomeVisit

inbox_app = typer.Typer(
    help="List gists of the inbox, mark them as read, and save filters.", no_args_is_help=True
)
Key = Annotated[str | None, typer.Option(help="Name of the access key whose inbox it is.")]
Tag = Annotated[str, typer.Option(help="Filter by tag of the person.")]
Language = Annotated[str, typer.Option(help="Filter by language of a file.")]
State = Annotated[str, typer.Option(help="Filter by state of a file in the CRM.")]
User = Annotated[str, typer.Option(help="Filter by username.")]
Words = Annotated[str, typer.Option("--search", help="Filter by words.")]
Show = Annotated[str, typer.Option(help="What to show: unread, today, week, month or all.")]


@inbox_app.command("list")
def list_gists(  # noqa: PLR0913 - the options of the command
    *,
    search: Words = "",
    tag: Tag = "",
    language: Language = "",
    state: State = "",
    user: User = "",
    show: Show = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Maximum number to show.")] = 25,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List unread gists, or those that a filter finds."""
    asked = _filter(search, tag, language, state, user, show)

    async def listed(acting: Acting, viewer: str) -> Sequence[InboxEntry]:
        async with acting.database.read() as transaction:
            wanted = await filters.wanted(transaction, asked, utc_now())
            found = await pages.page(transaction, viewer, wanted, before=None, limit=limit)
            return await entries.entries(transaction, viewer, found.ids, content_limit=0)

    bodies = [InboxGistBody.of(entry) for entry in _as_reader(key, listed)]
    if as_json:
        print_json([body.model_dump() for body in bodies])
        return
    rows: list[dict[str, object]] = [
        {
            "gist": body.gist_id,
            "user": body.login,
            "title": body.title,
            "found": body.found_at,
            "state": body.state,
            "unread": "unread" if body.unread else None,
        }
        for body in bodies
    ]
    print_rows(rows, as_json, "Nothing to show.")


@inbox_app.command("read")
def mark_as_read(
    gists: Annotated[list[str] | None, typer.Argument(help="IDs from gitpip inbox list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Mark all of the inbox.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Mark gists as read."""
    if everything:
        _mark(None, key, as_json, read=True)
    else:
        _mark(gists or [], key, as_json, read=True)


@inbox_app.command("unread")
def mark_as_unread(
    gists: Annotated[list[str], typer.Argument(help="IDs from gitpip inbox list.")],
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Mark gists as unread."""
    _mark(gists, key, as_json, read=False)


@inbox_app.command("undo")
def undo(
    number: Annotated[int, typer.Argument(min=1, help="ID that gitpip inbox read printed.")],
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Undo what was marked last."""
    undone = _as_reader(key, lambda acting, viewer: actions.undo(acting, viewer, VisitId(number)))
    _report(MarkBody.of(undone), as_json, "Undone.")


@inbox_app.command("filters")
def list_filters(key: Key = None, as_json: Json = False) -> None:
    """List saved filters."""

    async def kept(acting: Acting, viewer: str) -> Sequence[SavedFilter]:
        async with acting.database.read() as transaction:
            return await saved.of_viewer(transaction, viewer)

    rows: list[dict[str, object]] = [
        SavedFilterBody.of(one).model_dump() for one in _as_reader(key, kept)
    ]
    print_rows(rows, as_json, "No saved filters. Save one with: gitpip inbox save NAME --tag vip")


@inbox_app.command("save")
def save_filter(  # noqa: PLR0913 - the options of the command
    *,
    name: Annotated[str, typer.Argument(help="Name of the filter.")],
    search: Words = "",
    tag: Tag = "",
    language: Language = "",
    state: State = "",
    user: User = "",
    show: Show = "",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Save a filter. It replaces a filter of the same name."""
    asked = _filter(search, tag, language, state, user, show)
    kept = _as_reader(key, lambda acting, viewer: actions.save_filter(acting, viewer, name, asked))
    _report(SavedFilterBody.of(kept), as_json, f"Saved filter {kept.name}.")


@inbox_app.command("delete")
def delete_filter(
    number: Annotated[int, typer.Argument(min=1, help="ID from gitpip inbox filters.")],
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Delete a saved filter."""
    gone = _as_reader(
        key, lambda acting, viewer: actions.delete_filter(acting, viewer, FilterId(number))
    )
    _report(SavedFilterBody.of(gone), as_json, f"Deleted filter {gone.name}.")


def _mark(gists: Sequence[str] | None, key: str | None, as_json: bool, *, read: bool) -> None:
    """Mark these gists, or everything if None."""

    async def marked(acting: Acting, viewer: str) -> HomeVisit:
        if gists is None:
            return await actions.mark_all(acting, viewer)
        if not gists:
            raise InvalidInput("gists", "name at least one gist to mark, or everything")
        chosen = {GistId(one): None for one in gists}
        return await actions.mark(acting, viewer, chosen, read=read)

    body = MarkBody.of(_as_reader(key, marked))
    state = "read" if read else "unread"
    done = f"Marked {count(body.gists, 'gist')} as {state}."
    undo_it = f" Undo with: gitpip inbox undo {body.id}" if body.gists else ""
    _report(body, as_json, f"{done}{undo_it}")


def _as_reader(key: str | None, what: Callable[[Acting, str], Awaitable[Result]]) -> Result:
    """Do an act for the viewer that this access key is; gives what the act gives."""
    settings = prepared_settings()

    async def done(acting: Acting) -> Result:
        return await what(acting, (await owner_named(acting.database, settings, key)).viewer)

    return act(settings, done)


def _report(body: BaseModel, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(body.model_dump())
    else:
        console.say(sentence)


def _filter(search: str, tag: str, language: str, state: str, user: str, show: str) -> InboxFilter:
    given = {"q": search, "tag": tag, "language": language, "state": state, "user": user}
    return InboxFilter.of(given | {"show": show})
