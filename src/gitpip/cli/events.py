"""The command about events: what happened, and what happens."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import typer

from gitpip.bodies.events import EventBody
from gitpip.cli import json_fields
from gitpip.cli.output import Json, console, errors, prepared_settings, print_json, run, shown
from gitpip.clock import in_json
from gitpip.config import Settings
from gitpip.errors import EventUnknown
from gitpip.model import UserKey
from gitpip.runtime.opening import opened
from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.events import Event, EventId, EventsWanted
from gitpip.store.schema_events import EventKind
from gitpip.store.users import users
from gitpip.validation import possible_login

EVENTS_PER_READING = 500
EVENTS_READ_EVERY = timedelta(seconds=1)


def show_events(
    user: Annotated[str | None, typer.Option(help="Filter by username.")] = None,
    kind: Annotated[
        list[EventKind] | None,
        typer.Option(metavar="KIND", help="Filter by kind, e.g. gist.found. Repeat for several."),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, max=2**53, help="Only events after this one (ID)."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=EVENTS_PER_READING, help="Maximum number to show.")
    ] = 50,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Show new events as they happen (Ctrl-C to stop)."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show events, oldest first. With --follow, --json prints one object per line."""
    settings = prepared_settings()
    begin = None if after is None else EventId(after)
    run(_show(settings, user, kind or (), View(begin, limit, follow, as_json)))


@dataclass(frozen=True)
class View:
    """The part of the events that is shown, and how."""

    after: EventId | None
    limit: int
    follow: bool
    as_json: bool


async def _show(
    settings: Settings, login: str | None, kinds: Sequence[EventKind], how: View
) -> None:
    async with opened(settings) as database:
        wanted = EventsWanted(kinds, await _key_of(database, login))
        if how.follow:
            await follow_events(database, wanted, how)
        else:
            _print(await _first(database, wanted, how.after, how.limit), how.as_json)


async def follow_events(database: Database, wanted: EventsWanted, how: View) -> None:
    """Print what happens, without end; starts again where the database was set back."""
    found = await _first(database, wanted, how.after, how.limit)
    last = how.after or EventId(0)
    while True:
        for event in found:
            _print_line(event, how.as_json)
            last = event.id
        sys.stdout.flush()
        if len(found) < EVENTS_PER_READING:
            await asyncio.sleep(EVENTS_READ_EVERY.total_seconds())
        try:
            found = await events.after(database, last, wanted, limit=EVENTS_PER_READING)
        except EventUnknown:
            errors.say(
                f"The database was set back to before event {last}, as by a restore: "
                "events are shown again from the last ones on."
            )
            last = EventId(0)
            found = await events.latest(database, wanted, limit=how.limit)


async def _first(
    database: Database, wanted: EventsWanted, after: EventId | None, limit: int
) -> tuple[Event, ...]:
    if after is None:
        return await events.latest(database, wanted, limit=limit)
    return await events.after(database, after, wanted, limit=limit)


async def _key_of(database: Database, login: str | None) -> UserKey | None:
    if login is None:
        return None
    async with database.read() as transaction:
        return (await users.find(transaction, possible_login(login))).key


def _print(found: Sequence[Event], as_json: bool) -> None:
    if as_json:
        print_json([EventBody.of(event).model_dump() for event in found])
    elif not found:
        console.say("No events yet.")
    else:
        for event in found:
            _print_line(event, as_json)


def _print_line(event: Event, as_json: bool) -> None:
    if as_json:
        row = EventBody.of(event).model_dump() | {"happened_at": in_json(event.happened_at)}
        sys.stdout.write(json_fields.as_json(row, indent=None) + "\n")
        return
    about = " ".join(word for word in (event.login, event.gist_id, event.detail) if word)
    console.say(f"  {event.kind}  {about}", lead=shown(event.happened_at), style="dim")
