"""What changes under a run, at any moment of it, is noticed before anything more is sent."""

import asyncio
import itertools
from datetime import timedelta

import pytest
from sqlalchemy import make_url, select

from gitpip.model import PublicationState
from gitpip.publish.delivery import Waits
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.accounts.accounts import NamedAccount
from gitpip.store.publications import deals
from gitpip.store.schema import deals as deal_rows
from gitpip.store.schema_accounts import Vendor
from gitpip.store.users import users
from tests.support.restores import Backup, OfFile
from tests.support.scene import OurClock, Process, Scene

pytestmark = pytest.mark.long

PUBLISHED = PublicationState.PUBLISHED


async def switch_to(scene: Scene, identity: str) -> None:
    """As a person does whose other process has a token of that company."""
    async with scene.database.begin() as transaction:
        named = NamedAccount(Vendor.DESTINATION, identity, f"company {identity}")
        await accounts.meet(transaction, named, credential=None, now=scene.clock())
        await account_switch.switch(transaction, Vendor.DESTINATION, scene.clock())


def sent(scene: Scene) -> int:
    return sum(request.method == "POST" for request in scene.crm.requests)


@pytest.mark.parametrize("files", [1, 2], ids=["a file", "a gist"])
async def test_nothing_is_sent_to_a_company_that_was_left_at_any_moment(
    scene: Scene, files: int
) -> None:
    scene.given["activity_per"] = "gist"
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await scene.end_youth(process, "ada")
    for moment in itertools.count(1):
        await scene.find_files("ada", *(f"{moment} {number}.py" for number in range(files)))
        process.database.thawed.clear()
        process.database.freezes = process.database.in_moments(moment)
        running = asyncio.create_task(process.run())
        frozen = asyncio.create_task(process.database.frozen.wait())
        await asyncio.wait({running, frozen}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            frozen.cancel()
            break
        rows, before = await scene.rows(), sent(scene)
        under_way = sum(row.state is PublicationState.SENDING for row in rows)
        await switch_to(scene, "2")
        process.thaw()
        await running
        await process.run()
        assert sent(scene) - before <= under_way
        async with scene.database.read() as transaction:
            key = rows[0].user_key
            assert await deals.made(transaction, key) is None, "a deal of the former company"
        await switch_to(scene, "1")
        await scene.settle(process)

    assert moment > 8
    assert set(scene.activities().values()) == {1}
    assert {row.state for row in await scene.rows()} == {PUBLISHED}


@pytest.mark.parametrize(
    ("set_back", "files"),
    [(False, 1), (True, 1), (True, 2)],
    ids=["files", "files, and our clock is set back", "gists, and our clock is set back"],
)
@pytest.mark.parametrize("moments", range(6))
async def test_what_another_process_sent_is_not_sent_again_after_a_restore_at_any_moment(
    scene: Scene, moments: int, set_back: bool, files: int
) -> None:
    """The backup knows a claim of a process that was frozen since, and not what was sent since.

    Where the clock is set back, that claim seems to last. Two gists go out, each as one activity.

    On SQLite, where a restore takes no time; `test_set_back.py` restores on both databases.
    """
    if not scene.database.is_sqlite:
        pytest.skip("restores of SQLite alone")
    backup = OfFile(str(make_url(scene.url).database))
    scene.given["activity_per"] = "gist"
    clock = OurClock(scene.clock)
    process, other = await scene.process(clock), await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.end_youth(process, "ada")
    old = len(await scene.rows())
    for gist in ("first", "second"):
        await scene.find_files("ada", *(f"{gist} {number}.py" for number in range(files)))
    running = asyncio.create_task(process.run())

    await scene.freeze_when(process, lambda rows: all(row.token for row in rows[old:]))
    backup.make()
    await scene.freeze_when(process, lambda rows: rows[old].state is PUBLISHED)
    for _ in range(moments):
        if (await scene.rows())[-1].state is PublicationState.PENDING:
            await process.one_moment(running)
    if (await scene.rows())[-1].state is PublicationState.PENDING:
        await send_and_lose(scene, other, backup)
        clock.ahead = -3 * Waits(scene.timeout).claim if set_back else timedelta(0)
    process.thaw()
    await running
    await scene.settle(process)

    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("moments", range(8))
@pytest.mark.parametrize("login", ["ada", "newcomer"])
async def test_a_process_that_has_sent_nothing_since_the_backup_does_not_send_what_another_sent(
    scene: Scene, backup: Backup, login: str, moments: int
) -> None:
    """Only the end of its claims tells it. A newcomer has no deal yet: that is not doubled, too."""
    if not scene.database.is_sqlite and moments != 4:
        pytest.skip("restores of PostgreSQL take a second")
    process, other = await scene.process(), await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(process)
    await scene.find_files(login, "a.py")
    running = asyncio.create_task(process.run())

    await scene.freeze_when(process, lambda rows: rows[1].token is not None)
    backup.make()
    for _ in range(moments):
        if await is_unsent(scene, login):
            await process.one_moment(running)
    if await is_unsent(scene, login):
        await send_and_lose(scene, other, backup)
    process.thaw()
    await running
    await scene.settle(process)

    await scene.assert_each_is_there_once()


async def test_what_was_held_up_is_looked_for_before_it_is_sent(
    scene: Scene, backup: Backup
) -> None:
    """A backup shows it as being sent, and another process has sent it since."""
    process, other = await scene.process(), await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(process)
    await scene.find_files("ada", "a.py")
    running = await scene.freeze_in_state(process, PublicationState.SENDING)
    backup.make()
    scene.clock.advance(2 * Waits(scene.timeout).lease)
    await scene.settle(other)
    backup.restore()
    process.thaw()
    await running
    await scene.settle(process)

    await scene.assert_each_is_there_once()


async def is_unsent(scene: Scene, login: str) -> bool:
    """Whether no request about the newest file or its deal was begun."""
    if (await scene.rows())[-1].state is not PublicationState.PENDING:
        return False
    async with scene.database.read() as transaction:
        user = await users.find(transaction, login)
        states = await transaction.execute(
            select(deal_rows.c.state).where(deal_rows.c.user_key == user.key)
        )
        return PublicationState.SENDING.value not in states.scalars()


async def send_and_lose(scene: Scene, other: Process, backup: Backup) -> None:
    """Let another process send what is left, and the database forget that."""
    scene.clock.advance(2 * Waits(scene.timeout).claim)
    await scene.settle(other)
    backup.restore()
