"""A list of users from a file: CSV, JSON, or one login a line, read piece by piece."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

from gitpip.errors import InvalidInput
from gitpip.model import Backfill, DealId, check_external_id, check_login, checked_tags
from gitpip.settings import parse_duration

COLUMNS = ("login", "id", "tags", "interval", "backfill", "deal")
PIECE = 64 * 1024
LONGEST_ITEM = 64 * 1024


@dataclass(frozen=True)
class Entry:
    """A user of a list; what is None was not given. `place` is the line or the entry."""

    place: str
    login: str
    external_id: str | None = None
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    backfill: Backfill | None = None
    deal_id: DealId | None = None


@dataclass(frozen=True)
class Fault:
    """Something in a list that is no user, and why."""

    place: str
    reason: str


def read_roster(file: BinaryIO) -> Iterator[Entry | Fault]:
    """Every user of a file, and every fault, in their order; a faulty line spoils no other.

    CSV has a header line that names `login` and any other of the columns; JSON is a list of logins,
    or of objects with the columns as names; anything else has a `login` or `login,id` a line, with
    comments after `#`. The text is UTF-8. Raises InvalidInput when the header is wrong.
    """
    rest = _Joined(file.read(3).removeprefix(codecs.BOM_UTF8), file)
    head = rest.peek_line()
    if head.lstrip()[:1] in (b"[", b"{"):
        yield from _read_json(_text(rest))
        return
    columns = [name.strip().lower() for name in head.decode(errors="replace").split(",")]
    if "login" in columns:
        yield from _read_csv(_text(rest))
    else:
        yield from _read_lines(_text(rest))


def _text(stream: "_Joined") -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedReader(stream), encoding="utf-8", errors="replace", newline=""
    )


class _Joined(io.RawIOBase):
    """A stream of which the first line has been looked at."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def peek_line(self) -> bytes:
        self._start += self._rest.readline(PIECE)
        return self._start

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._start:
            given = self._start if size < 0 else self._start[:size]
            self._start = self._start[len(given) :]
            return given
        return self._rest.read(size)

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        given = self.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)


def _read_csv(text: io.TextIOWrapper) -> Iterator[Entry | Fault]:
    rows = csv.reader(text, strict=True)
    header = [name.strip().lower() for name in next(rows)]
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        wrong = f"{unknown[0]!r} is no column" if unknown else "a column is named twice"
        raise InvalidInput("header", f"{wrong}; there are {', '.join(COLUMNS)}")
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Fault(f"line {rows.line_num}", f"not CSV: {error}")
            continue
        if not any(cell.strip() for cell in row):
            continue
        place = f"line {rows.line_num}"
        if len(row) > len(header):
            yield Fault(place, f"{len(row)} fields where the header has {len(header)}")
        else:
            yield _entry(place, dict(zip(header, (cell.strip() for cell in row), strict=False)))


def _read_lines(text: io.TextIOWrapper) -> Iterator[Entry | Fault]:
    for number, line in enumerate(text, start=1):
        login, _, external_id = (part.strip() for part in line.partition("#")[0].partition(","))
        if login or external_id:
            yield _entry(f"line {number}", {"login": login, "id": external_id})


def _read_json(text: io.TextIOWrapper) -> Iterator[Entry | Fault]:
    number = 0
    try:
        for number, item in enumerate(_json_items(text), start=1):
            yield _json_entry(f"entry {number}", item)
    except ValueError as error:
        yield Fault(f"after entry {number}", f"not JSON from here on: {error}")


def _json_items(text: io.TextIOWrapper) -> Iterator[object]:
    """The items of a JSON list, one by one, so that a long list takes no more room than a short.

    Raises ValueError where it is none.
    """
    decoder = json.JSONDecoder()
    waiting = text.read(PIECE).lstrip()
    if not waiting.startswith("["):
        raise ValueError('a list was expected, like ["octocat"]')
    waiting, first, ended = waiting[1:], True, False
    while True:
        waiting = waiting.lstrip()
        try:
            if waiting.startswith("]") and first:
                return
            item, end = decoder.raw_decode(waiting)
            after = waiting[end:].lstrip()
            if after[:1] not in (",", "]"):
                raise ValueError("a comma or the end of the list is missing")
        except ValueError:
            # What is cut off at the end of a piece is whole with the next one.
            if ended or len(waiting) > LONGEST_ITEM:
                raise
            piece = text.read(PIECE)
            waiting, ended = waiting + piece, not piece
            continue
        yield item
        if after.startswith("]"):
            return
        waiting, first = after[1:], False


def _json_entry(place: str, item: object) -> Entry | Fault:
    if isinstance(item, str):
        return _entry(place, {"login": item})
    if not isinstance(item, dict):
        return Fault(place, "neither a login nor an object with one")
    if unknown := sorted(str(name) for name in item if name not in COLUMNS):
        return Fault(place, f"{unknown[0]!r} is no field; there are {', '.join(COLUMNS)}")
    fields: dict[str, str] = {}
    for name, value in item.items():
        if name == "tags" and isinstance(value, list):
            fields[name] = ",".join(str(tag) for tag in value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            fields[name] = str(value).strip()
        elif value is not None:
            return Fault(place, f"{name}: neither text nor a number")
    return _entry(place, fields)


def _entry(place: str, fields: Mapping[str, str]) -> Entry | Fault:
    try:
        login = fields.get("login", "")
        check_login(login)
        external_id = fields.get("id") or None
        if external_id is not None:
            check_external_id(external_id)
        return Entry(
            place,
            login,
            external_id,
            tags=_tags(fields.get("tags", "")),
            interval=_interval(fields.get("interval", "")),
            backfill=_backfill(fields.get("backfill", "")),
            deal_id=_deal(fields.get("deal", "")),
        )
    except InvalidInput as error:
        return Fault(place, str(error))


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


def _deal(text: str) -> DealId | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise InvalidInput("deal", f"{text[:40]!r} is no id of a deal; that is a whole number")
    return DealId(int(text))
