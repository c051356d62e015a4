"""What Pipedrive refused, so that it surely is not there, obeys what people decide afterwards."""

from datetime import timedelta

import pytest

from gitpip.actions import publications as acts
from gitpip.model import PublicationState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.store.schema_rules import RuleAction
from gitpip_standins import Fault, FaultKind
from tests.publish.test_gists import grown_up
from tests.publish.test_modes import acting, approve_all
from tests.publish.test_screening import add_rule
from tests.support.scene import Process, Scene

ASK, AUTOMATIC, DRY_RUN = PublishingMode.ASK, PublishingMode.AUTOMATIC, PublishingMode.DRY_RUN
SURE = (
    Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
    Fault.limited({"x-daily-ratelimit-token-remaining": "0"}),
    Fault(FaultKind.ERROR, processed=False, status=403),
    Fault(FaultKind.ERROR, processed=False, status=402),
)
"""Answers that say that nothing was made."""
UNSURE = (Fault.drop(), Fault.error(500), Fault.html(403), Fault.html(504))
"""Answers after which it may be there, though it is not."""


async def refused_once(scene: Scene, fault: Fault, *names: str) -> Process:
    """Files whose first activity meets a fault, and a process that has tried to send them."""
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await scene.settle(process)
    scene.crm.faults.script(fault, method="POST", path="/activities$")
    await scene.find_files("ada", *names)
    await process.run()
    assert len(scene.activities()) == 1
    return process


async def states_of_new(scene: Scene) -> list[PublicationState]:
    return [row.state for row in await scene.rows() if row.filename in {"a.py", "b.py"}]


@pytest.mark.parametrize("fault", SURE, ids=str)
@pytest.mark.parametrize("mode", [ASK, DRY_RUN])
async def test_a_later_mode_holds_it(scene: Scene, fault: Fault, mode: PublishingMode) -> None:
    process = await refused_once(scene, fault, "a.py")
    await scene.set_mode(mode)
    scene.clock.advance(timedelta(days=1))

    await scene.settle(process)
    if mode is DRY_RUN:
        await scene.set_mode(AUTOMATIC)
        await scene.settle(await scene.process())

    [row] = [row for row in await scene.rows() if row.filename == "a.py"]
    assert row.state is PublicationState.HELD
    assert row.held_because is (HeldBecause.ASK if mode is ASK else HeldBecause.DRY_RUN)
    assert len(scene.activities()) == 1
    await approve_all(scene, "ada")
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("fault", SURE, ids=str)
async def test_a_later_rule_decides_about_it(scene: Scene, fault: Fault) -> None:
    process = await refused_once(scene, fault, "a.py")
    await add_rule(scene, RuleAction.SKIP, '{"names": ["a.*"]}')
    scene.clock.advance(timedelta(days=1))

    await scene.settle(process)

    assert await states_of_new(scene) == [PublicationState.SKIPPED]
    assert len(scene.activities()) == 1


async def test_a_person_can_hold_it(scene: Scene) -> None:
    process = await refused_once(scene, SURE[0], "a.py")
    [row] = [row for row in await scene.rows() if row.filename == "a.py"]

    await acts.hold(acting(scene), acts.PublicationChoice(ids=[row.id]))
    scene.clock.advance(timedelta(days=1))
    await scene.settle(process)

    assert await states_of_new(scene) == [PublicationState.HELD]
    assert len(scene.activities()) == 1


async def test_an_activity_of_a_gist_is_held_and_approved_as_a_whole(scene: Scene) -> None:
    process = await grown_up(scene)
    before = len(scene.crm.activities)
    scene.crm.faults.script(SURE[0], method="POST", path="/activities$")
    await scene.find_files("ada", "a.py", "b.py")
    await process.run()
    await scene.set_mode(ASK)
    scene.clock.advance(timedelta(days=1))
    await scene.settle(process)
    assert set(await states_of_new(scene)) == {PublicationState.HELD}
    assert len(scene.crm.activities) == before

    await approve_all(scene, "ada")
    await scene.settle(process)

    assert set(await states_of_new(scene)) == {PublicationState.PUBLISHED}
    assert len(scene.crm.activities) == before + 1


@pytest.mark.parametrize("fault", UNSURE, ids=str)
@pytest.mark.parametrize("refused_before", [False, True])
async def test_what_may_have_arrived_is_settled_in_any_mode(
    scene: Scene, fault: Fault, *, refused_before: bool
) -> None:
    process = await scene.process()
    scene.crm.faults.script(
        *([SURE[0]] if refused_before else []), fault, method="POST", path="/activities$"
    )
    await scene.find_files("ada", "a.py")
    await scene.settle_until(process, lambda states: states == ["uncertain"])
    await scene.set_mode(ASK)

    await scene.settle(process)

    await scene.assert_each_is_there_once()
