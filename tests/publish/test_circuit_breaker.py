"""What pauses all publishing, and for how long: never the fault of one publication."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.publish.circuit_breaker import (
    DAILY_PAUSE,
    DIFFERENT_FAILURES,
    LONGEST_PUBLISHING_PAUSE,
    LONGEST_TROUBLE,
    OUTCOMES_KEPT,
    CircuitBreaker,
    Request,
    RequestKind,
)
from gitpip.publish.delivery import (
    BAN_PAUSE,
    Accepted,
    Ambiguous,
    Denied,
    NotProcessed,
    Outcome,
    Refused,
)
from gitpip.publish.pipedrive.answers import Unread, read

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GATEWAY = Ambiguous("502")
FAILED = Ambiguous("500")


def write(number: int) -> Request:
    return Request(RequestKind.WRITE, f"publication {number}")


def pauses(outcomes: Sequence[Outcome], *, same: bool = False) -> list[timedelta | None]:
    """The pause after each of these outcomes, each met as soon as the one before was over."""
    breaker, now = CircuitBreaker(), NOW
    lengths: list[timedelta | None] = []
    for number, outcome in enumerate(outcomes):
        pause = breaker.pause_after(outcome, write(0 if same else number), now)
        lengths.append(pause.until - now if pause else None)
        now = pause.until if pause else now
    return lengths


def refused(**headers: str) -> NotProcessed:
    """A 429 with these headers, given with underscores."""
    named = {f"x-{name.replace('_', '-')}": text for name, text in headers.items()}
    outcome = read(429, named, b'{"success": false, "error": "request over limit"}')
    assert isinstance(outcome, NotProcessed)
    return outcome


@pytest.mark.parametrize("failure", [GATEWAY, FAILED, Unread("no answer in time")], ids=str)
def test_different_failures_in_a_row_pause_for_seconds_and_twice_as_long_each_time(
    failure: Outcome,
) -> None:
    lengths = pauses([failure] * 6 + [Accepted(1), failure])
    expected = [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]
    assert lengths == [None, None, *expected, None, None]
    assert max(filter(None, pauses([failure] * 30))) == LONGEST_TROUBLE


@given(st.lists(st.sampled_from([FAILED, GATEWAY]), min_size=1, max_size=3), st.data())
def test_a_tenth_of_the_requests_that_fail_never_pauses_also_in_a_row(
    failures: list[Outcome], data: st.DataObject
) -> None:
    breaker = CircuitBreaker()
    for number in range(OUTCOMES_KEPT):
        breaker.pause_after(Accepted(1), write(1_000 + number), NOW)
    after = data.draw(st.lists(st.integers(9, 50), min_size=1, max_size=3))
    for wave, successes in enumerate(after):
        for number, failure in enumerate(failures):
            assert breaker.pause_after(failure, write(10 * wave + number), NOW) is None
        for number in range(max(successes, OUTCOMES_KEPT)):
            assert breaker.pause_after(Accepted(1), write(1_000 + number), NOW) is None


@pytest.mark.parametrize(
    "first", [FAILED, Ambiguous("403", BAN_PAUSE, by_edge=True)], ids=["500", "403 by the edge"]
)
def test_what_failed_while_others_were_accepted_never_pauses_them(first: Outcome) -> None:
    breaker = CircuitBreaker()
    for number in range(20):
        breaker.pause_after(first, write(number), NOW)
        breaker.pause_after(Accepted(1), write(1_000), NOW)
    # All of them are tried again at the same time, with nothing between.
    for number in range(20):
        outcome = breaker.refused_alone(first, write(number))
        assert breaker.pause_after(outcome, write(number), NOW) is None
    assert not breaker.probing
    others = [breaker.pause_after(FAILED, write(2_000 + number), NOW) for number in range(9)]
    assert any(others), "Pipedrive fails for others, too"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 527])
def test_an_html_page_is_a_ban_only_with_403_and_429(status: int) -> None:
    assert read(status, {}, b"<html>") == Ambiguous(f"Pipedrive isn't responding ({status})")
    for banned, kind in ((403, Ambiguous), (429, NotProcessed)):
        outcome = read(banned, {}, b"<html>")
        assert isinstance(outcome, kind)
        # With 403 the edge may refuse the content of one; the second one tells.
        first = [None] if banned == 403 else []
        expected = [*first, BAN_PAUSE, 2 * BAN_PAUSE]
        assert pauses([outcome] * len(expected)) == expected
        assert timedelta(minutes=1) <= BAN_PAUSE


def test_different_publications_that_fail_in_a_row_are_trouble_and_one_success_ends_it() -> None:
    before = [FAILED] * (DIFFERENT_FAILURES - 1)
    assert pauses(before) == [None] * len(before)
    breaker: list[Outcome] = [*before, FAILED, FAILED, FAILED, Refused("400"), FAILED]
    expected = [SECOND, 2 * SECOND, 4 * SECOND, None, None]
    assert pauses(breaker) == [None] * len(before) + expected


outcomes_of_one = st.sampled_from(
    [FAILED, Refused("400"), Denied("403"), NotProcessed("later", 9 * SECOND, everyone=False)]
)


@given(st.lists(outcomes_of_one, max_size=50))
def test_one_publication_never_pauses_the_others(outcomes: list[Outcome]) -> None:
    assert pauses(outcomes, same=True) == [None] * len(outcomes)


@given(st.lists(st.tuples(outcomes_of_one, st.integers(0, 1)), max_size=50))
def test_failures_of_few_among_successes_never_pause(
    failures: list[tuple[Outcome, int]],
) -> None:
    breaker = CircuitBreaker()
    for outcome, number in failures:
        assert breaker.pause_after(outcome, write(number), NOW) is None
        assert breaker.pause_after(None, Request(RequestKind.READ, "a deal"), NOW) is None


def test_one_publication_that_the_edge_refuses_with_403_pauses_nothing() -> None:
    banned = Ambiguous("403", BAN_PAUSE, by_edge=True)
    assert pauses([banned] * 9, same=True) == [None] * 9
    breaker = CircuitBreaker()
    for number in range(9):
        assert breaker.pause_after(banned, write(number), NOW) is None
        assert breaker.pause_after(Accepted(1), write(99), NOW) is None
    assert breaker.pause_after(banned, Request(RequestKind.READ, "deal 1"), NOW) is None
    assert breaker.pause_after(banned, Request(RequestKind.READ, "deal 2"), NOW) is not None


def test_reads_that_the_edge_refuses_are_in_a_row_only_without_a_read_between() -> None:
    banned = Ambiguous("403", BAN_PAUSE, by_edge=True)
    breaker = CircuitBreaker()
    for number in range(9):
        refused_one = Request(RequestKind.READ, f"deal {number}")
        assert breaker.pause_after(banned, refused_one, NOW + number * timedelta(days=1)) is None
        assert breaker.pause_after(None, Request(RequestKind.READ, "all deals"), NOW) is None
    assert breaker.pause_after(banned, write(1), NOW) is None
    # A read that succeeds says nothing about a write that was refused.
    assert breaker.pause_after(None, Request(RequestKind.READ, "all deals"), NOW) is None
    assert breaker.pause_after(banned, write(2), NOW) is not None


def test_reading_that_works_does_not_prove_that_writing_does() -> None:
    breaker = CircuitBreaker()
    read_one = Request(RequestKind.READ, "deal 1")
    for number in range(DIFFERENT_FAILURES):
        assert breaker.pause_after(None, read_one, NOW) is None
        pause = breaker.pause_after(FAILED, write(number), NOW)
    assert pause is not None
    assert breaker.probing
    breaker.pause_after(Accepted(1), write(9), NOW)
    assert not breaker.probing


def test_after_a_pause_of_another_process_the_first_request_is_a_probe() -> None:
    breaker = CircuitBreaker()
    breaker.resume()
    assert breaker.probing
    assert breaker.pause_after(FAILED, write(1), NOW) is not None
    breaker.pause_after(Accepted(1), write(2), NOW)
    assert not breaker.probing
    assert breaker.pause_after(FAILED, write(3), NOW) is None


def test_failures_of_long_ago_say_nothing() -> None:
    breaker = CircuitBreaker()
    for number in range(DIFFERENT_FAILURES + 5):
        breaker.pause_after(FAILED, write(number), NOW)
    assert breaker.pause_after(FAILED, write(99), NOW + timedelta(hours=1)) is None


def test_an_announced_reset_is_waited_for_and_no_longer() -> None:
    limited = refused(ratelimit_remaining="0", ratelimit_reset="2")
    assert pauses([limited, limited, limited]) == [2 * SECOND] * 3
    assert pauses([limited, Accepted(1)] * 9) == [2 * SECOND, None] * 9


@pytest.mark.parametrize("reset", ["0", "1"])
def test_resets_that_prove_too_short_are_believed_three_times(reset: str) -> None:
    limited = refused(ratelimit_reset=reset, daily_ratelimit_token_remaining="900")
    lengths = [length for length in pauses([limited] * 12) if length]
    assert lengths[:3] == [SECOND] * 3
    assert lengths == sorted(lengths)
    assert lengths[-1] == timedelta(minutes=1)


@given(
    st.sampled_from(["10", "29999"]),
    st.none() | st.sampled_from(["0", "3", "19"]),
    st.none() | st.sampled_from(["0", "1", "2"]),
)
def test_while_the_header_says_that_plenty_is_left_the_daily_budget_is_not_used_up(
    daily: str, remaining: str | None, reset: str | None
) -> None:
    headers = {"daily_ratelimit_token_remaining": daily}
    headers |= {"ratelimit_remaining": remaining} if remaining else {}
    headers |= {"ratelimit_reset": reset} if reset else {}
    lengths = pauses([refused(**headers)] * 60)
    assert max(filter(None, lengths)) <= timedelta(minutes=1)


@pytest.mark.parametrize("name", ["ratelimit_reset", "retry_after"])
@pytest.mark.parametrize("seconds", [4_000, 80_000])
@pytest.mark.parametrize("epoch", [False, True])
def test_a_long_reset_is_believed_as_far_as_refusals_confirm_it(
    name: str, seconds: int, epoch: bool
) -> None:
    announced = str(seconds + int(NOW.timestamp()) * epoch)
    headers = {"date": format_datetime(NOW, usegmt=True), name.replace("_", "-"): announced}
    headers = {key.replace("ratelimit", "x-ratelimit"): value for key, value in headers.items()}
    headers |= {"x-ratelimit-remaining": "15", "x-daily-ratelimit-token-remaining": "29000"}
    limited = read(429, headers, b'{"success": false}')
    assert isinstance(limited, NotProcessed)
    minute = timedelta(minutes=1)
    assert pauses([limited, Accepted(1)] * 3) == [minute, None] * 3
    lengths = [length for length in pauses([limited] * 9) if length]
    assert lengths[:3] == [minute, 2 * minute, 4 * minute]
    assert max(lengths) == LONGEST_PUBLISHING_PAUSE


def test_a_reset_at_an_epoch_is_the_time_until_then() -> None:
    announced = int(NOW.timestamp()) + 9
    headers = {"date": format_datetime(NOW, usegmt=True), "x-ratelimit-reset": str(announced)}
    limited = read(429, headers, b'{"success": false}')
    assert isinstance(limited, NotProcessed)
    assert pauses([limited]) == [9 * SECOND]


def test_without_the_header_only_refusals_over_minutes_mean_the_daily_budget() -> None:
    lengths = [length for length in pauses([refused(ratelimit_remaining="7")] * 12) if length]
    assert lengths[0] <= 2 * SECOND
    inferred = lengths.index(DAILY_PAUSE)
    assert inferred >= 5
    assert sum(lengths[:inferred], timedelta(0)) >= timedelta(minutes=3)
    assert lengths[inferred:] == [DAILY_PAUSE] * len(lengths[inferred:])


def test_a_success_that_can_not_be_read_says_that_the_daily_budget_is_not_used_up() -> None:
    limited = refused(ratelimit_reset="1")
    unreadable = Ambiguous("Pipedrive answered 200 with no JSON", unintelligible=True)
    lengths = pauses([*[limited] * 4, unreadable] * 20)
    assert DAILY_PAUSE not in lengths
    assert DAILY_PAUSE in pauses([limited] * 80)


def test_minutes_without_a_connection_say_nothing_about_the_daily_budget() -> None:
    unreachable = NotProcessed("unreachable", 2 * SECOND)
    lengths = pauses([*[unreachable] * 12, refused(ratelimit_remaining="7")])
    assert lengths[-1] == 2 * SECOND


@pytest.mark.parametrize("remaining", ["0", "9"])
def test_a_daily_remainder_that_pays_for_nothing_is_the_daily_budget_at_once(
    remaining: str,
) -> None:
    limited = refused(daily_ratelimit_token_remaining=remaining, ratelimit_reset="1")
    assert pauses([limited] * 5) == [DAILY_PAUSE] * 5


everything = st.one_of(
    outcomes_of_one,
    st.just(GATEWAY),
    st.just(Ambiguous("403", BAN_PAUSE, by_edge=True)),
    st.just(NotProcessed("429", BAN_PAUSE, by_edge=True)),
    st.just(NotProcessed("unreachable", 2 * SECOND)),
    st.just(NotProcessed("401", timedelta(minutes=5), access=True)),
    st.builds(Accepted, st.just(1)),
)


@given(
    st.lists(st.tuples(everything, st.integers(0, 9), st.sampled_from(RequestKind)), max_size=80)
)
def test_every_pause_ends_and_a_success_of_each_kind_ends_all_trouble(
    steps: list[tuple[Outcome, int, RequestKind]],
) -> None:
    breaker, now = CircuitBreaker(), NOW
    for outcome, number, kind in steps:
        pause = breaker.pause_after(outcome, Request(kind, str(number)), now)
        if pause:
            assert SECOND <= pause.until - now <= LONGEST_PUBLISHING_PAUSE
            assert breaker.probing
            now = pause.until
    for kind in RequestKind:
        breaker.pause_after(Accepted(1), Request(kind, "a"), now)
    assert not breaker.probing
