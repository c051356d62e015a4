"""Secret addresses made by command and by API are read like those of the page, and end so."""

import json
import subprocess
from collections.abc import Iterator

import httpx2
import pytest

from tests.web.conftest import Served, serving

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16


@pytest.fixture(scope="module")
def with_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gitpip")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    with serving(folder, database, GITPIP_ADMIN_KEY=ADMIN_KEY) as served:
        yield served


def command(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    return served.gitpip.command(*arguments)


def key_of(served: Served, name: str) -> str:
    made = command(served, "keys", "create", name, "--role", "viewer", "--json")
    return str(json.loads(made.stdout)["key"])


def read(served: Served, address: str) -> int:
    """How a feed reader is answered at an address, without any key."""
    path = "/feeds" + address.partition("/feeds")[2]
    return served.gitpip.get(path).status_code


def asked(served: Served, key: str, method: str, path: str, **body: str) -> httpx2.Response:
    url = f"{served.gitpip.url}/api/v1{path}"
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.request(method, url, json=body or None, headers=headers, timeout=20)


def test_an_address_by_command_is_that_of_a_key_and_ends_with_it(with_key: Served) -> None:
    key = key_of(with_key, "ada")

    without = command(with_key, "feeds", "create", "phone")
    made = command(with_key, "feeds", "create", "phone", "--key", "ada", "--json")
    issued = json.loads(made.stdout)

    assert without.returncode == 2
    assert "name the reader's key with --key NAME; " in without.stderr
    assert [read(with_key, issued[kind]) for kind in ("atom", "json_feed")] == [200, 200]
    [listed] = json.loads(command(with_key, "feeds", "list", "--json").stdout)
    assert (listed["id"], listed["name"]) == (issued["id"], "phone")
    assert listed["viewer"] == "key:ada"
    assert [each["name"] for each in asked(with_key, key, "GET", "/feeds").json()] == ["phone"]
    assert command(with_key, "keys", "revoke", "ada").returncode == 0
    assert read(with_key, issued["atom"]) == 404
    assert json.loads(command(with_key, "feeds", "list", "--json").stdout) == []
    assert (
        "no key named ada is in use"
        in command(with_key, "feeds", "create", "phone", "--key", "ada").stderr
    )


def test_an_address_by_api_is_its_makers_and_an_admin_sees_all(with_key: Served) -> None:
    bob, eve = key_of(with_key, "bob"), key_of(with_key, "eve")

    issued = asked(with_key, bob, "POST", "/feeds", name="reader").json()
    of_admin = asked(with_key, ADMIN_KEY, "POST", "/feeds", name="office").json()

    assert issued["atom"].startswith(f"{with_key.gitpip.url}/feeds/gitpip_feed_")
    assert [read(with_key, each["atom"]) for each in (issued, of_admin)] == [200, 200]
    assert asked(with_key, eve, "GET", "/feeds").json() == []
    everyone = asked(with_key, ADMIN_KEY, "GET", "/feeds").json()
    assert [(each["name"], each["viewer"]) for each in everyone] == [
        ("office", "key:gitpip_admin_key"),
        ("reader", "key:bob"),
    ]
    by_command = json.loads(command(with_key, "feeds", "list", "--json").stdout)
    assert [each["name"] for each in by_command] == ["office", "reader"]
    strange = asked(with_key, eve, "DELETE", f"/feeds/{issued['id']}")
    assert (strange.status_code, strange.json()["code"]) == (404, "feed-address-not-found")
    assert asked(with_key, bob, "DELETE", f"/feeds/{issued['id']}").status_code == 200
    assert read(with_key, issued["atom"]) == 404
