"""GitHub's limits: the hour, the minute, the crowd, and who ignores them."""

import threading
from datetime import timedelta

import httpx2
import pytest

from gitpip_standins import Fault, GitHub, Server
from tests.support.clocks import Clock


@pytest.mark.parametrize("status", [403, 429])
def test_the_hour_is_used_up_and_begins_anew(
    github: GitHub, github_client: httpx2.Client, clock: Clock, status: int
) -> None:
    github.add_user("ada")
    github.limits.with_token = 3
    github.limits.status = status
    answers = [github_client.get("/users/ada") for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0"]
    refused = github_client.get("/users/ada")
    assert refused.status_code == status
    assert refused.headers["x-ratelimit-reset"] == str(int(clock().timestamp()) + 3600)
    assert github.abuse == []
    clock.advance(timedelta(minutes=59))
    assert github_client.get("/users/ada").status_code == status
    assert github.abuse == ["a request before the hourly limit was reset"]
    clock.advance(timedelta(minutes=1))
    assert github_client.get("/users/ada").status_code == 200


def test_without_a_token_it_is_sixty(github: GitHub) -> None:
    with Server(github.app) as server, httpx2.Client(base_url=server.url) as client:
        assert client.get("/users/ada").headers["x-ratelimit-limit"] == "60"
        shown = client.get("/rate_limit").json()["resources"]["core"]
    assert (shown["limit"], shown["remaining"]) == (60, 59)


def test_limits_can_be_off_as_on_an_enterprise_server(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.limits.with_token = None
    assert not [n for n in github_client.get("/users/ada").headers if n.startswith("x-rate")]
    assert github_client.get("/rate_limit").status_code == 404


def test_the_secondary_limit_wants_a_pause(
    github: GitHub, github_client: httpx2.Client, clock: Clock
) -> None:
    github.add_user("ada")
    github.limits.points_a_minute = 5
    for _ in range(5):
        assert github_client.get("/users/ada").status_code == 200
    assert github_client.get("/users/ada").headers["retry-after"] == "60"
    clock.advance(timedelta(seconds=30))
    assert github_client.get("/users/ada").headers["retry-after"] == "30"
    assert github.abuse == ["a request before retry-after had passed"]
    clock.advance(timedelta(seconds=30))
    assert github_client.get("/users/ada").status_code == 200


def test_too_many_at_a_time(github: GitHub, github_client: httpx2.Client) -> None:
    github.limits.concurrent = 3
    github.faults.script(Fault.held(), times=3)
    address = github_client.base_url.join("/users/ada")
    crowd = [threading.Thread(target=httpx2.get, args=(address,)) for _ in range(3)]
    for asker in crowd:
        asker.start()
    github.wait_until(lambda: len(github.requests) == 3)
    assert github_client.get("/users/ada").status_code == 403
    assert github.abuse == ["4 requests at a time"]
    github.faults.let_go()
    for asker in crowd:
        asker.join()
