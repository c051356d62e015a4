"""The Protocol of a CRM to publish to, and the contents of its answers.

A CRM has deals, and activities under them. Only `runtime/account_access.py`, which makes the
client, imports the package of one.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from gitpip.drift import Drift
from gitpip.model import ActivityId, Deal, DealId
from gitpip.publish.catalog import ActivityFields, Catalog, DealFields, Field, Listed
from gitpip.publish.delivery import Accepted, Ambiguous, Denied, NotProcessed, Outcome
from gitpip.store.database import Database
from gitpip.store.users.targets import SeenTarget
from gitpip.targets import NO_LINKS, DealLinks, Target, TargetKind

UNREAD_ENTRIES = Ambiguous("the list holds something that can't be read")
DAILY_RESERVE = 30
"""The tokens left unspent: the next step may need a list, a post and a get."""
Sign = tuple[str | None, str | None]
"""The sign of whose deal it is: a user's id in a custom field, or a title in lower case."""


@dataclass(frozen=True)
class DealsCapped(Denied):
    """The account's limit of open deals is reached: no deal can be made for now."""


@dataclass(frozen=True)
class NoteWritten(Accepted):
    """A note was rewritten."""

    at: datetime | None
    """The time by the CRM's clock; None if it is not known."""


class LookFailed(Exception):
    """A list could not be read to its end, so that absence from it proves nothing."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(getattr(outcome, "reason", ""))

    @property
    def says_nothing(self) -> bool:
        """Whether the next request may well be answered: there is nothing to wait for."""
        return isinstance(self.outcome, Ambiguous) and self.outcome.pause is None

    @property
    def ends_with_pause(self) -> bool:
        """Whether only the pause of all publishing, which may end early, delays the next look."""
        return isinstance(self.outcome, NotProcessed) and self.outcome.everyone


class DealNotRead(LookFailed):
    """One deal could not be read, which says nothing about the deals of other users."""

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
    """Whether it is an open deal: neither won, lost, deleted nor archived."""
    drift: Drift | None = None
    """The change of a deal that is no longer open."""
    deal_id: int | None = None
    """The deal under which an activity is."""
    creator_id: int | None = None
    added_at: datetime | None = None
    """The time at which it was added, by the CRM's clock."""
    custom_fields: Mapping[str, object] = field(default_factory=dict)
    owner_id: int | None = None
    person_id: int | None = None
    """The person and the organization of a deal."""
    org_id: int | None = None

    @property
    def links(self) -> DealLinks:
        """The same, as `DealLinks`."""
        return DealLinks(self.person_id, self.org_id)


@dataclass(frozen=True)
class Place:
    """The place of an activity, and what is linked in addition to a deal or lead."""

    target: Target
    person_id: int | None = None
    org_id: int | None = None
    given: bool = False
    """Whether a person chose it, rather than a deal that was found or made by its title."""

    @classmethod
    def deal(cls, deal_id: DealId, links: DealLinks = NO_LINKS) -> "Place":
        """Return the place of a deal that was found or made by its title."""
        return cls(Target(TargetKind.DEAL, str(deal_id)), links.person_id, links.org_id)

    @property
    def links(self) -> DealLinks:
        """The person and organization linked in addition to it."""
        return DealLinks(self.person_id, self.org_id)

    @property
    def deal_id(self) -> DealId | None:
        """The deal, or None for any other place."""
        return DealId(self.target.number) if self.target.kind is TargetKind.DEAL else None


@dataclass(frozen=True)
class Unusable:
    """Nothing can be put there, for this reason."""

    reason: str


@dataclass(frozen=True)
class SearchHit:
    """A hit of a search."""

    target: Target
    title: str
    person: str | None
    """The names of a deal's or lead's person and organization."""
    organization: str | None
    owner_id: int | None
    fault: str | None
    """The reason why it can't be chosen."""


@dataclass(frozen=True)
class TokenOwner:
    """The user and the company that the token belongs to."""

    user_id: int
    name: str
    company_id: int
    company: str
    domain: str | None
    """The company's part of COMPANY.pipedrive.com, or None if Pipedrive names none."""

    def __str__(self) -> str:
        return f"{self.name} of {self.company}"


@dataclass(frozen=True)
class ListedActivity(Item):
    """An activity in a list, with the fields that show whether a person has changed it."""

    untouched: bool = False
    """Whether it is unchanged since it was made."""
    done_since: bool = False
    """Whether it was marked as done after it was made."""
    changed_at: datetime | None = None
    """The time of its last change, by the CRM's clock, or None if that is not told."""

    def is_as_written(self, note_written_at: datetime | None) -> bool:
        """Return whether it is unchanged since it was made, or since gitpip last wrote its note."""
        by_us = note_written_at is not None and self.changed_at == note_written_at
        return self.untouched or by_us


@dataclass(frozen=True)
class DealContents:
    """A deal with the fields that show whether it is empty and as it was made."""

    deal: Item
    holds: Mapping[str, int | None]
    """The number of notes, files and so on in it, by name, or None if that is not told."""
    value: float | None
    stage_changed: bool
    made_by_hand: bool
    """Whether it was made in the application, and not by a program."""


@dataclass(frozen=True)
class ListPage:
    """One page of a list. `cursor` leads to the next one; None at the end.

    `at` is when it was read, by the CRM's clock, or None if that is not told. `unread` is the
    number of entries that could not be read.
    """

    items: tuple[Item, ...]
    cursor: str | None
    at: datetime | None
    unread: int = 0


@dataclass(frozen=True)
class Activities:
    """One page of a list of activities, and when it was read by the CRM's clock."""

    items: tuple[ListedActivity, ...]
    at: datetime | None
    is_last: bool
    unread: int = 0


class Turn(Protocol):
    """Permission to make one request: see `Destination.turn`."""

    def end(self, headers: Mapping[str, str] | None) -> None:
        """Note that the request has ended, with the headers of its answer if there was one."""

    def give_back(self) -> None:
        """Return the permission unused. Does nothing if a request was made."""


class DealFinder(Protocol):
    """Finds and makes the deals of users, and remembers which are open."""

    async def prepare(self) -> None:
        """Learn which sign tells whose deal it is. Raises LookFailed if that must wait."""

    async def find(self, wanted: Deal, titles: Sequence[str]) -> Item | None:
        """Return the open deal of a user, with one of these titles. Raises LookFailed."""

    async def create(self, wanted: Deal, title: str, fields: DealFields, turn: Turn) -> Outcome:
        """Make a user's deal; Accepted holds its id."""

    async def belongs(self, deal: Item, wanted: Deal) -> bool:
        """Return whether a deal belongs to this user and no other."""

    def sign(self, deal: Item) -> Sign:
        """Return the sign of whose deal it is."""

    def signs(self, wanted: Deal) -> frozenset[Sign]:
        """Return the signs that a deal of this user can have."""

    def note(self, deal: Item) -> None:
        """Remember a deal as it was seen in a list, or made."""

    def drop(self, deal_id: int) -> None:
        """Forget a deal that is no longer open."""


class Destination(Protocol):
    """One account of a CRM, under the token that is set. Requests can run at the same time.

    A method that reads raises LookFailed if it could not read to the end. One that writes returns
    an outcome. Times are by the CRM's clock, in UTC.
    """

    has_token: bool
    fingerprint: str
    """A fingerprint that tells one token from another and reveals nothing of the token."""
    answers_received: int
    """The number of answers received."""
    last_status: int | None
    """The HTTP status of the last request, or None if no complete answer came."""
    daily_remaining: int | None
    """Tokens left today, as last announced."""
    daily_limit: int | None
    now: datetime | None
    """The time by the CRM's clock, as last announced."""
    deal_fields: tuple[Field, ...] | None
    """The fields of deals, if they were read during the search for our own field."""
    sent: dict[str, float]
    """The subjects of activities sent recently, and when, by the monotonic clock."""
    seen: Callable[[Sequence[Item]], None]
    """A function that receives all activities of every list."""

    @property
    def burst(self) -> int:
        """The number of requests that may be made at once."""

    def set_token(self, token: SecretStr | None) -> None:
        """Use this token from the next request on. Without a token, nothing should be asked."""

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Return permission to make one request, once the pace allows it.

        Take it before a lease.
        """

    async def owner(self) -> TokenOwner:
        """Return the user and the company that the token belongs to."""

    def expect_admission(self) -> None:
        """From now on, ask only for the owner of the token, until that token is admitted."""

    def admit(self, fingerprint: str) -> None:
        """Ask only under the token with this fingerprint, which belongs to the right account."""

    def deal_finder(self, database: Database, now: Callable[[], datetime]) -> DealFinder:
        """Return the finder of this account's deals. `now` returns our own time (UTC)."""

    async def deal(self, deal_id: DealId) -> Item | None:
        """Return a deal as it is now, or None if it was deleted."""

    async def deal_contents(self, deal_id: DealId) -> DealContents | None:
        """Return a deal as it is now, with its contents, or None if it was deleted."""

    async def delete_deal(self, deal_id: DealId) -> Outcome:
        """Delete a deal. One that is already deleted counts as deleted."""

    async def target(self, target: Target) -> SeenTarget | Unusable:
        """Return what a target is now, or why nothing can be put there."""

    async def search_targets(self, term: str) -> Sequence[SearchHit]:
        """Return the objects with a term in their names."""

    def deals_since(self, since: datetime | None) -> AsyncIterator[ListPage]:
        """Yield the deals that changed after `since`, or all, newest first."""

    async def catalog(self, wanted: Collection[Listed]) -> Catalog:
        """Return these lists of the account."""

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
        """Replace the note of an activity. Doing it twice does no harm."""

    async def activity(self, activity_id: ActivityId) -> ListedActivity | None:
        """Return an activity as it is now, or None if it was deleted."""

    async def delete_activity(self, activity_id: ActivityId) -> Outcome:
        """Delete an activity. One that is already deleted counts as deleted."""

    def activities(
        self, deal_id: DealId | None, *, since: datetime | None
    ) -> AsyncIterator[Activities]:
        """Yield activities of one deal or of all, newest first.

        `since` limits them to those that changed after it.
        """

    async def activity_page(self, cursor: str | None) -> ListPage:
        """Return a page of all activities, newest first."""

    async def deal_list_page(self, cursor: str | None) -> ListPage:
        """Return a page of all deals, open or not, newest first."""

    async def existing_activities(self, ids: Sequence[int]) -> frozenset[ActivityId]:
        """Return those of at most 100 activities that were not deleted."""
