"""Whatever becomes of the ledger, no company gets a file twice or under a stranger's deal."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import SecretStr

from gitpip.model import PublicationState, Vendor
from gitpip.standin import Fault, Server
from gitpip.standin import Pipedrive as Crm
from gitpip.store import account_switch, accounts
from gitpip.store.database import open_database
from tests.publish.scene import TOKEN, Clock, Process, Scene

LOGINS = ("ada", "bob")
TOKENS = (TOKEN, "fedcba9876543210fedcba9876543210fedcba98")
WAITS = st.sampled_from([timedelta(seconds=3), timedelta(minutes=2), timedelta(hours=3)])


class Ledgers(RuleBasedStateMachine):
    """One installation whose database is copied, restored and replaced, and whose token changes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.crms = [
            Crm(token=token, clock=self.clock, burst=None, search_burst=None) for token in TOKENS
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
        if content:
            self.file.write_bytes(content)
        url = f"sqlite+aiosqlite:///{self.file}"
        database = open_database(url)
        await database.migrate()
        # The clock's owner and company are those of the process: see `_process`.
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

    @rule(login=st.sampled_from(LOGINS))
    def find_a_file(self, login: str) -> None:
        self.files.append((login, f"{len(self.files)}.py"))
        self.do(self._find(len(self.files) - 1))

    @rule(lost=st.booleans(), wait=WAITS)
    def publish(self, lost: bool, wait: timedelta) -> None:
        if lost:
            self.crms[self.company].faults.script(
                Fault.drop(processed=True), method="POST", path="(activities|deals)$"
            )

        async def run() -> None:
            await (await self._process()).run()

        self.do(run())
        self.crms[self.company].faults.clear()
        self.clock.advance(wait)

    @rule()
    def copy_the_database(self) -> None:
        async def copy() -> None:
            await self.scene.close()
            self.copies.append((self.file.read_bytes(), len(self.files)))
            await self._open(self.copies[-1][0])

        self.do(copy())

    @precondition(lambda self: self.copies)
    @rule(which=st.integers(0, 100))
    def restore_a_copy(self, which: int) -> None:
        content, found = self.copies[which % len(self.copies)]
        self.do(self._replace(content, found))

    @rule()
    def begin_with_a_new_database(self) -> None:
        self.do(self._replace(b"", 0))

    async def _replace(self, content: bytes, found: int) -> None:
        await self.scene.close()
        await self._open(content)
        for number in range(found, len(self.files)):
            await self._find(number)

    @rule()
    def set_the_other_companys_token(self) -> None:
        self.company = 1 - self.company

    @rule()
    def switch(self) -> None:
        async def act() -> None:
            async with self.scene.database.begin() as transaction:
                if await accounts.change(transaction, Vendor.PIPEDRIVE):
                    await account_switch.switch(transaction, Vendor.PIPEDRIVE, self.clock())

        self.do(act())

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
            process = await self._process()
            await process.run()
            async with self.scene.database.begin() as transaction:
                if await accounts.change(transaction, Vendor.PIPEDRIVE):
                    await account_switch.switch(transaction, Vendor.PIPEDRIVE, self.clock())
            await self.scene.settle(process)
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


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
