"""Times for people: in UTC, which times.js turns into the reader's own zone and format."""

import contextlib
import re
from datetime import date, datetime

from markupsafe import Markup, escape

from gitpip.clock import whole_seconds

_IN_SENTENCE = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) UTC\b")


def exact(time: datetime, now: datetime) -> str:
    """A time (UTC) for people, with the year if it is not that of `now`: `Nov 25, 21:16 UTC`."""
    year = "" if time.year == now.year else f" {time.year},"
    return f"{time:%b} {time.day},{year} {time:%H:%M} UTC"


def day(date: date, now: datetime) -> str:
    """A day for people, with the year if it is not that of `now`: `Nov 25`."""
    year = "" if date.year == now.year else f", {date.year}"
    return f"{date:%b} {date.day}{year}"


def age(time: datetime, now: datetime) -> Markup:
    """A time that readers see as how long ago it was, or how soon it will be."""
    return Markup('<time datetime="{}" data-age>{}</time>').format(
        whole_seconds(time), exact(time, now)
    )


def moment(time: datetime, now: datetime) -> Markup:
    """A time that readers see as a day and a time of day."""
    return Markup('<time datetime="{}">{}</time>').format(whole_seconds(time), exact(time, now))


def in_sentence(sentence: str, now: datetime) -> Markup:
    """A sentence of ours in which each time is one that readers see in their own zone.

    Sentences are also for programs and terminals, and are stored, so they hold times as
    `day_and_clock` of `gitpip.clock` writes them: whole and in UTC.
    """
    parts, end = [], 0
    for found in _IN_SENTENCE.finditer(sentence):
        with contextlib.suppress(ValueError):
            time = datetime.fromisoformat(f"{found[1]}+00:00")
            parts += [escape(sentence[end : found.start()]), moment(time, now)]
            end = found.end()
    return Markup("").join([*parts, escape(sentence[end:])])
