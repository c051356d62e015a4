"""A claim lasts as long as its holder works on it, and one that is over is not revived."""

import asyncio
import secrets
from collections import Counter
from datetime import timedelta

import pytest

from gitpip.model import DealId, GistId
from gitpip.modes import PublishingMode
from gitpip.publish import delivery
from gitpip.store.publications import outbox
from gitpip.store.publications.delivered import PUBLICATIONS, Start
from gitpip.store.publications.permission import Present
from gitpip_standins import Fault
from tests.support.scene import Process, Scene

LEASE = timedelta(seconds=10)
SHORT = timedelta(milliseconds=300)
MODE = PublishingMode.AUTOMATIC


async def begun(scene: Scene, process: Process, *waits: timedelta) -> bool:
    """Whether a claim, renewed between these waits, allows to begin sending after them."""
    await scene.find_files("ada", "a.py")
    token = secrets.token_hex(16)
    async with process.database.begin() as transaction:
        [claim] = await outbox.claim_sends(
            transaction, token=token, present=Present(scene.clock(), MODE), claim=LEASE, limit=1
        )
    for wait in waits:
        async with process.database.begin() as transaction:
            await PUBLICATIONS.renew(transaction, token, scene.clock(), LEASE)
        scene.clock.advance(wait)
    async with process.database.begin() as transaction:
        return await outbox.begin_sending(
            transaction, claim, Start(scene.clock(), LEASE, None, MODE), deal_id=DealId(1)
        )


@pytest.mark.parametrize(
    ("waits", "allowed"),
    [((0.9,), True), ((0.9, 0.9, 0.9), True), ((1.1,), False), ((0.9, 1.1, 0.5, 0.5), False)],
    ids=str,
)
async def test_a_claim_can_be_renewed_until_it_is_over(
    scene: Scene, waits: tuple[float, ...], allowed: bool
) -> None:
    process = await scene.process()
    assert await begun(scene, process, *(share * LEASE for share in waits)) is allowed


async def test_a_list_that_takes_longer_than_a_lease_ends_no_claim(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's deal is found in a list that can have many pages; the file waits for it."""
    process = await scene.process()
    scene.crm.faults.script(Fault.held(), method="GET", path="deals", times=None)
    await scene.find_files("newcomer", "a.py")

    def held_up() -> bool:
        return bool(scene.crm.faults.injected)

    with monkeypatch.context() as shortened:
        shortened.setattr(delivery, "LONGEST_LEASE", SHORT)
        running = asyncio.create_task(process.run())
        try:
            await asyncio.to_thread(scene.crm.wait_until, held_up)
            for _ in range(3):
                scene.clock.advance(0.9 * SHORT)
                async with asyncio.timeout(20):
                    await renewed(scene)
        finally:
            scene.crm.faults.let_go()
    await running

    assert await scene.states() == ["published"], "it was claimed anew"
    await scene.assert_each_is_there_once()


async def renewed(scene: Scene) -> None:
    """Return when the claims of the file and of its deal last for longer than just now."""
    wanted = scene.clock() + SHORT
    while True:
        row, deal = (await scene.rows())[-1], await scene.deal_row("newcomer")
        times = (row.lease_until, deal.lease_until)
        if all(time is not None and time >= wanted for time in times):
            return
        await asyncio.sleep(0.02)


async def test_processes_that_claim_at_once_leave_the_files_of_a_gist_together(
    scene: Scene,
) -> None:
    for _ in range(20):
        await scene.find_files("ada", "a.py", "b.py", "c.py")
    present = Present(scene.clock(), MODE, per_gist=True)

    async def claim() -> Counter[GistId]:
        async with scene.database.begin() as transaction:
            claims = await outbox.claim_sends(
                transaction, token=secrets.token_hex(16), present=present, claim=LEASE, limit=2
            )
        return Counter(one.gist_id for one in claims)

    claimed = await asyncio.gather(*(claim() for _ in range(20)))

    assert {number for gists in claimed for number in gists.values()} == {3}
    assert sum(len(gists) for gists in claimed) == 20
