"""Whatever becomes of modes and pauses, nothing is sent that a person was to be asked about.

A state machine changes modes and pauses, finds files, approves some and publishes, while answers
get lost and the process is killed. What the stand-in was sent is compared with what was approved.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from gitpip.actions import publications as acts
from gitpip.actions import publishing
from gitpip.actions import users as user_acts
from gitpip.actions.acting import Acting
from gitpip.model import Publication, PublicationState, UserState
from gitpip.modes import PublishingMode
from gitpip.store.access.audit_log import Actor
from gitpip.store.schema_access import Via
from gitpip.store.status import publishing_pause
from gitpip.store.users.users import GENERAL, Changes, Mode
from gitpip_standins import Fault
from tests.support.databases import of_sqlite
from tests.support.machines import Installation, run
from tests.support.scene import wake_nobody

pytestmark = pytest.mark.long

AUTOMATIC, DRY_RUN = PublishingMode.AUTOMATIC, PublishingMode.DRY_RUN
LOGINS = ("ada", "bob")
FAULTS = (None, None, Fault.drop(), Fault.drop(processed=True), Fault.error(500, processed=True))


class Modes(Installation):
    """One installation whose modes and pauses change all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.acting = Acting(self.scene.database, Actor("eve", Via.PAGE), wake_nobody, self.clock)
        self.gists = 0
        self.own: dict[str, PublishingMode | None] = dict.fromkeys(LOGINS)
        self.to_be_asked: set[str] = set()
        """The markers of what waited in a dry run, or to be asked about."""
        self.approved: set[str] = set()

    @initialize(per=st.sampled_from(["file", "gist", "gist"]))
    def begin(self, per: str) -> None:
        self.change_what_an_activity_is_made_for(per)
        for login in LOGINS:
            self.find(login, 2)

    def mode_of(self, row: Publication) -> PublishingMode:
        return self.own[row.login] or self.scene.mode

    def rows(self) -> tuple[Publication, ...]:
        rows: tuple[Publication, ...] = self.do(self.scene.rows())
        return rows

    def note(self) -> None:
        for row in self.rows():
            waits = row.state in {PublicationState.PENDING, PublicationState.HELD}
            if waits and row.sent_at is None and self.mode_of(row) is not AUTOMATIC:
                self.to_be_asked.add(row.marker)

    @rule(login=st.sampled_from(LOGINS), files=st.integers(1, 3))
    def find(self, login: str, files: int = 1) -> None:
        self.gists += 1
        names = [f"{self.gists} {number}.py" for number in range(files)]
        self.do(self.scene.find_files(login, *names))
        self.note()

    @rule(per=st.sampled_from(["file", "gist"]))
    def change_what_an_activity_is_made_for(self, per: str) -> None:
        self.do(self.scene.set_publishing(activity_per=per))

    @rule(mode=st.sampled_from(PublishingMode))
    def change_the_mode_of_everybody(self, mode: PublishingMode) -> None:
        self.do(self.scene.set_mode(mode))
        self.note()

    @rule(login=st.sampled_from(LOGINS), mode=st.sampled_from([GENERAL, *PublishingMode]))
    def change_the_mode_of_a_user(self, login: str, mode: Mode) -> None:
        self.do(user_acts.change(self.acting, login, Changes(mode=mode)))
        self.own[login] = None if mode == GENERAL else PublishingMode(mode)
        self.note()

    @rule(login=st.sampled_from(LOGINS), paused=st.booleans())
    def pause_a_user(self, login: str, paused: bool) -> None:
        self.do(user_acts.change(self.acting, login, Changes(paused=paused)))

    @rule(paused=st.booleans())
    def pause_publishing(self, paused: bool) -> None:
        if paused:
            self.do(publishing.pause_publishing(self.acting))
        else:
            self.do(publishing.resume_publishing(self.acting))

    @rule(which=st.integers(0, 20))
    def approve_one(self, which: int) -> None:
        held = [row for row in self.rows() if row.state is PublicationState.HELD]
        if held:
            row = held[which % len(held)]
            self.do(acts.approve(self.acting, acts.PublicationChoice(ids=[row.id])))
            self.approved.add(row.marker)

    @rule(fault=st.sampled_from(FAULTS), moment=st.sampled_from([0, 3, 7, 11, 15, 19]))
    def publish_now(self, fault: Fault | None, moment: int) -> None:
        """Publish, perhaps until the process is killed; nothing is written that may not be."""
        if fault:
            self.crm.faults.script(fault, method="POST", path="activities$")
        kept = self.kept_back()
        before = len(self.writes())
        self.do(self.publish(moment))
        if kept:
            assert self.writes()[before:] == []
        self.clock.advance(timedelta(minutes=3))

    @rule(modes=st.lists(st.sampled_from(PublishingMode), min_size=1, max_size=3))
    def find_and_publish_under_several_modes(self, modes: list[PublishingMode]) -> None:
        for mode in modes:
            self.change_the_mode_of_everybody(mode)
            self.find(LOGINS[0], 2)
            self.publish_now(None, 0)

    def kept_back(self) -> bool:
        """Whether nothing at all may be written now."""

        async def paused() -> bool:
            async with self.scene.database.read() as transaction:
                pause = await publishing_pause.current(transaction, self.clock())
            return pause is not None

        quiet = [
            row.user_state is UserState.PAUSED or self.mode_of(row) is DRY_RUN
            for row in self.rows()
        ]
        return bool(self.do(paused())) or all(quiet)

    def writes(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.crm.requests if one.method != "GET"]

    @invariant()
    def nothing_is_there_that_was_to_be_asked_about(self) -> None:
        there = set(self.scene.activities())
        assert there & self.to_be_asked <= self.approved

    async def in_peace(self) -> None:
        """Everything is there once after it was approved."""
        await publishing.resume_publishing(self.acting)
        for login in LOGINS:
            await user_acts.change(self.acting, login, Changes(mode=GENERAL, paused=False))
        await self.scene.set_mode(AUTOMATIC)
        process = await self.scene.process()
        await self.scene.settle(process)
        await acts.approve(self.acting, acts.PublicationChoice(everything=True))
        await self.scene.settle(process)
        await self.scene.assert_each_is_there_once()


def test_no_file_is_sent_without_the_approval_that_its_mode_asks_for(migrated_file: Path) -> None:
    with of_sqlite(migrated_file) as databases:
        run(Modes, databases, examples=8, steps=12)
