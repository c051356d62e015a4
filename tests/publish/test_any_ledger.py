"""Whatever becomes of the ledger, no company gets a file twice or under a stranger's deal."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import SecretStr

from gitpip.model import PublicationState
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import open_database
from gitpip_standins import Fault, Server
from gitpip_standins import Pipedrive as Crm
from tests.support.scene import TOKEN, Clock, Process, Scene

pytestmark = pytest.mark.long

LOGINS = ("ada", "bob")
TOKENS = (TOKEN, "fedcba9876543210fedcba9876543210fedcba98")
WAITS = st.sampled_from([timedelta(seconds=3), timedelta(minutes=2), timedelta(hours=3)])


class Ledgers(RuleBasedStateMachine):
    """One installation whose database is copied, restored and replaced, and whose token changes."""

    empty = b""
    """A database without rows: migrating one takes longer than all else."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.crms = [
            Crm(token=token, clock=self.clock, burst=100_000, search_burst=None) for token in TOKENS
        ]
        self.crms[1].company_id, self.crms[1].company_name = 2, "Other Ltd"
        self.servers = [Server(crm.app) for crm in self.crms]
        self.urls = [server.__enter__().url for server in self.servers]
        self.company = 0
        self.files: list[tuple[str, str]] = []
        self.copies: list[tuple[bytes, int]] = []
        self.databases = 0

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(coroutine)

    @initialize()
    def begin(self) -> None:
        self.do(self._open(b""))

    async def _open(self, content: bytes) -> None:
        self.databases += 1
        self.file = Path(self.folder.name) / f"{self.databases}.sqlite3"
        if content or self.empty:
            self.file.write_bytes(content or self.empty)
        url = f"sqlite+aiosqlite:///{self.file}"
        database = open_database(url)
        if not (content or self.empty):
            await database.migrate()
            await database.close()
            self._checkpoint()
            Ledgers.empty = self.file.read_bytes()
        self.scene = Scene(database, url, self.crms[0], self.urls[0], self.clock)
        self.process: Process | None = None

    async def _process(self) -> Process:
        if self.process is None:
            self.process = await self.scene.process()
            await self.process.publisher.take_over()
        self.process.pipedrive._api_url = f"{self.urls[self.company]}/api"
        self.process.pipedrive.use(SecretStr(TOKENS[self.company]))
        return self.process

    async def _find(self, number: int) -> None:
        login, name = self.files[number]
        self.scene._gists = number
        await self.scene.find_files(login, name)

    @rule(login=st.sampled_from(LOGINS), lost=st.booleans(), wait=WAITS)
    def find_and_publish(self, login: str, lost: bool, wait: timedelta) -> None:
        self.files.append((login, f"{len(self.files)}.py"))
        self.do(self._find(len(self.files) - 1))
        if lost:
            self.crms[self.company].faults.script(
                Fault.drop(processed=True), method="POST", path="(activities|deals)$"
            )
        self.do(self._publish())
        self.crms[self.company].faults.clear()
        self.clock.advance(wait)

    async def _publish(self) -> None:
        before = [_writes(crm) for crm in self.crms]
        await (await self._process()).run()
        async with self.scene.database.read() as transaction:
            bound = await accounts.bound(transaction, Vendor.PIPEDRIVE)
        assert bound is not None
        for crm, written in zip(self.crms, before, strict=True):
            if str(crm.company_id) != bound.identity:
                assert _writes(crm) == written

    @rule()
    def copy_the_database(self) -> None:
        async def copy() -> None:
            await self.scene.close()
            self._checkpoint()
            self.copies.append((self.file.read_bytes(), len(self.files)))
            await self._open(self.copies[-1][0])

        self.do(copy())

    def _checkpoint(self) -> None:
        connection = sqlite3.connect(self.file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    @precondition(lambda self: self.copies)
    @rule(which=st.integers(0, 100), compared=st.booleans())
    def restore_a_copy(self, which: int, compared: bool) -> None:
        content, found = self.copies[which % len(self.copies)]
        self.do(self._replace(content, found, compared))

    @rule(compared=st.booleans())
    def begin_with_a_new_database(self, compared: bool) -> None:
        self.do(self._replace(b"", 0, compared))

    async def _replace(self, content: bytes, found: int, compared: bool) -> None:
        """Files are found anew before, or after, it was compared with Pipedrive."""
        await self.scene.close()
        await self._open(content)
        if compared:
            await self._publish()
        for number in range(found, len(self.files)):
            await self._find(number)

    @rule(switch=st.booleans())
    def change_the_company(self, switch: bool) -> None:
        self.company = 1 - self.company
        self.do(self._publish())
        if switch:
            self.do(self._switch())

    async def _switch(self) -> None:
        async with self.scene.database.begin() as transaction:
            if await accounts.change(transaction, Vendor.PIPEDRIVE):
                await account_switch.switch(transaction, Vendor.PIPEDRIVE, self.clock())

    @invariant()
    def no_company_has_a_file_twice(self) -> None:
        for crm in self.crms:
            subjects = [str(activity["subject"]) for activity in crm.activities]
            assert len(subjects) == len(set(subjects))
            titles = {deal["id"]: deal["title"] for deal in crm.deals}
            for activity in crm.activities:
                login = str(activity["subject"]).rpartition(" [")[0].rpartition(" · ")[2]
                assert titles[activity["deal_id"]] == login

    def teardown(self) -> None:
        async def settle() -> None:
            await self._publish()
            await self._switch()
            await self.scene.settle(await self._process())
            states = {row.state for row in await self.scene.rows()}
            assert states <= {PublicationState.PUBLISHED, PublicationState.SKIPPED}
            await self.scene.close()

        try:
            if hasattr(self, "scene"):
                self.do(settle())
                self.no_company_has_a_file_twice()
        finally:
            for server in self.servers:
                server.__exit__(None, None, None)
            self.loop.close()
            self.folder.cleanup()


def _writes(crm: Crm) -> int:
    return sum(request.method != "GET" for request in crm.requests)


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(
    max_examples=20,
    stateful_step_count=8,
    deadline=None,
    # To shrink a failure takes minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
