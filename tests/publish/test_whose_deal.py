"""A deal belongs to one user, whatever becomes of the login that is its title."""

from datetime import timedelta

import pytest

from gitpip.model import GitHubId
from gitpip.publish.destination import Item
from gitpip.publish.pipedrive.deal_field import NAME
from gitpip.publish.pipedrive.deal_index import DealIndex
from gitpip.store.accounts import accounts
from gitpip.store.schema import users as user_rows
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_accounts import accounts as account_rows
from gitpip.store.users import users
from gitpip_standins import Fault, FaultKind
from tests.support.scene import Scene


async def rename(scene: Scene, login: str, to: str) -> None:
    """What watching does when GitHub's account has another login."""
    async with scene.database.begin() as transaction:
        await transaction.execute(
            user_rows.update()
            .where(user_rows.c.login == login)
            .values(login=to, former_login=login, external_id=f"id of {to}")
        )


async def give_id(scene: Scene, login: str, github_id: int) -> None:
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, login)
        await transaction.execute(
            user_rows.update()
            .where(user_rows.c.key == user.key)
            .values(github_id=GitHubId(github_id))
        )


async def a_newcomer_takes_the_login(scene: Scene) -> None:
    """ada goes by another login now, and somebody else is ada."""
    await give_id(scene, "ada", 101)
    await rename(scene, "ada", "countess")
    await scene.find_files("ada", "stranger.py")
    await give_id(scene, "ada", 202)


@pytest.mark.parametrize("with_field", [True, False])
async def test_a_newcomer_with_a_users_old_login_gets_a_deal_of_their_own(
    scene: Scene, with_field: bool
) -> None:
    scene.crm.fields_allowed = with_field
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    await a_newcomer_takes_the_login(scene)
    await scene.settle(process)
    await scene.find_files("countess", "b.py")
    await scene.settle(process)

    first, stranger, second = await scene.rows()
    assert first.deal_id == second.deal_id != stranger.deal_id
    assert scene.deals() == {"ada": 2}


async def test_the_field_tells_whose_deal_it_is_where_the_rows_do_not(scene: Scene) -> None:
    await scene.find_files("warm", "up.py")
    process = await scene.process()
    await scene.settle(process)
    ((code, name),) = scene.crm.deal_fields.items()
    assert name == NAME
    await scene.find_files("ada", "a.py")
    await give_id(scene, "ada", 202)
    # Both deals were made by an earlier installation of which nothing is left.
    scene.crm.add_deal("ada", custom_fields={code: "101"})
    hers = scene.crm.add_deal("the customer who writes code", custom_fields={code: "202"})
    scene.clock.advance(timedelta(minutes=5))
    await scene.settle(process)
    assert (await scene.rows())[-1].deal_id == hers


async def test_a_rename_while_a_deal_is_uncertain_makes_no_second_one(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    scene.crm.fields_allowed = False
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    await rename(scene, "ada", "countess")
    await scene.settle(process)
    assert await scene.states() == ["published"]
    assert scene.deals() == {"ada": 1}


async def test_a_newcomer_does_not_get_a_deal_that_is_uncertain(scene: Scene) -> None:
    scene.crm.fields_allowed = False
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    await a_newcomer_takes_the_login(scene)
    await scene.settle(process)
    first, stranger = await scene.rows()
    assert first.deal_id != stranger.deal_id
    assert scene.deals() == {"ada": 2}


async def test_a_deal_that_is_always_refused_costs_the_others_no_look_at_the_field(
    scene: Scene,
) -> None:
    refusal = Fault(FaultKind.ERROR, processed=False, status=400)
    scene.crm.faults.script(refusal, method="POST", path="deals$", about='"ada"', times=None)
    await scene.find_files("warm", "up.py")
    process = await scene.process()
    await scene.settle(process)
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    # A look after the refusal shows what the account requires of a deal.
    looks = sum(request.path.endswith("dealFields") for request in scene.crm.requests)
    await scene.find_files("bob", "b.py")
    await scene.settle(process)
    assert await scene.states() == ["published", "failed", "published"]
    ((code, _),) = scene.crm.deal_fields.items()
    assert code in str(scene.crm.deals[-1])
    asked = sum(request.path.endswith("dealFields") for request in scene.crm.requests)
    assert asked == looks


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_without_the_field_all_goes_on(scene: Scene, status: int) -> None:
    refusal = Fault(FaultKind.ERROR, processed=False, status=status)
    scene.crm.faults.script(refusal, path="dealFields", times=None)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    await scene.find_files("bob", "b.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    # It is not asked for again and again.
    assert sum("dealFields" in request.path for request in scene.crm.requests) == 1
    assert scene.crm.deal_fields == {}


async def test_a_field_that_a_person_deleted_is_made_anew(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    ((code, _),) = scene.crm.deal_fields.items()
    scene.crm.delete_deal_field(code)
    for login in ("bob", "cy"):
        await scene.find_files(login, f"{login}.py")
        await scene.settle(process)
    await scene.assert_each_is_there_once()
    ((again, _),) = scene.crm.deal_fields.items()
    assert again != code
    held = [deal["custom_fields"] for deal in scene.crm.deals]
    assert held[1] == {}
    assert list(dict(held[2])) == [again]  # type: ignore[call-overload]


async def test_the_field_is_made_once_for_each_account(scene: Scene) -> None:
    for login in ("ada", "bob"):
        await scene.find_files(login, f"{login}.py")
        await scene.settle(await scene.process())
    made = [r for r in scene.crm.requests if r.method == "POST" and "dealFields" in r.path]
    assert len(made) == 1
    assert all(deal["custom_fields"] for deal in scene.crm.deals)


async def test_only_our_custom_field_of_a_deal_is_kept(scene: Scene) -> None:
    """A company can have hundreds of them, on each of thousands of deals."""
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    code, *_ = scene.crm.deal_fields
    index = DealIndex(scene.database, process.pipedrive, scene.clock)
    fields = {code: "202", **{f"other {number}": "x" * 100 for number in range(100)}}
    index.note(Item(7, "bob", None, is_open=True, custom_fields=fields))
    assert index._deals[7].custom_fields == {code: "202"}
    assert index._by_github_id["202"] == {7}


async def test_a_field_that_is_found_later_is_read_of_all_deals(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    (code,) = scene.crm.deal_fields
    deal_id = scene.crm.add_deal("of somebody", custom_fields={code: "202"})
    async with scene.database.begin() as transaction:
        await transaction.execute(account_rows.update().values(deal_field=None))
    scene.crm.faults.script(Fault.error(500), method="GET", path="dealFields")
    scene.clock.advance(timedelta(hours=1))
    process = await scene.process()
    await scene.find_files("bob", "b.py")
    await process.run()

    scene.clock.advance(timedelta(hours=1))
    await scene.find_files("joe", "c.py")
    await give_id(scene, "joe", 202)
    await process.run()
    assert (await scene.rows())[-1].deal_id == deal_id


@pytest.mark.parametrize("host", ["api.github.com", "github.example.com"])
async def test_the_same_number_at_two_githubs_is_two_users(scene: Scene, host: str) -> None:
    async with scene.database.begin() as transaction:
        named = accounts.NamedAccount(Vendor.GITHUB, host, host)
        await accounts.meet(transaction, named, credential=None, now=scene.clock())
    await scene.find_files("warm", "up.py")
    process = await scene.process()
    await scene.settle(process)
    (code,) = scene.crm.deal_fields
    # Another installation publishes for the user with this number at GitHub itself.
    other = scene.crm.add_deal("somebody", custom_fields={code: "202"})
    await scene.find_files("ada", "a.py")
    await give_id(scene, "ada", 202)
    scene.clock.advance(timedelta(minutes=5))
    await scene.settle(process)

    row = (await scene.rows())[-1]
    assert (row.deal_id == other) == (host == "api.github.com")
    values = [deal["custom_fields"] for deal in scene.crm.deals if deal["title"] == "ada"]
    assert values == ([] if host == "api.github.com" else [{code: f"{host}:202"}])
