"""The nouns, as frozen dataclasses: what rows, packages and pages speak of."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NewType, Self, TypeVar

from gitpip.clock import given_moment
from gitpip.drift import Drift, DriftAnswer, drift_words
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.same_activity import SentWith
from gitpip.targets import NO_LINKS, Links, Target

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
    """What an access key may do; each role may do what those before it may."""

    VIEWER = "viewer"
    """Read, and record visits of one's own."""
    OPERATOR = "operator"
    """Change users and publications."""
    ADMIN = "admin"
    """Make and revoke keys, read the audit."""

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return list(Role).index(self) >= list(Role).index(other)


class Anonymous(StrEnum):
    """What may be done without an access key, where somebody decided that."""

    READ = "read"
    ALL = "all"

    @property
    def role(self) -> Role:
        """The role of a caller without a key."""
        return Role.ADMIN if self is Anonymous.ALL else Role.VIEWER


class Part(StrEnum):
    """What a process does: all of it, only show, or only watch and publish."""

    ALL = "all"
    WEB = "web"
    WORK = "work"


class BackfillKind(StrEnum):
    """Which of the gists that exist when a user is added are published."""

    ALL = "all"
    NONE = "none"
    LATEST = "latest"
    SINCE = "since"


@dataclass(frozen=True)
class Backfill:
    """How much of a new user's past is published: all, none, the latest N gists, or since a day."""

    kind: BackfillKind
    count: int | None = None
    since: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `all`, `none`, `latest:N` or `since:YYYY-MM-DD` (UTC), else raise ValueError."""
        kind, _, argument = text.strip().partition(":")
        match kind.lower():
            case "all" | "none" if not argument:
                return cls(BackfillKind(kind.lower()))
            case "latest" if (
                argument.isascii() and argument.isdigit() and 0 < int(argument) < 10**6
            ):
                return cls(BackfillKind.LATEST, count=int(argument))
            case "since":
                try:
                    since = given_moment(argument)
                except ValueError:
                    raise ValueError("must be a date, e.g. since:2026-01-31") from None
                return cls(BackfillKind.SINCE, since=since)
            case _:
                raise ValueError(
                    "must be all, none, latest:N (1 to 999999) or since:DATE, "
                    "e.g. latest:3 or since:2026-01-31"
                )

    def __str__(self) -> str:
        match self.kind:
            case BackfillKind.LATEST:
                return f"latest:{self.count}"
            case BackfillKind.SINCE if self.since:
                return f"since:{self.since.isoformat().removesuffix('T00:00:00+00:00')}"
            case _:
                return self.kind.value


class UserState(StrEnum):
    """Whether a tracked user is checked, and how that went."""

    ACTIVE = "active"
    UNAVAILABLE = "unavailable"
    """GitHub did not show the user several times in a row; looked at rarely."""
    PAUSED = "paused"
    """Not looked at until somebody says so; what was found stays."""


class FailureKind(StrEnum):
    """Why a user's last check failed; the sentence beside it is for people."""

    NOT_SHOWN = "not-shown"
    UNREACHABLE = "unreachable"
    SAME_ACCOUNT = "same-account"
    OTHER = "other"


class OnEdit(StrEnum):
    """What an edit of a published file does in Pipedrive."""

    IGNORE = "ignore"
    UPDATE = "update"
    """The activity's note is written anew, with the date."""
    NEW = "new"
    """The revision gets an activity of its own."""


class OnDelete(StrEnum):
    """What the deletion of a published file does in Pipedrive."""

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
    """When GitHub showed it, by GitHub's clock."""


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
    """When GitHub was last asked about this user with success."""
    etag: str | None
    """The list tag: the ETag of the gist list's first page, with the token's fingerprint."""
    failures: int
    failure: str | None
    last_sequence: int
    deal_id: DealId | None
    complete_until: datetime | None = None
    """Whatever was public before this time is stored; None before the first whole look."""
    node_id: str | None = None
    """The id in GraphQL; None as long as GitHub was not asked."""
    former_login: str | None = None
    """The login before the last rename."""
    check_interval: timedelta | None = None
    """The user's own interval between checks; None for the general one."""
    hinted_at: datetime | None = None
    """When something last hinted at something new, the adding included; None once looked at."""
    gist_count: int | None = None
    """How many public gists GitHub counted at the last whole look."""
    sweep_mark: str | None = None
    """What the batch poll saw of the gists then."""
    graphql_refusals: int = 0
    """How often in a row GraphQL failed about this user alone."""
    graphql_refused_until: datetime | None = None
    """Until then REST is asked about this user; None where GraphQL answers."""
    found_at: datetime | None = None
    """When a new gist file was last found."""
    tags: tuple[str, ...] = ()
    added_at: datetime | None = None
    """When the user was added, by GitHub's clock; None for `created_at`."""
    added_by_our_clock: bool = False
    """Whether that is this machine's time still: GitHub's first answer corrects it."""
    backfill_left: int | None = None
    """How many gists of the past the rule `latest:N` still lets through; None for all N."""
    failure_kind: FailureKind | None = None
    unreadable: int = 0
    """How many gists, files and items of the gist list could not be read, and are tried again."""
    publishing_mode: PublishingMode | None = None
    """The user's own mode; None for that of everybody."""
    target: Target | None = None
    """Where the activities are put; None for the user's deal by its title."""
    target_title: str | None = None
    """What Pipedrive calls the target; None while Pipedrive was not asked."""
    target_problem: str | None = None
    """Why nothing can be put there; None as far as is known."""
    deal_drift: Drift | None = None
    """What became of the user's deal by its title, or of the former one."""
    deal_drift_answer: DriftAnswer | None = None
    """Where new files go since then."""
    deal_drifted_at: datetime | None = None
    drifted_deal_id: DealId | None = None
    """Which deal that was."""

    @property
    def deal_drift_words(self) -> str | None:
        """The same for people."""
        if self.deal_drift is None or self.deal_drift_answer is None:
            return None
        return drift_words(self.drifted_deal_id or 0, self.deal_drift, self.deal_drift_answer)


@dataclass(frozen=True)
class Unreadable:
    """Something of a user's that GitHub lists, but that could not be read. Times are UTC."""

    gist_id: GistId
    """Empty for an item of the gist list without a usable id, or a page of that list."""
    filename: str
    """Empty where it is the whole gist, or files whose names are not known."""
    reason: str
    failures: int
    first_failed_at: datetime
    next_try_at: datetime
    skipped_because: str | None
    """Why the backfill rule keeps it from the CRM; None if it does not, or is not known to."""
    held_because: str | None = None
    """Why it waits for a person's decision once it can be read; None if it does not."""


@dataclass(frozen=True)
class SeenFile:
    """A gist file as GitHub shows it; `content` is None where it has not been read."""

    filename: str
    blob_hash: str
    size: int
    language: str | None
    raw_url: str
    content: str | None = None
    truncated: bool = False
    """Larger than the 1 MB that are stored, or not text: the rest stays at `raw_url`."""


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
    """A stored gist file, with what is needed to show it. `sequence` counts per user from 1."""

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
    """Counts the contents that this file had, as far as they were seen."""
    revised_at: datetime | None = None
    """When the present revision was seen, if it is not the first."""
    removed_at: datetime | None = None
    """When the file was seen to be gone, alone or with its gist."""
    publication_id: PublicationId | None = None
    is_fork: bool | None = None

    @property
    def published(self) -> bool:
        """Whether its first revision is in Pipedrive."""
        return self.publication is PublicationState.PUBLISHED


class PublicationState(StrEnum):
    """Where the delivery of one gist file into the CRM stands."""

    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    """Sent, and it is not known whether Pipedrive has it: it is looked for before anything else."""
    PUBLISHED = "published"
    FAILED = "failed"  # Pipedrive refused it for good; a person can retry it
    SKIPPED = "skipped"  # not to be published: by the backfill rule, or by a person
    HELD = "held"
    """It waits for a person's decision; `held_because` says why."""
    WITHDRAWN = "withdrawn"  # undone: it is in Pipedrive no more, and is not sent


@dataclass(frozen=True)
class Publication:
    """The delivery of one gist file: a row with a state. Times are UTC."""

    id: PublicationId
    file_key: FileKey
    revision: int
    """Which content of the file this delivers."""
    user_key: UserKey
    login: str
    gist_id: GistId
    filename: str
    marker: str
    state: PublicationState
    due_at: datetime
    attempts: int
    looks: int
    """How many complete looks have not found it since it became uncertain."""
    token: str | None
    """The fencing token of the process that claimed the row."""
    lease_until: datetime | None
    sent_at: datetime | None
    deal_id: DealId | None
    activity_id: ActivityId | None
    reason: str | None
    published_at: datetime | None
    appeared_at: datetime | None
    """When its gist was created, if that was while its user was tracked and with this file."""
    in_flight_until: datetime | None = None
    """Until then, by Pipedrive's time, an uncertain write may still land."""
    sent_after: datetime | None = None
    """Pipedrive's time before it was first sent; None if that is not known."""
    looked_at: datetime | None = None
    """When it was last looked for before sending it once more; None if it was never in doubt."""
    refusals: int = 0
    """How often in a row it met a limit while others may have passed."""
    held_because: HeldBecause | None = None
    """Why it is or was held; one that waits with it waits since a dry run."""
    approved_at: datetime | None = None
    """When a person said that it is to be sent; nothing holds it after that."""
    approved_by: str | None = None
    masked: bool = False
    """Whether it was approved without what looks like credentials in it."""
    publishing_mode: PublishingMode | None = None
    """Its user's own mode; None for that of everybody."""
    user_state: UserState = UserState.ACTIVE
    sent_to: Target | None = None
    """The target that it was sent to; None for a deal that was found or made by its title."""
    part_of: PublicationId | None = None
    """The publication whose activity holds this file, too; then its outcome is that one's."""
    sent_with: tuple[SentWith, ...] = ()
    """The holder of this file's activity, or the other files in it if this is the holder."""
    deleted_activity_id: ActivityId | None = None  # by an undo
    first_marker: str | None = None  # that of its first activity, where it was sent again since
    check_id: CheckId | None = None  # the check that found its file
    description: str | None = None
    """The description of its gist, or the beginning of it."""


@dataclass(frozen=True)
class Deal:
    """The deal of one user: it is made the way a publication is sent, and has the same states."""

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
    """Of the user."""
    person_id: int | None = None
    """The person and the organization of the deal."""
    org_id: int | None = None

    @property
    def sent_title(self) -> str:
        """What to look for where it is uncertain: the user may have been renamed since."""
        return self.title or self.login


@dataclass(frozen=True)
class Change:
    """What an outcome makes of the row of a publication or a deal. Times are UTC."""

    state: PublicationState
    due_at: datetime
    looks: int = 0
    accepted_id: int | None = None
    """Pipedrive's id of the activity or deal."""
    reason: str | None = None
    attempts: int | None = None
    """How many attempts count; None leaves the number as it is."""
    in_flight_until: datetime | None = None
    looked_at: datetime | None = None
    """When a look showed that it did not arrive; None leaves the time as it is."""
    refusals: int | None = None
    """How often it was refused in a row as everybody might be; None leaves the number as it is."""
    not_looked_for: bool = False
    """Whether it could not be looked for before sending it again."""
    links: Links = NO_LINKS
    """Those of a deal that was found."""


@dataclass(frozen=True)
class Check:
    """One look over the users that were due. Times are UTC."""

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
    """Who or what made gitpip pause a part of its work."""

    RATE_LIMIT = "rate-limit"
    """GitHub said how long to wait; asking earlier risks a ban."""
    CREDENTIAL = "credential"
    """The vendor does not accept the token."""
    VENDOR = "vendor"
    """The vendor can't be reached, is in trouble, or its budget is used up; or, where files are
    examined, the program fails that does it."""
    FAULT = "fault"
    """The vendor says that it works, and gitpip can't make sense of its answers."""
    SETTING = "setting"
    """The account lacks what a publishing setting names."""


@dataclass(frozen=True)
class Pause:
    """Why all publishing, or all watching, waits. Times are UTC."""

    until: datetime
    reason: str
    cause: PauseCause = PauseCause.VENDOR
    since: datetime | None = None
    """When it began; None if that is not known."""
    unreachable: bool = False


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A slice of a list, with the number of all items."""

    items: tuple[Item, ...]
    total: int
