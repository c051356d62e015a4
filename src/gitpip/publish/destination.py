"""What publishing needs of a CRM: the Protocol that it implements, and what its answers hold.

It has deals, and activities under them. Only `runtime` and `doctor`, which open it, import the
package of one.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from gitpip.drift import Drift
from gitpip.model import ActivityId, Deal, DealId
from gitpip.publish.catalog import ActivityFields, Catalog, DealFields, Field, Listed
from gitpip.publish.delivery import Accepted, Ambiguous, Denied, NotProcessed, Outcome
from gitpip.store.database import Database
from gitpip.store.users.targets import Seen
from gitpip.targets import NO_LINKS, Links, Target, TargetKind

UNREAD_ENTRIES = Ambiguous("the list holds something that can't be read")
DAILY_RESERVE = 30
"""How many tokens are left unspent: the next step may need a list, a post and a get."""
Sign = tuple[str | None, str | None]
"""What tells whose deal it is: a user's id in a custom field, or a title in lower case."""


@dataclass(frozen=True)
class DealsCapped(Denied):
    """The account's limit of open deals is reached: no deal can be made for now."""


@dataclass(frozen=True)
class Written(Accepted):
    """A note was written anew."""

    at: datetime | None
    """The time by the CRM's clock; None where it is not told."""


class LookFailed(Exception):
    """A list could not be read to its end; what it did not show proves nothing."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(getattr(outcome, "reason", ""))


class DealNotRead(LookFailed):
    """One deal could not be read: that says nothing of other users' deals."""

    def __init__(self, deal_id: int, failure: LookFailed) -> None:
        outcome = failure.outcome
        if not isinstance(outcome, NotProcessed | Accepted):
            outcome = replace(outcome, reason=f"deal {deal_id} can't be read: {outcome.reason}")
        super().__init__(outcome)


@dataclass(frozen=True)
class Item:
    """A deal or an activity in a list."""

    id: int
    text: str
    """The title or subject."""
    note: str | None
    is_open: bool
    """Whether it is a deal that is open: neither won, lost, deleted nor archived."""
    drift: Drift | None = None
    """What became of a deal that is not open any more."""
    deal_id: int | None = None
    """The deal that an activity is under."""
    creator_id: int | None = None
    added_at: datetime | None = None
    """The time by the CRM's clock."""
    custom_fields: Mapping[str, object] = field(default_factory=dict)
    owner_id: int | None = None
    person_id: int | None = None
    """The person and the organization of a deal."""
    org_id: int | None = None

    @property
    def links(self) -> Links:
        """The same."""
        return Links(self.person_id, self.org_id)


@dataclass(frozen=True)
class Place:
    """Where an activity is put, and who is linked beside a deal or lead."""

    target: Target
    person_id: int | None = None
    org_id: int | None = None
    given: bool = False
    """Whether a person gave it, so that it is no deal that was found or made by its title."""

    @classmethod
    def deal(cls, deal_id: DealId, links: Links = NO_LINKS) -> "Place":
        """A deal that was found or made by its title."""
        return cls(Target(TargetKind.DEAL, str(deal_id)), links.person_id, links.org_id)

    @property
    def links(self) -> Links:
        """Who is linked beside it."""
        return Links(self.person_id, self.org_id)

    @property
    def deal_id(self) -> DealId | None:
        """The deal; None for everything else."""
        return DealId(self.target.number) if self.target.kind is TargetKind.DEAL else None


@dataclass(frozen=True)
class Unusable:
    """Nothing can be put there: what is wrong with it."""

    reason: str


@dataclass(frozen=True)
class Hit:
    """What a search found."""

    target: Target
    title: str
    person: str | None
    """The names of a deal's or lead's person and organization."""
    organization: str | None
    owner_id: int | None
    fault: str | None
    """Why it can't be chosen."""


@dataclass(frozen=True)
class Owner:
    """The user and the company that the token belongs to."""

    user_id: int
    name: str
    company_id: int
    company: str
    domain: str | None
    """The company's part of COMPANY.pipedrive.com; None where Pipedrive names none."""

    def __str__(self) -> str:
        return f"{self.name} of {self.company}"


@dataclass(frozen=True)
class Activity(Item):
    """An activity in a list, with what tells whether somebody has touched it."""

    untouched: bool = False
    """Whether nobody has changed it since it was made."""
    done_since: bool = False
    """Whether it was marked as done after it was made."""
    changed_at: datetime | None = None
    """When it was changed last, by the CRM's clock; None where that is not told."""

    def is_as_written(self, note_written_at: datetime | None) -> bool:
        """Whether nobody has changed it since it was made, or since gitpip last wrote its note."""
        by_us = note_written_at is not None and self.changed_at == note_written_at
        return self.untouched or by_us


@dataclass(frozen=True)
class DealContents:
    """A deal with what tells whether it is empty, and as it was made."""

    deal: Item
    holds: Mapping[str, int | None]
    """How many notes, files and so on it has, by their names; None where that is not told."""
    value: float | None
    stage_changed: bool
    made_by_hand: bool
    """Whether it was made in the application, and not by a program."""


@dataclass(frozen=True)
class ListPage:
    """One page of a list; `cursor` leads to the next one, None at the end.

    `at` is when it was read, by the CRM's clock; None where that is not told. `unread` counts
    what could not be read.
    """

    items: tuple[Item, ...]
    cursor: str | None
    at: datetime | None
    unread: int = 0


@dataclass(frozen=True)
class Activities:
    """One page of a list of activities, and when it was read by the CRM's clock."""

    items: tuple[Activity, ...]
    at: datetime | None
    is_last: bool
    unread: int = 0


class Turn(Protocol):
    """Leave to make one request: see `Destination.turn`."""

    def end(self, headers: Mapping[str, str] | None) -> None:
        """The request has ended, with its answer's headers where there was an answer."""

    def give_back(self) -> None:
        """No request was made; nothing happens if one was."""


class DealFinder(Protocol):
    """Finds and makes users' deals, and remembers which are open."""

    async def prepare(self) -> None:
        """Learn what tells whose deal is whose. Raises LookFailed where that is to wait."""

    async def find(self, wanted: Deal, titles: Sequence[str]) -> Item | None:
        """The open deal of a user, which can have one of these titles. Raises LookFailed."""

    async def create(self, wanted: Deal, title: str, fields: DealFields, turn: Turn) -> Outcome:
        """Make a user's deal; Accepted holds its id."""

    async def belongs(self, deal: Item, wanted: Deal) -> bool:
        """Whether a deal is this user's, and no other's."""

    def sign(self, deal: Item) -> Sign:
        """What tells whose deal it is."""

    def signs(self, wanted: Deal) -> frozenset[Sign]:
        """What one of this user's deals can have."""

    def note(self, deal: Item) -> None:
        """Remember a deal as it was seen in a list, or made."""

    def drop(self, deal_id: int) -> None:
        """Forget a deal that is not open any more."""


class Destination(Protocol):
    """One account of a CRM, under the token that is set; any number of requests at a time.

    A method that reads raises LookFailed where it could not read to the end; one that writes
    returns an outcome. Times are the CRM's own, UTC.
    """

    has_token: bool
    fingerprint: str
    """What tells one token from another, and tells nothing of the token."""
    answers_received: int
    """How many answers have arrived."""
    daily_remaining: int | None
    """Tokens left today, as last announced."""
    daily_limit: int | None
    now: datetime | None
    """The time by the CRM's clock, as last announced."""
    deal_fields: tuple[Field, ...] | None
    """The fields of deals, where they were read while our own one was looked for."""
    sent: dict[str, float]
    """The subjects of activities that were sent lately, and when by the monotonic clock."""
    seen: Callable[[Sequence[Item]], None]
    """Is shown all activities of every list."""

    @property
    def burst(self) -> int:
        """How many requests may be made at once."""

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Leave to make one request, once the pace allows it: take it before a lease."""

    async def owner(self) -> Owner:
        """The user and the company that the token belongs to."""

    def expect_admission(self) -> None:
        """From now on ask nothing but whose token it is, until that token is admitted."""

    def admit(self, fingerprint: str) -> None:
        """Ask under the token with this fingerprint, and no other: its account is the right one."""

    def deal_finder(self, database: Database, now: Callable[[], datetime]) -> DealFinder:
        """Finds this account's deals; `now` tells our own time (UTC)."""

    async def deal(self, deal_id: DealId) -> Item | None:
        """A deal as it is now; None if it was deleted."""

    async def deal_contents(self, deal_id: DealId) -> DealContents | None:
        """A deal as it is now, with what it holds; None if it was deleted."""

    async def delete_deal(self, deal_id: DealId) -> Outcome:
        """Delete a deal; one that is gone already is deleted."""

    async def target(self, target: Target) -> Seen | Unusable:
        """What a target is now, or why nothing can be put there."""

    def deals_since(self, since: datetime | None) -> AsyncIterator[ListPage]:
        """The deals that changed after `since`, or all, newest first."""

    async def catalog(self, wanted: Collection[Listed]) -> Catalog:
        """These lists of the account."""

    async def create_activity(
        self,
        *,
        place: Place,
        subject: str,
        note: str,
        fields: ActivityFields,
        turn: Turn | None = None,
    ) -> Outcome:
        """Make an activity at a place; Accepted holds its id."""

    async def rewrite_note(self, activity_id: ActivityId, note: str) -> Outcome:
        """Give an activity another note; doing it twice does no harm."""

    async def activity(self, activity_id: ActivityId) -> Activity | None:
        """An activity as it is now; None if it was deleted."""

    async def delete_activity(self, activity_id: ActivityId) -> Outcome:
        """Delete an activity; one that is gone already is deleted."""

    def activities(
        self, deal_id: DealId | None, *, since: datetime | None
    ) -> AsyncIterator[Activities]:
        """Activities that changed after `since`, or all, newest first; of one deal or of all."""

    async def activity_page(self, cursor: str | None) -> ListPage:
        """A page of all activities, the newest first."""

    async def deal_list_page(self, cursor: str | None) -> ListPage:
        """A page of all deals, open or not, the newest first."""

    async def existing_activities(self, ids: Sequence[int]) -> frozenset[ActivityId]:
        """Those of at most 100 that were not deleted."""
