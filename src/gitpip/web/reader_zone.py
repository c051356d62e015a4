"""The time zone of a reader, which the browser tells by a cookie; UTC where it is not known."""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Request

from gitpip.clock import utc_now

COOKIE = "gitpip_zone"
"""Set by `static/times.js`: the name of a zone as the browser knows it, such as `Europe/Berlin`."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}")


def reader_now(request: Request) -> datetime:
    """The present time in the time zone of the reader."""
    return utc_now().astimezone(reader_zone(request))


def reader_zone(request: Request) -> tzinfo:
    """The time zone of the reader."""
    return zone_called(unquote(request.cookies.get(COOKIE, "")))


def with_zone(text: str, zone: tzinfo) -> str:
    """A time that a person wrote, with its offset in this zone unless it names one.

    Text that is not a time is returned unchanged.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return text if time.tzinfo else time.replace(tzinfo=zone).isoformat()


@lru_cache(maxsize=64)
def zone_called(name: str) -> tzinfo:
    """The zone of this name; UTC for a name that no zone has."""
    if not _NAME.fullmatch(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return UTC
