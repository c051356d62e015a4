"""The difference of two texts, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

LINES = 3_000
"""Texts are compared up to so many lines: comparing takes time that grows with the square."""
COUNTED_LINES = 500
"""Where the changed lines are only counted, on a page of many gists."""
WIDTH = 1_000
CONTEXT = 3


@dataclass(frozen=True)
class Side:
    """A line of one of the texts; without a number it is a gap."""

    number: int | None
    text: str
    changed: bool


@dataclass(frozen=True)
class DifferenceRow:
    """Two lines that stand beside each other."""

    left: Side
    right: Side


_GAP = Side(None, "", changed=False)


def differences(before: str, after: str) -> tuple[tuple[DifferenceRow, ...], ...]:
    """The changed places of two texts, each with a few lines around; empty when they are equal."""
    old = [line[:WIDTH] for line in before.splitlines()[:LINES]]
    new = [line[:WIDTH] for line in after.splitlines()[:LINES]]
    matcher = SequenceMatcher(None, old, new, autojunk=True)
    return tuple(
        tuple(row for step in group for row in _rows(step, old, new))
        for group in matcher.get_grouped_opcodes(CONTEXT)
    )


def _rows(
    step: tuple[str, int, int, int, int], old: list[str], new: list[str]
) -> Iterator[DifferenceRow]:
    kind, old_from, old_to, new_from, new_to = step
    changed = kind != "equal"
    for offset in range(max(old_to - old_from, new_to - new_from)):
        left, right = old_from + offset, new_from + offset
        yield DifferenceRow(
            Side(left + 1, old[left], changed) if left < old_to else _GAP,
            Side(right + 1, new[right], changed) if right < new_to else _GAP,
        )


def changed_lines(before: str, after: str) -> tuple[int, int]:
    """How many lines were added and removed between two texts, as far as they are compared."""
    old, new = before.splitlines()[:COUNTED_LINES], after.splitlines()[:COUNTED_LINES]
    added = removed = 0
    for kind, *places in SequenceMatcher(None, old, new).get_opcodes():
        if kind != "equal":
            old_from, old_to, new_from, new_to = places
            added += new_to - new_from
            removed += old_to - old_from
    return added, removed
