"""The modes of publishing: what waits for a person, and what is written to Pipedrive."""

from gitpip.model import Backfill
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.store.publications import held, publications
from gitpip.store.users import users
from gitpip.store.users.users import Changes
from tests.support.scene import Scene

ASK, AUTOMATIC, DRY_RUN = PublishingMode.ASK, PublishingMode.AUTOMATIC, PublishingMode.DRY_RUN


def writes(scene: Scene) -> list[str]:
    """Every request that writes, as the stand-in counts them."""
    return [f"{one.method} {one.path}" for one in scene.crm.requests if one.method != "GET"]


async def approve_all(scene: Scene, login: str) -> None:
    async with scene.database.begin() as transaction:
        await held.answer(transaction, login, Backfill.parse("all"), now=scene.clock(), by="eve")


async def pause(scene: Scene, login: str, *, paused: bool) -> None:
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, login)
        await users.change(transaction, user.key, Changes(paused=paused), scene.clock())


async def test_to_ask_holds_what_is_new_until_it_is_approved(scene: Scene) -> None:
    await scene.set_mode(ASK)
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await process.run()
    assert set(await scene.states()) == {"held"}
    assert {row.held_because for row in await scene.rows()} == {HeldBecause.ASK}
    assert not await process.publisher.due()
    assert writes(scene) == []
    await approve_all(scene, "bob")
    await scene.settle(process)
    published = [row for row in await scene.rows() if row.activity_id]
    assert [(row.filename, row.approved_by) for row in published] == [("b.py", "eve")]
    assert len(scene.activities()) == 1


async def test_a_dry_run_writes_nothing_and_what_it_met_is_held_afterwards(scene: Scene) -> None:
    await scene.set_mode(DRY_RUN)
    await scene.find_files("ada", "a.py", "b.py")
    process = await scene.process()
    await scene.settle(process)
    assert await scene.states() == ["pending", "pending"]
    assert not await process.publisher.due()
    await scene.set_mode(AUTOMATIC)
    await scene.find_files("ada", "c.py")
    await scene.settle(await scene.process())
    assert await scene.states() == ["held", "held", "published"]
    assert next(row.held_because for row in await scene.rows()) is HeldBecause.DRY_RUN


async def test_what_a_person_approved_in_a_dry_run_is_sent_after_it(scene: Scene) -> None:
    await scene.set_mode(DRY_RUN)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    [row] = await scene.rows()
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock(), by="eve")
    await scene.settle(process)
    assert writes(scene) == []
    await scene.set_mode(ASK)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_of_a_paused_user_nothing_is_sent(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    await pause(scene, "ada", paused=True)
    process = await scene.process()
    await scene.settle(process)
    assert await scene.states() == ["pending", "published"]
    assert not await process.publisher.due()
    await pause(scene, "ada", paused=False)
    await scene.settle(process)
    await scene.assert_each_is_there_once()
