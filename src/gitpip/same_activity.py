"""The files that share an activity with another one, and the words that say so."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAMED_FILES = 3
"""The files named if there is little room. The others are counted."""


@dataclass(frozen=True)
class SentWith:
    """The publication of another file in the same activity."""

    id: int
    filename: str


def in_words(others: Sequence[SentWith], activity_id: int | None, *, is_sent: bool) -> str:
    """Return which files are in one activity with a file, for people; empty if there are none.

    The names are those of GitHub: escape them.
    """
    if not others:
        return ""
    names = [other.filename for other in others[:MAX_NAMED_FILES]]
    if len(others) > MAX_NAMED_FILES:
        names.append(f"{len(others) - MAX_NAMED_FILES} more")
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if not is_sent:
        return f"in one activity with {listed}"
    return f"sent with {listed}" + (f" as activity {activity_id}" if activity_id else "")
