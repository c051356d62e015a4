"""The deal of each user: adopted, made, replaced where it is gone, and awaited at the cap."""

from datetime import timedelta

import pytest

from gitpip.model import PublicationState
from gitpip.publish.delivery import MAX_ATTEMPTS
from gitpip.store.publications import publications
from gitpip.store.status import pauses
from gitpip_standins import Fault, FaultKind
from tests.publish.test_publisher import posts, refusal
from tests.support.scene import Scene

PENDING, PUBLISHED, FAILED = (
    PublicationState.PENDING,
    PublicationState.PUBLISHED,
    PublicationState.FAILED,
)


async def test_an_open_deal_with_exactly_the_logins_title_is_adopted(scene: Scene) -> None:
    for title in ("Ada", "ada ", "ada lovelace", "xada"):
        scene.crm.add_deal(title)
    scene.crm.add_deal("ada", status="won", won_time="2026-01-01T00:00:00Z")
    wanted = scene.crm.add_deal("ada")
    scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 0
    assert [activity["deal_id"] for activity in scene.crm.activities] == [wanted]


async def test_a_deal_that_only_resembles_is_not_adopted(scene: Scene) -> None:
    deleted = scene.crm.add_deal("ada")
    scene.crm.delete_deal(deleted)
    archived = scene.crm.add_deal("ada")
    scene.crm.archive_deal(archived)
    others = {scene.crm.add_deal("ada "), scene.crm.add_deal("ada lovelace"), deleted, archived}
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 1
    assert not others & {activity["deal_id"] for activity in scene.crm.activities}


async def test_a_title_in_another_case_is_the_same_user(scene: Scene) -> None:
    wanted = scene.crm.add_deal("ADA")
    scene.crm.add_deal("aDa")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 0
    assert [activity["deal_id"] for activity in scene.crm.activities] == [wanted]


@pytest.mark.long
async def test_new_users_cost_a_bounded_number_of_tokens_among_thousands_of_deals(
    scene: Scene,
) -> None:
    for number in range(5_000):
        scene.crm.add_deal(f"customer {number}")
    scene.clock.advance(timedelta(days=1))
    process = await scene.process()
    costs = []
    wanted = {}
    for number in range(24):
        login = f"u{number}"
        if number % 6 == 5:
            # Somebody gives an old deal the title that fits.
            wanted[login] = 4_000 + number
            scene.crm.edit_deal(wanted[login], title=login.upper())
        before = scene.crm.limits.spent_today
        await scene.find_files(login, "a.py")
        await process.run()
        costs.append(scene.crm.limits.spent_today - before)
        scene.clock.advance(timedelta(minutes=5))
    # The first one pays for learning the company, comparing, and the custom field of deals.
    assert costs[0] <= 45 + 2 + 10 + 15, costs
    # Others pay for a comparison, as far as its allowance lasts, and for looking again at the file
    # and the deal that were sent in the first minutes.
    assert max(costs[1:]) <= 45 + 10 + 2 * 10, costs
    # Once all of them are known, and nothing is looked at again, only what changed is read.
    assert max(costs[18:]) <= 25 + 10, costs
    titles = [str(deal["title"]).lower() for deal in scene.crm.deals]
    assert all(titles.count(f"u{number}") == 1 for number in range(24))
    used = {row.login: row.deal_id for row in await scene.rows()}
    assert {login: used[login] for login in wanted} == wanted


@pytest.mark.parametrize("change", ["delete", "archive", "close", "rename"])
async def test_a_deal_that_is_known_is_looked_at_again_before_it_is_used(
    scene: Scene, change: str
) -> None:
    known = scene.crm.add_deal("bob")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    match change:
        case "delete":
            scene.crm.delete_deal(known)
        case "archive":
            scene.crm.archive_deal(known)
        case "close":
            scene.crm.edit_deal(known, status="won")
        case _:
            scene.crm.edit_deal(known, title="someone else")
    await scene.find_files("bob", "b.py")
    await process.run()
    assert [row.state for row in await scene.rows()] == [PUBLISHED] * 2
    assert (await scene.rows())[1].deal_id != known


async def test_a_deal_that_is_lost_at_once_again_and_again_is_made_ever_later(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    # Deals that are made are not visible to the token's owner.
    scene.crm.faults.script(refusal(400), method="POST", path="activities$", times=None)
    scene.crm.faults.script(refusal(404), method="GET", path="deals/[0-9]+$", times=None)
    started = scene.clock()
    await scene.settle(process)
    assert await scene.states() == [FAILED]
    assert scene.clock() - started > timedelta(hours=2)
    assert 1 < posts(scene.crm, "deals") <= MAX_ATTEMPTS


async def test_a_refused_deal_fails_its_users_files_only(scene: Scene) -> None:
    # Once with our custom field, and once without it.
    scene.crm.faults.script(refusal(400), method="POST", path="deals$", times=2)
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await scene.settle(process)
    adas, bobs = await scene.rows()
    assert (adas.state, bobs.state) == (FAILED, PUBLISHED)
    assert "Pipedrive rejected it: “Something went wrong” (400)" in str(adas.reason)
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, adas.id, scene.clock())
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_cap_on_deals_holds_back_only_those_who_need_one(scene: Scene) -> None:
    scene.crm.add_deal("bob")
    scene.crm.deal_cap = 1
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await process.run()
    adas, bobs = await scene.rows()
    assert (adas.state, bobs.state) == (PENDING, PUBLISHED)
    assert "close or delete open deals in Pipedrive, or get a larger plan" in str(adas.reason)
    assert await scene.pause() is None
    scene.crm.deal_cap = None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("way", ["retry", "try-now"])
async def test_a_person_ends_the_wait_for_the_cap_and_it_is_tried_once(
    scene: Scene, way: str
) -> None:
    async def act() -> None:
        *_, last = await scene.rows()
        async with scene.database.begin() as transaction:
            if way == "retry":
                await publications.retry(transaction, last.id, scene.clock())
            else:
                names = [pauses.PUBLISHING]
                assert await pauses.end_pauses(transaction, names, scene.clock()) == (*names,)

    scene.crm.deal_cap = 0
    for login in ("ada", "bob", "cy"):
        await scene.find_files(login, "a.py", "b.py")
    process = await scene.process()
    await process.run()
    assert posts(scene.crm, "deals") == 1
    for _ in range(2):
        await process.run()
    assert posts(scene.crm, "deals") == 1

    scene.clock.advance(timedelta(seconds=30))
    await act()
    await process.run()
    assert posts(scene.crm, "deals") == 2
    assert {row.state for row in await scene.rows()} == {PENDING}

    scene.crm.deal_cap = None
    scene.clock.advance(timedelta(seconds=30))
    await act()
    await process.run()
    of_whom = {row.login for row in await scene.rows() if row.state is PUBLISHED}
    assert of_whom == ({"cy"} if way == "retry" else {"ada", "bob", "cy"})
    assert (await scene.states()).count("published") == 2 * len(of_whom)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_refused_deal_keeps_its_own_reason_while_another_meets_the_cap(
    scene: Scene,
) -> None:
    scene.crm.faults.script(
        Fault(FaultKind.ERROR, processed=False, status=403), method="POST", path="deals$"
    )
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    refused = (await scene.deal_row("ada")).reason
    scene.crm.deal_cap = 0
    await scene.find_files("bob", "b.py")
    await process.run()
    scene.clock.advance(timedelta(minutes=2))
    await process.run()
    adas, bobs = await scene.deal_row("ada"), await scene.deal_row("bob")
    assert (adas.reason, adas.due_at) == (refused, bobs.due_at)
    assert "open deals" in str(bobs.reason)
    assert posts(scene.crm, "deals") == 2


async def test_a_deal_that_was_deleted_is_replaced(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    first = (await scene.rows())[0]
    assert first.deal_id is not None
    scene.crm.delete_deal(first.deal_id)
    await scene.find_files("ada", "b.py", "c.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    deals = [activity["deal_id"] for activity in scene.crm.activities]
    assert deals[0] == first.deal_id
    assert deals[1] == deals[2] != deals[0]


async def test_a_refusal_is_not_believed_before_the_deal_was_looked_at(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    scene.crm.delete_deal(1)
    scene.crm.faults.script(Fault.drop(), method="GET", path="deals/1$")
    await scene.find_files("ada", "b.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_deal_that_is_deleted_during_the_looks_is_replaced(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    process = await scene.process()
    await process.run()
    scene.crm.delete_deal(1)
    await scene.settle(process)
    await scene.assert_each_is_there_once()
