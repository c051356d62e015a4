"""What a person acknowledges is no problem any more, until something else is missing or doubled."""

from datetime import timedelta

import pytest

from gitpip.actions.acting import Acting, Work
from gitpip.actions.adoption import ACKNOWLEDGEABLE, Acknowledgeable, acknowledge
from gitpip.status.accounts import contents
from gitpip.store import ledger
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.schema_access import Via
from gitpip.store.users import users
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
EVE = Actor("eve", Via.PAGE)
MISSING: Acknowledgeable = "activities-missing"
DOUBLED: Acknowledgeable = "activities-doubled"


class Person:
    """Looks at the problems, and acknowledges some."""

    def __init__(self, scene: Scene, process: Process) -> None:
        self._scene = scene
        self._process = process

    async def compare(self) -> dict[str, int]:
        """The problems, and how many activities each is about, after a comparison of all."""
        self._scene.clock.advance(HOUR)
        async with self._scene.database.begin() as transaction:
            await ledger.request(transaction, self._scene.clock())
        await self._process.run()
        return await self.problems()

    async def problems(self) -> dict[str, int]:
        async with self._scene.database.read() as transaction:
            found = await contents(transaction, self._scene.clock())
        return {each.kind.value: each.count for each in found}

    async def acknowledge(self, *kinds: Acknowledgeable) -> dict[Acknowledgeable, int]:
        database, clock = self._scene.database, self._scene.clock
        return await acknowledge(Acting(database, EVE, _wake_nobody, clock), kinds)

    async def did(self) -> list[tuple[str, str]]:
        """What the audit says was done."""
        async with self._scene.database.read() as transaction:
            page = await audit_log.page(transaction, offset=0, limit=100)
        return [(entry.action, entry.subject) for entry in reversed(page.items)]


async def _wake_nobody(work: Work) -> None:
    """Nothing is due after it."""


@pytest.fixture
async def person(scene: Scene) -> Person:
    process = await scene.process()
    await scene.find_files("ada", "a.py", "b.py")
    # Else what was sent first would be looked for still, and told.
    await scene.settle(process, watched=True)
    return Person(scene, process)


def copy_of(scene: Scene, number: int) -> int:
    """A person copies an activity."""
    original = scene.crm.activities[number]
    return scene.crm.add_activity(
        str(original["subject"]), note=original["note"], deal_id=original["deal_id"]
    )


async def test_what_is_missing_is_told_until_it_is_acknowledged(
    scene: Scene, person: Person
) -> None:
    scene.crm.empty_account()
    assert await person.compare() == {MISSING: 2}
    assert await person.acknowledge(MISSING) == {MISSING: 2}
    assert await person.problems() == {}
    assert await person.compare() == {}
    assert await person.did() == [("problem.acknowledged", "2 activities missing in Pipedrive")]
    assert await scene.states() == ["published", "published"]


async def test_what_is_missing_later_is_told_again(scene: Scene, person: Person) -> None:
    scene.crm.empty_account()
    await person.compare()
    await scene.find_files("ada", "c.py", "d.py", "e.py")
    await scene.settle(await scene.process())
    # They are published and listed after the comparison that told what was missing.
    assert await person.acknowledge(*ACKNOWLEDGEABLE) == {MISSING: 2}
    assert await person.compare() == {}
    scene.crm.empty_account()
    assert await person.compare() == {MISSING: 3}


async def test_a_copy_is_told_until_it_is_acknowledged_and_so_is_a_later_one(
    scene: Scene, person: Person
) -> None:
    copy_of(scene, 0)
    assert await person.compare() == {DOUBLED: 1}
    assert await person.acknowledge(*ACKNOWLEDGEABLE) == {DOUBLED: 1}
    assert await person.compare() == {}
    copy_of(scene, 1)
    assert await person.compare() == {DOUBLED: 1}
    assert await person.acknowledge(MISSING) == {}
    assert await person.problems() == {DOUBLED: 1}


async def test_an_acknowledged_copy_takes_the_place_of_its_original(
    scene: Scene, person: Person
) -> None:
    copy = copy_of(scene, 0)
    await person.compare()
    await person.acknowledge(DOUBLED)
    scene.crm.delete_activity(int(str(scene.crm.activities[0]["id"])))
    assert await person.compare() == {}
    assert (await scene.rows())[0].activity_id == copy


async def test_a_copy_that_was_hidden_is_told_when_its_user_is_back(
    scene: Scene, person: Person
) -> None:
    copy_of(scene, 0)
    assert await person.compare() == {DOUBLED: 1}
    async with scene.database.begin() as transaction:
        ada = await users.find(transaction, "ada")
        await users.remove(transaction, ada.key, scene.clock())
    assert await person.acknowledge(DOUBLED) == {}
    await scene.add("ada")
    assert await person.problems() == {DOUBLED: 1}


async def test_acknowledging_without_a_problem_is_not_recorded(person: Person) -> None:
    assert await person.acknowledge(*ACKNOWLEDGEABLE) == {}
    assert await person.did() == []
