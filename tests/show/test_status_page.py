"""The status page: a sentence, and the figures behind it."""

from datetime import UTC, datetime, timedelta

from gitpip.show.charts import over_a_day
from tests.show.conftest import Served

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_budgets_queue_and_freshness_are_shown(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "1"})

    def budgets() -> set[str]:
        return {budget["name"] for budget in served.gitpip.get("/status").json()["budgets"]}

    served.gitpip.wait_for(
        lambda: {"GitHub requests", "Pipedrive tokens"} <= budgets(), "the budgets"
    )
    served.gitpip.wait_for(
        lambda: "All good: " in served.gitpip.get("/status-page").text, "the sentence"
    )
    page = served.gitpip.get("/status-page").text

    assert "Pipedrive tokens: 29,9" in page
    assert "whole again <time" in page
    assert "in the last 1 min" in page
    assert "at the last count" in page


def test_a_day_is_cut_into_quarters_of_an_hour() -> None:
    samples = [
        (NOW - timedelta(hours=23, minutes=59), 4),
        (NOW - timedelta(minutes=14), 1),
        (NOW - timedelta(minutes=2), 2),
        (NOW - timedelta(days=3), 99),
        (NOW + timedelta(hours=1), 99),
    ]

    bars = over_a_day(samples, NOW)

    assert len(bars) == 96
    assert (bars[0].number, bars[0].height) == (4, 100)
    assert (bars[-1].number, bars[-1].height) == (2, 50)
    assert {bar.number for bar in bars[1:-1]} == {None}
    assert {bar.height for bar in over_a_day([], NOW)} == {0}
