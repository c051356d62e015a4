"""Whatever is sent again, undone and skipped, the ledger knows exactly what is in Pipedrive.

A state machine lets a person act while answers get lost, writes land late, lists lag behind and the
process is killed. Then everything is left in peace until nothing waits. No content is there twice,
and no activity was deleted that nobody undid.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from gitpip.errors import NothingToUndo, PublicationNotFound, PublicationStateError
from gitpip.model import PublicationId, PublicationState
from gitpip.publish.delivery import ABSENCE
from gitpip.store.database import open_database
from gitpip.store.publications import publications, sent_again
from gitpip.store.schema_undo import Which
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import Pipedrive as Crm
from tests.publish.test_sent_again import send_again, undo
from tests.publish.test_undo import carry_out, there
from tests.support.activities import markers_in
from tests.support.clocks import Clock
from tests.support.databases import Databases, of_sqlite
from tests.support.scene import Machine, Process, Scene, until_killed
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long

NUMBERS = st.sampled_from([1, 1, 2]).map(PublicationId)
LAGS = (timedelta(0), timedelta(seconds=90))
FAULTS = st.sampled_from(
    [
        None,
        Fault.drop(),
        Fault.drop(processed=True),
        Fault.error(400, processed=False),
        Fault.error(500, processed=True),
        Fault.lands(timedelta(seconds=100)),
        Fault.lands(ABSENCE + timedelta(minutes=4)),
    ]
)
WAITS = (timedelta(seconds=3), timedelta(minutes=2), timedelta(minutes=8), timedelta(hours=2))


class Rounds(RuleBasedStateMachine):
    """One installation whose operator sends again, undoes and skips."""

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.crm = Crm(token=TOKEN, clock=self.clock, burst=100_000, search_burst=None)
        self.server = Server(self.crm.app).start()
        url = self.databases.new(self.databases.empty)
        machine = Machine(monotonic=lambda: 0.0, boot=self._seconds_since_boot)
        self.scene = Scene(
            open_database(url), url, self.crm, self.server.url, self.clock, machine=machine
        )
        self.process: Process | None = None
        self.undone: set[PublicationId] = set()
        """What a person undid at any time."""

    def _seconds_since_boot(self) -> float:
        return self.clock.now.timestamp()

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(coroutine)

    @initialize(lag=st.sampled_from(LAGS))
    def begin(self, lag: timedelta) -> None:
        self.crm.list_lag = lag
        self.do(self.scene.find_files("ada", "a.py"))
        self.do(self.scene.find_files("ada", "b.py"))
        self.do(self._publish())

    async def _publish(self, moment: int = 0) -> None:
        if self.process is None:
            self.process = await self.scene.process()
            await self.process.publisher.take_over()
        if moment:
            self.process.database.dies = self.process.database.in_moments(moment)
            await until_killed(self.process)
            self.process = None
        else:
            await self.process.run()
        self.crm.faults.clear()

    def _fails(self, method: str, fault: Fault | None) -> None:
        if fault:
            self.crm.faults.script(fault, method=method, path="/activities")

    @rule(number=NUMBERS, fault=FAULTS, moment=st.sampled_from([0, 0, 3, 7, 11]))
    def send_again(self, number: PublicationId, fault: Fault | None, moment: int) -> None:
        self.do(send_again(self.scene, number))
        self._fails("POST", fault)
        self.do(self._publish(moment))

    @rule(
        number=NUMBERS,
        which=st.sampled_from(Which),
        fault=FAULTS,
        moment=st.sampled_from([0, 0, 2, 4, 6, 9]),
    )
    def undo(self, number: PublicationId, which: Which, fault: Fault | None, moment: int) -> None:
        with suppress(NothingToUndo):
            self.do(undo(self.scene, which, number))
            self.undone.add(number)
        if fault and fault.kind is not FaultKind.LANDS:
            self._fails("DELETE", fault)
        self.do(self._publish(moment))

    @rule(number=NUMBERS, retried=st.booleans(), fault=FAULTS)
    def skip_or_retry(self, number: PublicationId, retried: bool, fault: Fault | None) -> None:
        with suppress(PublicationStateError, PublicationNotFound):
            self.do(self._change(number, retried=retried))
        self._fails("POST", fault)
        self.do(self._publish())

    async def _change(self, number: PublicationId, *, retried: bool) -> None:
        change = publications.retry if retried else publications.skip
        async with self.scene.database.begin() as transaction:
            await change(transaction, number, self.clock())

    @rule(wait=st.sampled_from(WAITS))
    def wait(self, wait: timedelta) -> None:
        self.crm.wait_until(self.scene.all_landed)
        self.clock.advance(wait)
        self.do(self._publish())

    def teardown(self) -> None:
        try:
            self.do(self._in_peace())
        finally:
            self.do(self.scene.close())
            self.server.stop()
            self.loop.close()

    async def _in_peace(self) -> None:
        await self._publish()
        assert self.process is not None
        for _ in range(2):  # what lands late is undone, and watched again
            await self.scene.settle(self.process, watched=True)
            await carry_out(self.scene, self.process)
        known: dict[int, PublicationId] = {}
        for row in await self.scene.rows():
            if row.state is PublicationState.PUBLISHED:
                known[row.activity_id or 0] = row.id
            async with self.scene.database.read() as transaction:
                earlier = await sent_again.earlier(transaction, row.id)
            known |= {one.activity_id: row.id for one in earlier}
        assert there(self.scene) == set(known)
        left = [one for one in self.crm.activities if not one["is_deleted"]]
        markers = Counter(marker for one in left for marker in markers_in(one))
        assert set(markers.values()) <= {1}, markers
        for one in self.crm.activities:
            number = PublicationId(1 if str(one["subject"]).startswith("a.py") else 2)
            is_double = markers.keys() & set(markers_in(one))
            assert not one["is_deleted"] or is_double or number in self.undone, one


def test_any_order_of_acts_and_faults() -> None:
    with of_sqlite() as databases:

        class Here(Rounds):
            pass

        Here.databases = databases
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=10,
                stateful_step_count=8,
                deadline=None,
                # To shrink a failure takes minutes.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
