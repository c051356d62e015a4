"""Pipedrive's stand-in as Pipedrive's own client and its types see it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from gitpip_standins import Pipedrive, Server

SCRIPT = Path(__file__).with_name("pipedrive_client.mjs")


@pytest.fixture
def pipedrive() -> Pipedrive:
    return Pipedrive(token="secret", burst=None)


def test_the_official_client_gets_on_with_it(pipedrive: Pipedrive, npm: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed: the official client can't run")
    with Server(pipedrive.app) as server:
        run = subprocess.run(
            ["node", SCRIPT, npm, server.url, "secret"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    deal_id = pipedrive.deals[0]["id"]
    ids = [activity["id"] for activity in pipedrive.activities]
    assert seen == {
        "me": pipedrive.user_id,
        "kinds": list(pipedrive.activity_types),
        "deal": deal_id,
        "found": [deal_id],
        "added": ids,
        "listed": ids[::-1],
        "refusal": False,
    }
    assert len(ids) == 5
    assert pipedrive.activities[0]["is_deleted"]
    assert pipedrive.abuse == []


@pytest.mark.parametrize(
    ("path", "models"),
    [
        ("/api/v2/activities/1", ["v2/models/activity-item"]),
        ("/api/v2/activities", ["v2/models/activity-item"]),
        ("/api/v2/deals/1", ["v2/models/deal"]),
        ("/api/v2/deals", ["v2/models/deal"]),
        (
            "/api/v2/deals/search?term=ada",
            ["v2/models/get-deal-search-response-all-of-data-items-inner-item"],
        ),
        ("/api/v2/dealFields", ["v2/models/get-deal-fields200-response-data-inner"]),
        ("/v1/activityTypes", ["v1/models/activity-type"]),
        (
            "/v1/users/me",
            ["v1/models/base-user", "v1/models/get-current-user-response-all-of-data-all-of"],
        ),
    ],
)
def test_every_field_of_the_official_types_is_there(
    pipedrive: Pipedrive,
    pipedrive_client: httpx2.Client,
    npm: Path,
    path: str,
    models: list[str],
) -> None:
    pipedrive.add_deal("ada")
    pipedrive_client.post("/api/v2/activities", json={"subject": "x", "deal_id": 1, "note": "n"})
    data = pipedrive_client.get(path).json()["data"]
    if isinstance(data, dict) and "items" in data:
        data = data["items"][0]["item"]
    shown = data[0] if isinstance(data, list) else data
    for model in models:
        fields = _fields(npm / f"node_modules/pipedrive/dist/versions/{model}.d.ts")
        assert fields
        for name, kind in fields.items():
            assert name in shown
            assert _fits(shown[name], kind), f"{name}: {shown[name]!r} is no {kind}"


def _fields(path: Path) -> dict[str, str]:
    """The fields of the one interface in a TypeScript declaration, with their types."""
    source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    body = re.search(r"export interface \w+ \{(.*?)\n\}", source, re.DOTALL)
    assert body is not None
    return dict(re.findall(r"^ {4}'(\w+)'\??: (.+?);?$", body[1], re.MULTILINE))


def _fits(content: object, kind: str) -> bool:
    """Whether JSON content is of a TypeScript type; null stands for what is not set."""
    kind = kind.removesuffix(" | null")
    is_truth = isinstance(content, bool)
    return (
        content is None
        or (kind == "number" and isinstance(content, int | float) and not is_truth)
        or (kind == "boolean" and is_truth)
        or ((kind == "string" or kind.endswith("Const")) and isinstance(content, str))
        or (kind.startswith("Array<") and isinstance(content, list))
        or (kind[0].isupper() and isinstance(content, dict))
        or (kind.startswith("{") and isinstance(content, dict))
    )
