"""Under a template of the deal's title, each user still has one deal, and nobody another's."""

from gitpip.model import UserKey
from gitpip.store.publications import deals
from gitpip_standins import Fault
from tests.publish.test_templates_sent import store
from tests.publish.test_whose_deal import a_newcomer_takes_the_login
from tests.support.scene import Process, Scene

TITLE = "Über GitHub: {{ user.login }}"
HERS = "Über GitHub: ada"


async def use(scene: Scene) -> Process:
    """Start a process under a title's template; the account has no field of ours."""
    scene.crm.fields_allowed = False
    await store(scene, deal_title_template=TITLE)
    return await scene.process()


def lose_the_answer(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")


async def test_a_deal_whose_answer_is_lost_is_found_by_its_title(scene: Scene) -> None:
    process = await use(scene)
    lose_the_answer(scene)
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    assert scene.deals() == {HERS: 1}
    assert await scene.states() == ["published"]


async def test_a_template_that_changes_meanwhile_makes_no_second_deal(scene: Scene) -> None:
    process = await use(scene)
    lose_the_answer(scene)
    await scene.find_files("ada", "a.py")
    await process.run()
    await store(scene, deal_title_template="{{ user.login }} (gists)")
    await scene.settle(process)
    await scene.find_files("bob", "b.py")
    await scene.settle(process)
    assert scene.deals() == {HERS: 1, "bob (gists)": 1}


async def test_a_deal_with_the_title_goes_before_one_with_the_login(scene: Scene) -> None:
    for login in ("ada", "bob"):
        scene.crm.add_deal(login)
    wanted = scene.crm.add_deal(HERS.upper())
    process = await use(scene)
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    await scene.settle(process)
    assert scene.deals() == {"ada": 1, "bob": 1, HERS.upper(): 1}
    assert {row.login: row.deal_id for row in await scene.rows()}["ada"] == wanted


async def test_a_newcomer_does_not_get_a_deal_that_is_uncertain(scene: Scene) -> None:
    process = await use(scene)
    lose_the_answer(scene)
    await scene.find_files("ada", "a.py")
    await process.run()
    async with scene.database.read() as transaction:
        assert await deals.is_expected(transaction, HERS, besides=UserKey(0))
    await a_newcomer_takes_the_login(scene)
    await scene.settle(process)
    first, stranger = await scene.rows()
    assert first.deal_id != stranger.deal_id
    assert scene.deals() == {HERS: 2}
