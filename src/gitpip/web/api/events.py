"""`/api/v1/events`: what happened, for programs that follow it."""

from typing import Annotated

from fastapi import Query

from gitpip.bodies.events import EventBody, EventsBody
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.store import events
from gitpip.store.events import EventId, EventsWanted
from gitpip.store.schema_events import EventKind
from gitpip.store.users import users
from gitpip.validation import possible_login
from gitpip.web.api.parameters import Limit
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context

router = api_router()

After = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="The `last` of the answer before: what came after it."),
]
Before = Annotated[
    int | None, Query(ge=0, le=2**53, description="An event's id: what came before it.")
]
Kinds = Annotated[list[EventKind], Query(description="Only these kinds.")]
OfUser = Annotated[str | None, Query(max_length=100, description="Only about this user.")]


@router.get("/events", tags=["events"])
@needs(Role.VIEWER)
async def list_events(
    context: Context,
    kind: Kinds = [],  # noqa: B006 - FastAPI copies it
    user: OfUser = None,
    after: After = None,
    before: Before = None,
    limit: Limit = 100,
) -> EventsBody:
    """List events, oldest first: the first ones after `after`, or else the latest ones.

    To get every event once, pass the `last` of each answer as `after` of the next request. Events
    are kept for 90 days. Events of removed users are left out, and removing a user is no event: the
    audit log has it. A program that has read past them does not get them later, even if the user is
    added again.

    An `after` above every known id is answered with 409 (`event-unknown`): the database was
    restored from a backup. Start again without `after`.
    """
    if after is not None and before is not None:
        raise InvalidInput("before", "can't be given together with after")
    key = None
    if user is not None:
        async with context.database.read() as transaction:
            key = (await users.find(transaction, possible_login(user))).key
    wanted = EventsWanted(kind, key)
    if after is not None:
        found = await events.after(context.database, EventId(after), wanted, limit=limit)
    else:
        end = None if before is None else EventId(before)
        found = await events.latest(context.database, wanted, limit=limit, before=end)
    last = found[-1].id if found else after or 0
    return EventsBody(items=[EventBody.of(event) for event in found], last=last)
