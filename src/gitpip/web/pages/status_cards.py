"""The four cards of the status page: which problem belongs to which, and how it marks the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitpip.bodies.status import ProblemBody
from gitpip.status.problem import ProblemKind, Severity


class Card(StrEnum):
    """The subject of a card."""

    GITHUB = "github"
    DESTINATION = "pipedrive"
    DATABASE = "database"
    WORKERS = "workers"


CARDS: Mapping[Card, frozenset[ProblemKind]] = {
    Card.GITHUB: frozenset(
        {
            ProblemKind.GITHUB_ACCOUNT_CHANGED,
            ProblemKind.WATCHING_PAUSED,
            ProblemKind.READING_PAUSED,
            ProblemKind.SWEEPING_PAUSED,
            ProblemKind.CONTENTS_UNREADABLE,
            ProblemKind.USERS_UNAVAILABLE,
            ProblemKind.USERS_FAILING,
            ProblemKind.CHECK_ABANDONED,
            ProblemKind.USERS_LATE,
            ProblemKind.OVER_CAPACITY,
            ProblemKind.FEED_UNREADABLE,
            ProblemKind.FEED_GAP,
            ProblemKind.USERS_UNREAD,
            ProblemKind.USERS_PAUSED,
            ProblemKind.NO_USERS,
        }
    ),
    Card.DESTINATION: frozenset(
        {
            ProblemKind.DESTINATION_ACCOUNT_CHANGED,
            ProblemKind.PUBLISHING_PAUSED,
            ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
            ProblemKind.DRY_RUN,
            ProblemKind.DESTINATION_TOKEN_MISSING,
            ProblemKind.PUBLISHING_SETTINGS_REFUSED,
            ProblemKind.PUBLISHING_SETTINGS_UNUSABLE,
            ProblemKind.RULES_UNREADABLE,
            ProblemKind.PUBLICATIONS_HELD,
            ProblemKind.CREDENTIALS_HELD,
            ProblemKind.UNDO_STOPPED,
            ProblemKind.UNDO_FAILED,
            ProblemKind.REPAIR_INTERRUPTED,
            ProblemKind.AUDITS_FAILED,
            ProblemKind.PUBLICATIONS_FAILED,
            ProblemKind.DEALS_FAILED,
            ProblemKind.TARGETS_UNUSABLE,
            ProblemKind.DEALS_GONE,
            ProblemKind.ACTIVITIES_MISSING,
            ProblemKind.ACTIVITIES_DOUBLED,
            ProblemKind.DEALS_DELAYED,
            ProblemKind.PUBLICATIONS_OVERDUE,
            ProblemKind.PUBLICATIONS_UNCERTAIN,
            ProblemKind.PUBLICATIONS_RETRIED,
            ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR,
            ProblemKind.DOUBLES_LEFT,
            ProblemKind.DEALS_DOUBLED,
            ProblemKind.DEALS_UNCERTAIN,
            ProblemKind.NOTES_FAILED,
            ProblemKind.NOTES_OVERDUE,
            ProblemKind.DOUBLES_DELETED,
            ProblemKind.DEALS_DRIFTED,
            ProblemKind.OTHERS_PUBLISH,
            ProblemKind.LISTS_NOT_COMPARED,
            ProblemKind.COMPARING,
            ProblemKind.FIRST_SENDS_COMPARED,
            ProblemKind.PUBLICATIONS_WAITING,
            ProblemKind.PUBLICATIONS_OF_PAUSED_USERS,
            ProblemKind.NOTES_WAITING,
            ProblemKind.AUDITS_WAITING,
            ProblemKind.UNDO_UNDER_WAY,
        }
    ),
    Card.DATABASE: frozenset(
        {
            ProblemKind.DATABASE_SET_BACK,
        }
    ),
    Card.WORKERS: frozenset(
        {
            ProblemKind.NO_WORKER,
            ProblemKind.UNHEALTHY,
            ProblemKind.EXAMINING_PAUSED,
            ProblemKind.CLOCK_WRONG,
            ProblemKind.SECRET_UNREADABLE,
            ProblemKind.IMPORT_FAILED,
            ProblemKind.IMPORT_INTERRUPTED,
            ProblemKind.CLOCK_WAS_WRONG,
        }
    ),
}
"""The kinds of problems that mark each card; every kind marks one."""
_CARD_OF = {kind: card for card, kinds in CARDS.items() for kind in kinds}
CLASS_OF_SEVERITY = {Severity.ERROR: "bad", Severity.WARNING: "wait"}


@dataclass(frozen=True)
class Marked:
    """The mark of a card, by its problems."""

    mark: str = "good"
    """`bad` with an error, `wait` with a warning, else `good`: a class of the page's style."""
    problems: int = 0
    """The number of errors and warnings."""


def marked(problems: Sequence[ProblemBody]) -> Mapping[str, Marked]:
    """Return the mark of each card, by its name; `problems` are worst first."""
    found = {card.value: Marked() for card in Card}
    for problem in problems:
        if mark := CLASS_OF_SEVERITY.get(problem.severity):
            card = _CARD_OF[problem.kind]
            before = found[card]
            worst = before.mark if before.problems else mark
            found[card] = Marked(worst, before.problems + 1)
    return found
