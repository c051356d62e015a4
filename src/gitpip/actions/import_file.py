"""A list of users from a file: CSV, JSON, or one login a line, read piece by piece."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import BinaryIO

from gitpip.config import parse_duration
from gitpip.errors import InvalidInput
from gitpip.model import Backfill
from gitpip.modes import PublishingMode
from gitpip.store.users.users import GENERAL, parsed_mode
from gitpip.targets import Target, TargetKind
from gitpip.validation import check_external_id, check_login, checked_tags

COLUMNS = (
    *("login", "id", "tags", "interval", "backfill", "deal", "lead", "person", "organization"),
    "publishing_mode",
)
EXPECTED = (
    "the first line must be a header of comma-separated columns: login, and any of "
    f"{', '.join(COLUMNS[1:])}; e.g. login,id,tags"
)
PIECE = 64 * 1024
LONGEST_ITEM = 64 * 1024
_SPACE = re.compile("[ \\t\\r\\n]*")


@dataclass(frozen=True)
class ImportRow:
    """A user of a list; what is None was not given. `place` is the line or the entry."""

    place: str
    login: str
    external_id: str | None = None
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    backfill: Backfill | None = None
    target: Target | None = None
    mode: PublishingMode | None = None


HEADINGS = {
    *("account", "accounts", "client", "clients", "contact", "contacts", "customer", "customers"),
    *("developer", "developers", "employee", "employees", "engineer", "engineers", "github"),
    *("handle", "handles", "lead", "leads", "logins", "member", "members", "name", "names"),
    *("nickname", "nicknames", "owner", "owners", "people", "person", "persons", "student"),
    *("students", "team", "user", "username", "usernames", "users"),
}
"""First lines of a list that could be a login, and more likely head a spreadsheet's only column."""


@dataclass(frozen=True)
class RowError:
    """Something in a list that is no user, and why."""

    place: str
    reason: str


def read_import_file(file: BinaryIO) -> Iterator[ImportRow | RowError]:
    """Every user of a file, and every fault, in their order; a faulty line spoils no other.

    CSV has a header line that names `login` and any other of the columns; JSON is a list of logins,
    or of objects with the columns as names; anything else has one login a line. In a list, and
    before the header of CSV, comments begin with `#`. The text is UTF-8, or UTF-16 where a byte
    order mark says so.

    Raises InvalidInput before the first user when a table has no header or a wrong one, when a
    list's first line looks like a heading other than `login`, and when the file is empty, an Excel
    file, or JSON without a list.
    """
    bytes_ = io.BufferedReader(_Unclosed(file))
    marked = bytes_.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if marked else "utf-8-sig"
    text = io.TextIOWrapper(bytes_, encoding=encoding, errors="replace", newline="")
    skipped = 0
    first = _first_line(text)
    while first and not _content(first):
        skipped += 1
        first = _first_line(text)
    if not first:
        raise InvalidInput("file", "the file holds no login")
    if first.startswith("PK\x03\x04"):  # a zip archive, as .xlsx and .ods are
        raise InvalidInput("file", "this looks like an Excel file; save it as CSV")
    if first.lstrip().startswith("{"):
        raise InvalidInput("file", 'a list was expected, like ["octocat"]')
    if first.lstrip().startswith("["):
        yield from _read_json(first, text)
        return
    lines, header = chain([first], text), _header(first)
    if "login" in _names(header):
        yield from _read_csv(lines, skipped)
    elif _is_table(header):
        raise InvalidInput(
            "header",
            f"found the columns {_found(header)}, separated by {_separator(header)}; {EXPECTED}",
        )
    elif _names(header)[0] in HEADINGS:
        raise InvalidInput(
            "header",
            f"the first line, {_found(header)}, looks like the heading of a column; name the "
            "column login, and if this is a user's login, put a line with login above it",
        )
    else:
        yield from _read_lines(lines, skipped)


def _first_line(text: io.TextIOWrapper) -> str:
    """The next line, or its beginning where it begins JSON: a long list may be one line."""
    line = text.readline(PIECE)
    if line.endswith(("\n", "\r")) or line.lstrip().startswith("["):
        return line
    return line + text.readline()


class _Unclosed(io.RawIOBase):
    """A file that stays open for its owner when its reader is done."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        given = self._file.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)


def _content(line: str) -> str:
    """A line without its comment."""
    return line.partition("#")[0].strip()


def _header(line: str) -> str:
    """The first line as it may be a header: tabs at its end stand before empty fields.

    Those before a comment only align it.
    """
    return _content(line) if "#" in line else line.lstrip().rstrip("\r\n")


def _names(line: str) -> list[str]:
    """The fields of a line of CSV, as names of columns."""
    return [name.strip().lower() for name in next(csv.reader([line], skipinitialspace=True), [])]


def _is_table(content: str) -> bool:
    """Whether it holds more than a login: no login contains what separates fields."""
    return any(separator in content for separator in ",;\t")


def _found(header: str) -> str:
    """The fields of a wrong header, shortened, in quotation marks."""
    fields = re.split(r"[,;\t]", header)
    shown = [repr(field.strip()[:40]) for field in fields[:10]]
    return ", ".join(shown) + (", ..." if len(fields) > len(shown) else "")


def _separator(header: str) -> str:
    """The name of what separates the fields of a header."""
    if "," in header:
        return "commas"
    return "semicolons" if ";" in header else "tabs"


def _read_csv(lines: Iterator[str], skipped: int) -> Iterator[ImportRow | RowError]:
    rows = csv.reader(lines, strict=True, skipinitialspace=True)
    try:
        header = [name.strip().lower() for name in next(rows)]
    except csv.Error as error:
        raise InvalidInput("header", f"not CSV: {error}; {EXPECTED}") from None
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        wrong = f"{unknown[0]!r} is no column" if unknown else "a column is named twice"
        raise InvalidInput("header", f"{wrong}; {EXPECTED}")
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield RowError(f"line {skipped + rows.line_num}", f"not CSV: {error}")
            continue
        if not any(cell.strip() for cell in row):
            continue
        place = f"line {skipped + rows.line_num}"
        if len(row) > len(header):
            yield RowError(place, f"{len(row)} fields where the header has {len(header)}")
        else:
            yield _entry(place, dict(zip(header, (cell.strip() for cell in row), strict=False)))


def _read_lines(lines: Iterator[str], skipped: int) -> Iterator[ImportRow | RowError]:
    for number, line in enumerate(lines, start=skipped + 1):
        login = _content(line)
        if _is_table(login):
            yield RowError(f"line {number}", f"more than a login; for more {EXPECTED}")
        elif login:
            yield _entry(f"line {number}", {"login": login})


def _read_json(start: str, text: io.TextIOWrapper) -> Iterator[ImportRow | RowError]:
    number = 0
    try:
        for number, item in enumerate(_json_items(start, text), start=1):
            yield _json_entry(f"entry {number}", item)
    except ValueError as error:
        # Where in the file it is is not known: a decoder counts from the start of its piece.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        yield RowError(f"after entry {number}", f"not JSON from here on: {reason}")


def _json_items(start: str, text: io.TextIOWrapper) -> Iterator[object]:
    """The items of a JSON list, one by one, so that a long list takes no more room than a short.

    Raises ValueError where it is none, or where an item is far longer than a user can be.
    """
    decoder = json.JSONDecoder()
    waiting, at = start, start.index("[") + 1
    first, ended = True, False
    while True:
        at = _past_space(waiting, at)
        if first and waiting.startswith("]", at):
            return
        try:
            item, end = decoder.raw_decode(waiting, at)
            end = _past_space(waiting, end)
            if waiting[end : end + 1] not in (",", "]"):
                raise ValueError("a comma or the end of the list is missing")
        except RecursionError:
            raise ValueError("lists or objects are nested too deeply") from None
        except ValueError:
            # What is cut off at the end of a piece is whole with the next one.
            if ended or len(waiting) - at > LONGEST_ITEM:
                raise
            piece = text.read(PIECE)
            waiting, at, ended = waiting[at:] + piece, 0, not piece
            continue
        yield item
        if waiting[end] == "]":
            return
        at, first = end + 1, False


def _past_space(text: str, at: int) -> int:
    """Where the next thing begins: to cut the space off would copy the text for each item."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_entry(place: str, item: object) -> ImportRow | RowError:
    if isinstance(item, str):
        return _entry(place, {"login": item})
    if not isinstance(item, dict):
        return RowError(place, "neither a login nor an object with one")
    if unknown := sorted(str(name) for name in item if name not in COLUMNS):
        return RowError(place, f"{unknown[0]!r} is no field; there are {', '.join(COLUMNS)}")
    fields: dict[str, str] = {}
    for name, value in item.items():
        if name == "tags" and isinstance(value, list):
            fields[name] = ",".join(str(tag) for tag in value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            fields[name] = str(value).strip()
        elif value is not None:
            return RowError(place, f"{name}: neither text nor a number")
    return _entry(place, fields)


def _entry(place: str, fields: Mapping[str, str]) -> ImportRow | RowError:
    try:
        login = fields.get("login", "")
        check_login(login)
        external_id = fields.get("id") or None
        if external_id is not None:
            check_external_id(external_id)
        return ImportRow(
            place,
            login,
            external_id,
            tags=_tags(fields.get("tags", "")),
            interval=_interval(fields.get("interval", "")),
            backfill=_backfill(fields.get("backfill", "")),
            target=_target(fields),
            mode=_mode(fields.get("publishing_mode", "")),
        )
    except InvalidInput as error:
        return RowError(place, str(error))


def _tags(text: str) -> tuple[str, ...]:
    return checked_tags(tag for tag in re.split(r"[,;\s]+", text) if tag)


def _interval(text: str) -> timedelta | None:
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise InvalidInput("interval", str(error)) from None


def _backfill(text: str) -> Backfill | None:
    try:
        return Backfill.parse(text) if text else None
    except ValueError as error:
        raise InvalidInput("backfill", str(error)) from None


def _mode(text: str) -> PublishingMode | None:
    try:
        mode = parsed_mode(text) if text else GENERAL
    except ValueError as error:
        raise InvalidInput("publishing_mode", str(error)) from None
    return None if mode == GENERAL else mode


def _target(fields: Mapping[str, str]) -> Target | None:
    named = {kind: text for kind in TargetKind if (text := fields.get(kind, ""))}
    if len(named) > 1:
        raise InvalidInput(
            " and ".join(named),
            "only one of them can be given: a user's activities have one target",
        )
    for kind, text in named.items():
        try:
            return Target.of(kind, text)
        except ValueError as error:
            raise InvalidInput(kind, str(error)) from None
    return None
