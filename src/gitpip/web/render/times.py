"""Times for people: in UTC, which times.js turns into the reader's own zone and format."""

from datetime import datetime

from markupsafe import Markup


def exact(time: datetime, now: datetime) -> str:
    """A time (UTC) for people, with the year if it is not that of `now`: `Nov 25, 21:16 UTC`."""
    year = "" if time.year == now.year else f" {time.year},"
    return f"{time:%b} {time.day},{year} {time:%H:%M} UTC"


def age(time: datetime, now: datetime) -> Markup:
    """A time that readers see as how long ago it was, or how soon it will be."""
    return Markup('<time datetime="{}" data-age>{}</time>').format(_precise(time), exact(time, now))


def moment(time: datetime, now: datetime) -> Markup:
    """A time that readers see as a day and a time of day."""
    return Markup('<time datetime="{}">{}</time>').format(_precise(time), exact(time, now))


def _precise(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
