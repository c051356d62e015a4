"""Values that a database or Python cannot hold, somewhere in an answer, stop nobody else."""

import json
from collections.abc import Callable

import pytest

from gitpip_standins.exchange import Answer, JsonObject, Request
from tests.support.scene import Scene

MARKER = "gp-abcdefghijkl"


def beside(name: str, entry: JsonObject) -> Callable[[Request, JsonObject], JsonObject]:
    def odd(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        if request.path.endswith(f"/v2/{name}") and isinstance(data, list):
            data.insert(0, entry)
        return body

    return odd


async def publish_two(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await scene.settle_until(process, lambda states: set(states) == {"published"})
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize(
    "fields",
    [
        {"add_time": "0001-01-01T00:00:00+01:00"},
        {"add_time": "9999-12-31T23:59:59-12:00"},
        {"id": 2**70, "note": f"<p>gitpip {MARKER}</p>"},
        {"deal_id": 2**70, "note": f"<p>gitpip {MARKER}</p>"},
    ],
    ids=repr,
)
async def test_an_activity_with_an_impossible_number_or_time_stops_nobody(
    scene: Scene, fields: JsonObject
) -> None:
    scene.crm.odd = beside("activities", {"id": 5_000, "subject": "call", "note": None, **fields})
    await publish_two(scene)


async def test_a_deal_with_an_impossible_time_stops_nobody(scene: Scene) -> None:
    entry: JsonObject = {
        "id": 5_000,
        "title": "another",
        "status": "open",
        "add_time": "0001-01-01T00:00:00+01:00",
    }
    scene.crm.odd = beside("deals", entry)
    await publish_two(scene)


@pytest.mark.parametrize("name", ["Acme \\ud83d", "Acme\\u0000"], ids=repr)
async def test_a_company_with_characters_that_no_database_keeps_stops_nobody(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = scene.crm.app._handle

    def answered(request: Request) -> Answer:
        answer = handle(request)
        if request.path.endswith("/users/me"):
            body = json.loads(answer.body)
            body["data"]["company_name"] = "NAME"
            answer.body = json.dumps(body).replace("NAME", name).encode()
        return answer

    monkeypatch.setattr(scene.crm.app, "_handle", answered)
    await publish_two(scene)


@pytest.mark.parametrize("words", ["bad \\ud83d", "bad \\u0000"], ids=repr)
async def test_a_refusal_in_characters_that_no_database_keeps_is_that_files(
    scene: Scene, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = scene.crm.app._handle
    sent = []

    def answered(request: Request) -> Answer:
        if request.method == "POST" and b"bad.py" in request.body:
            sent.append(request)
            body = f'{{"success": false, "error": "{words}"}}'
            return Answer(400, body.encode(), {"content-type": "application/json"})
        return handle(request)

    monkeypatch.setattr(scene.crm.app, "_handle", answered)
    await scene.find_files("ada", "bad.py", "good.py")
    process = await scene.process()
    await scene.settle_until(process, lambda states: sorted(states) == ["failed", "published"])
    assert len(sent) == 1  # a 400 is final
