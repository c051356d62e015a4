"""Whatever becomes of the ledger, no company gets a file twice or in a stranger's place.

A state machine lets all go wrong together: the database loses its last commits or is replaced, the
token changes, the process is killed, our clock steps, answers get lost, writes land late, lists
lag behind, and users get other targets. Then everything is left in peace until nothing waits, and
what each company has is counted.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from pydantic import SecretStr

from gitpip.model import PublicationState
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.database import open_database
from gitpip.store.schema_accounts import Vendor
from gitpip.targets import DEAL_BY_TITLE
from gitpip_standins import Fault, Server
from gitpip_standins import Pipedrive as Crm
from tests.conftest import PostgresServer
from tests.support.activities import markers_in
from tests.support.clocks import Clock
from tests.support.databases import Copied, Databases, of_postgresql, of_sqlite
from tests.support.machines import run
from tests.support.scene import (
    Machine,
    OurClock,
    Process,
    Scene,
    until_killed,
)
from tests.support.targets import KINDS, give, made, place_of
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long

LOGINS = ("ada", "bob")
TOKENS = (TOKEN, "fedcba9876543210fedcba9876543210fedcba98")
LAGS = (timedelta(0), timedelta(seconds=3), timedelta(seconds=90), timedelta(minutes=2))
LATEST = timedelta(minutes=3)
"""So late a write lands at the latest."""
FAULTS = (
    None,
    None,
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.error(500, processed=True),
    Fault.lands(timedelta(seconds=20)),
    Fault.lands(timedelta(seconds=100)),
    Fault.lands(LATEST),
)
WAITS = (timedelta(0), timedelta(seconds=3), timedelta(minutes=2), timedelta(hours=3))
STEPS = (timedelta(days=2), timedelta(hours=1), timedelta(minutes=6), timedelta(seconds=11))


class Ledgers(RuleBasedStateMachine):
    """One installation whose database is copied, set back and replaced, and whose token changes."""

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.vendors = Clock()
        self.clock = OurClock(self.vendors)
        self.crms = [
            Crm(token=token, clock=self.vendors, burst=100_000, search_burst=None)
            for token in TOKENS
        ]
        self.crms[1].company_id, self.crms[1].company_name = 2, "Other Ltd"
        self.servers = [Server(crm.app).start() for crm in self.crms]
        self.company = 0
        self.gists: list[tuple[str, tuple[str, ...]]] = []
        """The owner of each, and the names of its files."""
        self.targets = [{kind: made(crm, kind) for kind in KINDS} for crm in self.crms]
        self.given: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
        """The targets that a user had in a company, besides the deal by its title."""
        self.copies: list[tuple[Copied, int]] = []
        self.process: Process | None = None
        self.shown_at = self.vendors.now
        """From then on, lists show all that was sent."""
        self.forgotten_until = self.vendors.now
        """Until then, only the memory of the process tells of something that was sent."""

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(coroutine)

    @initialize(lag=st.sampled_from(LAGS))
    def begin(self, lag: timedelta) -> None:
        for crm in self.crms:
            crm.list_lag = lag
        self.lag = lag
        self._open(self.databases.empty)
        self.copies.append((self.databases.empty, 0))

    @rule(per=st.sampled_from(["file", "gist", "gist"]))
    def change_what_an_activity_is_made_for(self, per: str) -> None:
        self.do(self.scene.set_publishing(activity_per=per))

    @rule(login=st.sampled_from(LOGINS), kind=st.sampled_from([DEAL_BY_TITLE, *KINDS, *KINDS]))
    def give_a_target(self, login: str, kind: str) -> None:
        self.do(self._give(login, kind))

    async def _give(self, login: str, kind: str) -> None:
        bound = await self._bound()
        if bound is None or kind == DEAL_BY_TITLE:
            await give(self.scene, login, DEAL_BY_TITLE)
            return
        company = int(bound) - 1
        target = self.targets[company][kind]
        self.given[company, login].add(f"{target}")
        await give(self.scene, login, target)

    def _open(self, content: Copied) -> None:
        url = self.databases.new(content)
        # A suspended process's monotonic clock stands still.
        machine = Machine(monotonic=lambda: 0.0, boot=self.seconds_since_boot)
        self.scene = Scene(
            open_database(url), url, self.crms[0], self.servers[0].url, self.clock, machine=machine
        )
        self.process = None

    def seconds_since_boot(self) -> float:
        return self.vendors.now.timestamp()

    async def _process(self) -> Process:
        if self.process is None:
            self.process = await self.scene.process()
            await self.process.publisher.take_over()
        self.process.pipedrive._api_url = f"{self.servers[self.company].url}/api"
        self.process.pipedrive.set_token(SecretStr(TOKENS[self.company]))
        return self.process

    async def _find(self, number: int) -> None:
        login, names = self.gists[number]
        self.scene._gists = number
        await self.scene.find_files(login, *names)

    @rule(
        login=st.sampled_from(LOGINS),
        fault=st.sampled_from(FAULTS),
        path=st.sampled_from(["activities$", "activities$", "deals$"]),
        wait=st.sampled_from(WAITS),
        files=st.integers(1, 3),
    )
    def find_and_publish(
        self, login: str, fault: Fault | None, path: str, wait: timedelta, files: int
    ) -> None:
        self._found_with(login, fault, path, files)
        self.do(self._publish())
        self._pass(wait)

    @rule(
        login=st.sampled_from(LOGINS),
        fault=st.sampled_from(FAULTS),
        moment=st.integers(1, 40),
        files=st.integers(1, 3),
    )
    def find_and_be_killed(self, login: str, fault: Fault | None, moment: int, files: int) -> None:
        self._let_what_is_forgotten_be_shown()
        self._found_with(login, fault, "activities$", files)
        self.do(self._be_killed(moment))

    def _found_with(self, login: str, fault: Fault | None, path: str, files: int) -> None:
        names = tuple(f"{len(self.gists)} {number}.py" for number in range(files))
        self.gists.append((login, names))
        self.do(self._find(len(self.gists) - 1))
        if fault:
            self.crms[self.company].faults.script(fault, method="POST", path=path)

    async def _be_killed(self, moment: int) -> None:
        process = await self._process()
        process.database.dies = process.database.in_moments(moment)
        await self._watched(lambda: until_killed(process))
        self.process = None

    async def _publish(self) -> None:
        process = await self._process()
        await self._watched(process.run)

    async def _watched(self, publish: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Nothing is written to a company that the rows do not belong to."""
        before = [_writes(crm) for crm in self.crms]
        await publish()
        for crm in self.crms:
            crm.faults.clear()
        self.shown_at = self.vendors.now + LATEST + self.lag
        bound = await self._bound()
        for crm, written in zip(self.crms, before, strict=True):
            if str(crm.company_id) != bound:
                assert _writes(crm) == written

    async def _bound(self) -> str | None:
        """The company that the rows belong to."""
        async with self.scene.database.read() as transaction:
            bound = await accounts.bound(transaction, Vendor.DESTINATION)
        return bound.identity if bound else None

    def _pass(self, wait: timedelta) -> None:
        self.crms[0].wait_until(self.scene.all_landed)
        self.clock.advance(wait)

    def _let_what_is_forgotten_be_shown(self) -> None:
        """The memory of the process ends: from now on Pipedrive's lists alone tell."""
        self._pass(max(self.forgotten_until - self.vendors.now, timedelta(0)))

    def _let_all_be_shown(self) -> None:
        self._pass(max(self.shown_at - self.vendors.now, timedelta(0)))

    @rule(wait=st.sampled_from(WAITS))
    def publish_later(self, wait: timedelta) -> None:
        self._pass(wait)
        self.do(self._publish())

    @rule()
    def publish_when_something_is_due(self) -> None:
        self.do(self.scene.wake(watched=True))
        self.do(self._publish())

    @rule(step=st.sampled_from(STEPS), back=st.booleans())
    def our_clock_is_set(self, step: timedelta, back: bool) -> None:
        self.clock.ahead += -step if back else step

    @rule()
    def our_clock_is_right_again(self) -> None:
        self.clock.ahead = timedelta(0)

    @rule()
    def copy_the_database(self) -> None:
        self.do(self._disconnect())
        self.copies.append((self.databases.copy(self.scene.url), len(self.gists)))

    async def _disconnect(self) -> None:
        """As where the server goes away: each process connects anew when it needs to."""
        await self.scene.database.close()
        for process in self.scene._processes:
            await process.database.close()

    @rule(which=st.integers(0, 100), compared=st.booleans())
    def lose_the_last_commits(self, which: int, compared: bool) -> None:
        """The process goes on, and remembers what the database has lost."""
        content, found = self.copies[which % len(self.copies)]
        if self.process is None:
            self._let_all_be_shown()
        self.forgotten_until = max(self.forgotten_until, self.shown_at)
        self.do(self._disconnect())
        self.databases.set_back(self.scene.url, content)
        self.do(self._find_anew(found, compared))

    @rule(which=st.integers(0, 100), compared=st.booleans())
    def begin_with_a_copy(self, which: int, compared: bool) -> None:
        """Nothing remembers what the database has lost, so Pipedrive has to show it."""
        content, found = self.copies[which % len(self.copies)]
        self._let_all_be_shown()
        self.do(self.scene.close())
        self._open(content)
        self.do(self._find_anew(found, compared))

    async def _find_anew(self, found: int, compared: bool) -> None:
        """Files are found anew before, or after, it was compared with Pipedrive."""
        if compared:
            await self._publish()
        for number in range(found, len(self.gists)):
            await self._find(number)

    @rule(switch=st.booleans())
    def change_the_company(self, switch: bool) -> None:
        self.company = 1 - self.company
        self.do(self._publish())
        if switch:
            self.do(self._switch())

    async def _switch(self) -> None:
        async with self.scene.database.begin() as transaction:
            if await accounts.change(transaction, Vendor.DESTINATION):
                await account_switch.switch(transaction, Vendor.DESTINATION, self.clock())

    @invariant()
    def no_company_has_a_file_twice(self) -> None:
        for company, crm in enumerate(self.crms):
            there = [each for each in crm.activities if not each["is_deleted"]]
            files = Counter(marker for each in there for marker in markers_in(each))
            assert set(files.values()) <= {1}, files
            titles = Counter(str(deal["title"]) for deal in crm.deals)
            assert set(titles.values()) <= {1}, titles
            title_of = {deal["id"]: deal["title"] for deal in crm.deals}
            for each in there:
                login = str(each["subject"]).rpartition(" [")[0].rpartition(" · ")[2]
                place = place_of(each)
                assert title_of.get(each["deal_id"]) == login or place in self.given[company, login]

    def teardown(self) -> None:
        try:
            if hasattr(self, "scene"):
                self.do(self._in_peace())
                self.no_company_has_a_file_twice()
        finally:
            if hasattr(self, "scene"):
                self.do(self.scene.close())
            for server in self.servers:
                server.stop()
            self.loop.close()

    async def _in_peace(self) -> None:
        # Another company is noticed once nothing else keeps publishing waiting.
        for _ in range(10):
            if await self._bound() == str(self.crms[self.company].company_id):
                break
            await self._publish()
            await self._switch()
            if not await self.scene.wake(watched=True):
                self._pass(timedelta(minutes=2))
        for login in LOGINS:
            await self._give(login, DEAL_BY_TITLE)
        await self.scene.settle(await self._process(), watched=True)
        rows = await self.scene.rows()
        assert len(rows) == sum(len(names) for _, names in self.gists)
        states = {row.state for row in rows}
        assert states <= {PublicationState.PUBLISHED, PublicationState.SKIPPED}
        there = {str(each["id"]): each for each in self.crms[self.company].activities}
        for row in rows:
            if row.state is PublicationState.PUBLISHED:
                mine = there[str(row.activity_id)]
                assert row.marker in str(mine["note"])
                assert not mine["is_deleted"]


def _writes(crm: Crm) -> int:
    return sum(request.method != "GET" for request in crm.requests)


def test_any_ledger_on_sqlite(migrated_file: Path) -> None:
    with of_sqlite(migrated_file) as databases:
        run(Ledgers, databases, examples=20, steps=10)


def test_any_ledger_on_postgresql(postgres: PostgresServer, migrated_template: str) -> None:
    with of_postgresql(postgres, migrated_template) as databases:
        run(Ledgers, databases, examples=4, steps=10)
