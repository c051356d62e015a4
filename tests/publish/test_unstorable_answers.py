"""Values that a database or Python can't hold, anywhere in an answer, stop no other file."""

from collections import Counter

import pytest

from gitpip.publish.pipedrive.answers import LONGEST_CURSOR
from gitpip_standins import Fault
from gitpip_standins.exchange import JsonObject, Request
from tests.support.odd_values import COUNTS, DATES, MARKER, TEXTS, VALUES
from tests.support.scene import Scene

pytestmark = pytest.mark.long

READ = {
    "activities": ("id", "subject", "note", "deal_id", "creator_user_id", "add_time"),
    "deals": ("id", "title", "status", "add_time", "custom_fields"),
    "search": ("title", "status", "custom_fields"),
    "dealFields": ("field_name", "field_type", "field_code"),
}
"""The fields that gitpip reads of the entries of each list."""
WHOLE: dict[str, JsonObject] = {
    "activities": {"subject": f"call {MARKER}", "note": f"<p>gitpip {MARKER}</p>"},
    "deals": {"title": "another", "status": "open"},
    "search": {"title": "another", "status": "open"},
    "dealFields": {"field_name": "Value", "field_type": "varchar", "field_code": "value"},
}


def with_odd_values(request: Request, body: JsonObject) -> JsonObject:
    """Every field of every list, and of whose token it is, with every odd value in turn."""
    name, data = request.path.rpartition("/")[2], body["data"]
    if name == "me" and isinstance(data, dict):
        data |= {"name": TEXTS[1], "company_name": TEXTS[0] + TEXTS[2], "company_domain": TEXTS[3]}
    if name in READ and ("ids" not in request.query):
        entries = data["items"] if isinstance(data, dict) else data
        assert isinstance(entries, list)
        wrong = [
            {"id": 5_000 + number, **WHOLE[name], field: value}
            for number, (field, value) in enumerate((f, v) for f in READ[name] for v in VALUES)
            # A hit without a title may be the deal that is searched for.
            if (name, field) != ("search", "title") or isinstance(value, str)
        ]
        entries[:0] = [{"item": each} for each in wrong] if name == "search" else wrong
    return body


async def publish_all(scene: Scene) -> None:
    process = await scene.process()
    await scene.settle_until(process, lambda states: set(states) == {"published"})
    await scene.assert_each_is_there_once()


async def test_odd_values_in_any_list_stop_nobody(scene: Scene) -> None:
    scene.crm.odd = with_odd_values
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    await publish_all(scene)
    assert await scene.pause() is None


async def test_a_cursor_that_can_not_be_asked_for_is_none(scene: Scene) -> None:
    def odd(request: Request, body: JsonObject) -> JsonObject:
        cursor = "c" * (LONGEST_CURSOR + 1)
        return body | {"additional_data": {"next_cursor": cursor}}

    scene.crm.odd = odd
    await scene.find_files("ada", "a.py")
    await publish_all(scene)


async def test_an_answer_to_a_write_with_an_odd_id_is_looked_for(scene: Scene) -> None:
    for number, value in enumerate(VALUES):
        says = Fault.says(201, {"success": True, "data": {"id": value}}, processed=True)
        about = f'"{number}\\.py '
        scene.crm.faults.script(says, method="POST", path="activities$", about=about)
        await scene.find_files("ada", f"{number}.py")
    scene.crm.faults.script(
        Fault.says(201, {"success": True, "data": {"id": 2**70}}, processed=True),
        method="POST",
        path="deals$",
    )
    await publish_all(scene)


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_a_refusal_in_odd_words_is_that_files(scene: Scene, status: int) -> None:
    said: list[object] = [*TEXTS, VALUES[-1]]
    for number, value in enumerate(said):
        says = Fault.says(status, {"success": False, "error": value})
        about = f'"bad {number}\\.py '
        scene.crm.faults.script(says, method="POST", path="activities$", about=about)
        await scene.find_files("ada", f"bad {number}.py")
    await scene.find_files("bob", "good.py")
    process = await scene.process()
    last = "failed" if status == 400 else "published"
    expected = Counter([last] * len(said) + ["published"])
    await scene.settle_until(process, lambda states: Counter(states) == expected)
    posts = [each for each in scene.crm.requests if each.method == "POST"]
    refused = [each for each in posts if each.status == status]
    assert len(refused) == len(said)  # none is sent again before the outcome is recorded
    assert all(len(row.reason or "") < 1_000 for row in await scene.rows())


async def test_odd_headers_stop_nobody(scene: Scene) -> None:
    process = await scene.process()
    for number, (date, count) in enumerate(zip(DATES, COUNTS, strict=True)):
        limits = ("limit", "remaining", "reset")
        scene.crm.app.odd_headers = {
            "date": date,
            **{f"x-ratelimit-{name}": count for name in limits},
            **{f"x-daily-ratelimit-token-{name}": count for name in ("limit", "remaining")},
        }
        refused = Fault.says(429, {"success": False}, {"retry-after": count})
        scene.crm.faults.script(refused, method="POST", path="activities$")
        await scene.find_files("ada", f"{number}.py")
        await scene.settle_until(process, lambda states: set(states) == {"published"})
    await scene.assert_each_is_there_once()
