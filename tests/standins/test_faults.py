"""Faults really happen on the wire, and commit or don't as they say."""

from datetime import timedelta

import httpx2
import pytest

from gitpip_standins import Fault, FaultKind, FaultPlan, Pipedrive
from tests.support.clocks import Clock

ACTIVITIES = "/api/v2/activities"


def add(client: httpx2.Client, *, patience: float = 60) -> httpx2.Response:
    timeout = httpx2.Timeout(60, read=patience)
    return client.post(ACTIVITIES, json={"subject": "x"}, timeout=timeout)


@pytest.mark.parametrize("processed", [False, True])
def test_a_dropped_connection_gives_no_answer(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, processed: bool
) -> None:
    pipedrive.faults.script(Fault.drop(processed=processed))
    with pytest.raises(httpx2.RemoteProtocolError):
        add(pipedrive_client)
    assert len(pipedrive.activities) == processed
    (request,) = pipedrive.requests
    assert (request.status, request.processed) == (None, processed)


def test_an_answer_is_cut_in_the_middle(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.faults.script(Fault.cut())
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
        add(pipedrive_client)
    assert len(pipedrive.activities) == 1


@pytest.mark.parametrize("processed", [False, True])
def test_a_hanging_request_is_never_answered(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, processed: bool
) -> None:
    pipedrive.faults.script(Fault.hang(processed=processed))
    with pytest.raises(httpx2.ReadTimeout):
        add(pipedrive_client, patience=0.2)
    pipedrive.wait_until(lambda: len(pipedrive.requests) == 1)
    pipedrive.wait_until(lambda: len(pipedrive.activities) == processed)


def test_a_late_commit_lands_after_the_client_has_gone(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.faults.script(Fault.late(timedelta(seconds=2)))
    with pytest.raises(httpx2.ReadTimeout):
        add(pipedrive_client, patience=0.1)
    assert pipedrive.activities == []
    pipedrive.wait_until(lambda: len(pipedrive.activities) == 1)


@pytest.mark.parametrize(
    ("fault", "status", "activities"),
    [
        (Fault.error(), 500, 0),
        (Fault.error(processed=True), 500, 1),
        (Fault.error(502), 502, 0),
        (Fault.error(503, processed=True), 503, 1),
        (Fault.html(403), 403, 0),
        (Fault.limited({"retry-after": "7"}), 429, 0),
        (Fault.slow(timedelta(seconds=0.01)), 200, 1),
    ],
)
def test_answers_that_are_no_use(
    pipedrive: Pipedrive,
    pipedrive_client: httpx2.Client,
    fault: Fault,
    status: int,
    activities: int,
) -> None:
    pipedrive.faults.script(fault)
    answer = add(pipedrive_client)
    assert answer.status_code == status
    is_page = answer.headers["content-type"].startswith("text/html")
    assert is_page is (fault.kind is FaultKind.HTML)
    assert all(answer.headers[name] == text for name, text in fault.headers.items())
    assert len(pipedrive.activities) == activities


@pytest.mark.parametrize("fault", [Fault.broken_json(), Fault.empty()])
def test_an_answer_that_is_no_json_comes_after_the_commit(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, fault: Fault
) -> None:
    pipedrive.faults.script(fault)
    answer = add(pipedrive_client)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"line|char"):
        answer.json()
    assert len(pipedrive.activities) == 1


def test_a_script_meets_only_what_it_names_and_ends() -> None:
    plan, at = FaultPlan(), Clock()()
    first, second = Fault.drop(), Fault.empty()
    plan.script(first, second, method="POST", path=r"/deals$", times=2)
    assert plan.pick("GET", "/deals", at) is None
    assert plan.pick("POST", "/deals/1", at) is None
    met = [plan.pick("POST", "/deals", at) for _ in range(5)]
    assert met == [first, second, first, second, None]
    assert [injected.fault for injected in plan.injected] == met[:4]


def test_chance_repeats_itself_for_a_seed_and_keeps_its_proportion() -> None:
    def run(seed: int) -> list[Fault | None]:
        plan = FaultPlan()
        plan.chance(1 / 3, [Fault.drop(), Fault.empty()], seed=seed, method="POST")
        return [plan.pick("POST", "/", Clock()()) for _ in range(3000)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 800 < sum(fault is not None for fault in run(1)) < 1200


def test_cleared_plans_do_nothing_more() -> None:
    plan = FaultPlan()
    plan.script(Fault.drop(), times=None)
    plan.chance(1, [Fault.drop()], seed=1)
    plan.clear()
    assert plan.pick("GET", "/", Clock()()) is None


def test_going_on_before_retry_after_is_abuse(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    pipedrive.faults.script(Fault.limited({"retry-after": "7"}))
    add(pipedrive_client)
    clock.advance(timedelta(seconds=7))
    add(pipedrive_client)
    assert pipedrive.abuse == []
    pipedrive.faults.script(Fault.limited({"retry-after": "7"}))
    add(pipedrive_client)
    clock.advance(timedelta(seconds=6))
    add(pipedrive_client)
    assert pipedrive.abuse == ["a request before retry-after had passed"]
