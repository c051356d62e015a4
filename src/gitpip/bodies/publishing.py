"""Bodies of a person's pause, and of what would be sent."""

from datetime import datetime

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.modes import HeldBecause
from gitpip.publish.plan import Planned, SendingPlan
from gitpip.store.status.publishing_pause import PersonsPause


class PersonsPauseBody(NounBody[PersonsPause]):
    """A person's pause of publishing. Times are UTC."""

    paused_by: str
    since: datetime
    until: datetime | None
    """Null if it lasts until someone resumes publishing."""
    reason: str


class ResumedBody(BaseModel):
    """The result for a person's pause."""

    resumed: bool
    """False if publishing was not paused."""


class PlannedBody(NounBody[Planned]):
    """One activity that would be sent, or why it would not."""

    id: int
    login: str
    filename: str
    deal_id: int | None
    """Null where the deal is still to be found or made, and where the target is no deal."""
    target: str | None
    """The user's target; null for the deal by its title."""
    subject: str
    note_bytes: int
    tokens: int
    """At the most, with those for the user's deal where this is the first that needs it."""
    held_because: HeldBecause | None
    reason: str | None
    """The reason why it would be held or skipped; null where it would be sent."""
    part_of: int | None
    """The publication with whose activity it would go out."""


class PlanBody(NounBody[SendingPlan]):
    """The files that would be sent without the dry run, in their order. Nothing is sent for
    this."""

    items: list[PlannedBody]
    activities: int
    """All that wait, also those that `items` has no room for."""
    deals: int
    tokens: int
    """The most tokens of Pipedrive's daily budget."""
    held: dict[HeldBecause, int]
    """The number of files that are held already, for each reason, and wait for a person."""
