"""The nouns of gitpip, as frozen dataclasses, `NewType`s and enums."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NewType, TypeVar

from gitpip.backfill import Backfill
from gitpip.drift import Drift, DriftAnswer, drift_words
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.same_activity import SentWith
from gitpip.targets import NO_LINKS, DealLinks, Target

Item = TypeVar("Item")

UserKey = NewType("UserKey", int)  # a tracked user's row
GitHubId = NewType("GitHubId", int)
"""GitHub's own id of an account: it survives renames."""
GistId = NewType("GistId", str)
FileKey = NewType("FileKey", int)  # a gist file's row
PublicationId = NewType("PublicationId", int)
CheckId = NewType("CheckId", int)
VisitId = NewType("VisitId", int)
DealId = NewType("DealId", int)
ActivityId = NewType("ActivityId", int)


class Role(StrEnum):
    """The role of an access key. Each role includes the rights of those before it."""

    VIEWER = "viewer"
    """May read, and record its own visits."""
    OPERATOR = "operator"
    """May change users and publications."""
    ADMIN = "admin"
    """May make and revoke keys, and read the audit log."""

    def includes(self, other: "Role") -> bool:
        """Return whether this role has the rights of `other`."""
        return list(Role).index(self) >= list(Role).index(other)


class Anonymous(StrEnum):
    """The rights without an access key, if a person has decided that."""

    READ = "read"
    ALL = "all"

    @property
    def role(self) -> Role:
        """The role of a caller without a key."""
        return Role.ADMIN if self is Anonymous.ALL else Role.VIEWER


class Part(StrEnum):
    """The part that a process takes: all, only showing, or only watching and publishing."""

    ALL = "all"
    WEB = "web"
    WORK = "work"


class UserState(StrEnum):
    """Whether a tracked user is checked, and how that went."""

    ACTIVE = "active"
    UNAVAILABLE = "unavailable"
    """GitHub did not show the user several times in a row; checked rarely."""
    PAUSED = "paused"
    """Not checked until a person resumes it. Their gists are kept."""


class FailureKind(StrEnum):
    """The kind of failure of a user's last check. The sentence next to it is for people."""

    NOT_SHOWN = "not-shown"
    UNREACHABLE = "unreachable"
    SAME_ACCOUNT = "same-account"
    OTHER = "other"


class OnEdit(StrEnum):
    """The effect in Pipedrive of an edit of a published file."""

    IGNORE = "ignore"
    UPDATE = "update"
    """The activity's note is rewritten, with the date."""
    NEW = "new"
    """The revision gets an activity of its own."""


class OnDelete(StrEnum):
    """The effect in Pipedrive of the deletion of a published file."""

    IGNORE = "ignore"
    NOTE = "note"
    """The activity's note says so."""


@dataclass(frozen=True)
class Account:
    """An account on GitHub: the login as GitHub spells it, and the id that survives renames."""

    login: str
    github_id: GitHubId
    node_id: str | None = None
    """The id of the account in GraphQL."""
    seen_at: datetime | None = field(default=None, compare=False)
    """The time at which GitHub showed it, by GitHub's clock."""


@dataclass(frozen=True)
class User:
    """A tracked user; `external_id` is the id the caller gave, `github_id` is the identity."""

    key: UserKey
    login: str
    external_id: str
    github_id: GitHubId | None
    backfill: Backfill
    state: UserState
    created_at: datetime
    next_check_at: datetime
    checked_at: datetime | None
    """The time of the last successful request to GitHub about this user."""
    etag: str | None
    """The list tag: the ETag of the gist list's first page, with the token's fingerprint."""
    failures: int
    failure: str | None
    last_sequence: int
    deal_id: DealId | None
    complete_until: datetime | None = None
    """The time before which everything public is stored; None before the first complete check."""
    node_id: str | None = None
    """The id in GraphQL, or None until GitHub was asked."""
    former_login: str | None = None
    """The login before the last rename."""
    check_interval: timedelta | None = None
    """The user's own interval between checks; None for the general one."""
    hinted_at: datetime | None = None
    """The time of the last hint at something new, adding the user included; None once checked."""
    gist_count: int | None = None
    """The number of public gists that GitHub counted at the last complete check."""
    sweep_mark: str | None = None
    """The batch poll's mark of the gists at that time."""
    graphql_refusals: int = 0
    """The number of times in a row that GraphQL failed about this user alone."""
    graphql_refused_until: datetime | None = None
    """The time until which REST is asked about this user; None if GraphQL answers."""
    found_at: datetime | None = None
    """The time at which a new gist file was last found."""
    tags: tuple[str, ...] = ()
    added_at: datetime | None = None
    """The time at which the user was added, by GitHub's clock; None for `created_at`."""
    added_by_our_clock: bool = False
    """Whether that time is still by this machine's clock: GitHub's first answer corrects it."""
    backfill_left: int | None = None
    """The number of past gists that the rule `latest:N` still lets through; None for all N."""
    failure_kind: FailureKind | None = None
    unreadable: int = 0
    """The number of gists, files and items of the list that could not be read and are retried."""
    publishing_mode: PublishingMode | None = None
    """The user's own mode; None for the default."""
    target: Target | None = None
    """The target of the activities, or None for the user's deal by its title."""
    target_title: str | None = None
    """The target's name in Pipedrive, or None until Pipedrive was asked."""
    target_problem: str | None = None
    """The reason why nothing can be put there, or None if none is known."""
    deal_drift: Drift | None = None
    """The drift of the user's deal by its title, or of the former one."""
    deal_drift_answer: DriftAnswer | None = None
    """The place for new files since then."""
    deal_drifted_at: datetime | None = None
    drifted_deal_id: DealId | None = None
    """The deal that drifted."""

    @property
    def customer_id(self) -> str | None:
        """The id that the caller gave; None where it is GitHub's own, as it is without one."""
        unset = (str(self.github_id), self.login.lower())
        return None if self.external_id in unset else self.external_id

    @property
    def deal_drift_words(self) -> str | None:
        """The drift in words for people."""
        if self.deal_drift is None or self.deal_drift_answer is None:
            return None
        return drift_words(self.drifted_deal_id or 0, self.deal_drift, self.deal_drift_answer)


@dataclass(frozen=True)
class Unreadable:
    """A gist, file or item that GitHub lists, but that could not be read. Times are UTC."""

    gist_id: GistId
    """Empty for an item of the gist list without a usable id, or a page of that list."""
    filename: str
    """Empty for a complete gist, or for files whose names are not known."""
    reason: str
    failures: int
    first_failed_at: datetime
    next_try_at: datetime
    skipped_because: str | None
    """The reason why the backfill rule excludes it, or None if it does not or that is unknown."""
    held_because: str | None = None
    """The reason why it waits for a person once it can be read, or None if it does not."""


@dataclass(frozen=True)
class SeenFile:
    """A gist file as GitHub shows it; `content` is None if it has not been read."""

    filename: str
    blob_hash: str
    size: int
    language: str | None
    raw_url: str
    content: str | None = None
    truncated: bool = False
    """Whether it is larger than the stored 1 MB, or not text: the rest stays at `raw_url`."""


@dataclass(frozen=True)
class SeenGist:
    """A public gist as GitHub shows it. Times are UTC."""

    id: GistId
    owner_id: GitHubId
    description: str | None
    html_url: str
    created_at: datetime
    updated_at: datetime
    files: tuple[SeenFile, ...]
    is_fork: bool | None = None


@dataclass(frozen=True)
class GistFile:
    """A stored gist file, with the data to show it. `sequence` counts per user from 1."""

    key: FileKey
    user_key: UserKey
    login: str
    gist_id: GistId
    filename: str
    sequence: int
    blob_hash: str
    size: int
    language: str | None
    content: str | None
    truncated: bool
    raw_url: str
    html_url: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    found_at: datetime
    publication: "PublicationState | None"
    activity_id: ActivityId | None
    revision: int = 1
    """The number of contents that this file had, as far as they were seen."""
    revised_at: datetime | None = None
    """The time at which the present revision was seen, if it is not the first."""
    removed_at: datetime | None = None
    """The time at which the file was seen to be removed, alone or with its gist."""
    publication_id: PublicationId | None = None
    is_fork: bool | None = None

    @property
    def published(self) -> bool:
        """Whether its first revision is in Pipedrive."""
        return self.publication is PublicationState.PUBLISHED


class PublicationState(StrEnum):
    """The state of the delivery of one gist file into the CRM."""

    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    """Sent, and it is unknown whether Pipedrive has it. It is searched for before anything else."""
    PUBLISHED = "published"
    FAILED = "failed"  # Pipedrive refused it for good; a person can retry it
    SKIPPED = "skipped"  # not to be published: by the backfill rule, or by a person
    HELD = "held"
    """It waits for a person's decision; `held_because` says why."""
    WITHDRAWN = "withdrawn"  # undone: it is no longer in Pipedrive, and is not sent


@dataclass(frozen=True)
class Publication:
    """The delivery of one gist file: a row with a state. Times are UTC."""

    id: PublicationId
    file_key: FileKey
    revision: int
    """The revision of the file that this delivers."""
    user_key: UserKey
    login: str
    gist_id: GistId
    filename: str
    marker: str
    state: PublicationState
    due_at: datetime
    attempts: int
    looks: int
    """The number of complete searches without a result since it became uncertain."""
    token: str | None
    """The fencing token of the process that claimed the row."""
    lease_until: datetime | None
    sent_at: datetime | None
    deal_id: DealId | None
    activity_id: ActivityId | None
    reason: str | None
    published_at: datetime | None
    appeared_at: datetime | None
    """The time at which its gist was created, if its user was tracked then and it had this file."""
    in_flight_until: datetime | None = None
    """The time, by Pipedrive's clock, until which an uncertain write may still land."""
    sent_after: datetime | None = None
    """Pipedrive's time before it was first sent, or None if that is unknown."""
    refused_at: datetime | None = None
    """The same as `sent_at` if Pipedrive refused it then, and every time before."""
    looked_at: datetime | None = None
    """The time of the last search before sending it again, or None if it was never uncertain."""
    refusals: int = 0
    """The number of times in a row that it met a limit while others may have passed."""
    held_because: HeldBecause | None = None
    """The reason why it is or was held. One that waits with a reason has waited since a dry run."""
    approved_at: datetime | None = None
    """The time at which a person approved it. Nothing holds it after that."""
    approved_by: str | None = None
    masked: bool = False
    """Whether it was approved without what looks like credentials in it."""
    publishing_mode: PublishingMode | None = None
    """Its user's own mode; None for the default."""
    user_state: UserState = UserState.ACTIVE
    sent_to: Target | None = None
    """The target that it was sent to, or None for a deal found or made by its title."""
    part_of: PublicationId | None = None
    """The publication whose activity also holds this file, and whose outcome it shares."""
    sent_with: tuple[SentWith, ...] = ()
    """The holder of this file's activity, or the other files in it if this is the holder."""
    deleted_activity_id: ActivityId | None = None  # by an undo
    first_marker: str | None = None  # that of its first activity, where it was sent again since
    check_id: CheckId | None = None  # the check that found its file
    description: str | None = None
    """The description of its gist, or the beginning of it."""

    @property
    def never_arrived(self) -> bool:
        """Whether nothing of it can be in Pipedrive: no request was made, or each was refused."""
        return self.sent_at is None or self.refused_at == self.sent_at


@dataclass(frozen=True)
class Deal:
    """The deal of one user. It is made the way a publication is sent, and has the same states."""

    user_key: UserKey
    login: str
    state: PublicationState
    due_at: datetime
    attempts: int
    looks: int
    token: str | None
    lease_until: datetime | None
    sent_at: datetime | None
    deal_id: DealId | None
    reason: str | None
    in_flight_until: datetime | None = None
    sent_after: datetime | None = None
    looked_at: datetime | None = None
    refusals: int = 0
    title: str | None = None
    """The title that it was last sent with."""
    github_id: GitHubId | None = None
    """The GitHub id of the user."""
    person_id: int | None = None
    """The person and the organization of the deal."""
    org_id: int | None = None

    @property
    def sent_title(self) -> str:
        """The title to search for if it is uncertain: the user may have been renamed since."""
        return self.title or self.login


@dataclass(frozen=True)
class Change:
    """The changes of a publication's or deal's row after an outcome. Times are UTC."""

    state: PublicationState
    due_at: datetime
    looks: int = 0
    accepted_id: int | None = None
    """Pipedrive's id of the activity or deal."""
    reason: str | None = None
    attempts: int | None = None
    """The number of attempts that count; None keeps the number."""
    in_flight_until: datetime | None = None
    looked_at: datetime | None = None
    """The time of the search that showed that it did not arrive; None keeps the time."""
    refusals: int | None = None
    """The number of general refusals in a row; None keeps the number."""
    not_looked_for: bool = False
    """Whether the search before sending it again failed."""
    links: DealLinks = NO_LINKS
    """The links of a deal that was found."""
    was_refused: bool = False
    """Whether the request was certainly not processed."""


@dataclass(frozen=True)
class Check:
    """One check of the users that were due. Times are UTC."""

    id: CheckId
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    users: int
    unchanged: int
    failed: int
    gists: int
    files: int
    failures: tuple[str, ...]
    """The first few failures, one line each."""


class PauseCause(StrEnum):
    """The cause of a pause of a part of gitpip's work."""

    RATE_LIMIT = "rate-limit"
    """GitHub said how long to wait. Asking earlier risks a ban."""
    CREDENTIAL = "credential"
    """The vendor does not accept the token."""
    VENDOR = "vendor"
    """The vendor can't be reached, has a fault, or its budget is used up; or, for examining files,
    the program that does it fails."""
    FAULT = "fault"
    """The vendor says that it works, and gitpip can't interpret its answers."""
    SETTING = "setting"
    """The account lacks what a publishing setting names."""


@dataclass(frozen=True)
class Pause:
    """A pause of all publishing or all watching. Times are UTC."""

    until: datetime
    reason: str
    cause: PauseCause = PauseCause.VENDOR
    since: datetime | None = None
    """The beginning of the pause, or None if that is unknown."""
    unreachable: bool = False


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A slice of a list, with the number of all items."""

    items: tuple[Item, ...]
    total: int
