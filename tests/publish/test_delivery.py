"""The rules of a delivery: never twice, never too early, never lost."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gitpip.config import validators
from gitpip.http_client import USER_TIMEOUT
from gitpip.model import Change, PublicationState
from gitpip.publish.delivery import (
    ABSENCE,
    GAPS,
    LONGEST_SEND_RETRY,
    MAX_ATTEMPTS,
    Accepted,
    Ambiguous,
    Attempt,
    Denied,
    NotProcessed,
    Outcome,
    Refused,
    Waits,
    after_looking,
    after_sending,
    could_not_look,
    could_not_look_again,
    is_fresh,
    retry_wait,
)

moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30_000)).map(
    lambda later: datetime(2020, 1, 1, tzinfo=UTC) + later
)
pauses = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))
waits = st.builds(
    Waits,
    st.timedeltas(min_value=timedelta(milliseconds=100), max_value=timedelta(minutes=5)),
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=1)),
)
attempts = st.integers(1, MAX_ATTEMPTS + 2)
ambiguous = st.builds(Ambiguous, st.text(), st.none() | pauses)
denied = st.builds(Denied, st.text(), st.integers(0, 2))
outcomes = st.one_of(
    st.builds(Accepted, st.integers(min_value=1)),
    st.builds(Refused, st.text()),
    denied,
    st.builds(NotProcessed, st.text(), pauses, st.booleans()),
    ambiguous,
)


def attempt_of(change: Change, number: int = 1) -> Attempt:
    """What the row says about an attempt after this change."""
    return Attempt(number, change.looks, change.in_flight_until, change.reason)


@given(outcomes, attempts, moments)
def test_only_what_was_surely_not_processed_is_sent_again_without_a_look(
    outcome: Outcome, attempt: int, now: datetime
) -> None:
    state = after_sending(outcome, attempt=attempt, now=now).state
    given_up = isinstance(outcome, Denied) and attempt >= MAX_ATTEMPTS
    again = isinstance(outcome, NotProcessed | Denied) and not given_up
    assert (state is PublicationState.PENDING) == again
    assert (state is PublicationState.UNCERTAIN) == isinstance(outcome, Ambiguous)
    assert (state is PublicationState.PUBLISHED) == isinstance(outcome, Accepted)
    assert (state is PublicationState.FAILED) == (isinstance(outcome, Refused) or given_up)


@given(outcomes, attempts, moments)
def test_an_outcome_is_never_forgotten(outcome: Outcome, attempt: int, now: datetime) -> None:
    change = after_sending(outcome, attempt=attempt, now=now)
    assert change.due_at >= now
    assert change.looks == 0
    if isinstance(outcome, Accepted):
        assert change.accepted_id == outcome.id
    else:
        assert change.accepted_id is None
        assert outcome.reason in str(change.reason)


@given(ambiguous, moments)
def test_a_write_that_landed_is_looked_for_within_seconds(
    outcome: Ambiguous, now: datetime
) -> None:
    wait = after_sending(outcome, attempt=1, now=now).due_at - now
    assert timedelta(seconds=2) <= wait <= timedelta(seconds=3)


offsets = st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=3))


@given(ambiguous, attempts, moments, st.tuples(waits, offsets), st.lists(pauses, max_size=9))
def test_an_uncertain_delivery_is_sent_again_after_the_floor_by_pipedrives_time_and_not_before(
    outcome: Ambiguous,
    number: int,
    now: datetime,
    rules: tuple[Waits, timedelta],
    delays: list[timedelta],
) -> None:
    waits, ahead = rules
    change = after_sending(outcome, attempt=number, now=now)
    looks: list[datetime] = []
    while change.state is PublicationState.UNCERTAIN:
        at = change.due_at + (delays.pop() if delays else timedelta(0))
        assert not looks or at > looks[-1]
        looks.append(at)
        change = after_looking(
            None, attempt_of(change, number), now=at, seen_at=at - ahead, waits=waits
        )
        assert len(looks) < 10
    assert change.state is (
        PublicationState.FAILED if number >= MAX_ATTEMPTS else PublicationState.PENDING
    )
    # The last look waits for the next attempt, which follows it at once.
    later = timedelta(0) if number >= MAX_ATTEMPTS else retry_wait(number - 1)
    assert looks[-1] - looks[0] >= waits.absence + later
    assert len(looks) <= (len(GAPS) + 2 if number == 1 else 2)
    assert change.looked_at == looks[-1]
    assert change.looks == 0
    assert outcome.reason in str(change.reason) or not outcome.reason
    assert change.due_at == looks[-1]


@given(ambiguous, moments, waits, offsets)
def test_our_clock_says_nothing_about_absence(
    outcome: Ambiguous, now: datetime, waits: Waits, step: timedelta
) -> None:
    change = after_sending(outcome, attempt=1, now=now)
    seen_at = now
    for _ in range(4):
        seen_at += waits.absence / 5
        our_time = change.due_at + step
        change = after_looking(None, attempt_of(change), now=our_time, seen_at=seen_at, waits=waits)
        assert change.state is PublicationState.UNCERTAIN


@given(ambiguous, moments, waits)
def test_looks_that_fail_prove_nothing_and_become_rare(
    outcome: Ambiguous, now: datetime, waits: Waits
) -> None:
    change = after_sending(outcome, attempt=1, now=now)
    looks = 0
    while change.due_at - now < timedelta(days=1):
        looks += 1
        at = change.due_at
        change = could_not_look("500", attempt_of(change), sent_at=now, now=at)
        assert change.state is PublicationState.UNCERTAIN
        assert (change.looks, change.in_flight_until) == (0, None)
        assert timedelta(seconds=5) <= change.due_at - at <= LONGEST_SEND_RETRY
    assert looks < 50


@given(ambiguous, moments, waits, st.timedeltas(timedelta(days=-1), timedelta(days=1)))
def test_a_last_look_that_fails_is_repeated_soon_and_then_ever_later(
    outcome: Ambiguous, now: datetime, waits: Waits, theirs_ahead: timedelta
) -> None:
    change = after_sending(outcome, attempt=1, now=now)
    first_at = change.due_at + theirs_ahead
    at = change.due_at + waits.absence
    change = after_looking(
        None, attempt_of(change), now=change.due_at, seen_at=first_at, waits=waits
    )
    failed = could_not_look("500", attempt_of(change), sent_at=now, now=at)
    assert failed.in_flight_until == change.in_flight_until
    looks = 0
    while (at := failed.due_at) - now < timedelta(days=1):
        looks += 1
        failed = could_not_look("500", attempt_of(failed), sent_at=now, now=at)
        assert timedelta(seconds=5) <= failed.due_at - at <= LONGEST_SEND_RETRY
    assert looks < 50


def test_one_failure_of_the_last_look_delays_what_has_to_be_sent_again_by_seconds() -> None:
    sent_at, ordinary = datetime(2026, 1, 1, tzinfo=UTC), Waits(timedelta(seconds=30))
    until = sent_at + timedelta(seconds=2) + ordinary.absence
    attempt = Attempt(1, 3, until, "a time-out")

    failed = could_not_look("500", attempt, sent_at=sent_at, now=until)
    again = could_not_look_again("500", looked_at=until, now=until + timedelta(seconds=11))

    assert failed.due_at - until == timedelta(seconds=5)
    assert again.due_at - until == timedelta(seconds=11 + 11)


@given(moments)
def test_looks_that_fail_before_another_send_become_rare_and_count_as_no_attempt(
    looked_at: datetime,
) -> None:
    due_at, looks = looked_at, 0
    while due_at - looked_at < timedelta(days=1):
        looks += 1
        change = could_not_look_again("500", looked_at=looked_at, now=due_at)
        assert (change.state, change.attempts) == (PublicationState.PENDING, None)
        assert timedelta(seconds=5) <= change.due_at - due_at <= LONGEST_SEND_RETRY
        due_at = change.due_at
    assert looks < 40


@given(st.integers(min_value=1), ambiguous, moments, waits)
def test_what_was_found_is_published(
    found: int, outcome: Ambiguous, now: datetime, waits: Waits
) -> None:
    uncertain = after_sending(outcome, attempt=1, now=now)
    change = after_looking(found, attempt_of(uncertain), now=now, seen_at=now, waits=waits)
    assert change.state is PublicationState.PUBLISHED
    assert change.accepted_id == found
    assert change.reason is None


@given(denied, moments)
def test_repeated_refusals_fail_within_days_after_growing_waits(
    outcome: Denied, now: datetime
) -> None:
    at, apart = now, []
    for attempt in range(1, MAX_ATTEMPTS):
        change = after_sending(outcome, attempt=attempt, now=at)
        assert (change.state, change.attempts) == (PublicationState.PENDING, attempt)
        apart.append(change.due_at - at)
        at = change.due_at
    change = after_sending(outcome, attempt=MAX_ATTEMPTS, now=at)
    assert change.state is PublicationState.FAILED
    assert apart == sorted(apart)
    assert timedelta(hours=2) < at - now < timedelta(days=2)


@given(attempts, moments, pauses, st.booleans())
def test_an_answer_that_says_nothing_about_a_delivery_is_no_attempt(
    attempt: int, now: datetime, pause: timedelta, everyone: bool
) -> None:
    outcome = NotProcessed("unreachable", pause, everyone=everyone)
    change = after_sending(outcome, attempt=attempt, now=now)
    assert change.attempts == attempt - 1
    # The pause of all publishing holds it back, and may be ended early by a person.
    assert change.due_at == (now if everyone else now + pause)


@given(waits)
def test_a_row_is_given_up_only_after_its_request_has_started_or_never_will(waits: Waits) -> None:
    assert waits.latest_start < waits.lease


@given(st.timedeltas(min_value=timedelta(milliseconds=100), max_value=timedelta(hours=1)))
def test_absence_is_concluded_after_every_request_of_ours_is_over(timeout: timedelta) -> None:
    two_minutes = timedelta(minutes=2)
    over = Waits(timeout).latest_start + timeout + USER_TIMEOUT + two_minutes
    assert validators.absence(timeout) >= max(over, timedelta(minutes=5))
    if timeout <= timedelta(seconds=20):
        assert validators.absence(timeout) == ABSENCE >= over + two_minutes - timedelta(minutes=1)


def test_a_look_is_fresh_for_seconds_and_not_after_the_clock_went_back() -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert is_fresh(now, now + timedelta(seconds=10))
    assert not is_fresh(now, now + timedelta(seconds=11))
    assert not is_fresh(now, now - timedelta(seconds=1))
    assert not is_fresh(None, now)
