"""A problem as data: its kind, its severity, since when it exists, and what helps.

The page, the API, the commands and the metrics all show problems. No code reads a sentence to learn
what is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitpip.clock import day_and_clock
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import pauses

A_MOMENT = timedelta(minutes=1)
"""The time below which an end is not named: it would be over before it was read."""


class Severity(StrEnum):
    """The severity of a problem, worst first."""

    ERROR = "error"
    """Something is not done until a person acts."""
    WARNING = "warning"
    """Something is late or at risk. It may pass without help."""
    INFO = "info"
    """Work that proceeds as it should, and is not done yet."""


class ProblemKind(StrEnum):
    """The kinds of problems. Equally severe problems are shown in this order."""

    NO_WORKER = "no-worker"
    UNHEALTHY = "unhealthy"
    DESTINATION_ACCOUNT_CHANGED = "pipedrive-account-changed"
    GITHUB_ACCOUNT_CHANGED = "github-account-changed"
    WATCHING_PAUSED = "watching-paused"
    PUBLISHING_PAUSED = "publishing-paused"
    PUBLISHING_PAUSED_BY_PERSON = "publishing-paused-by-person"
    DRY_RUN = "dry-run"
    DESTINATION_TOKEN_MISSING = "pipedrive-token-missing"  # noqa: S105 - the name of a problem
    EXAMINING_PAUSED = "examining-paused"
    READING_PAUSED = "reading-paused"
    SWEEPING_PAUSED = "sweeping-paused"
    CLOCK_WRONG = "clock-wrong"
    SECRET_UNREADABLE = "secret-unreadable"  # noqa: S105 - the name of a problem
    PUBLISHING_SETTINGS_REFUSED = "publishing-settings-refused"
    PUBLISHING_SETTINGS_UNUSABLE = "publishing-settings-unusable"
    RULES_UNREADABLE = "rules-unreadable"
    PUBLICATIONS_HELD = "publications-held"
    CREDENTIALS_HELD = "credentials-held"
    UNDO_STOPPED = "undo-stopped"
    UNDO_FAILED = "undo-failed"
    REPAIR_INTERRUPTED = "repair-interrupted"
    IMPORT_FAILED = "import-failed"
    IMPORT_INTERRUPTED = "import-interrupted"
    AUDITS_FAILED = "audits-failed"
    PUBLICATIONS_FAILED = "publications-failed"
    DEALS_FAILED = "deals-failed"
    TARGETS_UNUSABLE = "targets-unusable"
    DEALS_GONE = "deals-gone"
    ACTIVITIES_MISSING = "activities-missing"
    ACTIVITIES_DOUBLED = "activities-doubled"
    CONTENTS_UNREADABLE = "contents-unreadable"
    USERS_UNAVAILABLE = "users-unavailable"
    USERS_FAILING = "users-failing"
    CHECK_ABANDONED = "check-abandoned"
    USERS_LATE = "users-late"
    DEALS_DELAYED = "deals-delayed"
    PUBLICATIONS_OVERDUE = "publications-overdue"
    PUBLICATIONS_UNCERTAIN = "publications-uncertain"
    PUBLICATIONS_RETRIED = "publications-retried"
    PUBLICATIONS_NOT_LOOKED_FOR = "publications-not-looked-for"
    DOUBLES_LEFT = "doubles-left"
    DEALS_DOUBLED = "deals-doubled"
    DEALS_UNCERTAIN = "deals-uncertain"
    NOTES_FAILED = "notes-failed"
    NOTES_OVERDUE = "notes-overdue"
    OVER_CAPACITY = "over-capacity"
    FEED_UNREADABLE = "feed-unreadable"
    FEED_GAP = "feed-gap"
    DOUBLES_DELETED = "doubles-deleted"
    DEALS_DRIFTED = "deals-drifted"
    DATABASE_SET_BACK = "database-set-back"
    CLOCK_WAS_WRONG = "clock-was-wrong"
    OTHERS_PUBLISH = "others-publish"
    USERS_UNREAD = "users-unread"
    LISTS_NOT_COMPARED = "lists-not-compared"
    COMPARING = "comparing"
    FIRST_SENDS_COMPARED = "first-sends-compared"
    PUBLICATIONS_WAITING = "publications-waiting"
    PUBLICATIONS_OF_PAUSED_USERS = "publications-of-paused-users"
    NOTES_WAITING = "notes-waiting"
    AUDITS_WAITING = "audits-waiting"
    UNDO_UNDER_WAY = "undo-under-way"
    USERS_PAUSED = "users-paused"
    NO_USERS = "no-users"


class Remedy(StrEnum):
    """The acts that help against a problem."""

    TRY_NOW = "try-now"
    """End the pause. One request is made, and publishing or watching pauses again if it is
    refused."""
    RETRY_FAILED = "retry-failed"
    """Send again what was refused, after its reason was corrected, or skip it."""
    CHANGE_SETTINGS = "change-settings"
    """Choose another value in the publishing settings, or make what is missing in Pipedrive."""
    CHANGE_RULES = "change-rules"
    """Change or remove a rule on what is published."""
    DECIDE_HELD = "decide-held"
    """Decide for each user whether all held files are published, those of the latest gists, or
    none."""
    REVIEW_CREDENTIALS = "review-credentials"
    """Read each of these files, and approve or skip it."""
    RESUME_UNDO = "resume-undo"
    """Resume an undo after its reason was corrected, or acknowledge what failed."""
    RESUME_REPAIR = "resume-repair"
    """Continue a repair, or start a service that does."""
    UPLOAD_AGAIN = "upload-again"
    """Upload the file of an import again. Users who are tracked already are left unchanged."""
    REVIEW_AUDITS = "review-audits"
    """Read why an audit or a search failed, and begin another one."""
    RETRY_NOTES = "retry-notes"
    """Bring the notes up to date once more."""
    REVIEW_USERS = "review-users"
    """Review these users: correct, pause or remove them, or check them now."""
    RESUME_USERS = "resume-users"
    RESUME_PUBLISHING = "resume-publishing"
    """End a person's pause of publishing."""
    CHANGE_MODE = "change-mode"
    """Give everybody, or these users, another publishing mode."""
    CHANGE_TARGETS = "change-targets"
    """Give these users another target, or correct theirs in Pipedrive."""
    ADD_USERS = "add-users"
    SET_GITHUB_TOKEN = "set-github-token"  # noqa: S105 - what to do
    SET_DESTINATION_TOKEN = "set-pipedrive-token"  # noqa: S105 - what to do
    SET_CLOCK = "set-clock"
    SWITCH_ACCOUNT = "switch-account"
    """Switch to the configured account, or set the former one again."""
    COMPARE = "compare"
    """Compare everything with Pipedrive once more."""
    MEND_SECRET_FILE = "mend-secret-file"  # noqa: S105 - what to do
    START_WORKER = "start-worker"
    RESTART = "restart"
    CHECK_LESS_OFTEN = "check-less-often"


PAUSES: Mapping[str, ProblemKind] = {
    pauses.WATCHING: ProblemKind.WATCHING_PAUSED,
    pauses.READING: ProblemKind.READING_PAUSED,
    pauses.SWEEPING: ProblemKind.SWEEPING_PAUSED,
    pauses.PUBLISHING: ProblemKind.PUBLISHING_PAUSED,
    pauses.EXAMINING: ProblemKind.EXAMINING_PAUSED,
}
"""The kind of problem for each pause."""


ACCOUNTS: Mapping[ProblemKind, Vendor] = {
    ProblemKind.DESTINATION_ACCOUNT_CHANGED: Vendor.DESTINATION,
    ProblemKind.GITHUB_ACCOUNT_CHANGED: Vendor.GITHUB,
}
"""The vendor whose account each problem is about."""


@dataclass(frozen=True)
class Problem:
    """One problem, or work that is not done yet. Times are UTC."""

    kind: ProblemKind
    severity: Severity
    described: str
    """The description: what happened and what it means, in sentences without a setting's name."""
    since: datetime | None = None
    count: int = 1
    """The number of users, files or parts that have the problem."""
    act: Remedy | None = None
    """The act that helps, or None if it passes without help."""
    undo_id: int | None = None
    """The undo to be resumed."""
    unreachable: bool = False
    """Whether a vendor can't be reached, which `gitpip doctor` looks into."""
    advice: str = ""
    """What an operator can do, with the names of settings and commands; may be empty."""

    @property
    def sentence(self) -> str:
        """The text for people, everywhere but in the answer of `gitpip doctor`."""
        doctor = "Run gitpip doctor." if self.unreachable else ""
        return " ".join(filter(None, (self.described, self.advice, doctor)))

    @property
    def vendor(self) -> Vendor | None:
        """The vendor whose account was changed, if the problem is that."""
        return ACCOUNTS.get(self.kind)

    @property
    def pause(self) -> str | None:
        """The name of the pause that this problem is or belongs to, for `try_now`."""
        if self.kind is ProblemKind.DEALS_DELAYED:
            return pauses.PUBLISHING
        return next((name for name, kind in PAUSES.items() if kind is self.kind), None)


def worst_first(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return the problems in the order in which they are shown."""
    severities, kinds = list(Severity), list(ProblemKind)
    return tuple(
        sorted(
            problems,
            key=lambda problem: (severities.index(problem.severity), kinds.index(problem.kind)),
        )
    )


def until(time: datetime, now: datetime) -> str:
    """Return how long something lasts that ends at `time` (UTC), in words."""
    if time - now < A_MOMENT:
        return "for a moment"
    return f"until {day_and_clock(time)}"


def said(words: str | None) -> str:
    """Return words of others as the end of a sentence of ours, with one full stop."""
    return f"{' '.join((words or 'no reason was given').split()).rstrip('.')}."
