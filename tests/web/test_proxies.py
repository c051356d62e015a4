"""Behind a reverse proxy nobody is taken for a program of this machine."""

import asyncio
import html
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from gitpip.config.public_url import OWN_SEGMENTS
from gitpip.web.app import API, PAGES
from gitpip.web.ops import health, metrics
from gitpip.web.proxies import Proxies
from tests.support.running import Installation
from tests.web.conftest import Served, serving

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
    assert "Nothing changed: this request came through a proxy" in form.text

    # Without a proxy nothing is said of one, and this machine is served as before.
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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"connection": "upgrade"}, 401),
        ({"connection": "keep-alive, Upgrade"}, 401),
        ({"connection": "upgrade", "upgrade": "websocket"}, 401),
        ({"upgrade": "websocket"}, 401),
        ({"connection": "close", "upgrade-insecure-requests": "1"}, 200),
        ({"connection": "keep-alive"}, 200),
        ({"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "A"}, 200),
    ],
)
def test_a_proxy_that_asks_for_websockets_is_recognised(
    open_to_this_machine: Served, headers: dict[str, str], status: int
) -> None:
    answer = open_to_this_machine.gitpip.get("/users", headers)
    assert answer.status_code == status
    assert ("the header Connection: upgrade" in answer.text) is (status == 401)


@given(
    client=st.sampled_from(["x" * 5_000, "unknown", "_hidden", "1.2.3.4.5", "<b>", "[::1", "a:80"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    before=st.sampled_from(["", "198.51.100.7, "]),
)
def test_a_forwarded_client_is_an_ip_address_or_the_peer(client: str, before: str) -> None:
    told = forwarded(before + client)
    try:
        addresses = {str(ip_address(part.strip())) for part in client.split(",") if part.strip()}
    except ValueError:
        assert ip_address(told)
    else:
        assert told in {*addresses, "198.51.100.7", "127.0.0.1"}


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("198.51.100.7, ::ffff:203.0.113.5", "203.0.113.5"),
        ("[2001:DB8::0:1]:4711", "2001:db8::1"),
        ("fe80::1%any-text", "fe80::1"),
        ("198.51.100.7, unknown", "127.0.0.1"),
        ("any text", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_client_that_a_proxy_names_is_told_in_its_usual_form(header: str, client: str) -> None:
    assert forwarded(header) == client


def forwarded(header: str) -> str:
    """The client's address that the application sees of a request with this X-Forwarded-For."""
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 40_000),
        "headers": [(b"x-forwarded-for", header.encode("latin1"))],
    }
    proxies = Proxies(app, trusted=["127.0.0.1"])
    asyncio.run(proxies(scope, receive_nothing, send_nothing))
    return str(seen[0])


async def receive_nothing() -> Message:
    raise AssertionError("the application reads no body")


async def send_nothing(message: Message) -> None:
    raise AssertionError(f"the application does not answer, but sent {message}")


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


PUBLIC = "https://gitpip.example.com/tools/gitpip"
CRM = "https://example.pipedrive.com/"
PREFIX = "/tools/gitpip"
ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16
LINKED = re.compile(r'\b(href|src|(?:form)?action|hx-get|hx-post)="([^"]*)"')


@dataclass
class Client:
    """A browser that reaches gitpip through a proxy, which changes what it sends."""

    served: Served
    strips_prefix: bool
    host: str = "127.0.0.1"
    session: str = ""

    @property
    def github(self) -> str:
        return self.served.gitpip.environment["GITHUB_API_URL"]

    def ask(
        self, method: str, url: str, form: dict[str, str] | None, headers: dict[str, str]
    ) -> httpx2.Response:
        """A request to an address as the browser sees it."""
        path = url.removeprefix("https://gitpip.example.com")
        assert path.startswith(f"{PREFIX}/") or path == PREFIX, url
        if self.strips_prefix:
            path = path.removeprefix(PREFIX) or "/"
        own = {**BROWSER, "host": self.host, "cookie": self.session}
        answer = httpx2.request(
            method, self.served.gitpip.url + path, data=form, headers={**own, **headers}
        )
        for cookie in map(SimpleCookie, answer.headers.get_list("set-cookie")):
            for name, morsel in cookie.items():
                assert (morsel["path"], morsel["secure"]) == (PREFIX, True), name
                self.session = f"{name}={morsel.value}"
        return answer

    def get(self, url: str, **headers: str) -> httpx2.Response:
        return self.ask("GET", url, None, headers)

    def send(self, url: str, form: dict[str, str], **headers: str) -> httpx2.Response:
        return self.ask("POST", url, form, headers)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gitpip with a public address below a path, and with something on every page."""
    folder = tmp_path_factory.mktemp("gitpip")
    url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    public = {"GITPIP_PUBLIC_URL": PUBLIC, "GITPIP_ADMIN_KEY": ADMIN_KEY}
    with serving(folder, url, **public) as served:
        served.github.add_user("ada")
        served.github.add_gist("ada", {"notes.md": "# Notes"})
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        answer = httpx2.post(f"{served.gitpip.url}/users/ada/1", headers=headers)
        assert answer.status_code == 201
        key = {"name": "reader", "role": "viewer"}
        made = httpx2.post(f"{served.gitpip.url}/api/v1/keys", json=key, headers=headers)
        assert made.status_code == 201
        served.gitpip.wait_for(
            lambda: "activity" in served.gitpip.get("/publications/1", headers).text, "a gist"
        )
        yield served


@pytest.fixture(params=[True, False], ids=["stripped", "kept"])
def client(published: Served, request: pytest.FixtureRequest) -> Client:
    return Client(published, strips_prefix=request.param)


def test_every_link_of_every_page_stays_below_the_prefix(client: Client) -> None:
    start = client.get(f"{PUBLIC}/people?tag=x")
    assert start.headers["location"] == f"{PREFIX}/sign-in?next=%2Fpeople%3Ftag%3Dx"
    form = {"key": ADMIN_KEY, "next": "/people?tag=x"}
    signed = client.send(f"{PUBLIC}/sign-in", form, origin="https://gitpip.example.com")
    assert signed.headers["location"] == f"{PREFIX}/people?tag=x"

    waiting, seen = [f"{PREFIX}/", f"{PREFIX}/people/ada/remove", f"{PREFIX}/nothing"], set()
    acts = set()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        page = client.get(url)
        assert page.status_code == (404 if url.endswith("/nothing") else 200), url
        if not page.headers["content-type"].startswith("text/html"):
            continue
        for attribute, text in LINKED.findall(page.text):
            link = html.unescape(text)
            assert link.startswith(("?", "#", f"{PREFIX}/", client.github, CRM)), (url, link)
            target = urldefrag(urljoin(url, link)).url
            is_read = "action" not in attribute and attribute != "hx-post"
            if target not in seen and target.startswith(PREFIX) and is_read:
                waiting.append(target)
                seen.add(target)
            if attribute == "formaction":
                acts.add(target)
    own = {
        *("inbox/filters", "keys/reader/revoke", "keys/reader/rotate", "undo"),
        *("settings/publishing", "settings/publishing/preview"),
    }
    assert acts == {f"{PREFIX}/{path}" for path in own}
    assert {f"{PREFIX}/people/ada", f"{PREFIX}/publications", f"{PREFIX}/static/gitpip.js"} < seen
    document = client.get(f"{PREFIX}/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]


def test_feeds_and_redirects_name_the_public_address(client: Client) -> None:
    bearer = f"Bearer {ADMIN_KEY}"
    atom = client.get(f"{PUBLIC}/feed.atom?user=ada", authorization=bearer).text
    assert f'href="{PUBLIC}/feed.atom?user=ada"' in atom
    document = client.get(f"{PUBLIC}/feed.json", authorization=bearer).json()
    assert document["feed_url"] == f"{PUBLIC}/feed.json"
    assert document["home_page_url"] == f"{PUBLIC}/"
    assert document["items"][0]["url"].startswith(f"{PUBLIC}/gist/")
    assert client.served.gitpip.url not in atom + str(document)

    slash = client.get(f"{PUBLIC}/people/", authorization=bearer)
    assert slash.headers.get("location", f"{PREFIX}/people") == f"{PREFIX}/people"
    page = f"{PUBLIC}/people?tag=new"
    update = client.get(f"{PUBLIC}/people", referer=page, **{"hx-request": "true"})
    assert update.headers["hx-redirect"] == f"{PREFIX}/sign-in?next=%2Fpeople%3Ftag%3Dnew"
    made = client.send(f"{PUBLIC}/feeds", {"name": "reader"}, authorization=bearer)
    assert f"{PUBLIC}/feeds/" in made.text


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "gitpip.example.com", "backend"])
@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"origin": "https://gitpip.example.com"}, True),
        ({"origin": "https://gitpip.example.com", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://gitpip.example.com:8443", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({}, True),
        ({"origin": "https://gitpip.example.com", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://gitpip.example.com", "sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://elsewhere.example"}, False),
        ({"origin": "https://gitpip.example.com.elsewhere.example"}, False),
        ({"origin": "https://gitpip.example.com:8443"}, False),
        ({"origin": "http://gitpip.example.com"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_forms_are_of_our_pages_whatever_a_proxy_makes_of_host(
    published: Served, host: str, headers: dict[str, str], is_ours: bool
) -> None:
    client = Client(published, strips_prefix=True, host=host)
    form = {"key": "wrong"}
    answer = client.send(f"{PUBLIC}/sign-in", form, **headers, **{"x-forwarded-for": host[:9]})
    # A wrong key is refused after the origin was found to be right.
    assert ("cross-site" in answer.text or "another site" in answer.text) is not is_ours
    assert answer.status_code in ({401, 429} if is_ours else {403})


def test_no_prefix_can_be_taken_for_a_path_of_ours() -> None:
    routers = (*API, *PAGES, health.router, metrics.router)
    routes = [route for router in routers for route in iter_route_contexts(router.routes)]
    first = {str(route.path).split("/")[1] for route in routes}
    assert first - {""} | {"static", "openapi.json"} == OWN_SEGMENTS


def test_a_public_address_elsewhere_needs_a_key_at_the_start(tmp_path: Path) -> None:
    gitpip = Installation(
        tmp_path,
        {
            "GITPIP_DATA_DIR": str(tmp_path),
            "GITPIP_PORT": "0",
            "GITPIP_PUBLIC_URL": "https://gitpip.example.com",
        },
    )
    refused = gitpip.command("serve")
    assert refused.returncode == 1
    assert "https://gitpip.example.com can be reached from other machines" in refused.stderr
    assert "gitpip keys create NAME --role admin" in refused.stderr


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("gitpip.example.com", 200),
        ("GITPIP.example.com:8443", 200),
        ("127.0.0.1", 200),
        ("elsewhere.example", 400),
        ("gitpip.example.com.elsewhere.example", 400),
    ],
)
def test_reading_without_a_key_works_under_the_public_name_only(
    readable: Served, host: str, status: int
) -> None:
    """A page elsewhere must not read by giving its own name the address 127.0.0.1."""
    for headers in ({"host": host}, {"host": host, "x-forwarded-for": "203.0.113.5"}):
        assert readable.gitpip.get("/api/v1/users", headers).status_code == status


@pytest.fixture(scope="module")
def readable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One on loopback that the settings open to everybody behind a proxy, for reading."""
    folder = tmp_path_factory.mktemp("gitpip")
    url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    settings = {"GITPIP_PUBLIC_URL": PUBLIC, "GITPIP_ALLOW_ANONYMOUS": "read"}
    with serving(folder, url, **settings) as served:
        yield served
