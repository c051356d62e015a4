"""Each file ends with exactly one activity, whatever goes wrong: faults, kills, freezes, rivals,
lost commits, and accounts that are switched and switched back.

A state machine makes things go wrong in any order; then everything is left in peace until nothing
waits, and what is in Pipedrive is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gitpip.model import PublicationState
from gitpip.store.accounts import accounts
from gitpip.store.database import open_database
from gitpip.store.publications import publications
from gitpip.store.schema_accounts import Vendor
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import Pipedrive as Crm
from tests.conftest import PostgresServer
from tests.publish.test_any_moment import switch_to
from tests.support.clocks import Clock
from tests.support.databases import Copied, Databases, of_postgresql, of_sqlite
from tests.support.scene import (
    Machine,
    OurClock,
    Process,
    Scene,
    until_killed,
)
from tests.support.tokens import TOKEN
from tests.support.trials import trials

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

Result = TypeVar("Result")

TIMEOUT = timedelta(milliseconds=250)
JUST_TOO_LATE = TIMEOUT * 1.3
MOMENTS_OF_A_PUBLICATION = 29
LOGINS = ("ada", "bob", "cy")

FAULTS = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.cut(),
    Fault.hang(),
    Fault.hang(processed=True),
    Fault.late(JUST_TOO_LATE),
    Fault.slow(JUST_TOO_LATE),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.error(502),
    Fault.error(503, processed=True),
    Fault.html(403),
    Fault.html(200, processed=True),
    Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    Fault.limited({"x-daily-ratelimit-token-remaining": "0"}),
    Fault.broken_json(),
    Fault.empty(),
    Fault(FaultKind.ERROR, processed=False, status=400),
    Fault(FaultKind.ERROR, processed=False, status=401),
    Fault(FaultKind.ERROR, processed=False, status=402),
    Fault(FaultKind.ERROR, processed=False, status=403),
    Fault(FaultKind.ERROR, processed=False, status=200),
    Fault(FaultKind.ERROR, processed=True, status=200),
    Fault.lands(timedelta(seconds=20)),
    Fault.lands(timedelta(seconds=100)),
    Fault.lands(timedelta(minutes=3)),
)
REQUESTS = (
    ("POST", "/activities$"),
    ("GET", "/activities$"),
    ("POST", "/deals$"),
    ("GET", "/deals$"),
    ("GET", "/deals/[0-9]+$"),
    ("GET", "/users/me$"),
)
STRETCHES = (
    TIMEOUT,
    timedelta(seconds=5),
    timedelta(seconds=70),
    timedelta(minutes=4),
    timedelta(minutes=31),
)
LATEST = timedelta(minutes=5)
"""So long after it was sent, a write has landed and is listed at the latest."""
LAGS = (timedelta(0), timedelta(seconds=3), timedelta(seconds=90), timedelta(minutes=2))
STEPS = (timedelta(days=2), timedelta(hours=1), timedelta(minutes=6), timedelta(seconds=11))
moments = st.one_of(
    st.tuples(st.just("transactions"), st.integers(1, 40)),
    st.tuples(st.just("requests"), st.integers(1, 3)),
)
"""When a process dies or freezes: after so many moments of its transactions, or so many posts."""


class AdjustableLoop(asyncio.SelectorEventLoop):
    """A loop on which time can pass without waiting, as it does for a frozen process."""

    skipped = timedelta(0)

    def time(self) -> float:
        return super().time() + self.skipped.total_seconds()


class ExactlyOnce(RuleBasedStateMachine):
    """Two or more processes publish the same ledger; nothing spares them."""

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.loop = AdjustableLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.vendors = Clock()
        self.clock = OurClock(self.vendors)
        # By this clock a burst never ends, so its limit has to be out of reach.
        self.crm = Crm(token=TOKEN, clock=self.vendors, daily_tokens=None, burst=100_000)
        self.server = Server(self.crm.app).start()
        self.frozen: list[tuple[Process, asyncio.Task[object]]] = []
        self.found: list[tuple[int, str, list[str]]] = []
        """What was found: the number of its gist, its user, and its files."""
        self.copy: tuple[Copied, int] | None = None
        """Of the database, with how much was found."""
        self.remembered = True
        """Whether the process has lived since the copy, and remembers what it sent."""

    def wait_for(self, awaitable: Awaitable[Result]) -> Result:
        async def waiting() -> Result:
            return await awaitable

        return self.runner.run(waiting())

    def seconds_since_boot(self) -> float:
        return self.vendors.now.timestamp()

    @initialize(lag=st.sampled_from(LAGS))
    def begin(self, lag: timedelta) -> None:
        url = self.databases.new(self.databases.empty)
        self.crm.list_lag = lag
        # A suspended process's monotonic clock stands still.
        machine = Machine(monotonic=lambda: 0.0, boot=self.seconds_since_boot)
        self.scene = Scene(
            open_database(url), url, self.crm, self.server.url, self.clock, TIMEOUT, machine
        )
        self.process = self.wait_for(self.scene.process())
        self.find("ada", "first.py")

    def find(self, login: str, *names: str) -> None:
        self.found.append((self.scene._gists, login, list(names)))
        self.wait_for(self.scene.find_files(login, *names))

    @rule(login=st.sampled_from(LOGINS), number=st.integers(1, 3))
    def files_are_found(self, login: str, number: int) -> None:
        self.find(login, *(f"{n}.py" for n in range(number)))

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
        request=st.sampled_from(REQUESTS),
    )
    def requests_will_go_wrong(self, faults: list[Fault], request: tuple[str, str]) -> None:
        method, path = request
        self.crm.faults.script(*faults, method=method, path=path)

    @rule(
        fault=st.sampled_from([fault for fault in FAULTS if fault.processed]),
        path=st.sampled_from(["/activities$", "/deals$"]),
    )
    def an_answer_will_get_lost(self, fault: Fault, path: str) -> None:
        self.crm.faults.script(fault, method="POST", path=path)

    @rule()
    def publish(self) -> None:
        self.wait_for(self.process.run())

    @rule(moment=moments)
    def publish_and_be_killed(self, moment: tuple[str, int]) -> None:
        self.process.database.dies = self.at(moment, self.process)
        self.wait_for(until_killed(self.process))
        self.process = self.wait_for(self.scene.process())
        self.remembered = False

    @precondition(lambda self: not self.frozen)
    @rule(moment=moments)
    def publish_and_be_killed_and_replaced_at_once(self, moment: tuple[str, int]) -> None:
        self.publish_and_be_killed(moment)
        self.wait_for(self.process.publisher.take_over())
        self.publish()

    @rule(moment=moments)
    def publish_and_freeze(self, moment: tuple[str, int]) -> None:
        process, self.process = self.process, self.wait_for(self.scene.process())
        self.remembered = False
        process.database.freezes = self.at(moment, process)
        running = self.wait_for(_until_frozen(process))
        self.frozen.append((process, running))

    @precondition(lambda self: self.frozen)
    @rule()
    def the_frozen_goes_on(self) -> None:
        process, running = self.frozen.pop(0)
        process.database.thawed.set()
        self.wait_for(running)

    @rule(
        moment=moments,
        fault=st.none() | st.sampled_from(FAULTS),
        login=st.sampled_from(LOGINS),
    )
    def publish_and_freeze_until_others_are_done(
        self, moment: tuple[str, int], fault: Fault | None, login: str
    ) -> None:
        self.files_are_found(login, 1)
        if fault:
            self.crm.faults.script(fault, method="POST", path="/activities$")
        self.publish_and_freeze(moment)
        for _ in range(12):
            self.time_passes_until_something_is_due()
            self.publish()
        self.the_frozen_goes_on()

    @rule(moment=moments)
    def publish_side_by_side(self, moment: tuple[str, int]) -> None:
        rival = self.wait_for(self.scene.process())
        self.remembered = False
        rival.database.dies = self.at(moment, rival)
        self.wait_for(asyncio.wait_for(_both(self.process, rival), 120))

    def at(self, moment: tuple[str, int], process: Process) -> Callable[[], bool]:
        kind, number = moment
        if kind == "transactions":
            return process.database.in_moments(number)
        wanted = _posts(self.crm) + number
        return lambda: _posts(self.crm) >= wanted

    @precondition(lambda self: not self.frozen)
    @rule()
    def the_database_is_copied(self) -> None:
        self.wait_for(self.disconnect())
        self.copy = (self.databases.copy(self.scene.url), len(self.found))
        self.remembered = True

    @precondition(lambda self: self.copy and not self.frozen)
    @rule(compared=st.booleans())
    def the_database_loses_its_last_commits(self, compared: bool) -> None:
        """Files that were found since are found anew, before or after it was compared."""
        assert self.copy
        content, found = self.copy
        if not self.remembered:
            # Nobody remembers what was sent, so Pipedrive's lists have to show it.
            self.time_passes(LATEST)
        self.wait_for(self.disconnect())
        self.databases.set_back(self.scene.url, content)
        if compared:
            self.publish()
        for number, login, names in self.found[found:]:
            self.scene._gists = number
            self.wait_for(self.scene.find_files(login, *names))

    async def disconnect(self) -> None:
        """As where the server goes away: each process connects anew when it needs to."""
        await self.scene.database.close()
        for process in self.scene._processes:
            await process.database.close()

    @rule(stretch=st.none() | st.sampled_from(STRETCHES))
    def the_account_is_switched_and_switched_back(self, stretch: timedelta | None) -> None:
        if not self.wait_for(self.is_bound()):
            return
        self.wait_for(switch_to(self.scene, "2"))
        before = _posts(self.crm)
        self.publish()
        if stretch:
            self.time_passes(stretch)
            self.publish()
        assert _posts(self.crm) == before
        self.wait_for(switch_to(self.scene, "1"))

    async def is_bound(self) -> bool:
        async with self.scene.database.read() as transaction:
            return await accounts.bound(transaction, Vendor.DESTINATION) is not None

    @rule(stretch=st.sampled_from(STRETCHES))
    def time_passes(self, stretch: timedelta) -> None:
        self.crm.wait_until(self.scene.all_landed)
        self.clock.advance(stretch)
        self.loop.skipped += stretch

    @rule(step=st.sampled_from(STEPS), back=st.booleans())
    def our_clock_is_set(self, step: timedelta, back: bool) -> None:
        self.clock.ahead += -step if back else step

    @rule(told=st.booleans())
    def answers_will_tell_the_time(self, told: bool) -> None:
        self.crm.app.tells_time = told

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        self.move_on()

    def move_on(self) -> bool:
        """Let time pass until something is due; False when nothing waits any more."""
        before = self.clock.now
        waits = self.wait_for(self.scene.wake(watched=True))
        self.loop.skipped += self.clock.now - before
        return waits

    @invariant()
    def nothing_is_there_twice(self) -> None:
        assert all(number == 1 for number in self.scene.activities().values())
        assert all(number == 1 for number in self.scene.deals().values())

    def teardown(self) -> None:
        try:
            if hasattr(self, "scene"):
                while self.frozen:
                    self.the_frozen_goes_on()
                self.crm.faults.clear()
                self.crm.app.tells_time = True
                self.wait_for(self._in_peace())
        finally:
            for process, _ in self.frozen:
                process.database.dead = True
                process.database.thawed.set()
            if hasattr(self, "scene"):
                self.wait_for(self.scene.close())
            self.runner.close()
            self.server.stop()

    async def _in_peace(self) -> None:
        process = await self.scene.process()
        await self.scene.settle(process)
        await _retry_what_was_refused(self.scene)
        await self.scene.settle(process, watched=True)
        await self.scene.assert_each_is_there_once()
        # Nothing was ever there twice, so nothing had to be deleted.
        assert not any(each["is_deleted"] for each in self.crm.activities)


def _posts(crm: Crm) -> int:
    return sum(request.method == "POST" for request in crm.requests)


async def _until_frozen(process: Process) -> asyncio.Task[object]:
    running: asyncio.Task[object] = asyncio.create_task(process.run())
    frozen = asyncio.create_task(process.database.frozen.wait())
    await asyncio.wait([running, frozen], return_when=asyncio.FIRST_COMPLETED)
    frozen.cancel()
    return running


async def _both(process: Process, rival: Process) -> None:
    await asyncio.gather(process.run(), until_killed(rival))


async def _retry_what_was_refused(scene: Scene) -> None:
    for row in await scene.rows():
        if row.state is PublicationState.FAILED:
            async with scene.database.begin() as transaction:
                await publications.retry(transaction, row.id, scene.clock())


def check(machine: type[ExactlyOnce], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=trials(examples),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def here(databases: Databases) -> type[ExactlyOnce]:
    class Here(ExactlyOnce):
        pass

    Here.databases = databases
    return Here


@pytest.fixture
def on_sqlite(migrated_file: Path) -> Iterator[type[ExactlyOnce]]:
    with of_sqlite(migrated_file) as databases:
        yield here(databases)


def test_exactly_once_with_sqlite(on_sqlite: type[ExactlyOnce]) -> None:
    check(on_sqlite, examples=20, steps=20)


def test_frozen_at_any_moment_and_thawed_when_others_are_done(
    on_sqlite: type[ExactlyOnce],
) -> None:
    """What chance would try once in a hundred times: every moment, from the deal to the record."""
    for moment in range(1, MOMENTS_OF_A_PUBLICATION + 1):
        machine = on_sqlite()
        try:
            machine.begin(timedelta(0))
            machine.publish_and_freeze(("transactions", moment))
            # As many as it takes until a rival has sent the file, and nothing is left to be done.
            for _ in range(12):
                if not machine.move_on():
                    break
                machine.publish()
            machine.the_frozen_goes_on()
            machine.nothing_is_there_twice()
        finally:
            machine.teardown()


def test_exactly_once_with_postgresql(postgres: PostgresServer, migrated_template: str) -> None:
    with of_postgresql(postgres, migrated_template) as databases:
        check(here(databases), examples=6, steps=15)
