"""Limits count before they act, for each address and each key; right keys are never locked out."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx2
import psycopg
import pytest

from gitpip.web.auth.throttle import address_counted
from tests.web.conftest import Served, serving

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16
WRONG = f"gitpip_{'0' * 8}_{'0' * 48}"
LIMIT = 20


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Served]:
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    settings = {"GITPIP_ADMIN_KEY": ADMIN_KEY, "GITPIP_REQUEST_LIMIT": f"{LIMIT}/hour"}
    with serving(tmp_path, database, **settings) as served:
        yield served


def _key(served: Served, name: str) -> str:
    made = served.gitpip.command("keys", "create", name, "--role", "viewer", "--json")
    return str(json.loads(made.stdout)["key"])


async def _at_once(
    served: Served,
    number: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> Counter[int]:
    """How often each status was the answer to the same request, sent many times at once."""
    limits = httpx2.Limits(max_connections=number)
    async with httpx2.AsyncClient(base_url=served.gitpip.url, timeout=60, limits=limits) as client:
        requests = (client.request(method, path, headers=headers, data=data) for _ in range(number))
        return Counter(answer.status_code for answer in await asyncio.gather(*requests))


async def test_wrong_keys_at_once_do_not_pass_the_limit_and_right_ones_always_do(
    limited: Served,
) -> None:
    wrong = await _at_once(limited, 60, "POST", "/sign-in", data={"key": WRONG})
    assert wrong == {401: 10, 429: 50}

    right = await _at_once(limited, 1, "POST", "/sign-in", data={"key": ADMIN_KEY})
    assert right == {303: 1}
    refused = httpx2.post(f"{limited.gitpip.url}/sign-in", data={"key": WRONG})
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert "more than 10 wrong keys in 5 minutes from 127.0.0.1; try again in" in refused.text


async def test_right_sign_ins_at_once_make_a_bounded_number_of_sessions(limited: Served) -> None:
    ada, bob = _key(limited, "ada"), _key(limited, "bob")

    assert await _at_once(limited, 60, "POST", "/sign-in", data={"key": ada}) == {303: 30, 429: 30}
    assert await _at_once(limited, 1, "POST", "/sign-in", data={"key": bob}) == {303: 1}
    with closing(sqlite3.connect(limited.gitpip.folder / "gitpip.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (31,)


async def test_requests_are_counted_for_each_key_and_for_each_address_without_one(
    limited: Served,
) -> None:
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    wrong = {"authorization": f"Bearer {WRONG}"}
    path = "/api/v1/users"

    assert await _at_once(limited, 60, "GET", path, headers=wrong) == {401: LIMIT, 429: 40}
    assert await _at_once(limited, 60, "GET", path, headers=admin) == {200: LIMIT, 429: 40}
    other = {"authorization": f"Bearer {_key(limited, '127.0.0.1')}"}
    assert await _at_once(limited, 1, "GET", path, headers=other) == {200: 1}


async def test_a_right_key_is_let_in_from_an_address_far_beyond_its_limit(
    limited: Served,
) -> None:
    bob = {"authorization": f"Bearer {_key(limited, 'bob')}"}
    wrong = {"authorization": f"Bearer {WRONG}"}
    path = "/api/v1/users"
    await _at_once(limited, 2 * LIMIT, "GET", path, headers=wrong)

    flood = asyncio.create_task(_at_once(limited, 60, "GET", path, headers=wrong))
    assert await _at_once(limited, 1, "GET", path, headers=bob) == {200: 1}
    assert await flood == {429: 60}


@pytest.mark.parametrize("path", ["/sign-in", "/static/gitpip.css"])
async def test_what_is_open_to_all_has_a_limit_of_its_own(limited: Served, path: str) -> None:
    assert await _at_once(limited, 60, "GET", path) == {200: LIMIT, 429: 40}

    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    assert await _at_once(limited, 1, "GET", "/users", headers=admin) == {200: 1}
    assert await _at_once(limited, 1, "POST", "/sign-in", data={"key": ADMIN_KEY}) == {303: 1}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_flood_of_probes_asks_the_database_once_and_fails_no_probe(
    database_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    with serving(tmp_path, database_url, GITPIP_REQUEST_LIMIT=f"{LIMIT}/hour") as served:
        watcher = await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True)
        holder = await psycopg.AsyncConnection.connect(postgres_dsn)
        await holder.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        flood = asyncio.create_task(_at_once(served, 60, "GET", "/ready"))
        waiting = 0
        while not waiting:
            if flood.done():  # by the answer that the start had asked for
                flood = asyncio.create_task(_at_once(served, 60, "GET", "/ready"))
            answer = await watcher.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            (waiting,) = await answer.fetchone() or (0,)
            await asyncio.sleep(0.01)
        assert waiting == 1
        await holder.rollback()

        assert await flood == {200: 60}
        assert await _at_once(served, 60, "GET", "/health") == {200: 60}
        await watcher.close()
        await holder.close()


def test_ipv6_addresses_of_one_network_are_one_caller() -> None:
    assert address_counted("203.0.113.7") == "address 203.0.113.7"
    assert address_counted("2001:db8:1:2::3") == address_counted("2001:db8:1:2:ffff::1")
    assert address_counted("2001:db8:1:2::3") != address_counted("2001:db8:1:3::3")
    assert address_counted("::ffff:203.0.113.7") != address_counted("::ffff:203.0.113.8")
    assert address_counted("unknown") == "address unknown"
