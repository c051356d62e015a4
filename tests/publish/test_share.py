"""One user's files never take more than three quarters of what may be under way."""

import asyncio
import shutil
from pathlib import Path

import pytest

from gitpip.model import UserKey
from gitpip.publish.running_tasks import RunningTasks
from gitpip.store.database import open_database
from gitpip_standins import Fault, Server
from gitpip_standins import Pipedrive as Crm
from tests.support.scene import RealTime, Scene
from tests.support.tokens import TOKEN

ADA, BOB = UserKey(1), UserKey(2)


@pytest.mark.parametrize(("limit", "share"), [(3, 3), (4, 3), (8, 6), (20, 15), (120, 90)])
async def test_a_user_has_enough_with_three_quarters_of_the_limit(limit: int, share: int) -> None:
    running, over = RunningTasks(), asyncio.Event()

    async def work() -> None:
        await over.wait()

    for _ in range(limit):
        running.succeeded(limit)
    running.send(work(), BOB)
    sent = 0
    while running.room(limit) and ADA not in running.crowded(limit):
        running.send(work(), ADA)
        sent += 1
    assert sent == min(share, limit - 1)
    assert BOB not in running.crowded(limit)
    over.set()
    await running.finish()


@pytest.mark.long
async def test_where_one_users_requests_hang_anothers_file_gets_through(
    tmp_path: Path, migrated_file: Path
) -> None:
    crm = Crm(token=TOKEN, burst=8)
    file = shutil.copy(migrated_file, tmp_path / "share.sqlite3")
    database = open_database(url := f"sqlite+aiosqlite:///{file}")
    with Server(crm.app) as server:
        scene = Scene(database, url, crm, server.url, RealTime())
        crm.faults.script(Fault.held(), method="POST", about="hangs", times=None)
        await scene.find_files("ada", *(f"{number}.py" for number in range(8)))
        await scene.find_files("ada", *(f"hangs-{number}.py" for number in range(20)))
        await scene.find_files("bob", "b.py")
        running = asyncio.create_task((await scene.process()).run())

        def bob_has_his() -> bool:
            return any("bob" in str(each["subject"]) for each in crm.activities)

        try:
            await asyncio.to_thread(crm.wait_until, bob_has_his)
            assert len(crm.faults.injected) <= 6
        finally:
            crm.faults.let_go()
            crm.faults.clear()
            await running
            await scene.close()
