"""Bodies of repairs, and of causes."""

from datetime import datetime

from gitpip.bodies.noun import NounBody
from gitpip.model import PublicationState
from gitpip.store.publications.causes import Cause
from gitpip.store.publications.repairs import (
    Counted,
    LeftCount,
    PublicationLeftBecause,
    Repair,
    StateCount,
)
from gitpip.store.schema_publishing import RepairAct


class StateCountBody(NounBody[StateCount]):
    """The number of publications in a state."""

    state: PublicationState
    publications: int


class LeftByRepairBody(NounBody[LeftCount]):
    """Publications that a repair leaves as they are."""

    state: PublicationState
    because: PublicationLeftBecause | None
    """The reason; null if their state does not allow the act, or if the filter does not mean it."""
    publications: int


class CauseBody(NounBody[Cause]):
    """Publications in one state for one reason. Times are UTC."""

    key: str
    """The value of the filter `cause` that finds this cause."""
    state: PublicationState
    example: str
    """The reason of one of them; numbers in it differ."""
    publications: int
    users: int
    first_at: datetime
    """The time at which the first of them came into the state, or is due where it waits."""
    last_at: datetime
    what_to_do: str


class CountedBody(NounBody[Counted]):
    """A preview of a repair."""

    total: int
    states: list[StateCountBody]
    causes: list[CauseBody]
    left: list[LeftByRepairBody]
    """The other publications that are found."""


class RepairBody(NounBody[Repair]):
    """The progress of a repair. Times are UTC."""

    id: int
    act: RepairAct
    wanted: str
    """The publications that were chosen."""
    begun_by: str
    total: int
    done: int
    changed: int
    """Those that had changed when their turn came, and were left."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
