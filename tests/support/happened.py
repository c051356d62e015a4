"""The events that were recorded, as tests compare them."""

from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.events import EventsWanted
from gitpip.store.schema_events import EventKind

Told = tuple[str, str | None, str | None]
"""The kind of an event, its user and its detail."""


async def happened(database: Database, *kinds: EventKind) -> list[Told]:
    """Return the events of these kinds, or all of them, in their order."""
    found = await events.latest(database, EventsWanted(kinds), limit=500)
    return [(str(event.kind), event.login, event.detail) for event in found]
