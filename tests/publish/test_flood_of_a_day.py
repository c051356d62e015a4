"""A day's flood: a thousand files at once, and one that comes file by file."""

from datetime import timedelta

import pytest

from gitpip.backfill import Backfill
from gitpip.modes import HeldBecause
from gitpip.store.publications import held
from tests.publish.test_modes import writes
from tests.support.scene import Scene

pytestmark = pytest.mark.long

USERS, GISTS, FILES = 50, 103, 10
LATEST = range(GISTS - 3, GISTS)
"""The latest gists, of one file each, so that `latest:3` means three files."""


async def test_a_thousand_files_wait_for_an_answer_and_then_three_are_sent(
    scene: Scene,
) -> None:
    scene.given = {"flood_per_day": "200"}
    for gist in range(GISTS):
        scene.clock.advance(timedelta(seconds=1))
        names = (f"{gist}-{number}.py" for number in range(1 if gist in LATEST else FILES))
        await scene.find_files(f"user{gist % USERS}", *names)
    total = (GISTS - len(LATEST)) * FILES + len(LATEST)
    await scene.settle(await scene.process())
    async with scene.database.read() as transaction:
        summary = await held.summary(transaction)
    assert summary is not None
    assert (summary.files, summary.because) == (total, {HeldBecause.DAY_FLOOD: total})
    assert writes(scene) == []
    async with scene.database.begin() as transaction:
        answered = await held.answer_for_all(
            transaction, Backfill.parse("latest:3"), now=scene.clock(), shown=total, by="eve"
        )
    assert (answered.published, answered.skipped) == (len(LATEST), total - len(LATEST))
    await scene.settle(await scene.process())
    sent = [row.filename for row in await scene.rows() if row.state == "published"]
    assert sent == [f"{gist}-0.py" for gist in LATEST]
    assert len(scene.activities()) == 3


async def test_the_first_files_of_a_trickle_are_sent_and_the_rest_is_one_question(
    scene: Scene,
) -> None:
    most = 10
    scene.given = {"flood_per_day": str(most)}
    process = await scene.process()
    for number in range(2 * most):
        await scene.find_files(f"user{number % 4}", f"{number}.py")
        await scene.settle(process)
        scene.clock.advance(timedelta(hours=1))
    assert await scene.states() == ["published"] * most + ["held"] * most
    async with scene.database.read() as transaction:
        summary = await held.summary(transaction)
    assert summary is not None
    assert (summary.files, summary.because) == (most, {HeldBecause.DAY_FLOOD: most})
    async with scene.database.begin() as transaction:
        answered = await held.answer_for_all(
            transaction, Backfill.parse("all"), now=scene.clock(), shown=most, by="eve"
        )
    assert (answered.published, answered.skipped) == (most, 0)
    await scene.settle(process)
    assert await scene.states() == ["published"] * 2 * most
    await scene.assert_each_is_there_once()
