"""A list of users as JSON, read piece by piece: a long list takes no more room than a short."""

import json
import re
from collections.abc import Iterator
from typing import TextIO

from gitpip.user_lists.rows import COLUMNS, ImportRow, RowError, row_of

CHUNK_BYTES = 64 * 1024
LONGEST_ITEM = 64 * 1024
_SPACE = re.compile("[ \\t\\r\\n]*")


def read_json(start: str, text: TextIO) -> Iterator[ImportRow | RowError]:
    """Every user of a JSON list. `start` was read of it already, and holds its first bracket."""
    number = 0
    try:
        for number, item in enumerate(_json_items(start, text), start=1):
            yield _json_entry(f"entry {number}", item)
    except ValueError as error:
        # The position in the file is unknown: the decoder counts from the start of its piece.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        yield RowError(f"after entry {number}", f"not valid JSON: {reason}")


def _json_items(start: str, text: TextIO) -> Iterator[object]:
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
            # A value that is cut off at the end of a piece is read with the next piece.
            if ended or len(waiting) - at > LONGEST_ITEM:
                raise
            piece = text.read(CHUNK_BYTES)
            waiting, at, ended = waiting[at:] + piece, 0, not piece
            continue
        yield item
        if waiting[end] == "]":
            return
        at, first = end + 1, False


def _past_space(text: str, at: int) -> int:
    """Return where the next value begins: cutting the space off would copy the text each time."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_entry(place: str, item: object) -> ImportRow | RowError:
    if isinstance(item, str):
        return row_of(place, {"login": item})
    if not isinstance(item, dict):
        return RowError(
            place, 'must be a username or an object with a login, e.g. {"login": "octocat"}'
        )
    if unknown := sorted(str(name) for name in item if name not in COLUMNS):
        return RowError(place, f"unknown field {unknown[0]!r}. Allowed: {', '.join(COLUMNS)}")
    fields: dict[str, str] = {}
    for name, value in item.items():
        if name == "tags" and isinstance(value, list):
            fields[name] = ",".join(str(tag) for tag in value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            fields[name] = str(value).strip()
        elif value is not None:
            return RowError(place, f"{name}: must be a text or a number")
    return row_of(place, fields)
