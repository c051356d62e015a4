"""A user's activities are put to the given target, each once; one that is gone holds up one user.

What was sent stays, and what may have been sent is sent again to where it was sent.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE
from gitpip.status import publishing
from gitpip.status.problem import ProblemKind
from gitpip.store.schema_accounts import Vendor, accounts
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_targets import targets
from gitpip.targets import DEAL_BY_TITLE, Target
from gitpip_standins import Fault
from gitpip_standins import Pipedrive as Crm
from tests.support.happened import happened
from tests.support.scene import Scene
from tests.support.targets import KINDS, give, made, place_of

HALF_AN_HOUR = timedelta(minutes=30)
FAULTS = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.error(500, processed=True),
    Fault.lands(timedelta(seconds=100)),
    Fault.lands(ABSENCE + timedelta(minutes=10)),
)


def there(scene: Scene) -> list[str]:
    return [place_of(each) for each in scene.crm.activities if not each["is_deleted"]]


@pytest.mark.parametrize("kind", KINDS)
async def test_activities_are_put_to_the_target(scene: Scene, kind: str) -> None:
    target = made(scene.crm, kind)
    await give(scene, "ada", target)
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")

    await scene.settle(await scene.process())

    assert sorted(there(scene)) == sorted([f"{target}", f"{target}", place_of_bob(scene)])
    assert "ada" not in scene.deals()
    assert scene.deals()["bob"] == 1
    assert [row.sent_to for row in await scene.rows()] == [target, target, None]
    assert scene.crm.abuse == []


def place_of_bob(scene: Scene) -> str:
    number = next(deal["id"] for deal in scene.crm.deals if deal["title"] == "bob")
    return f"deal:{number}"


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.processed}")
@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_there_once_whatever_becomes_of_the_request(
    scene: Scene, kind: str, fault: Fault
) -> None:
    target = made(scene.crm, kind)
    await give(scene, "ada", target)
    await scene.find_files("ada", "a.py", "b.py")
    scene.crm.faults.script(fault, method="POST", path="activities$")

    await scene.settle(await scene.process(), watched=True)

    assert there(scene) == [f"{target}"] * 2
    rows = await scene.rows()
    assert set(scene.activities().values()) == {1}
    assert {row.state for row in rows} == {PublicationState.PUBLISHED}
    shown = {each["id"] for each in scene.crm.activities if not each["is_deleted"]}
    assert {row.activity_id for row in rows} == shown


async def test_what_is_in_doubt_is_sent_again_to_where_it_was_sent(scene: Scene) -> None:
    former, present = made(scene.crm, "person"), made(scene.crm, "deal")
    await give(scene, "ada", former)
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    process = await scene.process()
    await process.run()
    await give(scene, "ada", present)
    await scene.find_files("ada", "b.py")

    await scene.settle(process, watched=True)

    assert sorted(there(scene)) == [f"{present}", f"{former}"]
    assert [row.sent_to for row in await scene.rows()] == [former, present]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("moments", range(3, 9))
async def test_nothing_goes_to_a_former_target_at_any_moment(scene: Scene, moments: int) -> None:
    former, present = made(scene.crm, "person"), made(scene.crm, "deal")
    await give(scene, "ada", former)
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    await scene.find_files("ada", "b.py")
    running = asyncio.create_task(process.run())
    await scene.freeze_when(process, lambda rows: rows[1].token is not None)
    for _ in range(moments):
        if (await scene.states())[1] == "pending":
            await process.one_moment(running)
    was_begun = (await scene.states())[1] != "pending"

    await give(scene, "ada", present)
    process.thaw()
    await running
    await scene.settle(process)

    assert there(scene) == [f"{former}", f"{former if was_begun else present}"]


async def test_what_is_in_doubt_is_found_where_it_was_sent(scene: Scene) -> None:
    await give(scene, "ada", former := made(scene.crm, "organization"))
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    process = await scene.process()
    await process.run()
    await give(scene, "ada", DEAL_BY_TITLE)

    await scene.settle(process)

    assert there(scene) == [f"{former}"]
    assert await scene.states() == ["published"]


def delete_person(crm: Crm, target: Target) -> None:
    crm.contacts.persons.change(target.number, crm._clock(), is_deleted=True)


def archive_lead(crm: Crm, target: Target) -> None:
    crm.contacts.leads[target.id]["is_archived"] = True


@pytest.mark.parametrize(
    ("kind", "goes", "words"),
    [
        ("deal", lambda crm, target: crm.delete_deal(target.number), "there is no deal 1"),
        ("person", delete_person, "there is no person 1"),
        ("lead", archive_lead, "is archived in Pipedrive"),
    ],
)
async def test_a_target_that_goes_holds_up_its_user_alone(
    scene: Scene, kind: str, goes: Callable[[Crm, Target], None], words: str
) -> None:
    target = made(scene.crm, kind)
    await give(scene, "ada", target)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    goes(scene.crm, target)
    await scene.find_files("ada", "b.py", "c.py")
    await scene.find_files("bob", "d.py")

    asked = len(scene.crm.requests)
    await process.run()

    assert await scene.states() == ["published", "pending", "pending", "published"]
    rows = await scene.rows()
    assert words in str(rows[1].reason)
    assert rows[1].due_at >= scene.clock() + HALF_AN_HOUR
    assert await scene.pause() is None
    assert words in (await problems(scene))[ProblemKind.TARGETS_UNUSABLE]
    assert len(scene.crm.requests) - asked < 12
    scene.clock.advance(HALF_AN_HOUR)
    await process.run()
    [(_, login, detail)] = await happened(scene.database, EventKind.TARGET_UNUSABLE)
    assert (login, words in str(detail)) == ("ada", True)

    await give(scene, "ada", other := made(scene.crm, "deal"))
    await process.run()

    assert set(await scene.states()) == {"published"}
    assert [f"{target}"] == there(scene)[:1]
    assert there(scene).count(f"{other}") == 2


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [Fault.error(500), Fault.html(502), Fault.limited({"x-ratelimit-remaining": "9"})],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_a_target_that_can_not_be_read_is_asked_ever_less_often_and_told(
    scene: Scene, fault: Fault
) -> None:
    target = made(scene.crm, "lead")
    await give(scene, "ada", target)
    scene.crm.faults.script(fault, path=f"leads/{target.id}$", times=None)
    process, started = await scene.process(), scene.clock()
    waits: list[timedelta] = []
    paused = 0
    while scene.clock() - started < timedelta(hours=4):
        await scene.find_files("ada", f"{len(waits)}.py")
        await scene.find_files("bob", f"{len(waits)}.md")
        while (await scene.states())[-1] != "published":
            await process.run()
            if await scene.pause() is not None:
                paused += 1
                await scene.wake()
        waiting = (await scene.rows())[0]
        waits.append(waiting.due_at - scene.clock())
        scene.clock.advance(max(waits[-1], timedelta(seconds=1)))
    assert paused <= 1
    assert len(scene.crm.faults.injected) < 18
    assert waits[-1] == HALF_AN_HOUR
    assert f"{target.words} could not be checked" in str(waiting.reason)
    assert str(fault.status) in str(waiting.reason)
    told = await problems(scene)
    assert f"{target.words} could not be checked" in told[ProblemKind.TARGETS_UNUSABLE]
    [(_, login, detail)] = await happened(scene.database, EventKind.TARGET_UNUSABLE)
    assert (login, str(detail).partition(": ")[0]) == (
        "ada",
        f"{target.words} could not be checked",
    )
    scene.crm.faults.clear()
    await scene.settle(process)
    assert there(scene).count(f"{target}") == len(waits)
    assert await problems(scene) == {}


async def problems(scene: Scene) -> dict[ProblemKind, str]:
    async with scene.database.read() as transaction:
        found = await publishing.problems(
            transaction, scene.clock(), request_timeout=HALF_AN_HOUR, goes_on=True
        )
    return {problem.kind: problem.sentence for problem in found}


async def test_a_target_that_comes_back_is_used_again(scene: Scene) -> None:
    target = made(scene.crm, "deal")
    scene.crm.edit_deal(target.number, is_archived=True)
    await give(scene, "ada", target)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    assert "is archived" in str((await scene.rows())[0].reason)
    scene.crm.edit_deal(target.number, is_archived=False)

    await scene.settle(process)

    assert there(scene) == [f"{target}"]


async def test_person_and_organization_of_a_deal_are_linked(scene: Scene) -> None:
    person = scene.crm.contacts.add_person("Ada Lovelace")
    organization = scene.crm.contacts.add_organization("Engines Ltd")
    deal = scene.crm.add_deal("Big customer", person_id=person, org_id=organization)
    await give(scene, "ada", Target.parse(f"deal:{deal}"))
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)

    activity = scene.crm.activities[0]
    assert (activity["deal_id"], activity["person_id"], activity["org_id"]) == (
        *(deal, person, organization),
    )

    # One that is gone is left out, and fails no file.
    scene.crm.contacts.persons.change(person, scene.clock(), is_deleted=True)
    await scene.find_files("ada", "b.py")
    await scene.settle(process)

    assert await scene.states() == ["published", "published"]
    assert scene.crm.activities[1]["deal_id"] == deal


async def test_a_target_of_another_account_is_not_used(scene: Scene) -> None:
    target = made(scene.crm, "deal")
    await give(scene, "ada", target)
    async with scene.database.begin() as transaction:
        other = insert(accounts).values(
            vendor=Vendor.DESTINATION, identity="9", name="Other Ltd", met_at=scene.clock()
        )
        key = (await transaction.execute(other.returning(accounts.c.key))).scalar_one()
        await transaction.execute(update(targets).values(account_key=key))
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")

    await (await scene.process()).run()

    waiting, sent = await scene.rows()
    assert waiting.state is PublicationState.PENDING
    assert "deal 1 was set for the Pipedrive account Other Ltd" in str(waiting.reason)
    assert sent.state is PublicationState.PUBLISHED


async def test_those_of_a_deal_that_is_found_by_its_title_are_linked(scene: Scene) -> None:
    person = scene.crm.contacts.add_person("Ada Lovelace")
    organization = scene.crm.contacts.add_organization("Engines Ltd")
    deal = scene.crm.add_deal("ada", person_id=person, org_id=organization)
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await scene.settle(process)

    of_ada = [each for each in scene.crm.activities if each["deal_id"] == deal]
    assert [(each["person_id"], each["org_id"]) for each in of_ada] == [(person, organization)] * 2
    [of_bob] = [each for each in scene.crm.activities if each["deal_id"] != deal]
    assert (of_bob["person_id"], of_bob["org_id"]) == (None, None)
    asked = [one for one in scene.crm.requests if one.path.endswith(f"/deals/{deal}")]
    assert len(asked) == 1, "more than to see that the deal is still the user's"

    # Another person by now is linked, and one that is gone fails no file.
    other = scene.crm.contacts.add_person("Countess of Lovelace")
    scene.crm.contacts.persons.change(person, scene.clock(), is_deleted=True)
    scene.crm.edit_deal(deal, person_id=other)
    await scene.find_files("ada", "d.py")
    await scene.settle(process)
    scene.crm.contacts.persons.change(other, scene.clock(), is_deleted=True)
    await scene.find_files("ada", "e.py")
    await scene.settle(process)

    assert {each["deal_id"] for each in scene.crm.activities[-2:]} == {deal}
    assert [each["person_id"] for each in scene.crm.activities[-2:]] == [other, None]
    assert set(await scene.states()) == {"published"}
