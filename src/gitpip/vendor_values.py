"""The validation of a vendor's values before they go into a row, a log or a sum.

Python reads values that a database refuses, or that can't be used in a sum: half a surrogate pair,
U+0000 (PostgreSQL), a number beyond 64 bits, a time whose UTC lies before year 1. One of them in
one entry must not stop all others, so every answer is read through these functions. Unreadable
values count as missing.
"""

import json
from codecs import BOM_UTF8
from datetime import UTC, datetime

from gitpip.observability.redaction import redacted

LARGEST_STORED_NUMBER = 2**63 - 1
"""The largest whole number that a column of either database holds."""
LARGEST_IN_HEADER = 10**11
"""The largest number in a header. In seconds, it is 3,000 years: more can be neither a wait nor a
count."""
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""The limits of times. A year is left beyond each, so that a wait can be added or subtracted."""
MAX_DIGITS = 20
DEEPEST = 50
"""The deepest nesting that is read. The vendors' answers have five or six levels."""


def storable(text: str, limit: int | None = None) -> str:
    """Return text of at most `limit` characters, without what a database refuses."""
    if limit is not None:
        text = text[:limit]
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def words(text: str, limit: int) -> str:
    """Return a vendor's own words for a sentence of ours: one line without secrets."""
    # Cut before and after: a secret at the first cut is beyond the second one.
    text = redacted(text[: 4 * limit])
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:limit]


def whole_number(value: object) -> int | None:
    """Return an id or a count from 1 on that a database can hold, or None."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return number if 1 <= number <= LARGEST_STORED_NUMBER else None


def utc(moment: datetime) -> datetime | None:
    """Return a time in UTC, or None if it has no zone or is outside of the supported years."""
    if moment.tzinfo is None:
        return None
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if EARLIEST <= moment < LATEST else None


def time_of(value: object) -> datetime | None:
    """Return a time in UTC that is written in ISO 8601, or None."""
    try:
        return utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def header_number(text: str | None) -> int | None:
    """Return a header's whole number. One that is too large for any use is the largest."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    # Python refuses to read more than 4,300 digits.
    digits = text.lstrip("0") or "0"
    return min(int(digits), LARGEST_IN_HEADER) if len(digits) <= MAX_DIGITS else LARGEST_IN_HEADER


def json_of(body: bytes) -> object:
    """Return the contents of a body, in which wrong bytes and huge numbers spoil nothing else.

    Raises ValueError if it is not JSON.
    """
    text = body.removeprefix(BOM_UTF8).decode(errors="replace")
    try:
        return json.loads(text, parse_int=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def cleaned(value: object, depth: int = 0) -> object:
    """Return the contents of a body, with all texts as a database can keep them."""
    # Called for each value of each answer: with `match` it takes twice as long.
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        if depth == DEEPEST:
            return None
        return {storable(name): cleaned(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return None if depth == DEEPEST else [cleaned(each, depth + 1) for each in value]
    return value


def _number(digits: str) -> int | float:
    """Return the number: a float is no id and no count, and `float` reads any number of digits."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
