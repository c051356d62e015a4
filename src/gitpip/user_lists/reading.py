"""Reads a list of users, of whatever format: its rows, and what was understood of it."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import BinaryIO

from gitpip.errors import InvalidInput
from gitpip.user_lists import columns, spreadsheet
from gitpip.user_lists.columns import Choice, Columns
from gitpip.user_lists.json_list import read_json
from gitpip.user_lists.names import has_several, is_list_of_names, read_names
from gitpip.user_lists.rows import COLUMNS, ImportRow, RowError, row_of
from gitpip.user_lists.spreadsheet import Sheet
from gitpip.user_lists.text import CHUNK_BYTES, ENCODING_NAMES, Text, content, is_json, open_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x19]")
"""Bytes that no text in Windows-1252 has, as a picture has many."""
ROWS_OF_SAMPLE = 20
"""The number of rows that are read to learn what a column holds, if its heading does not say it."""
EXPECTED = (
    "The first line must be a header with the column login and, if you want, "
    f"{', '.join(COLUMNS[1:])}, e.g. login,id,tags. Or choose what each column holds"
)


@dataclass(frozen=True)
class Understood:
    """The result of reading the beginning of a list."""

    format: str
    """Its format, as people call it, such as `CSV, separated by semicolons, in Windows-1252`."""
    first: tuple[str, ...]
    """The cells of its first row; none of JSON, whose entries name what they hold."""
    columns: Columns
    sheets: tuple[str, ...] = ()
    """The sheets of a spreadsheet that can be chosen."""
    sheet: str | None = None
    second: tuple[str, ...] = ()
    """The cells of its second row that has any."""
    is_list: bool = False
    """Whether each word is a username. It can be read as a table instead."""

    @property
    def certain(self) -> bool:
        """Whether nothing was guessed."""
        return self.columns.certain

    def heading(self, place: int) -> str:
        """Return the name of a column: its heading, else its number."""
        name = self.first[place].strip() if self.columns.header else ""
        return name or f"column {place + 1}"

    def example(self, place: int) -> str:
        """Return the cell of the first user's row in a column."""
        row = self.second if self.columns.header else self.first
        return row[place].strip() if place < len(row) else ""


@dataclass(frozen=True)
class UserList:
    """A list that was opened: what was understood, and then its rows, which are read once."""

    understood: Understood
    rows: Iterator[ImportRow | RowError]


Cells = tuple[str, list[str] | RowError]
"""A row of a table, or why it can't be read, with its place."""


def read_list(file: BinaryIO, choice: Choice | None = None) -> Iterator[ImportRow | RowError]:
    """Every user of a file, and every fault, in their order; a faulty row spoils no other.

    Raises InvalidInput before the first user if the file is empty or has none of the formats, or if
    only a guess could say which column holds what.
    """
    with open_list(file, choice) as opened:
        _refuse_a_guess(opened.understood)
        yield from opened.rows


def check_list(file: BinaryIO, choice: Choice | None = None) -> Understood:
    """Return what a list holds, as far as its first rows tell.

    Raises InvalidInput as `read_list` does.
    """
    with open_list(file, choice) as opened:
        _refuse_a_guess(opened.understood)
        return opened.understood


def _refuse_a_guess(understood: Understood) -> None:
    if understood.certain:
        return
    if understood.is_list:
        raise InvalidInput(
            "file", "some lines have several words. Put one GitHub username on each line"
        )
    found = columns.listed(understood.first)
    if len(understood.first) == 1:
        raise InvalidInput(
            "header",
            f"the first line, {found}, looks like a heading. Name the column login. If this is a "
            "username, put a line with login above it",
        )
    names = [name for cell in understood.first if (name := cell.strip().lower())]
    if "login" not in names:
        wrong = f"found the columns {found} in {understood.format}"
    elif unknown := [name for name in names if name not in COLUMNS]:
        wrong = f"unknown column {unknown[0][:40]!r}"
    else:
        wrong = "a column is named twice"
    raise InvalidInput("header", f"{wrong}. {EXPECTED}")


def understood(file: BinaryIO, choice: Choice | None = None) -> Understood:
    """Return what a list holds, as far as its first rows tell.

    Raises InvalidInput as `open_list` does.
    """
    with open_list(file, choice) as opened:
        return opened.understood


@contextmanager
def open_list(file: BinaryIO, choice: Choice | None = None) -> Iterator[UserList]:
    """Open a list, and say what its columns hold: as chosen, else as far as the rows tell.

    A spreadsheet is recognised by its first bytes, whatever the name of the file. JSON is a list of
    logins, or of objects with the names in COLUMNS. Any other file is a table whose cells are
    separated by commas, semicolons or tabs, or a list of logins. Comments begin with `#` in such a
    list, and before the header of a table. `file` must be seekable. Raises InvalidInput.
    """
    file.seek(0)
    start = file.read(CHUNK_BYTES)
    if spreadsheet.is_spreadsheet(start):
        with spreadsheet.open_sheet(file, choice.sheet if choice else None) as sheet:
            yield _open_sheet(sheet, choice)
        return
    text = open_text(file, start)
    if text.encoding == "cp1252" and NO_TEXT.search(start):
        raise InvalidInput("file", "this isn't a list. Upload a spreadsheet, CSV, JSON or text")
    if not text.first:
        raise InvalidInput("file", "the file has no username")
    if is_json(text.first):
        if text.first.lstrip().startswith("{"):
            raise InvalidInput("file", 'a list was expected, like ["octocat"]')
        exact = Columns(header=True, meanings=(), certain=True)
        yield UserList(Understood("JSON", (), exact), read_json(text.first, text.stream))
    else:
        yield _open_text(text, choice, start)


def _open_sheet(sheet: Sheet, choice: Choice | None) -> UserList:
    cells: Iterator[Cells] = (
        (f"row {number}", row) for number, row in enumerate(sheet.rows, start=1)
    )
    what = f"sheet {sheet.name!r} of a spreadsheet"
    if choice is None or choice.header is not False:
        cells = chain(_without_title(list(islice(cells, ROWS_OF_SAMPLE))), cells)
    return _open_table(cells, choice, Understood(what, (), _NONE, sheet.names, sheet.name))


def _open_text(text: Text, choice: Choice | None, start: bytes) -> UserList:
    encoding = ENCODING_NAMES[text.encoding]
    lines = chain([text.first], text.stream)
    beginning = _lines(start, text.encoding)
    if choice.is_list if choice else is_list_of_names(beginning):
        certain = choice is not None or not has_several(beginning)
        held = Columns(header=False, meanings=(), certain=certain)
        found = Understood(f"a list of usernames, in {encoding}", (), held, is_list=True)
        return UserList(found, read_names(lines, text.skipped))
    separator = _separator(text.first)
    if separator is None:
        plain = Understood(f"one column, in {encoding}", (), _NONE)
        return _open_table(_read_plain(lines, text.skipped), choice, plain)
    if text.first.strip().lower() == f"sep={separator}":
        next(lines)  # a line by which Excel is told the separator
        text.skipped += 1
    what = f"a table separated by {SEPARATORS[separator]}, in {encoding}"
    rows = _read_csv(lines, text.skipped, separator)
    return _open_table(rows, choice, Understood(what, (), _NONE))


_NONE = Columns(header=False, meanings=(), certain=False)


def _open_table(cells: Iterator[Cells], choice: Choice | None, found: Understood) -> UserList:
    """Return the contents of a table's columns, and then its rows."""
    ahead = list(islice(cells, ROWS_OF_SAMPLE))
    if not ahead:
        raise InvalidInput("file", "the file has no username")
    first = ahead[0][1]
    if isinstance(first, RowError):
        raise InvalidInput("header", f"{first.reason}. {EXPECTED}")
    below = [row for _, row in ahead[1:] if not isinstance(row, RowError)]
    proposal = columns.proposed(first, below)
    if not proposal.certain:  # columns without a heading can be chosen, too
        width = max(map(_width, below), default=0)
        first = [*first, *[""] * (width - len(first))]
        proposal = columns.proposed(first, below)
    proposes = choice is None or (choice.is_list is False and not choice.columns)
    held = columns.chosen(choice, first, proposal) if choice and not proposes else proposal
    rows = chain(ahead[1:] if held.header else ahead, cells)
    second = tuple(below[0]) if below else ()
    understood = replace(found, first=tuple(first), columns=held, second=second)
    return UserList(understood, _read_rows(rows, held))


def _without_title(rows: list[Cells]) -> list[Cells]:
    """Return the rows of a sheet without a title above its table, which has one cell in each row.

    The first row of several cells must be the header, as its headings tell: what stands above a
    table without one can be users. So can logins above headings of which some are not known.
    """
    above: list[str] = []
    for place, (_, row) in enumerate(rows):
        if isinstance(row, RowError):
            return rows
        filled = [cell for cell in row if cell.strip()]
        if len(filled) > 1:
            known = [cell for cell in filled if columns.is_known_heading(cell)]
            is_header = len(known) > 1 and any(map(columns.is_login_heading, known))
            if not is_header or any(map(columns.is_login_heading, above)):
                return rows
            is_title = len(known) == len(filled) or not any(
                columns.is_login(cell) or columns.is_known_heading(cell) for cell in above
            )
            return rows[place:] if is_title else rows
        above += filled
    return rows


def _width(row: Sequence[str]) -> int:
    """Return the number of cells of a row up to its last one with a text."""
    return max((place for place, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _read_rows(cells: Iterator[Cells], held: Columns) -> Iterator[ImportRow | RowError]:
    for place, row in cells:
        if isinstance(row, RowError):
            yield row
        elif (width := _width(row)) > len(held.meanings):
            fault = f"{width} fields where the header has {len(held.meanings)}"
            yield RowError(place, fault)
        elif width:
            named = zip(held.meanings, (cell.strip() for cell in row), strict=False)
            yield row_of(place, {meaning: cell for meaning, cell in named if meaning})


def _lines(start: bytes, encoding: str) -> list[str]:
    """Return the lines in the first bytes of a file, without one that goes on after them."""
    lines = re.split("\r\n|\r|\n", start.decode(encoding, "replace"))
    return lines[:-1] if len(start) == CHUNK_BYTES and len(lines) > 1 else lines


def _separator(line: str) -> str | None:
    """Return the separator of a line's cells, if it has one: no login contains any of these."""
    if "#" in line and "," not in content(line) and ";" not in content(line):
        line = content(line)  # tabs before a comment only align it
    bare = line.rstrip("\r\n")
    if bare.strip().lower() == "login":
        return ","  # a table of one column
    counted = {mark: _count(bare, mark) for mark in SEPARATORS}
    best = max(counted, key=lambda mark: counted[mark])
    return best if counted[best] else None


def _count(line: str, mark: str) -> int:
    """Return how often a mark separates cells of a line: not within quotation marks."""
    return len(next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])) - 1


def _read_csv(lines: Iterator[str], skipped: int, separator: str) -> Iterator[Cells]:
    rows = csv.reader(lines, strict=True, delimiter=separator, skipinitialspace=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"line {skipped + rows.line_num}"
            yield place, RowError(place, f"not CSV: {error}")
            continue
        if any(cell.strip() for cell in row):
            yield f"line {skipped + rows.line_num}", row


def _read_plain(lines: Iterator[str], skipped: int) -> Iterator[Cells]:
    for number, line in enumerate(lines, start=skipped + 1):
        place, cell = f"line {number}", content(line)
        if any(mark in cell for mark in SEPARATORS):
            wrong = "more than a username; a list without a header holds one in each line"
            yield place, RowError(place, wrong)
        elif cell:
            quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
            yield place, [cell[1:-1] if quoted else cell]
