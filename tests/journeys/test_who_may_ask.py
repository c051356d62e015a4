"""Where a service listens and which keys there are decide whether it starts, and stands open."""

import json

import httpx2
import pytest

from tests.journeys.conftest import World
from tests.support.running import Installation

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16


def _with(gitpip: Installation, **settings: str) -> Installation:
    return Installation(gitpip.folder, {**gitpip.environment, **settings})


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 (what must be refused)
        ("::", ["[::1]", "127.0.0.1"]),
    ],
)
def test_it_listens_to_others_only_once_it_is_decided_who_may_ask(
    world: World, host: str, here: list[str]
) -> None:
    network = _with(world.gitpip, GITPIP_HOST=host)
    refused = network.command("serve")
    assert refused.returncode == 1
    for way in (
        "gitpip keys create NAME --role admin",
        "GITPIP_ADMIN_KEY",
        "GITPIP_ALLOW_ANONYMOUS",
    ):
        assert way in refused.stderr
    assert "Traceback" not in refused.stderr

    made = network.command("keys", "create", "ada", "--role", "admin", "--json")
    key = json.loads(made.stdout)["key"]
    world.gitpip = network
    network.start()

    port = network.url.rpartition(":")[2]
    for address in here:
        url = f"http://{address}:{port}"
        assert httpx2.get(f"{url}/users").status_code == 401
        assert httpx2.get(f"{url}/health").text == "Alive"
        headers = {"authorization": f"Bearer {key}", "host": "gitpip.example"}
        assert httpx2.get(f"{url}/users", headers=headers).json() == []
    network.stop()

    network.command("keys", "revoke", "ada", "--force")
    assert network.command("serve").returncode == 1


@pytest.mark.parametrize(
    ("settings", "reading", "adding", "keys"),
    [
        ({"GITPIP_ALLOW_ANONYMOUS": "read"}, 200, 403, 403),
        ({"GITPIP_ALLOW_ANONYMOUS": "all"}, 200, 404, 200),
        ({"GITPIP_ADMIN_KEY": ADMIN_KEY}, 401, 401, 401),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_open_without_a_key_is_what_was_decided(
    world: World, settings: dict[str, str], reading: int, adding: int, keys: int
) -> None:
    world.gitpip = _with(world.gitpip, GITPIP_HOST="0.0.0.0", **settings)  # noqa: S104
    world.gitpip.start()
    url = f"http://127.0.0.1:{world.gitpip.url.rpartition(':')[2]}"

    assert httpx2.get(f"{url}/users").status_code == reading
    assert httpx2.post(f"{url}/users/nobody/1").status_code == adding
    assert httpx2.get(f"{url}/api/v1/keys").status_code == keys
    wrong = {"authorization": "Bearer gitpip_wrong"}
    assert httpx2.get(f"{url}/users", headers=wrong).status_code == 401


def test_the_first_key_closes_a_service_on_loopback(world: World) -> None:
    world.gitpip.start()
    assert world.gitpip.get("/api/v1/keys").json() == []
    assert world.gitpip.get("/users", {"host": "elsewhere.example"}).status_code == 400

    first = {"name": "ada", "role": "admin", "code": world.gitpip.code}
    made = httpx2.post(f"{world.gitpip.url}/api/v1/keys", json=first)

    assert made.status_code == 201
    assert world.gitpip.get("/users").status_code == 401
    key = {"authorization": f"Bearer {made.json()['key']}"}
    assert world.gitpip.get("/users", key).status_code == 200
    assert world.gitpip.command("keys", "revoke", "ada", "--force").returncode == 0
    # Revoked keys leave it closed: nobody is let in by taking a key away.
    assert world.gitpip.get("/users", key).status_code == 401
    assert world.gitpip.get("/users").status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_ipv4_client_of_an_ipv6_socket_is_known_by_its_own_address(world: World) -> None:
    """Proxies are trusted by IPv4 addresses, and the audit names them."""
    world.gitpip = _with(
        world.gitpip,
        GITPIP_HOST="::",
        GITPIP_ALLOW_ANONYMOUS="all",
        GITPIP_TRUSTED_PROXIES="127.0.0.0/8",
    )
    world.gitpip.start()
    port = world.gitpip.url.rpartition(":")[2]
    assert world.gitpip.url == f"http://[::]:{port}"

    for name, forwarded in (("here", {}), ("there", {"x-forwarded-for": "203.0.113.5"})):
        url = f"http://127.0.0.1:{port}/api/v1/keys"
        made = httpx2.post(url, json={"name": name, "role": "viewer"}, headers=forwarded)
        assert made.status_code == 201

    audit = httpx2.get(f"http://127.0.0.1:{port}/api/v1/audit").json()["items"]
    assert [entry["actor"] for entry in audit] == ["someone at 203.0.113.5", "someone at 127.0.0.1"]
