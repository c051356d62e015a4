"""Conducts a drill: vendors, users, replicas, trouble, and the count at the end."""

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitpip.actions.users import add_user
from gitpip.config import Settings, load_settings
from gitpip.drill.child import Child, child, clean_environment
from gitpip.drill.options import Orders, check
from gitpip.drill.replica import WITHOUT_RECONCILIATION
from gitpip.drill.replicas import Replicas
from gitpip.drill.report import Report, counted
from gitpip.drill.vendors import TOKEN
from gitpip.errors import GitpipError, InvalidInput
from gitpip.model import PublicationState
from gitpip.runtime.acting import acting_on
from gitpip.runtime.opening import opened
from gitpip.runtime.worker import github_of
from gitpip.store.database import Database, open_database
from gitpip.store.publications import publications
from gitpip.store.relations import tables

MIB: Final = 2**20
LEAST_ROOM: Final = 32 * MIB
"""The space that 1,000 files take on a disk, with the logs."""
ANOTHER_FOLDER: Final = "free some space, or set TMPDIR to a folder that has enough"
SECONDS_BETWEEN_LOOKS: Final = 1.0
"""Seconds between two looks at how far it is."""
UNSETTLED: Final = (
    PublicationState.PENDING,
    PublicationState.SENDING,
    PublicationState.UNCERTAIN,
)


@dataclass(frozen=True)
class DrillProgress:
    """The progress of a drill."""

    published: int
    """Files at GitHub so far."""
    held: int
    """Files in Pipedrive so far."""
    kills: int


@dataclass(frozen=True)
class _Scene:
    """Everything that takes part in a drill."""

    orders: Orders
    github: Child
    pipedrive: Child
    replicas: Replicas
    database: Database


async def run_drill(orders: Orders, follow: Callable[[DrillProgress], None]) -> Report:
    """Do as ordered, and count what came of it; `follow` gets the progress each second.

    Every process is ended and every file removed, however this ends. Raises InvalidInput,
    DatabaseUnavailable, ServiceFailed, and GitpipError where there is no room.
    """
    check(orders)
    began = time.monotonic()
    with _folder() as folder:
        async with _scene(orders, folder) as scene:
            finished = await _perform(scene, follow, began)
            # The last requests to the vendors may arrive late.
            await scene.replicas.stop()
            await asyncio.sleep(2)
            github = await scene.github.ask("report")
            pipedrive = await scene.pipedrive.ask("report")
        return Report(
            files=orders.files,
            users=orders.users,
            replicas=orders.replicas,
            database="PostgreSQL" if orders.database else "SQLite",
            reconciles=orders.reconciles,
            seed=orders.seed,
            finished=finished,
            seconds=time.monotonic() - began,
            kills=scene.replicas.kills,
            ended=scene.replicas.ended,
            **counted(github, pipedrive),
        )


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for everything that a drill writes, until the block ends. Raises GitpipError."""
    try:
        with tempfile.TemporaryDirectory(prefix="gitpip-drill-") as folder:
            check_room(Path(folder))
            yield Path(folder)
    except OSError as error:
        raise GitpipError(
            f"the drill can't write to {tempfile.gettempdir()}: {error.strerror}; {ANOTHER_FOLDER}"
        ) from error


def check_room(folder: Path, least: int = LEAST_ROOM) -> None:
    """Raise GitpipError where a folder has less room than this many bytes.

    On a full disk, gitpip would wait for room until the time limit.
    """
    left = shutil.disk_usage(folder).free
    if left < least:
        raise GitpipError(
            f"{folder.parent} has only {left / MIB:,.0f} MB left, and the drill needs at least "
            f"{least / MIB:,.0f} MB; {ANOTHER_FOLDER}"
        )


@asynccontextmanager
async def _scene(orders: Orders, folder: Path) -> AsyncIterator[_Scene]:
    """The vendors with their users, all of them tracked, and no process of gitpip yet."""
    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(child("gitpip.drill.vendors", "github", folder))
        pipedrive = await stack.enter_async_context(
            child("gitpip.drill.vendors", "pipedrive", folder)
        )
        environment = {
            "GITPIP_DATABASE_URL": orders.database or f"sqlite:///{folder}/gitpip.sqlite3",
            "GITPIP_PORT": "0",
            "GITPIP_LOG_FORMAT": "json",
            "GITPIP_CHECK_INTERVAL": "5s",
            # Too short for a real network; here nothing lands later than `LATEST_PROCESSING`.
            "GITPIP_HTTP_TIMEOUT": "1s",
            "GITPIP_ABSENT_AFTER": "5s",
            # A crowd that publishes thousands of files in minutes is what a drill is about.
            "GITPIP_HOLD_ABOVE": "0",
            "GITPIP_FLOOD_PER_DAY": "0",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": await github.ask("address"),
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{await pipedrive.ask('address')}/api",
        }
        settings = load_settings(environment, env_file=None)
        if orders.database:
            await _refuse_used(settings)
        database = await stack.enter_async_context(opened(settings, makes=True))
        await _track(settings, database, await github.ask("settle", users=orders.users))
        options = () if orders.reconciles else (WITHOUT_RECONCILIATION,)
        command = (sys.executable, "-m", "gitpip.drill.replica", *options)
        replicas = Replicas(folder, clean_environment() | environment, command)
        stack.callback(replicas.end)
        yield _Scene(orders, github, pipedrive, replicas, database)


async def _refuse_used(settings: Settings) -> None:
    """Raise InvalidInput if a database holds anything: it may be somebody's."""
    database = open_database(settings.database_url, connections=1)
    try:
        async with database.read() as transaction:
            found = await tables(transaction)
    finally:
        await database.close()
    if found:
        raise InvalidInput(
            "--database",
            f"it already has tables, such as {found[0]}; a drill needs an empty database: "
            "create one with createdb, and drop it afterwards",
        )


async def _track(settings: Settings, database: Database, logins: list[str]) -> None:
    async with github_of(settings, database) as github:
        for login in logins:
            await add_user(
                acting_on(database),
                login,
                external_id=None,
                backfill=settings.backfill,
                find_account=github.account,
            )


async def _perform(scene: _Scene, follow: Callable[[DrillProgress], None], began: float) -> bool:
    """Make users publish while everything goes wrong; give whether all was settled in time."""
    orders, chance = scene.orders, random.Random(scene.orders.seed)  # noqa: S311 - repeatable
    for vendor in (scene.github, scene.pipedrive):
        await vendor.ask("faults", percent=orders.faults, seed=orders.seed)
    scene.replicas.start(orders.replicas)
    await scene.github.ask("publish", users=orders.users, files=orders.files, seed=orders.seed)
    while time.monotonic() - began < orders.time_limit.total_seconds():
        check_room(scene.replicas.folder)
        scene.replicas.keep()
        progress = DrillProgress(
            await scene.github.ask("published"),
            await scene.pipedrive.ask("held"),
            scene.replicas.kills,
        )
        follow(progress)
        if orders.kill_every:
            now = time.monotonic()
            scene.replicas.kill_if_due(orders.kill_every, progress.held, chance, now)
        if progress.published == orders.files and await _is_settled(scene.database, orders):
            return True
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    return False


async def _is_settled(database: Database, orders: Orders) -> bool:
    """Return whether gitpip knows of every file, and has nothing left to do with any."""
    async with database.read() as transaction:
        counts = await publications.count(transaction)
    known = sum(counts.values())
    return known >= orders.files and not any(counts.get(state) for state in UNSETTLED)
