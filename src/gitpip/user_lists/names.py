"""Lists of usernames as people paste them: on one line, or several on a line."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from gitpip.user_lists.columns import is_known_heading, is_login
from gitpip.user_lists.rows import ImportRow, RowError, row_of
from gitpip.user_lists.text import COMMENT, content
from gitpip.validation import split_logins

SEPARATORS = ",;\t"
NUMBERED_CELL = re.compile(r"[,;]\s*#[^\s#]")
MOST_ARE = 0.5
"""A list without the shape of a table holds usernames if more of its words than this can be some.
"""


def is_list_of_names(lines: Sequence[str]) -> bool:
    """Return whether lines hold nothing but usernames, some of them on one line.

    A table is none, even if each of its cells could be a username: it has a heading that people
    use, or a column of another kind than the others. Where lines differ in their length, or there
    is only one, no table is lost if some words are no usernames.
    """
    told = [line for line in map(content, lines) if line]
    # A cell may begin like a comment, such as a customer number, and must not be lost.
    if not told or _has_headings(told) or any(map(NUMBERED_CELL.search, lines)):
        return False
    words = [split_logins(line) for line in told]
    named = [is_login(word) for each in words for word in each]
    table = _cells(told)
    alike = len(table) > 1 and len({len(row) for row in table}) == 1
    if len(table) > 1 and _has_kinds(table):
        return False
    if not alike and has_several(told) and (len(table) == 1 or all(map(is_login, words[0]))):
        return sum(named) > MOST_ARE * len(named)
    separated = any(mark in COMMENT.sub("", line) for line in lines for mark in SEPARATORS)
    return all(named) and (separated or has_several(told))


def has_several(lines: Sequence[str]) -> bool:
    """Return whether a line names more than one user."""
    words = [split_logins(content(line)) for line in lines]
    return any(len(each) > 1 and not _is_with_number(each) for each in words)


def read_names(lines: Iterator[str], skipped: int) -> Iterator[ImportRow | RowError]:
    """Return the user that each word names.

    A username and a number on one line are refused: the number may be a customer ID.
    """
    for number, line in enumerate(lines, start=skipped + 1):
        place = f"line {number}"
        words = split_logins(content(line))
        if _is_with_number(words):
            yield RowError(
                place,
                f"{content(line)[:60]!r} may be a username and a customer ID. To import both, "
                "begin the list with a header, e.g. login,id,tags",
            )
            continue
        for word in words:
            yield row_of(place, {"login": word})


def _has_headings(lines: Sequence[str]) -> bool:
    """Return whether the first line names columns."""
    (first,) = _cells(lines[:1])
    known = [is_known_heading(cell) for cell in {*first, *split_logins(lines[0])} if cell]
    names = [cell.lower() for cell in first]
    return "login" in names or (all(known) if len(lines) == 1 else any(known))


def _cells(lines: Sequence[str]) -> list[list[str]]:
    """Return the lines as rows of a table."""
    mark = max(SEPARATORS, key=lambda mark: sum(line.count(mark) for line in lines))
    rows = [next(csv.reader([line], delimiter=mark, skipinitialspace=True), []) for line in lines]
    return [[cell.strip() for cell in row] for row in rows]


def _has_kinds(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether columns differ: numbers, or names of other words, besides usernames.

    A column with empty cells counts only if it holds numbers: lines of a list are of different
    lengths, too.
    """
    columns = list(zip_longest(*rows, fillvalue=""))
    kinds = [{_kind(cell) for cell in column if cell} for column in columns]
    if not all(len(kind) <= 1 for kind in kinds):
        return False
    whole = [
        kind
        for kind, column in zip(kinds, columns, strict=True)
        if all(column) or kind == {"number"}
    ]
    return len(set().union(*whole)) > 1


def _kind(cell: str) -> str:
    if _is_number(cell):
        return "number"
    if " " in cell:
        return "words"
    return "marked" if cell.startswith("@") or "github.com/" in cell.lower() else "name"


def _is_with_number(words: Sequence[str]) -> bool:
    """Return whether these are a username and numbers."""
    return len(words) > 1 and sum(not _is_number(word) for word in words) == 1


def _is_number(word: str) -> bool:
    return bool(re.fullmatch("[0-9]+", word))
