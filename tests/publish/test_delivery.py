"""The rules of a delivery: never twice, never too early, never lost."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitpip.model import PublicationState
from gitpip.publish.delivery import (
    LOOKS,
    Accepted,
    Ambiguous,
    NotProcessed,
    Outcome,
    Refused,
    Waits,
    after_looking,
    after_sending,
    longer_pause,
)

moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30_000)).map(
    lambda later: datetime(2020, 1, 1, tzinfo=UTC) + later
)
pauses = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))
waits = st.timedeltas(min_value=timedelta(milliseconds=100), max_value=timedelta(minutes=5)).map(
    Waits
)
outcomes = st.one_of(
    st.builds(Accepted, st.integers(min_value=1)),
    st.builds(Refused, st.text()),
    st.builds(NotProcessed, st.text(), pauses, st.booleans()),
    st.builds(Ambiguous, st.text(), st.none() | pauses),
)


@given(outcomes, moments, waits)
def test_only_what_was_surely_not_processed_is_sent_again_without_a_look(
    outcome: Outcome, now: datetime, waits: Waits
) -> None:
    state = after_sending(outcome, now=now, waits=waits).state
    assert (state is PublicationState.PENDING) == isinstance(outcome, NotProcessed)
    assert (state is PublicationState.UNCERTAIN) == isinstance(outcome, Ambiguous)
    assert (state is PublicationState.PUBLISHED) == isinstance(outcome, Accepted)
    assert (state is PublicationState.FAILED) == isinstance(outcome, Refused)


@given(outcomes, moments, waits)
def test_an_outcome_is_never_forgotten(outcome: Outcome, now: datetime, waits: Waits) -> None:
    change = after_sending(outcome, now=now, waits=waits)
    assert change.due_at >= now
    assert change.looks == 0
    if isinstance(outcome, Accepted):
        assert change.accepted_id == outcome.id
    else:
        assert change.accepted_id is None
        assert change.reason == outcome.reason


@given(st.text(), st.none() | pauses, moments, waits)
def test_the_first_look_comes_when_a_request_in_flight_has_landed(
    reason: str, pause: timedelta | None, now: datetime, waits: Waits
) -> None:
    change = after_sending(Ambiguous(reason, pause), now=now, waits=waits)
    assert change.due_at - now > waits.timeout


@given(moments, waits, st.lists(pauses, min_size=LOOKS, max_size=LOOKS))
def test_an_uncertain_delivery_is_sent_again_after_all_looks_and_not_before(
    now: datetime, waits: Waits, delays: list[timedelta]
) -> None:
    change = after_sending(Ambiguous("time-out"), now=now, waits=waits)
    looked_at: list[datetime] = []
    for delay in delays:
        assert change.state is PublicationState.UNCERTAIN
        assert change.looks == len(looked_at)
        looked_at.append(change.due_at + delay)
        change = after_looking(
            None, looks=change.looks, reason=change.reason, now=looked_at[-1], waits=waits
        )
    assert change.state is PublicationState.PENDING
    assert change.looks == 0
    assert change.reason == "time-out"
    apart = [later - earlier for earlier, later in pairwise(looked_at)]
    assert all(distance >= waits.timeout for distance in apart)


@given(st.integers(min_value=1), st.integers(0, LOOKS - 1), moments, waits)
def test_what_was_found_is_published(found: int, looks: int, now: datetime, waits: Waits) -> None:
    change = after_looking(found, looks=looks, reason="time-out", now=now, waits=waits)
    assert change.state is PublicationState.PUBLISHED
    assert change.accepted_id == found
    assert change.reason is None


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
