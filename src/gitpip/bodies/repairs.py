"""Bodies of repairs, and of causes."""

from datetime import datetime

from gitpip.bodies.noun import NounBody
from gitpip.model import PublicationState
from gitpip.store.publications.causes import Cause
from gitpip.store.publications.repairs import Count, Counted, Repair
from gitpip.store.schema_publishing import RepairAct


class StateCountBody(NounBody[Count]):
    """How many publications are in a state."""

    state: PublicationState
    publications: int


class CauseBody(NounBody[Cause]):
    """Publications in one state for one reason. Times are UTC."""

    key: str
    """What stands for the reason in a filter."""
    state: PublicationState
    example: str
    """The reason of one of them; numbers in it differ."""
    publications: int
    users: int
    first_at: datetime
    """When the first of them came into the state, or is due where it waits."""
    last_at: datetime
    what_to_do: str


class CountedBody(NounBody[Counted]):
    """What a repair would do."""

    total: int
    states: list[StateCountBody]
    causes: list[CauseBody]
    left: list[StateCountBody]
    """What is found besides, and left: its state does not allow the act, or it is not meant."""


class RepairBody(NounBody[Repair]):
    """How far a repair is. Times are UTC."""

    id: int
    act: RepairAct
    wanted: str
    """Which publications were meant."""
    begun_by: str
    total: int
    done: int
    changed: int
    """Those that had changed when their turn came, and were left."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
