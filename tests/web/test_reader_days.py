"""Days and weeks on pages are those of the reader, also where summer time begins or ends."""

from datetime import UTC, datetime, time, timedelta

import httpx2
import pytest
from starlette.requests import Request

from gitpip.clock import utc_now
from gitpip.store.inbox.filters import InboxFilter, span
from gitpip.web.reader_zone import reader_now, with_zone, zone_called
from gitpip.web.render.times import day
from tests.support.pages import on_one_line
from tests.web.conftest import Served

BERLIN = zone_called("Europe/Berlin")
FIRST, LAST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""Zones 25 hours apart: at any time the day of at least one of them is not that of UTC."""


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


def page(served: Served, path: str, zone: str) -> str:
    headers = {"cookie": f"gitpip_zone={zone.replace('/', '%2F')}"}
    answer = httpx2.get(served.gitpip.url + path, headers=headers, timeout=20)
    assert answer.status_code == 200
    return on_one_line(answer.text)


def test_days_of_files_and_weeks_of_a_chart_are_those_of_the_reader(served: Served) -> None:
    today = utc_now()
    monday = (today - timedelta(days=today.weekday() + 14)).date()
    late_on_sunday = datetime.combine(monday, time(), UTC) - timedelta(hours=1)
    served.github.add_user("ada")
    served.github.add_gist("ada", {"a.py": "1"}, created_at=late_on_sunday)
    assert served.gitpip.post("/users/ada/id-of-ada").status_code == 201
    served.wait_for_files("ada", 1)
    sent = "/api/v1/publications?state=published"
    [row] = served.gitpip.wait_for(lambda: served.gitpip.get(sent).json()["items"], "a sent file")
    [file] = served.gitpip.get("/api/v1/users/ada/gists").json()["items"]

    for name in (FIRST, LAST):
        for field, at in (("found_on", file["found_at"]), ("published_on", row["published_at"])):
            on = datetime.fromisoformat(at).astimezone(zone_called(name)).date()
            for shift, is_found in ((-1, False), (0, True), (1, False)):
                address = f"/publications?{field}={on + timedelta(days=shift)}"
                shown = page(served, address, name)
                assert ("a.py" in shown) is is_found, address
                assert f"A day begins at midnight in {name}." in shown
    for name, week in ((FIRST, monday), (LAST, monday - timedelta(weeks=1))):
        shown = page(served, "/people/ada", name)
        assert f"1 gist in the week from {day(week, today)}" in shown


@pytest.mark.parametrize("on", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_can_be_asked_for(served_to_all: Served, on: str) -> None:
    for zone in (FIRST, LAST):
        assert "Nothing here." in page(served_to_all, f"/publications?found_on={on}", zone)
