"""Who makes publishing pause: the vendor that fails, or gitpip that can't read its answers."""

import pytest

from gitpip.model import PauseCause
from gitpip.store.publications.permission import Present
from gitpip.store.status import workload
from gitpip_standins import Fault, FaultKind
from tests.support.scene import Scene

pytestmark = pytest.mark.long

LOGINS = ("ada", "bob", "cy", "dee", "eve")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.html(200, processed=True), PauseCause.FAULT),
        (Fault.empty(), PauseCause.FAULT),
        (Fault(FaultKind.ERROR, processed=False, status=500), PauseCause.VENDOR),
        (Fault.error(502), PauseCause.VENDOR),
        (Fault.drop(processed=True), PauseCause.VENDOR),
    ],
    ids=str,
)
async def test_a_pause_for_answers_that_make_no_sense_is_gitpips_own(
    scene: Scene, fault: Fault, cause: PauseCause
) -> None:
    process = await scene.process()
    for login in LOGINS:
        await scene.find_files(login, "warm-up.py")
    await process.run()
    scene.crm.faults.script(fault, method="POST", path="activities$", times=None)
    for login in LOGINS:
        await scene.find_files(login, "a.py")
    await process.run()
    pause = await scene.pause()
    assert pause
    assert pause.cause is cause
    async with scene.database.read() as transaction:
        work = await workload.of_publishing(transaction, Present(scene.clock(), scene.mode))
    # A vendor's trouble excuses that nothing comes further, and gitpip's own fault does not.
    assert work.waits is (cause is PauseCause.FAULT)
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()
