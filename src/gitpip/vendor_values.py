"""What a value of a vendor's answer may be before it goes into a row, a log or a sum.

Python reads values that a database refuses, or that no sum can be made with: half a surrogate
pair, U+0000 (PostgreSQL), a number beyond 64 bits, a time whose UTC lies before year 1. One of them
in one entry must not stop all others, so every answer is read through these functions. What can't
be read by them counts as missing.
"""

import json
from codecs import BOM_UTF8
from datetime import UTC, datetime

from gitpip.observability.redaction import redacted

LARGEST_ID = 2**63 - 1
"""The largest whole number that a column of either database holds."""
LARGEST_IN_HEADER = 10**11
"""Of seconds, these are 3,000 years: more can be neither a wait nor a count."""
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""A year beyond these is left at each end, so that a wait can be added or subtracted."""
DIGITS = 20
DEEPEST = 50
"""Answers of the vendors are nested five or six levels deep."""


def storable(text: str, limit: int | None = None) -> str:
    """Text of at most so many characters, without what a database refuses."""
    text = text[:limit]
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def words(text: str, limit: int) -> str:
    """A vendor's own words, to stand in a sentence of ours: one line without secrets."""
    # Cut before and after: a secret at the first cut is beyond the second one.
    text = redacted(text[: 4 * limit])
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:limit]


def whole_number(value: object) -> int | None:
    """An id or a count from 1 on that a database can hold."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return number if 1 <= number <= LARGEST_ID else None


def utc(moment: datetime) -> datetime | None:
    """A time in UTC; None for one without a zone, or outside of what can be calculated with."""
    if moment.tzinfo is None:
        return None
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if EARLIEST <= moment < LATEST else None


def time_of(value: object) -> datetime | None:
    """A time that is written as ISO 8601 has it, in UTC."""
    try:
        return utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def header_number(text: str | None) -> int | None:
    """A header's whole number; one that is too large for anything is the largest."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    # Python refuses to read more than 4,300 digits.
    digits = text.lstrip("0") or "0"
    return min(int(digits), LARGEST_IN_HEADER) if len(digits) <= DIGITS else LARGEST_IN_HEADER


def json_of(body: bytes) -> object:
    """What a body holds, where wrong bytes and huge numbers spoil nothing else.

    Raises ValueError where it is no JSON.
    """
    text = body.removeprefix(BOM_UTF8).decode(errors="replace")
    try:
        return json.loads(text, parse_int=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def cleaned(value: object, depth: int = 0) -> object:
    """What a body holds, with all texts as a database can keep them."""
    match value:
        case str():
            return storable(value)
        case list() | dict() if depth == DEEPEST:
            return None
        case list():
            return [cleaned(each, depth + 1) for each in value]
        case dict():
            return {storable(name): cleaned(each, depth + 1) for name, each in value.items()}
    return value


def _number(digits: str) -> int | float:
    """A float is no id and no count, and `float` reads any number of digits."""
    return int(digits) if len(digits) <= DIGITS else float(digits)
