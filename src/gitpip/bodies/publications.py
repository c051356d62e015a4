"""Bodies of publications."""

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody, TargetWords
from gitpip.model import Publication, PublicationState
from gitpip.modes import HeldBecause
from gitpip.same_activity import SentWith
from gitpip.status.reading import ServiceCondition
from gitpip.store.publications.approvals import LeftPublication, Moved


class SentWithBody(NounBody[SentWith]):
    """Another file in the same activity."""

    id: int
    """The id of its publication."""
    filename: str


class PublicationBody(NounBody[Publication]):
    """The delivery of one gist file. Times are UTC."""

    id: int
    login: str
    gist_id: str
    filename: str
    marker: str
    state: PublicationState
    due_at: datetime | None
    """The time of the next step, not before the end of a pause. Null if it is unknown: in a dry
    run, for a paused user, or during a pause without an end."""
    attempts: int
    looks: int
    reason: str | None
    deal_id: int | None
    sent_to: TargetWords
    """The user's target when it was sent; null for a deal that was found or made by its title."""
    activity_id: int | None
    published_at: datetime | None
    held_because: HeldBecause | None
    """The reason why it is or was held; a pending one with a reason was met in a dry run."""
    approved_at: datetime | None
    """The time at which a person approved it."""
    approved_by: str | None
    part_of: int | None
    """The publication whose activity holds this file, too; what became of it became of this."""
    sent_with: list[SentWithBody]
    """The one that `part_of` names, or the other files in this one's activity."""
    check_id: int | None
    """The check that found this content of the file; a filter and an undo take it as `check`."""

    @classmethod
    def under(cls, publication: Publication, stops: ServiceCondition) -> Self:
        """The body, due at the time that pauses and modes leave."""
        body = cls.of(publication)
        body.due_at = stops.due_of(publication)
        return body


class ActivityPreview(BaseModel):
    """What is sent to Pipedrive for a publication; without a deal yet, `deal_id` is null."""

    subject: str
    note: str
    deal_id: int | None
    target: str | None
    """Where it is put, or was: the user's target; null for the deal by its title."""
    type: str
    """The type of the activity, as the publishing settings name it."""
    done: bool
    owner: str
    """A user of the account; `token` is the user of the token, `deal` the owner of the deal."""
    due_date: date | None
    priority: str | None
    masked: list[str]
    """The parts that are left out of subject and note since they look like credentials, by kind and
    place."""
    credentials: list[str]
    """The parts of subject and note that look like credentials: approving the file sends them, or
    sent them."""


class LeftBody(NounBody[LeftPublication]):
    """A publication that was left as it is."""

    id: int
    state: PublicationState


class MovedBody(NounBody[Moved]):
    """The result of an act on publications."""

    ids: list[int]
    """Those that the act was done to."""
    left: list[LeftBody]
    """Those that were named and are in another state, as they were sent or skipped meanwhile."""
    for_credentials: int
    """The number of publications that were not named and stay held, as they may hold credentials:
    name each."""
