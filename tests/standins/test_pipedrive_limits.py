"""Pipedrive's limits: bursts, the daily budget, and the edge's patience."""

from datetime import timedelta

import httpx2
import pytest

from gitpip_standins import Pipedrive
from tests.support.clocks import Clock

ACTIVITIES = "/api/v2/activities"


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("POST", ACTIVITIES, 5),
        ("GET", f"{ACTIVITIES}/1", 1),
        ("PATCH", f"{ACTIVITIES}/1", 5),
        ("GET", ACTIVITIES, 10),
        ("DELETE", f"{ACTIVITIES}/1", 3),
        ("GET", "/api/v2/deals/search?term=ada", 20),
        ("GET", "/v1/users/me", 2),
        ("GET", "/v1/activityTypes", 20),
    ],
)
def test_what_requests_cost(
    pipedrive: Pipedrive,
    pipedrive_client: httpx2.Client,
    method: str,
    path: str,
    cost: int,
) -> None:
    pipedrive_client.post(ACTIVITIES, json={"subject": "x"})
    answer = pipedrive_client.request(method, path, json={"subject": "y"})
    assert pipedrive.requests[-1].spent == cost
    assert answer.headers["x-daily-ratelimit-token-limit"] == "30000"
    assert answer.headers["x-daily-ratelimit-token-remaining"] == str(30000 - 5 - cost)


def test_the_daily_budget_ends_and_comes_back(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    pipedrive.limits.daily_tokens = 10
    answers = [pipedrive_client.post(ACTIVITIES, json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["x-daily-ratelimit-token-remaining"] == "0"
    assert int(answers[-1].headers["x-ratelimit-remaining"]) > 0
    assert pipedrive.abuse == []
    clock.advance(timedelta(seconds=1))
    assert pipedrive_client.get(f"{ACTIVITIES}/1").status_code == 429
    assert len(pipedrive.abuse) == 1
    pipedrive.reset_day()
    assert pipedrive_client.post(ACTIVITIES, json={}).status_code == 200


def test_the_daily_headers_can_be_missing(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.limits.daily_headers = False
    headers = pipedrive_client.get(ACTIVITIES).headers
    assert not [name for name in headers if name.startswith("x-daily")]


def test_a_burst_is_twenty_within_two_seconds(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    for _ in range(20):
        last = pipedrive_client.get(f"{ACTIVITIES}/1")
        clock.advance(timedelta(milliseconds=50))
    assert last.headers["x-ratelimit-remaining"] == "0"
    clock.advance(timedelta(milliseconds=500))
    refused = pipedrive_client.get(f"{ACTIVITIES}/1")
    assert (refused.status_code, refused.json()["success"]) == (429, False)
    assert refused.headers["x-ratelimit-reset"] == "1"
    assert pipedrive.abuse == ["a request beyond the burst after the limit was announced"]
    clock.advance(timedelta(seconds=1))
    assert pipedrive_client.get(f"{ACTIVITIES}/1").status_code == 404


def test_requests_already_under_way_are_no_abuse(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    answers = [pipedrive_client.get(f"{ACTIVITIES}/1") for _ in range(25)]
    assert [answer.status_code for answer in answers[20:]] == [429] * 5
    assert pipedrive.abuse == []


def test_searches_have_a_smaller_burst(pipedrive_client: httpx2.Client) -> None:
    path = "/api/v2/deals/search?term=ada"
    codes = [pipedrive_client.get(path).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]
    assert pipedrive_client.get(f"{ACTIVITIES}/1").status_code == 404


def test_going_on_through_429s_is_answered_by_the_edge(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    answers = [pipedrive_client.get(f"{ACTIVITIES}/1") for _ in range(31)]
    assert [answer.status_code for answer in answers] == [404] * 20 + [429] * 10 + [403]
    assert answers[-1].headers["content-type"].startswith("text/html")
    assert pipedrive.abuse == ["going on through 11 429s in a row"]
    clock.advance(timedelta(minutes=4))
    assert pipedrive_client.get(f"{ACTIVITIES}/1").status_code == 403
    assert len(pipedrive.abuse) == 2
    clock.advance(timedelta(minutes=1))
    assert pipedrive_client.get(f"{ACTIVITIES}/1").status_code == 404
