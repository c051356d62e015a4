"""What is planned is computed from what the vendors charge; what does not fit says what would."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.errors import InvalidInput
from gitpip.status.sizing import PLANS, PlanInput, sizing
from gitpip.status.sizing_rows import sizing_rows

ORDINARY = PlanInput(
    users=1_000,
    gists_per_day=100,
    pipedrive_plan="lite",
    seats=1,
    check_interval=timedelta(hours=1),
    files_per_gist=1.5,
    bytes_per_file=3_000,
    backlog=0,
    github_token="classic",
    github_share=1.0,
)


def test_an_ordinary_plan() -> None:
    follows = sizing(ORDINARY)

    assert follows.github_points_per_hour == 10  # as measured: 10 points per 1,000 users
    assert follows.github_points_percent == 0.2
    assert follows.shortest_interval_seconds == pytest.approx(7.2)
    assert follows.files_per_day == 150
    assert follows.tokens_per_day == pytest.approx(150 * 5.1 + 100 + 24 * 10)
    assert follows.tokens_of_plan == 30_000
    assert follows.tokens_once == 5_000
    assert follows.bytes_per_year == 150 * 365 * 8_000
    assert (follows.freshness_p95_seconds, follows.found_within_seconds) == (60, 3_600)
    assert follows.warnings == ()


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=2, hours=1, minutes=1, seconds=1), "2 d 1 h 1 min 1 s"),
    ],
)
def test_times_are_told_in_their_units(interval: timedelta, words: str) -> None:
    wanted = replace(ORDINARY, check_interval=interval)
    planned = {row.name: row.planned for row in sizing_rows(wanted, sizing(wanted), None)}
    assert planned["gists that the public feed misses"] == f"found within {words}"


def test_who_publishes_seldom_compares_seldom() -> None:
    assert sizing(replace(ORDINARY, gists_per_day=2)).tokens_per_day == pytest.approx(
        3 * 5.1 + 2 + 2 * 10
    )


def test_a_backlog_takes_what_the_day_leaves() -> None:
    follows = sizing(replace(ORDINARY, users=1, gists_per_day=0, backlog=12_000))

    assert follows.backlog_days == pytest.approx(2, abs=0.001)


def test_a_plan_that_does_not_fit_says_what_would() -> None:
    follows = sizing(replace(ORDINARY, users=1_000_000, gists_per_day=90_000))

    assert follows.backlog_days is None
    assert follows.freshness_p95_seconds is None
    assert follows.warnings == (
        "GitHub's 5,000 points an hour are too few to check 1,000,000 people every 1h. Every 2h "
        "works.",
        "GitHub's 5,000 requests an hour are too few to read 90,000 gists a day. They are "
        "enough for about 59,280.",
        "778,740 tokens a day are more than the 30,000 of lite with 1 seat; 26 seats are enough",
    )


def test_a_larger_plan_is_named_where_it_is_enough() -> None:
    [warning] = sizing(replace(ORDINARY, gists_per_day=9_000)).warnings

    assert warning.endswith("of lite with 1 seat; 3 seats, or the plan premium, are enough")


def test_a_fine_grained_token_asks_about_each_user_alone() -> None:
    follows = sizing(replace(ORDINARY, gists_per_day=120, github_token="fine-grained"))

    assert (follows.github_points_per_hour, follows.github_requests_per_hour) == (0, 1_070)
    assert follows.github_requests_percent == pytest.approx(21.4)
    assert follows.shortest_interval_seconds == pytest.approx(3_600 * 1_000 / 4_930)
    assert (follows.freshness_p95_seconds, follows.found_within_seconds) == (60, 3_600)
    [advice] = follows.warnings
    assert "a classic token without any scope asks about 100 at once" in advice


def test_without_a_token_there_is_no_public_feed_and_hardly_any_request() -> None:
    few = sizing(replace(ORDINARY, users=20, gists_per_day=12, github_token="none"))
    many = sizing(replace(ORDINARY, users=100, gists_per_day=24, github_token="none"))
    too_many = sizing(replace(ORDINARY, gists_per_day=800, github_token="none"))

    assert (few.github_requests_per_hour, few.freshness_p95_seconds) == (21, 3_600)
    assert few.warnings[1:] == ()
    assert many.warnings[1:] == (
        "GitHub's 60 requests an hour are too few to check 100 people every 1h. Every 1h43m27s "
        "works.",
    )
    assert many.found_within_seconds == pytest.approx(6_207, abs=1)
    assert many.freshness_p95_seconds is None
    assert too_many.shortest_interval_seconds is None
    assert too_many.warnings[1:] == (
        "GitHub's 60 requests an hour are too few to check 1,000 people every 1h. No "
        "interval works.",
        "GitHub's 60 requests an hour are too few to read 800 gists a day. They are enough "
        "for about 720.",
    )


@pytest.mark.parametrize("token", ["classic", "fine-grained", "none"])
def test_only_the_share_of_githubs_limits_that_gitpip_uses_is_planned_with(token: str) -> None:
    whole = sizing(replace(ORDINARY, gists_per_day=0, github_token=token))
    half = sizing(replace(ORDINARY, gists_per_day=0, github_token=token, github_share=0.5))

    assert half.github_points_percent == whole.github_points_percent
    assert half.shortest_interval_seconds is not None
    assert whole.shortest_interval_seconds is not None
    # The requests for the public feed are the same.
    assert 2 <= half.shortest_interval_seconds / whole.shortest_interval_seconds <= 2.05


def test_what_does_not_fit_into_the_share_says_so() -> None:
    wanted = replace(
        ORDINARY,
        users=5_000,
        gists_per_day=100_000,
        check_interval=timedelta(seconds=36),
        github_share=0.8,
    )

    assert sizing(wanted).warnings[:2] == (
        "80% (GITPIP_GITHUB_SHARE) of GitHub's 5,000 points an hour are too few to check 5,000 "
        "people every 36s. Every 45s works.",
        "80% (GITPIP_GITHUB_SHARE) of GitHub's 5,000 requests an hour are too few to read 100,000 "
        "gists a day. They are enough for about 47,280.",
    )


@given(
    st.builds(
        partial(replace, ORDINARY),
        users=st.integers(1, 10**6),
        gists_per_day=st.floats(0, 10**6),
        pipedrive_plan=st.sampled_from(sorted(PLANS)),
        seats=st.integers(1, 100),
        github_share=st.sampled_from([0.1, 0.8, 1.0]),
    )
)
def test_the_numbers_named_as_enough_are_enough(wanted: PlanInput) -> None:
    follows = sizing(wanted)
    slower = replace(wanted, check_interval=timedelta(seconds=follows.found_within_seconds))
    seats = -(-follows.tokens_per_day // (30_000 * PLANS[wanted.pipedrive_plan]))
    enough = replace(slower, seats=max(1, int(seats)), gists_per_day=wanted.gists_per_day)

    left = sizing(enough).warnings
    assert all("requests an hour" in warning for warning in left)


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"users": 0}, "users", "must be from 1 to"),
        ({"users": -1}, "users", ", not -1"),
        ({"users": 10**12}, "users", "must be from 1 to 1000000000"),
        ({"users": 10**400}, "users", "must be from 1 to 1000000000, not a longer number"),
        ({"seats": -(10**400)}, "seats", ", not a longer number"),
        ({"gists_per_day": -1}, "gists_per_day", ", not -1"),
        ({"gists_per_day": float("nan")}, "gists_per_day", ", not nan"),
        ({"gists_per_day": float("inf")}, "gists_per_day", ", not inf"),
        ({"github_token": "oauth"}, "github_token", "must be classic, fine-grained or none"),
        ({"seats": 0}, "seats", ", not 0"),
        ({"files_per_gist": 0.5}, "files_per_gist", ", not 0.5"),
        ({"bytes_per_file": -1}, "bytes_per_file", ", not -1"),
        ({"backlog": -1}, "backlog", ", not -1"),
        ({"check_interval": timedelta(0)}, "check_interval", "must be 1s or more"),
        (
            {"pipedrive_plan": "gold"},
            "pipedrive_plan",
            "must be lite, growth, premium or ultimate, not 'gold'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Mapping[str, object], field: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(")) as refused:
        replace(ORDINARY, **wrong)  # type: ignore[arg-type]
    assert refused.value.field == field
