"""What strangers send without end neither fills the log nor keeps others from being served."""

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count

import httpx2
import pytest
from structlog.testing import capture_logs

from gitpip.web.auth import refusal_log
from gitpip.web.auth.refusal_log import (
    ADDRESSES_LOGGED,
    MAX_LOGGED_CHARACTERS,
    REFUSALS_LOGGED,
    RefusalLog,
)
from gitpip.web.middleware import BODIES_OF_ADDRESS, BODY_LIMIT, FORM_LIMIT, LONGEST_TARGET
from tests.web.conftest import Served, serving

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16
WRONG = {"authorization": f"Bearer gitpip_{'0' * 8}_{'0' * 48}"}
FORM = "application/x-www-form-urlencoded"
LIMIT = 60
REQUESTS = 100
numbers = count(1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a proxy, so that each test can come from an address of its own."""
    folder = tmp_path_factory.mktemp("gitpip")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    settings = {
        "GITPIP_ADMIN_KEY": ADMIN_KEY,
        "GITPIP_REQUEST_LIMIT": f"{LIMIT}/hour",
        "GITPIP_TRUSTED_PROXIES": "127.0.0.1",
    }
    with serving(folder, database, **settings) as served:
        yield served


@pytest.mark.parametrize(
    ("method", "path", "headers", "first"),
    [
        ("GET", "/" + "%7F" * 2_000, {}, 400),
        ("GET", "/" + "a" * 50_000, {}, 414),
        ("GET", "/?q=" + "a" * 50_000, {}, 414),
        ("POST", "/seen", {"origin": "https://elsewhere.example"}, 403),
        ("POST", "/sign-out", {}, 413),
        ("GET", "/" + "a" * 8_000, {}, 401),
        ("GET", "/" + "a" * 8_000, {"accept": "text/html"}, 303),
        ("GET", "/api/v1/users", {"x-forwarded-for": "a" * 30_000}, 401),
        ("GET", "/api/v1/users", WRONG, 401),
        ("POST", "/sign-in", {}, 401),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refused_requests_fill_no_log(
    guarded: Served, method: str, path: str, headers: dict[str, str], first: int
) -> None:
    log = guarded.gitpip.log_file
    before, events_before = log.stat().st_size, len(guarded.gitpip.events())
    body = b"x" * 20_000 if first == 413 else None
    headers = {"x-forwarded-for": f"192.0.2.{next(numbers)}", **headers}
    with httpx2.Client(base_url=guarded.gitpip.url, timeout=20) as client:
        statuses = [
            client.request(method, path, headers=headers, content=body).status_code
            for _ in range(REQUESTS)
        ]

    limit = 10 if path == "/sign-in" else LIMIT
    assert statuses == [first] * limit + [429] * (REQUESTS - limit)
    assert log.stat().st_size - before < 2 * REFUSALS_LOGGED * 10 * MAX_LOGGED_CHARACTERS
    events = guarded.gitpip.events()[events_before:]
    logged = [e for e in events if e["event"] == "http.request" and e["status"] in {first, 429}]
    assert len(logged) == REFUSALS_LOGGED
    assert all(len(str(event["path"])) < 2 * MAX_LOGGED_CHARACTERS for event in logged)
    assert all(len(str(event["address"])) < 2 * MAX_LOGGED_CHARACTERS for event in logged)


def test_all_that_a_key_is_refused_is_logged(guarded: Served) -> None:
    key = {"authorization": f"Bearer {ADMIN_KEY}"}
    for _ in range(REFUSALS_LOGGED + 1):
        assert httpx2.get(guarded.gitpip.url + "/no-such", headers=key).status_code == 404

    def all_logged() -> bool:
        told = [e for e in guarded.gitpip.logged("http.request") if e["path"] == "/no-such"]
        return len(told) == REFUSALS_LOGGED + 1

    guarded.gitpip.wait_for(all_logged, "the log")


@pytest.mark.parametrize("number", [1, ADDRESSES_LOGGED])
def test_the_number_of_requests_left_out_is_logged(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_log, "COUNTED_OVER", timedelta(0))

    async def refuse() -> int:
        refusals, taken = RefusalLog(), 0
        for address in range(2 * number):
            for _ in range(REFUSALS_LOGGED + 5):
                taken += refusals.takes(401, None, f"192.0.2.{address}")
        await asyncio.sleep(0.01)  # the window ends in the loop's next round
        return taken

    with capture_logs() as events:
        taken = asyncio.run(refuse())
    assert taken == REFUSALS_LOGGED * min(2 * number, ADDRESSES_LOGGED)
    assert [event["requests"] for event in events] == [2 * number * (REFUSALS_LOGGED + 5) - taken]


def test_an_address_may_be_as_long_as_browsers_make_them(guarded: Served) -> None:
    key = {"authorization": f"Bearer {ADMIN_KEY}"}
    path = "/api/v1/users?x="
    longest = path + "a" * (LONGEST_TARGET - len(path) + 1)
    assert httpx2.get(guarded.gitpip.url + longest, headers=key).status_code == 200
    refused = httpx2.get(guarded.gitpip.url + longest + "a", headers=key)
    assert (refused.status_code, refused.json()["code"]) == (414, "target-too-long")


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("open")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    settings = {"GITPIP_ALLOW_ANONYMOUS": "all", "GITPIP_TRUSTED_PROXIES": "127.0.0.1"}
    with serving(folder, database, **settings) as served:
        yield served


def unfinished(served: Served, path: str, address: str, kind: str, body: bytes) -> socket.socket:
    """A connection whose body lacks its last byte."""
    client = socket.create_connection(("127.0.0.1", httpx2.URL(served.gitpip.url).port), timeout=60)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: {address}\r\n"
        f"cookie: gitpip_viewer={'a' * 32}\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body) + 1}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/seen", FORM),
        ("/sign-in", FORM),
        ("/people", FORM),
        ("/people/selected", FORM),
        ("/keys", FORM),
        ("/imports", "multipart/form-data; boundary=edge"),
        ("/api/v1/imports", "multipart/form-data; boundary=edge"),
        ("/seen", "multipart/form-data; boundary=edge"),
        ("/api/v1/users", "application/json"),
    ],
)
def test_a_client_that_goes_away_in_its_body_is_no_error_of_ours(
    open_to_all: Served, path: str, kind: str
) -> None:
    gitpip = open_to_all.gitpip
    before = len(gitpip.events())
    body = (
        b'--edge\r\ncontent-disposition: form-data; name="x"\r\n\r\n1' if "edge" in kind else b"x=1"
    )
    unfinished(open_to_all, path, f"192.0.2.{next(numbers)}", kind, body).close()

    def logged() -> list[dict[str, object]]:
        return [e for e in gitpip.events()[before:] if e["event"] == "http.request"]

    assert [e["status"] for e in gitpip.wait_for(logged, "the log") if e["path"] == path] == [400]
    assert not [e for e in gitpip.events()[before:] if e["severity"] not in ("INFO", "DEBUG")]


def test_unfinished_bodies_of_one_address_refuse_no_others(open_to_all: Served) -> None:
    url = f"{open_to_all.gitpip.url}/api/v1/users"

    def add(address: str) -> int:
        headers = {"x-forwarded-for": address}
        body = {"login": "ada", "surprise": "x"}
        return httpx2.post(url, json=body, headers=headers, timeout=60).status_code

    with ExitStack() as clients:
        body = b" " * (BODY_LIMIT - 1)
        flood = [
            clients.enter_context(
                unfinished(open_to_all, "/api/v1/users", "192.0.2.9", "application/json", body)
            )
            for _ in range(BODIES_OF_ADDRESS // BODY_LIMIT + 1)
        ]
        [refused], _, _ = select.select(flood, [], [], 60)
        assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        assert add("192.0.2.10") not in {503, 500}


def test_a_form_is_smaller_than_what_programs_send(open_to_all: Served) -> None:
    cookies = {"gitpip_viewer": "a" * 32}
    statuses = []
    for size in (FORM_LIMIT, FORM_LIMIT + 1):
        data = {"everything": "1", "x": "a" * (size - len("everything=1&x="))}
        url = f"{open_to_all.gitpip.url}/seen"
        statuses.append(httpx2.post(url, data=data, cookies=cookies, timeout=60).status_code)
    assert statuses == [303, 413]
