"""When all publishing waits: refused access, limits, budgets, and a Pipedrive in trouble."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitpip.publish.circuit_breaker import DIFFERENT_FAILURES
from gitpip.store.database import open_database
from gitpip_standins import Fault, Server
from gitpip_standins import Pipedrive as Crm
from gitpip_standins.exchange import UNDER_WAY
from tests.publish.test_publisher import posts
from tests.support.network import nobody_listening
from tests.support.scene import RealTime, Scene
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("fault", "at_least"),
    [
        (Fault.html(429), timedelta(minutes=5)),
        (Fault.limited({"x-ratelimit-remaining": "0"}), timedelta(seconds=2)),
        (Fault.limited({"x-ratelimit-remaining": "7"}), timedelta(seconds=1)),
        (
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}),
            timedelta(seconds=9),
        ),
        (Fault.limited({"x-daily-ratelimit-token-remaining": "0"}), timedelta(minutes=10)),
        (Fault.limited({"retry-after": "47"}), timedelta(seconds=47)),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["POST activities", "POST deals", "GET deals"])
async def test_trouble_with_the_account_pauses_publishing_with_a_reason(
    scene: Scene, fault: Fault, at_least: timedelta, path: str
) -> None:
    method, path = path.split()
    scene.crm.faults.script(fault, method=method, path=f"{path}$")
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await process.run()
    asked = len(scene.crm.requests)
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= at_least
    assert str(fault.status) in pause.reason
    assert not await process.publisher.due()
    await process.run()
    assert len(scene.crm.requests) == asked
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("path", ["POST activities", "GET deals"])
async def test_two_different_requests_that_the_edge_refuses_in_a_row_are_a_ban(
    scene: Scene, path: str
) -> None:
    method, path = path.split()
    scene.crm.faults.script(Fault.html(403), method=method, path=f"{path}$", times=2)
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await process.run()
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= timedelta(minutes=5)
    refused = [request for request in scene.crm.requests if request.status == 403]
    assert len(refused) == 2
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_token_that_is_not_accepted_is_tried_ever_more_slowly(scene: Scene) -> None:
    scene.crm.token = "another"
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    lengths = []
    for _ in range(8):
        await process.run()
        pause = await scene.pause()
        assert pause is not None
        assert "401" in pause.reason
        assert TOKEN not in pause.reason
        lengths.append(pause.until - scene.clock())
        await scene.wake()
    assert lengths == sorted(lengths)
    assert lengths[0] >= timedelta(minutes=1)
    assert timedelta(minutes=30) <= lengths[-1] <= timedelta(hours=2)
    assert len(scene.crm.requests) == 8
    scene.crm.token = TOKEN
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_used_up_budget_pauses_until_it_resets(scene: Scene) -> None:
    scene.crm.limits.daily_tokens = 100
    await scene.find_files("ada", *(f"{number}.py" for number in range(30)))
    process = await scene.process()
    await process.run()
    pause = await scene.pause()
    assert pause is not None
    assert "daily budget" in pause.reason
    assert (await scene.states()).count("published") > 5
    assert not scene.crm.abuse
    assert not any(request.status == 429 for request in scene.crm.requests)
    for _ in range(20):
        scene.crm.reset_day()
        if not await scene.wake():
            break
        await process.run()
    await scene.assert_each_is_there_once()
    assert not scene.crm.abuse


async def test_looks_do_not_eat_up_the_budget_unnoticed(scene: Scene) -> None:
    scene.crm.limits.daily_tokens = 150
    scene.crm.faults.script(Fault.broken_json(), method="POST", path="activities$", times=9)
    for number in range(9):
        await scene.find_files(f"user-{number}", "a.py")
    process = await scene.process()
    pause = None
    for _ in range(10):
        await process.run()
        pause = await scene.pause()
        if pause is not None and "daily budget" in pause.reason:
            break
        assert await scene.wake()
    assert pause is not None
    assert "daily budget" in pause.reason
    assert not scene.crm.abuse
    assert not any(request.status == 429 for request in scene.crm.requests)
    scene.crm.reset_day()
    scene.crm.limits.daily_tokens = 30_000
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_an_unreachable_pipedrive_is_tried_again_without_doubts(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    here = scene.crm_url
    with nobody_listening() as port:
        scene.crm_url = f"http://127.0.0.1:{port}"
        await (await scene.process()).run()
    pause = await scene.pause()
    assert pause is not None
    assert "reached" in pause.reason
    assert pause.unreachable
    assert await scene.states() == ["pending"]
    scene.crm_url = here
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()


async def test_a_vendor_in_trouble_is_given_a_rest(scene: Scene) -> None:
    scene.crm.faults.script(Fault.error(500), method="POST", path="activities$", times=None)
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    process = await scene.process()
    await process.run()
    assert posts(scene.crm) < 12
    pause = await scene.pause()
    assert pause is not None
    assert "500" in pause.reason
    assert not pause.unreachable
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.fixture
async def busy(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Scene]:
    """A scene in real time, with the smallest plan's limit on bursts."""
    url = f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'busy.sqlite3')}"
    crm = Crm(token=TOKEN, burst=20)
    database = open_database(url)
    with Server(crm.app) as server:
        scene = Scene(database, url, crm, server.url, RealTime())
        yield scene
        await scene.close()


async def test_bursts_stay_below_the_limit(busy: Scene) -> None:
    await busy.find_files("ada", *(f"{number}.py" for number in range(60)))
    await (await busy.process()).run()
    await busy.assert_each_is_there_once()
    assert not busy.crm.abuse
    assert not any(request.status == 429 for request in busy.crm.requests)


async def test_refusals_cost_no_more_than_the_resets_they_announce(busy: Scene) -> None:
    announced = timedelta(seconds=2)
    busy.crm.faults.chance(
        1 / 3,
        [
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
            Fault.limited({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"}),
        ],
        seed=2,
        method="POST",
    )
    await busy.find_files("ada", *(f"{number}.py" for number in range(10)))
    process = await busy.process()
    while await process.publisher.due():
        await process.run()
    await busy.assert_each_is_there_once()
    requests = busy.crm.requests
    refusals = [n for n, request in enumerate(requests) if request.status == 429]
    assert len(refusals) >= 3
    waited = []
    for number in refusals:
        # What was under way already still arrives.
        after = [r.at for r in requests[number + 1 :] if r.at > requests[number].at + UNDER_WAY]
        waited.append(after[0] - requests[number].at)
    assert min(waited) >= announced
    # On a busy machine one or the other is late.
    assert sorted(waited)[len(waited) // 2] < 2 * announced
    assert not busy.crm.abuse


async def test_after_a_pause_sends_and_looks_take_turns_and_a_send_goes_first(
    scene: Scene,
) -> None:
    scene.crm.faults.script(Fault.error(500), method="POST", path="activities$", times=None)
    await scene.find_files("ada", *(f"{number}.py" for number in range(8)))
    process = await scene.process()
    await process.run()
    assert (await scene.states()).count("uncertain") == DIFFERENT_FAILURES
    asked = len(scene.crm.requests)
    for _ in range(2):
        scene.clock.advance(timedelta(minutes=1))
        await process.run()
    probes = [
        request.method
        for request in scene.crm.requests[asked:]
        if request.method == "POST" or "updated_since" in request.query
    ]
    assert probes[:2] == ["POST", "GET"]
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()
