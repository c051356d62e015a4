"""GitHub's limits as the client keeps them: how many at once, what is left, how long to wait."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gitpip.errors import (
    GitHubBlocked,
    GitHubLimited,
    GitHubUnauthorized,
    GitHubUnavailable,
)
from gitpip.model import Account
from gitpip.watch.github.client import GitHub
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import client
from tests.watch.script import ADA, Script


async def test_an_answer_without_limits_leaves_what_is_known_of_them(
    world: StandIn, github: GitHub
) -> None:
    ada = world.add_user("ada")
    await github.account("ada")
    (before,) = github.budgets()
    world.faults.script(Fault.error(502), times=3)
    with pytest.raises(GitHubUnavailable):
        await github.account("ada")
    assert github.budgets() == (before,)
    assert (await github.account("ada")).github_id == ada


async def test_at_most_eight_requests_are_in_flight(script: Script) -> None:
    script.say("/users/ada", {"login": "ada", "id": 7}, x_ratelimit_remaining="4000")
    script.takes = 0.2
    with Server(script) as api:
        async with client(api.url) as github:
            await asyncio.gather(*(github.account("ada") for _ in range(30)))
    assert len(script.requests) == 30
    assert script.most_in_flight == 8


async def test_many_at_once_never_ask_more_than_is_left(world: StandIn, github: GitHub) -> None:
    world.limits.with_token = 7
    world.add_user("ada")
    results = await asyncio.gather(
        *(github.account("ada") for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(result, Account) for result in results) == 7
    assert sum(isinstance(result, GitHubLimited) for result in results) == 23
    assert [request.status for request in world.requests] == [200] * 7


async def test_the_wait_follows_the_servers_clock_and_not_ours(
    script: Script, clock: Clock
) -> None:
    server_time = datetime(2031, 1, 1, tzinfo=UTC)
    script.say(
        "/users/ada",
        {"message": "API rate limit exceeded"},
        status=403,
        date=format_datetime(server_time, usegmt=True),
        x_ratelimit_remaining="0",
        x_ratelimit_reset=str(int(server_time.timestamp()) + 600),
    )
    with Server(script) as api:
        async with client(api.url, clock) as github:
            for _ in range(2):
                with pytest.raises(GitHubLimited) as limited:
                    await github.account("ada")
    assert limited.value.until == clock() + timedelta(seconds=601)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x_ratelimit_remaining": "9"}, [60, 120, 240, 480]),
        ({"retry_after": "0"}, [1, 2, 4, 8]),
        ({"retry_after": "Thu, 01 Jan 2026 00:00:00 GMT"}, [1, 2, 4, 8]),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1700000000"}, [1, 2, 4, 8]),
        ({"retry_after": "3"}, [3, 3, 4, 8]),
        ({"retry_after": "soon"}, [60, 120, 240, 480]),
    ],
)
async def test_a_wait_that_proved_too_short_is_lengthened(
    script: Script, clock: Clock, headers: dict[str, str], expected: list[int]
) -> None:
    message = {"message": "You have exceeded a secondary rate limit."}
    script.say("/users/ada", message, status=403, **headers)
    waits = []
    with Server(script) as api:
        async with client(api.url, clock) as github:
            for _ in expected:
                with pytest.raises(GitHubLimited) as limited:
                    await github.account("ada")
                waits.append((limited.value.until - clock()).total_seconds())
                clock.advance(limited.value.until - clock())
            script.say("/users/ada", {"login": "ada", "id": ADA})
            await github.account("ada")
            script.say("/users/ada", message, status=403, **headers)
            with pytest.raises(GitHubLimited) as limited:
                await github.account("ada")
            assert (limited.value.until - clock()).total_seconds() == expected[0]
    used_up = headers.get("x_ratelimit_remaining") == "0"
    why = "GitHub's rate limit is used up until" if used_up else "GitHub asked to wait until"
    assert str(limited.value).startswith(why)
    assert waits == expected


async def test_other_refusals_are_no_limits(script: Script) -> None:
    script.say("/users/blocked", {"block": {"reason": "dmca"}}, status=403)
    script.say("/users/forbidden", {"message": "no", "rules": ["block"]}, status=403)
    script.say("/users/token", {}, status=401)
    script.say("/rate_limit", {}, status=401)
    with Server(script) as api:
        async with client(api.url) as github:
            with pytest.raises(GitHubBlocked):
                await github.account("blocked")
            with pytest.raises(GitHubUnavailable, match=r"rejected .* \(403\)"):
                await github.account("forbidden")
            with pytest.raises(GitHubUnauthorized):
                await github.account("token")


@pytest.mark.parametrize(
    "words",
    [
        "Resource protected by organization SAML enforcement. You must grant your token access.",
        "Although you appear to have the correct authorization credentials, the `acme` organization"
        " has an IP allow list enabled, and 192.0.2.1 is not permitted to access this resource.",
        "Enterprise Managed Users cannot see this; your rate of abuse is not limited by it.",
        "No\x1b[31m \u2028 rights",
    ],
)
async def test_a_refusal_for_another_reason_is_no_limit_and_says_githubs_words(
    script: Script, words: str
) -> None:
    body = {"message": words, "documentation_url": "https://docs.github.com/rest/rate-limits"}
    script.say("/users/ada", body, status=403, x_ratelimit_remaining="4000")
    script.say("/users/bob", {"login": "bob", "id": 8}, x_ratelimit_remaining="3999")
    with Server(script) as api:
        async with client(api.url) as github:
            with pytest.raises(GitHubUnavailable) as refused:
                await github.account("ada")
            assert (await github.account("bob")).login == "bob"
    for word in words.replace("\x1b", " ").split():
        assert word in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "words",
    [
        "API rate limit exceeded for user ID 1.",
        "You have exceeded a secondary rate limit. Please wait a few minutes.",
        "You have triggered an abuse detection mechanism.",
    ],
)
async def test_a_refusal_in_the_documented_words_is_a_limit(script: Script, words: str) -> None:
    script.say("/users/ada", {"message": words}, status=403)
    with Server(script) as api:
        async with client(api.url) as github:
            with pytest.raises(GitHubLimited):
                await github.account("ada")
