"""Something odd in a list of Pipedrive's stops nothing, and proves nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gitpip.status import publishing
from gitpip.status.problem import ProblemKind
from gitpip_standins import Fault
from gitpip_standins.exchange import JsonObject, Request
from tests.support.scene import Scene

pytestmark = pytest.mark.long

WRONG: tuple[object, ...] = (None, 1, -1.5, True, "x", [], {}, [None], {"id": None})
NO_ENTRIES: tuple[object, ...] = (
    *WRONG,
    {"id": "7"},
    {"id": True},
    {"id": 1.5},
    {"id": {}},
    {"item": None},
)
READ = {
    "activities": ("subject", "note", "deal_id", "creator_user_id", "add_time", "update_time"),
    "deals": ("title", "status", "is_deleted", "is_archived", "custom_fields"),
    "search": ("title", "status", "is_archived", "custom_fields"),
    "dealFields": ("field_name", "field_type", "field_code"),
}
"""The fields that gitpip reads of the entries of each list."""


def is_about(request: Request, name: str) -> bool:
    return request.path.rpartition("/")[2] == name


def with_odd_entries(name: str) -> Callable[[Request, JsonObject], JsonObject]:
    """A list with everything odd that can stand next to what is true."""

    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        if not is_about(request, name):
            return body
        entries = data["items"] if isinstance(data, dict) else data
        assert isinstance(entries, list)
        wrong = [
            {"id": 5_000 + number, **dict.fromkeys(READ[name], "x"), field: value}
            for number, field in enumerate(READ[name])
            for value in WRONG
        ]
        if name == "search":
            wrong = [{"item": each} for each in wrong]
        entries[:0] = [*NO_ENTRIES, *wrong]
        entries += NO_ENTRIES
        return body

    return odd


def without_an_end(name: str, extra: object) -> Callable[[Request, JsonObject], JsonObject]:
    def odd(request: Request, body: JsonObject) -> JsonObject:
        return body | {"additional_data": extra} if is_about(request, name) else body

    return odd


async def publish_three(scene: Scene) -> None:
    """The answer about one of them is lost, and a person has made the deal of one user."""
    scene.crm.add_deal("ada")
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await scene.settle_until(process, lambda states: set(states) == {"published"})
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("name", READ)
async def test_what_can_be_read_is_read_beside_odd_entries(scene: Scene, name: str) -> None:
    scene.crm.odd = with_odd_entries(name)
    await publish_three(scene)
    assert await scene.pause() is None


@pytest.mark.parametrize("name", sorted(READ.keys() - {"search"}))
@pytest.mark.parametrize("extra", ["x", {"next_cursor": 5}], ids=repr)
async def test_a_short_list_that_does_not_say_where_it_ends_ends_there(
    scene: Scene, name: str, extra: object
) -> None:
    scene.crm.odd = without_an_end(name, extra)
    await publish_three(scene)
    assert await scene.pause() is None


async def test_odd_words_about_the_token_stop_nothing(scene: Scene) -> None:
    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        if is_about(request, "me") and isinstance(data, dict):
            data |= {key: {"odd": [None]} for key in ["name", "company_name", "company_domain"]}
            body["additional_data"] = 7
        return body

    scene.crm.odd = odd
    await publish_three(scene)


@pytest.mark.parametrize("entry", [None, {"id": 7, "subject": None}], ids=repr)
async def test_an_unreadable_entry_may_be_the_activity_that_its_deal_lacks(
    scene: Scene, entry: object
) -> None:
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$", about='"lost.py ')
    await scene.find_files("ada", "lost.py")
    process = await scene.process()
    await process.run()
    deal = (await scene.deal_row("ada")).deal_id
    started = scene.clock.now

    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        mine = request.query.get("deal_id", str(deal)) == str(deal)
        if is_about(request, "activities") and mine and isinstance(data, list):
            data.append(entry)
        return body

    scene.crm.odd = odd
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$", about='"other.py ')
    await scene.find_files("bob", "other.py", "third.py")
    await scene.settle_until(
        process, lambda states: states == ["uncertain", "published", "published"]
    )
    before = len(scene.crm.requests)
    while scene.clock.now < started + timedelta(days=3):
        await process.run()
        assert await scene.wake()
    # Asked ever less often, and never sent again.
    assert len(scene.crm.requests) - before < 60
    assert (await scene.states())[0] == "uncertain"
    async with scene.database.read() as transaction:
        found = await publishing.problems(
            transaction, scene.clock.now, request_timeout=timedelta(seconds=20), goes_on=True
        )
    told = {problem.kind: problem.sentence for problem in found}
    assert "holds something that can't be read" in told[ProblemKind.PUBLICATIONS_UNCERTAIN]
    scene.crm.odd = None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_deal_that_cannot_be_read_may_be_the_one_that_was_sent(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()

    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        if is_about(request, "deals") and isinstance(data, list):
            body["data"] = ["x" for _ in data]
        return body

    scene.crm.odd = odd
    started = scene.clock.now
    while scene.clock.now < started + timedelta(hours=9):
        await process.run()
        assert await scene.wake()
    assert len(scene.crm.deals) == 1
    scene.crm.odd = None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


def untitled(request: Request, body: JsonObject) -> JsonObject:
    data = body["data"]
    if is_about(request, "deals") and isinstance(data, list):
        body["data"] = [each | {"title": None} for each in data]
    return body


def empty(request: Request, body: JsonObject) -> JsonObject:
    nothing: JsonObject = {"data": [], "additional_data": None}
    return body | nothing if is_about(request, "deals") else body


def unreadable_hits(request: Request, body: JsonObject) -> JsonObject:
    data = body["data"]
    if is_about(request, "search") and isinstance(data, dict):
        data["items"] = [{"item": {"id": 1, "title": None}}]
    return body


@pytest.mark.parametrize("odd", [untitled, empty])
async def test_a_deal_that_cannot_be_read_in_the_list_is_searched_for(
    scene: Scene, odd: Callable[[Request, JsonObject], JsonObject]
) -> None:
    scene.crm.add_deal("ada")
    scene.crm.odd = odd
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle_until(process, lambda states: states == ["published"])
    await scene.assert_each_is_there_once()


async def test_a_hit_that_cannot_be_read_may_be_the_deal(scene: Scene) -> None:
    scene.crm.add_deal("ada")
    scene.crm.odd = lambda request, body: unreadable_hits(request, untitled(request, body))
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    assert len(scene.crm.deals) == 1
    assert "holds something that can't be read" in str((await scene.deal_row("ada")).reason)
    scene.crm.odd = None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_find_counts_also_behind_a_page_with_something_odd(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    for number in range(500):
        scene.crm.add_deal(f"somebody {number}")

    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        if is_about(request, "deals") and isinstance(data, list):
            data.append("x")
        return body

    scene.crm.odd = odd
    await scene.settle_until(process, lambda states: states == ["published"])
    assert scene.deals()["ada"] == 1
