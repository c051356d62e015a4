"""Whatever is sent again, undone and skipped, the ledger knows exactly what is in Pipedrive.

A state machine lets a person act while answers get lost, writes land late, lists lag behind, the
process is killed and the database is restored from a backup. Then everything is left in peace until
nothing waits. No content is there twice, no activity was deleted that nobody undid, and none is
under a deal that is gone. After a restore, an undo of everything leaves nothing.
"""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from gitpip.actions import undo as undo_actions
from gitpip.actions.undo import What
from gitpip.errors import NothingToUndo, PublicationNotFound, PublicationStateError
from gitpip.model import PublicationId, PublicationState
from gitpip.publish.delivery import ABSENCE
from gitpip.store.publications import publications, sent_again
from gitpip.store.schema_undo import UndoScope
from gitpip_standins import Fault, FaultKind
from tests.conftest import PostgresServer
from tests.publish.test_sent_again import send_again
from tests.publish.test_undo import acting, carry_out, there
from tests.support.activities import markers_in
from tests.support.databases import Copied, of_postgresql, of_sqlite
from tests.support.machines import Installation, run

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


class Rounds(Installation):
    """One installation whose operator sends again, undoes, skips and restores."""

    def __init__(self) -> None:
        super().__init__()
        self.undone: set[PublicationId] = set()
        """What a person undid at any time."""
        self.copies: list[Copied] = []
        self.restored = False

    @initialize(lag=st.sampled_from(LAGS))
    def begin(self, lag: timedelta) -> None:
        self.crm.list_lag = lag
        self.do(self.scene.find_files("ada", "a.py"))
        self.do(self.scene.find_files("ada", "b.py"))
        self.do(self.publish())

    def _fails(self, method: str, fault: Fault | None) -> None:
        if fault:
            self.crm.faults.script(fault, method=method, path="/activities")

    @rule(number=NUMBERS, fault=FAULTS, moment=st.sampled_from([0, 0, 3, 7, 11]))
    def send_again(self, number: PublicationId, fault: Fault | None, moment: int) -> None:
        self.do(send_again(self.scene, number))
        self._fails("POST", fault)
        self.do(self.publish(moment))

    @rule(
        number=NUMBERS,
        which=st.sampled_from(UndoScope),
        with_deals=st.booleans(),
        fault=FAULTS,
        moment=st.sampled_from([0, 0, 2, 4, 6, 9]),
    )
    def undo(
        self,
        number: PublicationId,
        which: UndoScope,
        with_deals: bool,
        fault: Fault | None,
        moment: int,
    ) -> None:
        with suppress(NothingToUndo):
            self.do(self._undo(number, which, with_deals=with_deals))
            self.undone.add(number)
        if fault and fault.kind is not FaultKind.LANDS:
            self.crm.faults.script(fault, method="DELETE", path="/(activities|deals)/")
        self.do(self.publish(moment))

    async def _undo(self, number: PublicationId, which: UndoScope, *, with_deals: bool) -> None:
        what = What(publications=[number], which=which, with_deals=with_deals)
        await undo_actions.undo(acting(self.scene), what)

    @rule(number=NUMBERS, retried=st.booleans(), fault=FAULTS)
    def skip_or_retry(self, number: PublicationId, retried: bool, fault: Fault | None) -> None:
        with suppress(PublicationStateError, PublicationNotFound):
            self.do(self._change(number, retried=retried))
        self._fails("POST", fault)
        self.do(self.publish())

    async def _change(self, number: PublicationId, *, retried: bool) -> None:
        change = publications.retry if retried else publications.skip
        async with self.scene.database.begin() as transaction:
            await change(transaction, number, self.clock())

    @rule(wait=st.sampled_from(WAITS))
    def wait(self, wait: timedelta) -> None:
        self.crm.wait_until(self.scene.all_landed)
        self.clock.advance(wait)
        self.do(self.publish())

    @rule()
    def copy_the_database(self) -> None:
        self.do(self._disconnect())
        self.copies.append(self.databases.copy(self.scene.url))

    @rule(which=st.integers(0, 100))
    def restore(self, which: int) -> None:
        """A database of before takes the place of the present one, and Pipedrive knows more."""
        if not self.copies:
            return
        self.crm.wait_until(self.scene.all_landed)
        self.clock.advance(self.crm.list_lag + timedelta(minutes=6))
        self.do(self.scene.close())
        self.open(self.copies[which % len(self.copies)])
        self.restored = True
        self.do(self.publish())

    async def _disconnect(self) -> None:
        await self.scene.database.close()
        for process in self.scene._processes:
            await process.database.close()

    async def in_peace(self) -> None:
        await self._settled()
        if self.restored:
            await self._undo_all()
        known: dict[int, PublicationId] = {}
        for row in await self.scene.rows():
            if row.state is PublicationState.PUBLISHED:
                known[row.activity_id or 0] = row.id
            async with self.scene.database.read() as transaction:
                earlier = await sent_again.earlier(transaction, row.id)
            known |= {one.activity_id: row.id for one in earlier}
        assert there(self.scene) == set(known)
        self._check_what_is_left()

    async def _settled(self) -> None:
        process = await self.publish()
        assert process is not None
        for _ in range(2):  # what lands late is undone, and watched again
            await self.scene.settle(process, watched=True)
            await carry_out(self.scene, process)

    async def _undo_all(self) -> None:
        self._check_what_is_left()
        for number in map(PublicationId, (1, 2)):
            self.undone.add(number)
            with suppress(NothingToUndo):
                await self._undo(number, UndoScope.ALL, with_deals=True)
        await self._settled()
        assert there(self.scene) == set()

    def _check_what_is_left(self) -> None:
        left = [one for one in self.crm.activities if not one["is_deleted"]]
        markers = Counter(marker for one in left for marker in markers_in(one))
        assert set(markers.values()) <= {1}, markers
        for one in self.crm.activities:
            number = PublicationId(1 if str(one["subject"]).startswith("a.py") else 2)
            is_double = markers.keys() & set(markers_in(one))
            assert not one["is_deleted"] or is_double or number in self.undone, one
        gone = {deal["id"] for deal in self.crm.deals if deal["is_deleted"]}
        assert not [one for one in left if one["deal_id"] in gone]
        assert set(self.scene.deals().values()) <= {1}


def test_any_order_of_acts_and_faults(migrated_file: Path) -> None:
    with of_sqlite(migrated_file) as databases:
        run(Rounds, databases, examples=8, steps=8)


def test_and_on_postgresql(postgres: PostgresServer, migrated_template: str) -> None:
    with of_postgresql(postgres, migrated_template) as databases:
        run(Rounds, databases, examples=1, steps=8)
