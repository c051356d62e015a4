"""Days in the inbox are those of the reader, also where summer time begins or ends."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request

from gitpip.store.inbox.filters import InboxFilter, span
from gitpip.web.reader_zone import reader_now, with_zone, zone_called

BERLIN = zone_called("Europe/Berlin")


def hours(asked: InboxFilter, now: datetime) -> tuple[str, float]:
    """When a filter begins, in UTC, and how many hours it is long."""
    since, before = span(asked, now)
    assert since is not None
    return f"{since:%m-%d %H:%M}", ((before or now.astimezone(UTC)) - since) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("day", "begins", "length"),
    [
        ("2026-03-28", "03-27 23:00", 24),
        ("2026-03-29", "03-28 23:00", 23),
        ("2026-10-25", "10-24 22:00", 25),
        ("2026-10-26", "10-25 23:00", 24),
    ],
)
def test_a_day_is_as_long_as_it_is_for_the_reader(day: str, begins: str, length: float) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC).astimezone(BERLIN)
    assert hours(InboxFilter(since=day, until=day), now) == (begins, length)


def test_today_and_the_last_week_count_from_the_readers_present() -> None:
    after_change = datetime(2026, 3, 29, 10, tzinfo=UTC).astimezone(BERLIN)
    assert hours(InboxFilter(show="today"), after_change) == ("03-28 23:00", 11)
    assert hours(InboxFilter(show="week"), after_change) == ("03-22 10:00", 7 * 24)
    assert hours(InboxFilter(show="month"), after_change) == ("02-27 10:00", 30 * 24)
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    assert hours(InboxFilter(show="today"), late.astimezone(BERLIN)) == ("03-28 23:00", 0.5)
    assert hours(InboxFilter(show="today"), late) == ("03-28 00:00", 23.5)


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        ("Europe%2FBerlin", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("", "UTC"),
        ("Mars%2FOlympus", "UTC"),
        ("..%2F..%2Fetc%2Fpasswd", "UTC"),
        ("Europe", "UTC"),
        ("x" * 500, "UTC"),
    ],
)
def test_a_zone_that_is_not_known_is_utc(cookie: str, zone: str) -> None:
    headers = [(b"cookie", f"gitpip_zone={cookie}".encode())]
    assert str(reader_now(Request({"type": "http", "headers": headers})).tzinfo) == zone


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-01-31T08:00", "2026-01-31T08:00:00+01:00"),
        ("2026-07-31", "2026-07-31T00:00:00+02:00"),
        ("2026-01-31T08:00Z", "2026-01-31T08:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00+00:53:28"),
        ("tomorrow", "tomorrow"),
    ],
)
def test_a_time_in_a_form_is_in_the_readers_zone(written: str, time: str) -> None:
    assert with_zone(written, BERLIN) == time
