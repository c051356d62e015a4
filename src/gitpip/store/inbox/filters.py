"""Filters of the inbox, as the fields of its address say them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from urllib.parse import urlencode

from gitpip.errors import InvalidInput
from gitpip.model import PublicationState
from gitpip.store.database import Transaction
from gitpip.store.inbox.pages import GistsWanted
from gitpip.store.listing import FileWanted
from gitpip.store.users import users
from gitpip.validation import any_of, named_login, possible_login, without_nul

FIRST_DAY, LAST_DAY = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The bounds of days: no gist is outside of them, and a day beyond may not exist."""
WEEK, MONTH = timedelta(days=7), timedelta(days=30)


class Show(StrEnum):
    """The gists that are shown, regardless of the other fields of a filter."""

    UNREAD = "unread"
    TODAY = "today"
    WEEK = "week"
    MONTH = "month"
    ALL = "all"


class By(StrEnum):
    """The time of a gist that the days of a filter refer to."""

    PUBLISHED = "published"
    """The time when it was created on GitHub."""
    FOUND = "found"
    """The time when gitpip found it."""


@dataclass(frozen=True)
class InboxFilter:
    """The checked fields of the inbox's address; an empty field does not narrow."""

    q: str = ""
    language: str = ""
    tag: str = ""
    state: str = ""
    user: str = ""
    since: str = ""
    until: str = ""
    by: str = ""
    show: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "InboxFilter":
        """Return the given fields, in their usual spelling. Raises InvalidInput."""
        values = {one.name: without_nul(given.get(one.name, "")).strip() for one in fields(cls)}
        values["user"] = named_login(values["user"])
        for name, kinds in (("state", PublicationState), ("by", By), ("show", Show)):
            if values[name] and values[name] not in list(kinds):
                raise InvalidInput(name, f"must be {any_of(kinds)}, not {values[name][:40]!r}")
        for name in ("since", "until"):
            _day(name, values[name])
        return cls(**values)

    @property
    def query(self) -> str:
        """The fields as a query string, without those that are empty."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    @property
    def shows(self) -> Show:
        """The gists that are shown: by default the unread ones, or all that a filter finds."""
        if self.show:
            return Show(self.show)
        return Show.ALL if self.narrows else Show.UNREAD

    @property
    def narrows(self) -> bool:
        """Whether it asks for more than `show` says."""
        return any(value for name, value in asdict(self).items() if name not in ("show", "by"))

    def having(self, **changes: str) -> str:
        """Return the query string with other values of some fields."""
        return InboxFilter(**(asdict(self) | changes)).query


async def wanted(transaction: Transaction, asked: InboxFilter, now: datetime) -> GistsWanted:
    """Return the gists that a filter asks for now; its days are in the time zone of `now`.

    Raises UserNotTracked.
    """
    user_keys = None
    if asked.user:
        user_keys = [(await users.find(transaction, possible_login(asked.user))).key]
    since, before = span(asked, now)
    found = asked.by == By.FOUND
    return GistsWanted(
        FileWanted(
            text=asked.q,
            language=asked.language,
            tag=asked.tag,
            state=PublicationState(asked.state) if asked.state else None,
            since=since if found else None,
            before=before if found else None,
            user_keys=user_keys,
        ),
        unread=asked.shows is Show.UNREAD,
        created_since=None if found else since,
        created_before=None if found else before,
    )


def span(asked: InboxFilter, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the beginning and the end, exclusive, of the filter's time in UTC.

    Days are in the time zone of `now`; a day has 23 or 25 hours where summer time begins or ends.
    """
    zone = now.tzinfo or UTC
    since, last_day = _day("since", asked.since, zone), _day("until", asked.until, zone)
    before = None if last_day is None else last_day + timedelta(days=1)
    if asked.shows is Show.TODAY:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        since = max(since or today, today)
    elif asked.shows in (Show.WEEK, Show.MONTH):
        length = WEEK if asked.shows is Show.WEEK else MONTH
        begin = (now.astimezone(UTC) - length).astimezone(zone)
        since = max(since or begin, begin)
    return since and since.astimezone(UTC), before and before.astimezone(UTC)


def _day(field: str, text: str, zone: tzinfo = UTC) -> datetime | None:
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError:
        raise InvalidInput(field, f"must be a date, e.g. 2026-01-31, not {text[:40]!r}") from None
    return min(max(day, FIRST_DAY), LAST_DAY)
