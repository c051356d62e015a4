"""The rules of a delivery: never twice, never too early, never lost."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitpip.model import Change, PublicationState
from gitpip.publish.delivery import (
    LONGEST_RETRY,
    LOOKS,
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
    longer_pause,
    retry_wait,
)

moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30_000)).map(
    lambda later: datetime(2020, 1, 1, tzinfo=UTC) + later
)
pauses = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))
waits = st.timedeltas(min_value=timedelta(milliseconds=100), max_value=timedelta(minutes=5)).map(
    Waits
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
    """What the row says of an attempt after this change."""
    assert change.in_flight_until is not None
    return Attempt(number, change.looks, change.in_flight_until, change.reason)


@given(outcomes, attempts, moments, waits)
def test_only_what_was_surely_not_processed_is_sent_again_without_a_look(
    outcome: Outcome, attempt: int, now: datetime, waits: Waits
) -> None:
    state = after_sending(outcome, attempt=attempt, now=now, waits=waits).state
    given_up = isinstance(outcome, Denied) and attempt >= MAX_ATTEMPTS
    again = isinstance(outcome, NotProcessed | Denied) and not given_up
    assert (state is PublicationState.PENDING) == again
    assert (state is PublicationState.UNCERTAIN) == isinstance(outcome, Ambiguous)
    assert (state is PublicationState.PUBLISHED) == isinstance(outcome, Accepted)
    assert (state is PublicationState.FAILED) == (isinstance(outcome, Refused) or given_up)


@given(outcomes, attempts, moments, waits)
def test_an_outcome_is_never_forgotten(
    outcome: Outcome, attempt: int, now: datetime, waits: Waits
) -> None:
    change = after_sending(outcome, attempt=attempt, now=now, waits=waits)
    assert change.due_at >= now
    assert change.looks == 0
    if isinstance(outcome, Accepted):
        assert change.accepted_id == outcome.id
    else:
        assert change.accepted_id is None
        assert outcome.reason in str(change.reason)


@given(ambiguous, moments, waits)
def test_a_write_that_landed_is_looked_for_within_seconds(
    outcome: Ambiguous, now: datetime, waits: Waits
) -> None:
    wait = after_sending(outcome, attempt=1, now=now, waits=waits).due_at - now
    if waits.in_flight > timedelta(seconds=3):
        assert timedelta(seconds=2) <= wait <= timedelta(seconds=3)
    else:
        assert wait >= waits.in_flight


@given(ambiguous, attempts, moments, waits, st.lists(pauses, min_size=20, max_size=20))
def test_an_uncertain_delivery_is_sent_again_after_all_looks_and_not_before(
    outcome: Ambiguous, number: int, now: datetime, waits: Waits, delays: list[timedelta]
) -> None:
    change = after_sending(outcome, attempt=number, now=now, waits=waits)
    late_looks: list[datetime] = []
    looked_at = now
    for delay in delays:
        if change.state is not PublicationState.UNCERTAIN:
            break
        assert change.due_at > looked_at
        looked_at = change.due_at + delay
        if looked_at - now >= 2 * waits.timeout:
            late_looks.append(looked_at)
        change = after_looking(None, attempt_of(change, number), now=looked_at, waits=waits)
    assert change.state is (
        PublicationState.FAILED if number >= MAX_ATTEMPTS else PublicationState.PENDING
    )
    assert len(late_looks) == LOOKS
    assert late_looks[-1] - now >= 2 * waits.timeout + (LOOKS - 1) * waits.timeout
    assert all(later - earlier >= waits.timeout for earlier, later in pairwise(late_looks))
    assert change.looks == 0
    assert outcome.reason in str(change.reason) or not outcome.reason
    assert change.due_at - looked_at == (
        timedelta(0) if number >= MAX_ATTEMPTS else retry_wait(number - 1)
    )


@given(ambiguous, moments, waits)
def test_looks_in_vain_are_few(outcome: Ambiguous, now: datetime, waits: Waits) -> None:
    change = after_sending(outcome, attempt=1, now=now, waits=waits)
    looks = 0
    while change.state is PublicationState.UNCERTAIN:
        looks += 1
        at = change.due_at
        change = after_looking(None, attempt_of(change), now=at, waits=waits)
    assert looks <= LOOKS + 2


@given(ambiguous, moments, waits)
def test_looks_that_fail_prove_nothing_and_become_rare(
    outcome: Ambiguous, now: datetime, waits: Waits
) -> None:
    change = after_sending(outcome, attempt=1, now=now, waits=waits)
    until = change.in_flight_until
    looks = 0
    while change.due_at - now < timedelta(days=1):
        looks += 1
        at = change.due_at
        change = could_not_look("500", attempt_of(change), sent_at=now, now=at, waits=waits)
        assert change.state is PublicationState.UNCERTAIN
        assert (change.looks, change.in_flight_until) == (0, until)
        assert waits.timeout <= change.due_at - at <= max(LONGEST_RETRY, waits.timeout)
    assert looks < 50


@given(st.integers(min_value=1), ambiguous, moments, waits)
def test_what_was_found_is_published(
    found: int, outcome: Ambiguous, now: datetime, waits: Waits
) -> None:
    uncertain = after_sending(outcome, attempt=1, now=now, waits=waits)
    change = after_looking(found, attempt_of(uncertain), now=now, waits=waits)
    assert change.state is PublicationState.PUBLISHED
    assert change.accepted_id == found
    assert change.reason is None


@given(denied, moments, waits)
def test_what_is_denied_again_and_again_fails_within_days_after_ever_longer_waits(
    outcome: Denied, now: datetime, waits: Waits
) -> None:
    at, apart = now, []
    for attempt in range(1, MAX_ATTEMPTS):
        change = after_sending(outcome, attempt=attempt, now=at, waits=waits)
        assert (change.state, change.attempts) == (PublicationState.PENDING, attempt)
        apart.append(change.due_at - at)
        at = change.due_at
    change = after_sending(outcome, attempt=MAX_ATTEMPTS, now=at, waits=waits)
    assert change.state is PublicationState.FAILED
    assert apart == sorted(apart)
    assert timedelta(hours=2) < at - now < timedelta(days=2)


@given(attempts, moments, waits, pauses, st.booleans())
def test_what_says_nothing_about_a_delivery_does_not_count_as_an_attempt(
    attempt: int, now: datetime, waits: Waits, pause: timedelta, everyone: bool
) -> None:
    outcome = NotProcessed("unreachable", pause, everyone=everyone)
    change = after_sending(outcome, attempt=attempt, now=now, waits=waits)
    assert change.attempts == attempt - 1
    # The pause of all publishing holds it back, and may be ended early by a person.
    assert change.due_at == (now if everyone else now + pause)


@given(waits)
def test_a_lease_outlives_every_request_of_its_owner(waits: Waits) -> None:
    assert waits.latest_start + waits.timeout < waits.lease


def test_there_is_more_than_one_look() -> None:
    assert LOOKS > 1


@given(pauses, st.integers(0, 10_000), pauses)
def test_pauses_grow_up_to_a_limit(pause: timedelta, failures: int, at_most: timedelta) -> None:
    assume(pause <= at_most)
    first = longer_pause(pause, failures, at_most=at_most)
    second = longer_pause(pause, failures + 1, at_most=at_most)
    assert pause <= first <= second <= at_most


@pytest.mark.parametrize("failures", [0, 1])
def test_the_first_pause_is_not_longer(failures: int) -> None:
    pause = timedelta(seconds=7)
    assert longer_pause(pause, failures, at_most=timedelta(hours=1)) == pause
