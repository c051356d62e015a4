"""The four cards of the status page: which problem belongs to which, and how it marks the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitpip.bodies.status import ProblemBody
from gitpip.status.problem import ProblemKind, Severity


class Card(StrEnum):
    """The subject of a card."""

    GITHUB = "github"
    PIPEDRIVE = "pipedrive"
    DATABASE = "database"
    WORKERS = "workers"


OF_GITHUB = frozenset(
    {
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        ProblemKind.WATCHING_PAUSED,
        ProblemKind.READING_PAUSED,
        ProblemKind.SWEEPING_PAUSED,
        ProblemKind.CONTENTS_UNREADABLE,
        ProblemKind.USERS_UNAVAILABLE,
        ProblemKind.USERS_FAILING,
        ProblemKind.USERS_LATE,
        ProblemKind.USERS_UNREAD,
        ProblemKind.USERS_PAUSED,
        ProblemKind.NO_USERS,
        ProblemKind.CHECK_ABANDONED,
        ProblemKind.OVER_CAPACITY,
        ProblemKind.FEED_UNREADABLE,
        ProblemKind.FEED_GAP,
    }
)
OF_WORKERS = frozenset(
    {
        ProblemKind.NO_WORKER,
        ProblemKind.UNHEALTHY,
        ProblemKind.EXAMINING_PAUSED,
        ProblemKind.CLOCK_WRONG,
        ProblemKind.CLOCK_WAS_WRONG,
        ProblemKind.SECRET_UNREADABLE,
        ProblemKind.IMPORT_FAILED,
        ProblemKind.IMPORT_INTERRUPTED,
    }
)
CLASS_OF_SEVERITY = {Severity.ERROR: "bad", Severity.WARNING: "wait"}


@dataclass(frozen=True)
class Marked:
    """The mark of a card, by its problems."""

    mark: str = "good"
    """`bad` with an error, `wait` with a warning, else `good`: a class of the page's style."""
    problems: int = 0
    """The number of errors and warnings."""


def card_of(kind: ProblemKind) -> Card:
    """The card of a kind of problem. Problems of publishing belong to the Pipedrive card."""
    if kind in OF_GITHUB:
        return Card.GITHUB
    if kind in OF_WORKERS:
        return Card.WORKERS
    return Card.DATABASE if kind is ProblemKind.DATABASE_SET_BACK else Card.PIPEDRIVE


def marked(problems: Sequence[ProblemBody]) -> Mapping[str, Marked]:
    """Return the mark of each card, by its name; `problems` are worst first."""
    found = {card.value: Marked() for card in Card}
    for problem in problems:
        if mark := CLASS_OF_SEVERITY.get(problem.severity):
            before = found[card_of(problem.kind)]
            worst = before.mark if before.problems else mark
            found[card_of(problem.kind)] = Marked(worst, before.problems + 1)
    return found
