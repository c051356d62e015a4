"""How durations are written in settings, and read."""

from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitpip.config import LONGEST_DURATION, format_duration, parse_duration

durations = st.timedeltas(min_value=timedelta(microseconds=1), max_value=LONGEST_DURATION)


@given(durations | durations.map(lambda d: timedelta(seconds=int(d.total_seconds()) + 1)))
def test_a_duration_is_read_back_as_written(duration: timedelta) -> None:
    assume(duration <= LONGEST_DURATION)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=20) | st.from_regex(r"[-+P]?[0-9]{1,20}[.TDHMSdhms]{0,3}[0-9]*[a-z]?"))
def test_a_duration_is_positive_and_bounded_or_a_value_error(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert timedelta(0) < duration <= LONGEST_DURATION


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("45s", 45, "45s"),
        ("10m", 600, "10m"),
        ("3h", 10800, "3h"),
        ("90", 90, "1m30s"),
        ("0.25", 0.25, "0.25s"),
        ("1h30m", 5400, "1h30m"),
        ("PT3H", 10800, "3h"),
        ("P1DT1S", 86401, "1d1s"),
        ("7d", 604800, "7d"),
        ("1 hour", 3600, "1h"),
        ("2 days 3 hours", 183600, "2d3h"),
        ("30 min", 1800, "30m"),
        ("1 hour 30 minutes 5 seconds", 5405, "1h30m5s"),
    ],
)
def test_durations(text: str, seconds: float, written: str) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(parse_duration(text)) == written


@pytest.mark.parametrize("text", ["1.000", "1,000", "1,5"])
def test_a_number_that_can_be_read_in_two_ways_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)
