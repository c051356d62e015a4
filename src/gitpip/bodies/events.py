"""Bodies of events."""

from datetime import datetime

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.store.events import Event
from gitpip.store.schema_events import EventKind


class EventBody(NounBody[Event]):
    """Something that happened. Times are UTC."""

    id: int
    happened_at: datetime
    kind: EventKind | str
    login: str | None
    gist_id: str | None
    publication_id: int | None
    detail: str | None


class EventsBody(BaseModel):
    """Events in the order in which they happened."""

    items: list[EventBody]
    last: int
    """The id of the last one, to be given as `after` next time."""
