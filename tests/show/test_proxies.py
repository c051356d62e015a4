"""Behind a reverse proxy nobody is taken for a program of this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.conftest import Served, serving

HEADERS = (
    *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
    *("X-Forwarded-Server", "X-Forwarded-Prefix", "X-Real-IP", "X-Client-IP", "True-Client-IP"),
    *("CF-Connecting-IP", "X-Original-Forwarded-For", "X-Envoy-External-Address", "CDN-Loop"),
)
BROWSER = {"accept": "text/html"}


@pytest.fixture(scope="module")
def open_to_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A fresh installation: it listens on loopback, and no key exists."""
    folder = tmp_path_factory.mktemp("gitpip")
    with serving(folder, f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3") as served:
        yield served


@given(
    header=st.sampled_from(HEADERS).flatmap(
        lambda name: st.sampled_from([name, name.lower(), name.upper()])
    ),
    value=st.sampled_from(["", "127.0.0.1", "::1", "localhost", "203.0.113.5", "for=127.0.0.1"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    host=st.sampled_from(["127.0.0.1", "localhost:8080", "gitpip.example.com"]),
)
def test_a_request_with_a_forwarding_header_always_needs_a_key(
    open_to_this_machine: Served, header: str, value: str, host: str
) -> None:
    gitpip = open_to_this_machine.gitpip
    headers = {header: value, "host": host}

    answer = httpx2.post(
        f"{gitpip.url}/api/v1/keys", json={"name": "x", "role": "admin"}, headers=headers
    )

    assert answer.status_code == 401
    assert header.title() in answer.json()["detail"]
    assert "`gitpip keys create NAME --role admin`" in answer.json()["detail"]
    assert gitpip.get("/users", headers).status_code == 401
    assert gitpip.get("/api/v1/keys").json() == []


def test_a_browser_behind_a_proxy_reads_why_it_must_sign_in(open_to_this_machine: Served) -> None:
    gitpip = open_to_this_machine.gitpip
    headers = {**BROWSER, "x-forwarded-for": "203.0.113.5"}

    led = gitpip.get("/people", headers)
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Fpeople")
    page = gitpip.get(led.headers["location"], headers).text
    assert "came through a proxy (the header X-Forwarded-For)" in page
    assert "gitpip keys create NAME --role admin" in page
    form = httpx2.post(f"{gitpip.url}/people", data={"login": "x"}, headers=headers)
    assert form.status_code == 401
    assert "Nothing was changed: this request came through a proxy" in form.text

    # Nobody else reads of a proxy, and this machine itself is served as before.
    assert "proxy" not in gitpip.get("/sign-in", BROWSER).text
    assert gitpip.get("/people", BROWSER).status_code == 200


def test_http_1_0_is_taken_for_the_proxy_that_speaks_it(open_to_this_machine: Served) -> None:
    """A stock nginx adds no header, but its requests are of HTTP/1.0."""
    port = int(open_to_this_machine.gitpip.url.rpartition(":")[2])

    def ask(version: str) -> str:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"GET /users HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            return connection.makefile("rb").read().decode()

    assert ask("1.1").startswith("HTTP/1.1 200")
    assert ask("1.0").startswith("HTTP/1.1 401")
    assert "HTTP/1.0" in ask("1.0")


def test_the_operator_is_told_once_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3") as served:
        for address in ("203.0.113.5", "203.0.113.6"):
            served.gitpip.get("/users", {"x-forwarded-for": address})

        (event,) = served.gitpip.logged("access.proxy_needs_key")
        assert "gitpip keys create NAME --role admin" in str(event["reason"])

        made = served.gitpip.command("keys", "create", "ada", "--role", "admin")
        assert made.returncode == 0
        key = {"authorization": f"Bearer {made.stdout.split()[-1]}"}
        behind = {"x-forwarded-for": "203.0.113.5", "host": "gitpip.example.com"}
        assert served.gitpip.get("/users", {**key, **behind}).status_code == 200
        refused = served.gitpip.get("/users", behind)
        assert (refused.status_code, refused.json()["code"]) == (401, "no-valid-key")
        assert "proxy" not in refused.text
