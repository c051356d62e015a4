"""Bodies of undos."""

from datetime import datetime
from typing import Self

from gitpip.bodies.noun import NounBody
from gitpip.status.reading import ServiceCondition
from gitpip.store.publications.undone_deals import UndoneDeal
from gitpip.store.publications.undos import Undo, Undone, UndoPlan
from gitpip.store.schema_undo import UndoneState, UndoScope
from gitpip.store.status import pauses


class UndoPlanBody(NounBody[UndoPlan]):
    """A preview of an undo, in publications."""

    subject: str
    total: int
    to_delete: int
    """The number of publications in Pipedrive: their activities are deleted, if no one has changed
    them."""
    to_settle: int
    """Being sent or looked for: once that is known, they are deleted or never sent."""
    to_withdraw: int
    """Not sent yet; they will not be."""
    done: int
    """Undone before."""
    under_way: int
    """Being undone already."""
    kept: int
    """They share an activity with files that are not undone."""
    kept_of_others: int
    """Another tool made their activities, and gitpip adopted these."""
    kept_before: int
    """Some of those to delete: an earlier undo kept their activities, because a person had changed
    them."""
    which: UndoScope
    earlier: int
    """Activities from before a person had the publication sent again; they are deleted, too."""
    activities: int
    """The number of activities that are deleted, if no one has changed them."""
    deals: int
    """The number of deals that gitpip made for these users: each that is empty then can go with
    them."""
    with_deals: bool
    tokens: int
    """The tokens of Pipedrive's daily budget that it takes, as far as nothing fails."""


class UndoBody(NounBody[Undo]):
    """One undo. Times are UTC."""

    id: int
    subject: str
    asked_at: datetime
    asked_by: str
    total: int
    which: UndoScope
    """The activities that are undone of a file that a person had sent again."""
    counts: dict[UndoneState, int]
    """The number of publications with this result so far."""
    with_deals: bool
    """True if deals that gitpip made and that are empty after it are deleted, too."""
    deal_counts: dict[UndoneState, int]
    """The number of deals with this result so far."""
    stopped_because: str | None
    """The reason why it goes on only after `resume`."""
    stopped_at: datetime | None
    waits_because: str | None = None
    """The reason why nothing can be deleted now, as a pause of publishing; null if it ended."""
    ended_at: datetime | None

    @classmethod
    def under(cls, undo: Undo, stops: ServiceCondition) -> Self:
        """The body, with what holds the undo up."""
        body = cls.of(undo)
        if not undo.ended_at and (problem := stops.held_up(pauses.PUBLISHING)):
            body.waits_because = problem.sentence
        return body


class UndoneBody(NounBody[Undone]):
    """One publication of an undo. Times are UTC."""

    publication_id: int
    login: str
    filename: str
    state: UndoneState
    activity_id: int | None
    reason: str | None
    """The reason why its activity is kept, or could not be deleted."""
    ended_at: datetime | None


class UndoneDealBody(NounBody[UndoneDeal]):
    """One deal of an undo. Times are UTC."""

    deal_id: int
    login: str
    state: UndoneState
    reason: str | None
    """The reason why it is kept, or could not be deleted."""
    ended_at: datetime | None
