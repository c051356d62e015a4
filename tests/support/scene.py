"""A ledger, a CRM and a clock, and the processes that publish from one into the other."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import select, update

from gitpip.actions import publishing_settings
from gitpip.actions.acting import Acting, Work
from gitpip.backfill import Backfill
from gitpip.clock import Clocks
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import (
    Account,
    Deal,
    FileKey,
    GistId,
    GitHubId,
    OnEdit,
    Pause,
    Publication,
    PublicationState,
    SeenFile,
    SeenGist,
    User,
)
from gitpip.modes import PublishingMode
from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.publish.delivery import Waits
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.publisher import DEFAULT_RULES, Publisher
from gitpip.publish.sender import SendRules
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, Transaction, open_database
from gitpip.store.gists import gists
from gitpip.store.publications import deals, note_updates, publications, second_sends
from gitpip.store.schema import gist_files
from gitpip.store.schema_access import Via
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip_standins import FaultKind
from gitpip_standins import Pipedrive as Crm
from tests.support.activities import markers_in
from tests.support.clocks import Clock
from tests.support.mortal_database import Killed, MortalDatabase
from tests.support.tokens import TOKEN

TIMEOUT = timedelta(seconds=1)
"""Where requests are to be given up."""
UNHURRIED = timedelta(seconds=30)
INSTANT = timedelta(milliseconds=1)


class OurClock(Clock):
    """The clock of the machine that gitpip runs on: it can be set, unlike the vendor's."""

    def __init__(self, vendors: Clock) -> None:
        self._vendors = vendors
        self.ahead = timedelta(0)

    @property
    def now(self) -> datetime:
        return self._vendors.now + self.ahead

    @now.setter
    def now(self, now: datetime) -> None:
        self._vendors.now = now - self.ahead


@dataclass
class Machine:
    """The other clocks of the machine that gitpip runs on, in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    boot: Callable[[], float] = time.monotonic

    def with_wall(self, wall: Clock) -> Clocks:
        """All of them; those of the machine can be exchanged later."""
        return Clocks(wall, self._monotonic, self._boot)

    def _monotonic(self) -> float:
        return self.monotonic()

    def _boot(self) -> float:
        return self.boot()


class RealTime(Clock):
    """The time as it is."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


class Process:
    """One process that publishes: a publisher with a database and a client of its own."""

    def __init__(
        self,
        url: str,
        crm_url: str,
        clock: Clock,
        *,
        timeout: timedelta = UNHURRIED,
        machine: Machine | None = None,
        rules: SendRules = DEFAULT_RULES,
    ) -> None:
        machine = machine or Machine()
        self.database = MortalDatabase(url, clock)
        self.pipedrive = Pipedrive(
            api_url=f"{crm_url}/api",
            token=SecretStr(TOKEN),
            timeout=timeout,
            rest=timedelta(0),
        )
        self.publisher = Publisher(
            self.database,
            self.pipedrive,
            waits=Waits(timeout),
            rules=rules,
            # A test's clock stands still while a run waits.
            short_pause=timedelta(seconds=5) if isinstance(clock, RealTime) else timedelta(0),
            clocks=machine.with_wall(clock),
        )

    async def run(self) -> int:
        return await self.publisher.run()

    def thaw(self) -> None:
        """Let it go on after it was frozen, and freeze no more."""
        self.database.freezes = lambda: False
        self.database.frozen.clear()
        self.database.thawed.set()

    async def one_moment(self, running: asyncio.Task[int]) -> None:
        """Let it go on to its next moment after it was frozen, or to its end."""
        self.database.freezes = self.database.in_moments(1)
        self.database.frozen.clear()
        self.database.thawed.set()
        await asyncio.sleep(0)
        self.database.thawed.clear()
        frozen = asyncio.create_task(self.database.frozen.wait())
        await asyncio.wait({running, frozen}, return_when=asyncio.FIRST_COMPLETED)
        frozen.cancel()

    async def close(self) -> None:
        await self.pipedrive.__aexit__(None, None, None)
        await self.database.close()


async def wake_nobody(work: Work) -> None:
    """Leave it to the test when somebody publishes."""


async def _nothing_is_lacking(
    policy: PublishingPolicy, names: frozenset[str]
) -> publishing_settings.CheckedSettings:
    return publishing_settings.CheckedSettings()


async def until_killed(process: Process) -> None:
    """Let a process run until it is killed, or has nothing more to do."""
    task = asyncio.ensure_future(process.run())
    await asyncio.wait([task])
    if not isinstance(task.exception(), Killed):
        await task


@dataclass
class Scene:
    """What publishing works on, as a test arranges it and looks at it."""

    database: Database
    url: str
    crm: Crm
    crm_url: str
    clock: Clock
    timeout: timedelta = UNHURRIED
    machine: Machine = field(default_factory=Machine)
    server_clock: Clock | None = None
    """The clock of PostgreSQL's server, where it is not that of the processes."""
    on_edit: OnEdit = OnEdit.IGNORE
    given: dict[str, str] = field(default_factory=dict)
    """The publishing settings of the environment of the next processes."""
    mode: PublishingMode = PublishingMode.AUTOMATIC
    """That of everybody; see `set_mode`."""
    _processes: list[Process] = field(default_factory=list)
    _gists: int = 0

    async def process(self, clock: Clock | None = None) -> Process:
        """Start a publishing process; it is closed at the scene's end."""
        process = Process(
            self.url,
            self.crm_url,
            clock or self.clock,
            timeout=self.timeout,
            machine=self.machine,
            rules=SendRules(self.on_edit, given=dict(self.given)),
        )
        process.database.server_clock = self.server_clock or process.database.server_clock
        self._processes.append(process)
        return process

    async def set_mode(self, mode: PublishingMode) -> None:
        """What a person does who changes the mode of everybody."""
        await self.set_publishing(publishing_mode=mode.value)
        self.mode = mode

    async def set_publishing(self, **values: str) -> None:
        """What a person does who changes publishing settings."""
        acting = Acting(self.database, Actor("eve", Via.PAGE), wake_nobody, self.clock)
        await publishing_settings.change(acting, {}, dict(values), _nothing_is_lacking)

    async def close(self) -> None:
        for process in self._processes:
            await process.close()
        await self.database.close()

    async def find_files(
        self,
        login: str,
        *filenames: str,
        content: str | Mapping[str, str] = "x = 1\n",
        held_because: str | None = None,
        number: int | None = None,
    ) -> None:
        """What watching does when a tracked user has a new gist, which may be part of a flood.

        `content` is that of each file, or of all of them. `number` is that of the gist, where
        another scene finds the same one; otherwise they are counted.
        """
        contents = content if isinstance(content, Mapping) else dict.fromkeys(filenames, content)
        self._gists += 1
        counted = str(number or self._gists)
        gist_id = GistId(hashlib.md5(counted.encode()).hexdigest())  # noqa: S324 - an id
        async with self.database.begin() as transaction:
            user = await self._tracked(transaction, login)
            now = self.clock()
            gist = SeenGist(
                id=gist_id,
                owner_id=user.github_id or GitHubId(0),
                description=None,
                html_url=f"https://gist.github.com/{login}/{gist_id}",
                created_at=now,
                updated_at=now,
                files=tuple(_seen(login, gist_id, name, contents[name]) for name in filenames),
            )
            new = (await gists.store(transaction, user, [gist], check_id=None, now=now)).new
            await publications.add(
                transaction,
                user.key,
                [
                    publications.NewPublication(
                        f.key, f.gist_id, f.filename, held_because=held_because
                    )
                    for f in new
                ],
                now,
            )

    async def change_contents(self, content: str = "y = 2\n") -> None:
        """What watching does when every file has this content now, and edits update notes."""
        async with self.database.begin() as transaction:
            keys = (await transaction.execute(select(gist_files.c.key))).scalars().all()
            await transaction.execute(update(gist_files).values(content=content))
            await note_updates.add(transaction, [FileKey(key) for key in keys], self.clock())

    async def add(self, login: str) -> None:
        """Track a user, perhaps one who was removed."""
        async with self.database.begin() as transaction:
            await self._tracked(transaction, login)

    async def _tracked(self, transaction: Transaction, login: str) -> User:
        added = await users.add(
            transaction,
            login,
            external_id=f"id of {login}",
            account=Account(login, GitHubId(int.from_bytes(login.encode()[:7]))),
            backfill=Backfill.parse("all"),
            now=self.clock(),
        )
        return added.user

    async def rows(self) -> tuple[Publication, ...]:
        """All publications, oldest first."""
        async with self.database.read() as transaction:
            page = await publications.page(transaction, offset=0, limit=10_000)
        return tuple(reversed(page.items))

    async def states(self) -> list[str]:
        return [row.state.value for row in await self.rows()]

    async def deal_row(self, login: str) -> Deal:
        async with self.database.read() as transaction:
            user = await users.find(transaction, login)
            return await deals.get(transaction, user.key)

    async def pause(self) -> Pause | None:
        async with self.database.read() as transaction:
            return await pauses.paused(transaction, pauses.PUBLISHING, self.clock())

    async def wake(self, *, watched: bool = False) -> bool:
        """Move the clock to when something can be done next; False when nothing waits.

        What was sent twice is `watched` for an hour after that.
        """
        async with self.database.read() as transaction:
            times = (
                await publications.next_due(transaction, self.mode),
                await second_sends.next_due(transaction, self.mode) if watched else None,
            )
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            return False
        # A request in flight lands in real time: the clock must not overtake it.
        self.crm.wait_until(self.all_landed)
        pause = await self.pause()
        wake_at = max(due, pause.until) if pause else due
        self.clock.now = max(self.clock.now, wake_at) + INSTANT
        return True

    async def settle(self, process: Process, *, watched: bool = False) -> None:
        """Publish, and let time pass, until nothing waits."""
        for _ in range(300):
            await process.run()
            if not await self.wake(watched=watched):
                return
        raise AssertionError(f"still waiting: {[row.reason for row in await self.rows()]}")

    async def settle_until(self, process: Process, condition: Callable[[list[str]], bool]) -> None:
        """Publish, and let time pass, until the rows' states are as wanted."""
        for _ in range(100):
            await process.run()
            if condition(await self.states()):
                return
            await self.wake()
        raise AssertionError(f"the states are {await self.states()}")

    async def freeze_in_state(self, process: Process, state: PublicationState) -> asyncio.Task[int]:
        """Let a process run and freeze it as soon as a row is in this state."""
        running = asyncio.create_task(process.run())
        while True:
            process.database.freezes = process.database.in_moments(1)
            await process.database.frozen.wait()
            if state.value in await self.states():
                return running
            process.database.frozen.clear()
            process.database.thawed.set()
            await asyncio.sleep(0)
            process.database.thawed.clear()

    async def freeze_when(
        self, process: Process, condition: Callable[[tuple[Publication, ...]], bool]
    ) -> None:
        """Freeze a running process at the first moment at which the rows are so."""
        while True:
            process.database.freezes = process.database.in_moments(1)
            process.database.frozen.clear()
            process.database.thawed.set()
            await asyncio.sleep(0)
            process.database.thawed.clear()
            await process.database.frozen.wait()
            if condition(await self.rows()):
                return

    async def end_youth(self, process: Process, login: str) -> None:
        """Let what a process sends be watched no more: its first minutes are over."""
        self.clock.advance(UNSETTLED_FOR)
        await self.find_files(login, "after the first minutes.py")
        await self.settle(process, watched=True)

    def all_landed(self) -> bool:
        return all(
            request.processed
            or (request.fault is not None and not request.fault.processed)
            # This one waits for the clock.
            or (request.fault is not None and request.fault.kind is FaultKind.LANDS)
            for request in self.crm.requests
        )

    def activities(self) -> Counter[str]:
        """How many activities the CRM holds for each file, by its marker; none deleted."""
        there = [each for each in self.crm.activities if not each["is_deleted"]]
        return Counter(marker for activity in there for marker in markers_in(activity))

    def deals(self) -> Counter[str]:
        """How many deals the CRM holds, by title."""
        return Counter(str(deal["title"]) for deal in self.crm.deals if not deal["is_deleted"])

    async def assert_each_is_there_once(self) -> None:
        """Every file is in exactly one activity, every user has one deal, every row says so."""
        rows = await self.rows()
        assert self.activities() == Counter(row.marker for row in rows)
        assert self.deals() == Counter({row.login for row in rows})
        assert {row.state for row in rows} <= {PublicationState.PUBLISHED}
        by_id = {activity["id"]: str(activity["note"]) for activity in self.crm.activities}
        for row in rows:
            assert row.activity_id is not None
            assert row.marker in by_id[row.activity_id]


def _seen(login: str, gist_id: GistId, filename: str, content: str) -> SeenFile:
    data = content.encode()
    return SeenFile(
        filename=filename,
        blob_hash=hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),  # noqa: S324 - git's
        size=len(data),
        language="Python",
        raw_url=f"https://gist.githubusercontent.com/{login}/{gist_id}/raw/{filename}",
        content=content,
    )


def at(scene: Scene, url: str) -> Scene:
    """The same CRM and clock over another database."""
    other = Scene(open_database(url), url, scene.crm, scene.crm_url, scene.clock)
    other._gists = scene._gists
    return other
