"""The difference of two texts, word by word: side by side, or as one column of lines."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby

MAX_COMPARED_LINES = 3_000
"""Texts are compared up to so many lines: comparing takes time that grows with the square."""
COUNTED_LINES = 500
"""The number of changed lines above which they are only counted, on a page of many gists."""
MAX_LINE_LENGTH = 1_000
CONTEXT = 3
WORDS = 200
"""A line with more words is not compared word by word."""
COMPARED_PAIRS = 500
"""The most pairs of lines of a page that are compared word by word."""
ALIKE = 0.4
"""Lines that have less in common, from 0 to 1, are not the same line edited."""

Piece = tuple[str, bool]
"""A part of a line, and whether it changed."""


@dataclass(frozen=True)
class Side:
    """A line of one of the texts; without a number it is a gap."""

    number: int | None
    text: str
    changed: bool
    pieces: Sequence[Piece] = ()
    """The parts of an edited line; none where it has little in common with the other one."""


@dataclass(frozen=True)
class DifferenceRow:
    """Two lines that stand next to each other."""

    left: Side
    right: Side


_GAP = Side(None, "", changed=False)


def differences(before: str, after: str) -> tuple[tuple[DifferenceRow, ...], ...]:
    """The changed places of two texts, each with a few lines around; empty when they are equal."""
    old = [line[:MAX_LINE_LENGTH] for line in before.splitlines()[:MAX_COMPARED_LINES]]
    new = [line[:MAX_LINE_LENGTH] for line in after.splitlines()[:MAX_COMPARED_LINES]]
    matcher = SequenceMatcher(None, old, new, autojunk=True)
    left = COMPARED_PAIRS
    places: list[tuple[DifferenceRow, ...]] = []
    for group in matcher.get_grouped_opcodes(CONTEXT):
        rows = []
        for row in (row for step in group for row in _rows(step, old, new)):
            compared = row.left.changed and row.right.changed and left > 0
            left -= compared
            rows.append(_word_by_word(row) if compared else row)
        places.append(tuple(rows))
    return tuple(places)


@dataclass(frozen=True)
class DiffLine:
    """A line of a difference in one column, with its numbers in both texts."""

    old: int | None
    new: int | None
    side: Side


def in_one_column(place: Sequence[DifferenceRow]) -> Iterator[DiffLine]:
    """A changed place as lines: of lines changed together, first the removed, then the added."""
    for changed, run in groupby(place, key=lambda row: row.left.changed or row.right.changed):
        rows = list(run)
        if not changed:
            yield from (DiffLine(row.left.number, row.right.number, row.right) for row in rows)
            continue
        yield from (DiffLine(row.left.number, None, row.left) for row in rows if row.left.changed)
        yield from (
            DiffLine(None, row.right.number, row.right) for row in rows if row.right.changed
        )


def _word_by_word(row: DifferenceRow) -> DifferenceRow:
    """The same two lines with the words that differ."""
    old, new = _words(row.left.text), _words(row.right.text)
    if max(len(old), len(new)) > WORDS:
        return row
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < ALIKE:
        return row
    steps = matcher.get_opcodes()
    return DifferenceRow(
        replace(row.left, pieces=_pieces(old, [(kind, a, b) for kind, a, b, _, _ in steps])),
        replace(row.right, pieces=_pieces(new, [(kind, a, b) for kind, _, _, a, b in steps])),
    )


def _words(line: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", line)


def _pieces(words: Sequence[str], steps: Sequence[tuple[str, int, int]]) -> tuple[Piece, ...]:
    parts = (("".join(words[start:end]), kind != "equal") for kind, start, end in steps)
    return tuple(part for part in parts if part[0])


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
    """Return how many lines were added and removed, as far as the texts are compared."""
    old, new = before.splitlines()[:COUNTED_LINES], after.splitlines()[:COUNTED_LINES]
    added = removed = 0
    for kind, *places in SequenceMatcher(None, old, new).get_opcodes():
        if kind != "equal":
            old_from, old_to, new_from, new_to = places
            added += new_to - new_from
            removed += old_to - old_from
    return added, removed
