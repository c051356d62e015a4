"""A ledger that is younger than the CRM adopts what is there, and publishes nothing twice."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from gitpip.model import PublicationState
from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.publish.comparison_allowance import (
    COMPARISON_MAX_AGE,
    SHORT_REFILL_INTERVAL,
    ComparisonAllowance,
)
from gitpip.publish.delivery import FIRST_LOOK
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.database import open_database
from gitpip.store.publications import markers
from gitpip.store.schema_accounts import Vendor
from gitpip_standins import Fault
from gitpip_standins import Pipedrive as Crm
from tests.conftest import PostgresServer
from tests.support.clocks import Clock
from tests.support.scene import OurClock, Scene, at

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
LISTS = "/api/v2/activities"

Backup = Callable[[Scene], Awaitable[Callable[[Scene], Awaitable[Scene]]]]
"""Makes a backup of a scene's database, and gives a function that restores it."""


@pytest.fixture
async def backup(request: pytest.FixtureRequest) -> AsyncIterator[Backup]:
    """Backups as people make them: a copy of the file, or a copy of the whole database."""
    made: list[tuple[PostgresServer, str]] = []
    scenes: list[Scene] = []

    async def make(scene: Scene) -> Callable[[Scene], Awaitable[Scene]]:
        url = make_url(scene.url)
        if url.get_backend_name() == "sqlite":
            copy = f"{url.database}.backup"
            await asyncio.to_thread(_copy_file, str(url.database), copy)
        else:
            postgres: PostgresServer = request.getfixturevalue("postgres")
            copy = f"copy_{uuid4().hex}"
            await _copy_database(scene, postgres, str(url.database), copy)
            made.append((postgres, copy))

        async def restore(present: Scene) -> Scene:
            await present.close()
            if url.get_backend_name() == "sqlite":
                target = url.set(database=f"{url.database}.{uuid4().hex}")
                shutil.copyfile(copy, str(target.database))
            else:
                target = url.set(database=f"restored_{uuid4().hex}")
                postgres.psql(f"CREATE DATABASE {target.database} TEMPLATE {copy};")
                made.append((postgres, str(target.database)))
            restored = at(present, target.render_as_string(hide_password=False))
            scenes.append(restored)
            return restored

        return restore

    yield make
    for scene in scenes:
        await scene.close()
    for postgres, name in made:
        postgres.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")


def _copy_file(source: str, target: str) -> None:
    before, after = sqlite3.connect(source), sqlite3.connect(target)
    before.backup(after)
    after.close()
    before.close()


async def _copy_database(scene: Scene, postgres: PostgresServer, name: str, copy: str) -> None:
    # A template must not be in use.
    await scene.close()
    postgres.psql(f"CREATE DATABASE {copy} TEMPLATE {name};")
    scene.database = open_database(scene.url)
    scene._processes.clear()


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{index}.py" for index in range(number)]


def lists(crm: Crm) -> int:
    """How many pages comparisons have read; what is looked for is asked for since a time."""
    pages = [r for r in crm.requests if r.method == "GET" and r.path == LISTS]
    return sum("updated_since" not in page.query for page in pages)


def fail_on_page(number: int, crm: Crm) -> None:
    """Let a comparison, and what it asks once more, fail at its second or a later page."""
    passed = (Fault.slow(timedelta(0)),) * (number - 2)
    failed = (Fault.error(500), Fault.error(500))
    crm.faults.script(*passed, *failed, method="GET", path="activities$", about="cursor")


async def test_what_came_after_the_backup_is_adopted(scene: Scene, backup: Backup) -> None:
    await scene.find_files("ada", *names("old", 3))
    await scene.settle(await scene.process())
    restore = await backup(scene)
    await scene.find_files("ada", *names("new", 4))
    await scene.find_files("bob", *names("his", 3))
    await scene.settle(await scene.process())
    before = scene.crm.activities
    scene.clock.advance(HOUR)

    restored = await restore(scene)
    restored._gists = 1
    await restored.find_files("ada", *names("new", 4))
    await restored.find_files("bob", *names("his", 3))
    asked = lists(scene.crm)
    await restored.settle(await restored.process())

    assert lists(scene.crm) - asked == 1
    assert scene.crm.activities == before
    await restored.assert_each_is_there_once()
    rows = {row.marker: row for row in await restored.rows()}
    for activity in before:
        marker = str(activity["note"]).rpartition("gitpip ")[2].removesuffix("</p>")
        assert rows[marker].deal_id == activity["deal_id"]


async def test_a_new_database_is_born_with_what_is_in_the_crm(scene: Scene, empty: Scene) -> None:
    await scene.find_files("ada", *names("old", 5))
    await scene.settle(await scene.process())
    before = scene.crm.activities
    scene.clock.advance(HOUR)

    # It compares before anything is found...
    process = await empty.process()
    await process.run()
    await empty.find_files("ada", *names("old", 5))
    assert await empty.states() == ["published"] * 5
    assert (await empty.deal_row("ada")).deal_id == before[0]["deal_id"]
    # ... and goes on under the deal that is there.
    await empty.find_files("ada", "new.py")
    await empty.settle(process)
    await empty.assert_each_is_there_once()
    assert scene.crm.activities[:5] == before


async def test_a_new_database_in_an_account_without_markers_publishes_at_once(
    scene: Scene,
) -> None:
    for number in range(20):
        scene.crm.add_activity(f"call number {number}")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert await scene.states() == ["published"]
    assert lists(scene.crm) == 1


async def test_more_may_be_on_its_way_where_something_unknown_is_young(
    scene: Scene, empty: Scene
) -> None:
    await scene.find_files("ada", "first.py", "second.py")
    await scene.settle(await scene.process())
    # The list shows the first one only, as yet.
    scene.crm.list_lag = timedelta(minutes=2)
    scene.clock.advance(timedelta(seconds=1))
    scene.crm.edit_activity(2, is_deleted=False)
    await empty.find_files("ada", "first.py", "second.py")
    process = await empty.process()
    scene.crm.list_lag = timedelta(0)
    scene.crm.delete_activity(2)
    await process.run()
    assert await empty.states() == ["published", "pending"]
    pause = await empty.pause()
    assert pause is not None
    assert pause.until == scene.clock() + UNSETTLED_FOR

    scene.crm.edit_activity(2, is_deleted=False)
    await empty.settle(process)
    await empty.assert_each_is_there_once()


async def test_nothing_unknown_is_old_where_pipedrive_does_not_tell_its_time(
    scene: Scene, empty: Scene
) -> None:
    await scene.find_files("ada", "first.py")
    await scene.settle(await scene.process())
    scene.crm.app.tells_time = False
    empty.clock = ahead = OurClock(empty.clock)
    ahead.ahead = HOUR
    await empty.find_files("ada", "first.py")
    await (await empty.process()).run()
    pause = await empty.pause()
    assert pause is not None
    assert pause.until == ahead() + UNSETTLED_FOR


async def test_a_second_installation_is_noticed_by_what_a_look_shows(
    scene: Scene, empty: Scene
) -> None:
    process, other = await scene.process(), await empty.process()
    await scene.find_files("ada", "warm-up.py")
    await scene.settle(process)
    scene.clock.advance(HOUR)
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities")
    await scene.find_files("ada", "mine.py")
    await process.run()
    assert await scene.states() == ["published", "uncertain"]

    await empty.find_files("ada", "warm-up.py")
    empty._gists = 2
    await empty.find_files("ada", "theirs.py")
    await empty.settle(other)
    await scene.find_files("ada", "theirs.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_what_a_look_shows_of_another_installation_has_everything_compared(
    scene: Scene, empty: Scene
) -> None:
    """Also within the seconds in which nothing new is compared, and in deals not looked at."""
    process, other = await scene.process(), await empty.process()
    for installation, its_process in ((scene, process), (empty, other)):
        for login in ("ada", "bob"):
            await installation.find_files(login, "warm-up.py")
        await installation.settle(its_process)
    scene.clock.advance(HOUR)
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities")
    await scene.find_files("ada", "mine.py")
    await process.run()
    for login in ("ada", "bob"):
        await empty.find_files(login, "theirs.py")
    await empty.settle(other)
    scene.clock.advance(FIRST_LOOK)
    await process.run()
    assert scene.clock() - (await compared_at(scene)) < COMPARISON_MAX_AGE
    await scene.find_files("bob", "theirs.py")
    await scene.settle(process)
    assert set(scene.activities().values()) == {1}


async def compared_at(scene: Scene) -> datetime:
    async with scene.database.read() as transaction:
        at = (await ledger.read(transaction)).compared_at
    assert at is not None
    return at


async def test_a_second_installation_is_noticed_before_something_new_is_sent(
    scene: Scene, empty: Scene
) -> None:
    process, other = await scene.process(), await empty.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(process)
    scene.clock.advance(HOUR)
    await empty.find_files("ada", "old.py")
    await empty.settle(other)
    assert scene.activities().total() == 1
    for number in range(8):
        # By turns one finds a file that the other has published a few seconds ago.
        first, second = ((scene, process), (empty, other))[:: 1 if number % 2 else -1]
        for installation, its_process in (first, second):
            await installation.find_files("ada", f"{number}.py")
            await installation.settle(its_process)
            scene.clock.advance(COMPARISON_MAX_AGE)
        scene.clock.advance(2 * SHORT_REFILL_INTERVAL)
    assert set(scene.activities().values()) == {1}
    assert await scene.states() == await empty.states() == ["published"] * 9
    for installation in (scene, empty):
        async with installation.database.read() as transaction:
            assert (await ledger.read(transaction)).others_seen_at is not None


async def test_comparisons_are_bounded(clock: Clock) -> None:
    """Something new is sent all day long: 10 tokens for each comparison."""
    for others, most in ((False, 10 + 24), (True, 10 + 24 * 60)):
        allowance = ComparisonAllowance()
        compared_at = clock()
        made = 0
        for _ in range(24 * 60 * 6):
            clock.advance(timedelta(seconds=10))
            if allowance.take(compared_at, clock() if others else None, clock()):
                compared_at, made = clock(), made + 1
        assert most - 1 <= made <= most


async def test_a_list_that_fails_does_not_hold_up_what_was_compared_before(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    scene.clock.advance(HOUR)
    scene.crm.faults.script(Fault.error(500), method="GET", path="activities$", times=None)
    await scene.find_files("ada", "b.py")
    await process.run()
    assert await scene.states() == ["published"] * 2


async def test_one_page_more_is_read_where_something_older_was_unknown(scene: Scene) -> None:
    """Two installations by turns: what is unknown is not only newer than what is known."""
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    others = [f"gp-{number:012d}".translate(str.maketrans("0189", "abcd")) for number in range(700)]
    for marker in others:
        scene.crm.add_activity("x", note=f"<p>gitpip {marker}</p>", deal_id=1)
    # So soon after a comparison there is none.
    await scene.find_files("ada", "b.py")
    await process.run()
    scene.clock.advance(HOUR)
    asked = lists(scene.crm)
    await scene.settle(await scene.process())
    assert lists(scene.crm) - asked == 2
    async with scene.database.read() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account
        assert await markers.waiting(transaction, account.key) == 700


async def test_what_is_older_than_the_ledgers_last_costs_nothing(scene: Scene) -> None:
    for number in range(2_000):
        scene.crm.add_activity(f"call number {number}")
    scene.clock.advance(HOUR)
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    assert lists(scene.crm) == 4
    scene.clock.advance(HOUR)
    for number in range(600):
        scene.crm.add_activity(f"call after number {number}")
    asked = lists(scene.crm)
    await scene.settle(await scene.process())
    assert lists(scene.crm) - asked == 2


@pytest.mark.parametrize("lost", ["answer", "record"])
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_database_that_lost_its_last_commits_doubles_nothing(
    scene: Scene, postgres: PostgresServer, lost: str
) -> None:
    """The process lives on while another database takes the place of its own."""
    name = str(make_url(scene.url).database)
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    await scene.find_files("ada", "b.py")
    await _disconnect(scene)
    postgres.psql(f"CREATE DATABASE {name}_copy TEMPLATE {name};")
    if lost == "answer":
        scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities")
    await process.run()
    assert await scene.states() == ["published", "uncertain" if lost == "answer" else "published"]
    await _disconnect(scene)
    postgres.psql(f"DROP DATABASE {name};")
    postgres.psql(f"ALTER DATABASE {name}_copy RENAME TO {name};")

    # The list does not show yet what was sent a moment ago.
    scene.crm.list_lag = timedelta(minutes=2)
    await process.run()
    assert await scene.states() == ["published", "pending"]
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def _disconnect(scene: Scene) -> None:
    await scene.database.close()
    for process in scene._processes:
        await process.database.close()


async def test_comparing_is_tried_again_later_where_the_list_fails(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(
        Fault.error(500), method="GET", path="activities$", times=6
    )  # twice a time
    process = await scene.process()
    lengths = []
    for _ in range(3):
        await process.run()
        pause = await scene.pause()
        assert pause is not None
        lengths.append(pause.until - scene.clock())
        assert await scene.states() == [PublicationState.PENDING.value]
        await scene.wake()
    assert lengths == sorted(lengths)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_comparison_that_was_cut_short_ends_where_the_first_one_would_have(
    scene: Scene, backup: Backup
) -> None:
    """Else each restart while a large account is read would read all of it."""
    for number in range(1_200):
        scene.crm.add_activity(f"call number {number}")
    scene.clock.advance(HOUR)
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    restore = await backup(scene)
    for number in range(600):
        scene.crm.add_activity(f"call number {number}")
    await scene.find_files("ada", "b.py")
    await scene.settle(await scene.process())
    restored = await restore(scene)
    restored.clock.advance(HOUR)

    await restored.find_files("ada", "b.py", number=2)
    fail_on_page(2, restored.crm)
    await (await restored.process()).run()
    assert await restored.pause() is not None
    assert await restored.states() == ["published", "published"]
    await restored.find_files("ada", "c.py", number=3)
    before = lists(restored.crm)
    await restored.settle(await restored.process())
    assert lists(restored.crm) - before == 2
    assert len(restored.crm.activities) == 1_200 + 600 + 3


async def test_a_marker_that_a_person_changed_stops_nothing(scene: Scene, empty: Scene) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)
    await (await empty.process()).run()
    other = scene.crm.activities[1]
    scene.crm.edit_activity(1, subject=other["subject"], note=other["note"])
    await (await empty.process()).run()
    assert await empty.pause() is None
    await empty.find_files("bob", "c.py")
    await empty.settle(await empty.process())
    assert (await empty.states())[-1] == "published"
