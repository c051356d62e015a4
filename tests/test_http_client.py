"""Requests go to the configured hosts, end in time, and go through the proxy with TLS verified."""

import asyncio
import errno
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from gitpip.errors import EnvironmentUnusable, GitHubUnavailable
from gitpip.http_client import client, unreachable
from gitpip.model import GistId, GitHubId
from gitpip.publish.delivery import Accepted, NotProcessed
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.contents import GistToRead
from gitpip.watch.github.rate_limits import GitHubLimits
from gitpip.watch.github.transport import Transport
from gitpip_standins import GitHub as GitHubStandIn
from gitpip_standins import Server
from tests.support.network import (
    Certificate,
    Conversation,
    Listener,
    Proxy,
    in_front_of,
    nobody_listening,
)

TOKEN = "a-token-that-must-not-travel"

Ask = Callable[[str, timedelta], Awaitable[str]]
"""Asks the vendor at this address within this time, and gives what it says about the failure."""


async def ask_github(url: str, time_limit: timedelta) -> str:
    async with GitHub(api_url=url, token=TOKEN, timeout=time_limit) as github:
        with pytest.raises(GitHubUnavailable) as raised:
            await github.account("ada")
    return str(raised.value)


async def ask_pipedrive(url: str, time_limit: timedelta) -> str:
    async with Pipedrive(
        api_url=url, token=SecretStr(TOKEN), timeout=time_limit, rest=timedelta(0)
    ) as pipedrive:
        return str(getattr(await pipedrive.create_deal("ada"), "reason", ""))


every_vendor = pytest.mark.parametrize("ask", [ask_github, ask_pipedrive])


@pytest.fixture(autouse=True)
def _nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("HTTP", "HTTPS", "ALL", "NO"):
        for name in (f"{scheme}_PROXY", f"{scheme}_proxy".lower()):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@contextmanager
def answering(head: str, body: bytes = b"") -> Iterator[str]:
    """A vendor that answers everything like this; gives its address."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    with Listener(converse) as vendor:
        yield f"http://127.0.0.1:{vendor.port}"


@every_vendor
async def test_why_no_connection_came_about_is_said_in_words(ask: Ask, tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    a_minute = timedelta(minutes=1)
    certificate = Certificate.make(tmp_path)
    with (
        nobody_listening() as closed,
        Listener(hang_up) as plain,
        in_front_of(closed, certificate) as distrusted,
    ):
        for url, why in (
            ("https://nowhere.invalid", "the name nowhere.invalid can't be resolved"),
            (f"http://127.0.0.1:{closed}", f"127.0.0.1:{closed} refuses the connection"),
            (
                f"https://127.0.0.1:{plain.port}",
                f"127.0.0.1:{plain.port} ended the connection before TLS was set up",
            ),
            (
                f"https://localhost:{distrusted.port}",
                f"the certificate of localhost:{distrusted.port} is not trusted: ",
            ),
        ):
            assert f"can't be reached: {why}" in await ask(url, a_minute)


def test_a_missing_route_and_a_silence_are_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://api.github.com/user"
    for raw, why in (
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "there is no route to {}"),
        (TimeoutError(), "{} did not answer in time"),
    ):
        error = httpx2.ConnectError("All connection attempts failed")
        error.__cause__ = ExceptionGroup("connections", [raw])
        assert unreachable(error, url) == why.format("api.github.com")
        with monkeypatch.context() as behind:
            behind.setenv("HTTPS_PROXY", "http://user:password@proxy.example.com:3128")
            assert unreachable(error, url) == why.format("proxy.example.com:3128")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_vendor
async def test_redirects_of_vendors_are_not_followed(ask: Ask, status: int) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with (
        Listener(listen) as elsewhere,
        answering(f"{status} Gone\r\nLocation: http://127.0.0.1:{elsewhere.port}/") as url,
    ):
        said = await ask(url, timedelta(seconds=60))
        assert str(status) in said or "redirects to another host" in said
        assert elsewhere.connections == 0


async def test_the_contents_of_a_file_are_asked_of_githubs_hosts_alone() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with Listener(listen) as elsewhere:
        file = {
            "filename": "a.txt",
            "language": None,
            "raw_url": f"http://localhost:{elsewhere.port}/raw/a.txt",
            "size": 5,
            "truncated": True,
            "content": "he",
        }
        at = "2026-05-01T10:00:00Z"
        gist = {
            "id": "abc",
            "html_url": "https://gist.github.com/ada/abc",
            "public": True,
            "created_at": at,
            "updated_at": at,
            "description": None,
            "owner": {"login": "ada", "id": 7},
            "files": {"a.txt": file},
        }
        with answering("200 OK\r\nContent-Type: application/json", dumps(gist).encode()) as url:
            async with GitHub(api_url=url, token=TOKEN, timeout=timedelta(seconds=60)) as github:
                reading = await github.read(GistToRead(GistId("abc"), GitHubId(7)))
        assert reading.gist.files == ()
        assert "none of GitHub's hosts" in reading.unread["a.txt"]
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("api", "url", "is_asked"),
    [
        ("https://api.github.com", "https://gist.githubusercontent.com/a/b/raw/c", True),
        ("https://api.github.com", "https://api.github.com:443/gists/b", True),
        ("https://api.github.com", "http://gist.githubusercontent.com/a/b/raw/c", False),
        ("https://api.github.com", "https://gist.githubusercontent.com:8443/a", False),
        ("https://api.github.com", "https://gist.githubusercontent.com.example.com/a", False),
        ("https://api.github.com", "https://githubusercontent.com/a", False),
        ("https://api.github.com", "https://api.github.com@example.com/a", False),
        ("https://api.github.com", "https://user:password@api.github.com/a", False),
        ("https://api.github.com", "https://example.com\\@api.github.com/a", False),
        ("https://api.github.com", "file:///etc/passwd", False),
        ("https://api.github.com", "https://169.254.169.254/latest", False),
        ("https://api.acme.ghe.com", "https://gist.acme.ghe.com/a/raw/b", True),
        ("https://api.acme.ghe.com", "https://gist.other.ghe.com/a/raw/b", False),
        ("https://git.example.com/api/v3", "https://git.example.com/gist/a/raw/b", True),
        ("https://git.example.com/api/v3", "https://gist.git.example.com/a/raw/b", True),
        ("https://git.example.com/api/v3", "https://evil-git.example.com/a/raw/b", False),
        ("https://git.example.com/api/v3", "https://example.com/a/raw/b", False),
    ],
)
async def test_which_hosts_hold_what_is_read(
    api: str, url: str, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for arrives at the proxy, which goes no further."""
    with Proxy("user", "password") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        transport = Transport(
            api_url=api,
            token=TOKEN,
            timeout=timedelta(seconds=60),
            limits=GitHubLimits(lambda: datetime.now(UTC)),
            graphql_limits=GitHubLimits(lambda: datetime.now(UTC)),
        )
        with pytest.raises(GitHubUnavailable):
            await transport.get(url, accept="*/*")
        await transport.close()
        assert bool(proxy.heard) is is_asked
        assert TOKEN.encode() not in b"".join(proxy.heard)


ENDLESS = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without an end, as fast as it is taken."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ENDLESS.encode())
    piece = b" " * 2**20
    while True:
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without an end, so slow that no single read takes long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ENDLESS.encode())
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: and more\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def pour_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX-Huge: ")
    while True:
        writer.write(b"x" * 2**16)
        await writer.drain()


@pytest.mark.parametrize("answer", [drip, drip_headers])
@every_vendor
async def test_a_slow_answer_ends_when_the_time_is_over(ask: Ask, answer: Conversation) -> None:
    with Listener(answer) as vendor:
        started = time.monotonic()
        said = await ask(f"http://127.0.0.1:{vendor.port}", timedelta(seconds=1))
        assert 1 <= time.monotonic() - started < 20
    assert "no complete answer for the account within 1 s" in said or "it took too long" in said


@pytest.mark.parametrize("answer", [pour, pour_headers])
@every_vendor
async def test_an_endless_answer_ends_when_it_is_too_large(ask: Ask, answer: Conversation) -> None:
    with Listener(answer) as vendor:
        said = await ask(f"http://127.0.0.1:{vendor.port}", timedelta(minutes=1))
    if answer is pour:
        assert "33,554,432 bytes" in said or "67108864 bytes" in said
    else:
        assert "Receive buffer too long" in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def address(certificate: Certificate) -> Iterator[str]:
    """A GitHub that knows ada, behind TLS."""
    world = GitHubStandIn(tokens={TOKEN})
    world.add_user("ada")
    with Server(world.app) as server, in_front_of(server.port, certificate) as tls:
        yield f"https://localhost:{tls.port}"


async def account_at(address: str) -> str:
    async with GitHub(api_url=address, token=TOKEN, timeout=timedelta(seconds=60)) as github:
        return (await github.account("ada")).login


async def test_a_certificate_that_nobody_signed_is_refused(address: str) -> None:
    with pytest.raises(GitHubUnavailable, match="is not trusted"):
        await account_at(address)
    said = await ask_pipedrive(address, timedelta(seconds=60))
    assert said.startswith("Pipedrive can't be reached: the certificate of localhost")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_an_authority_of_ones_own_is_trusted(
    address: str,
    certificate: Certificate,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if name == "SSL_CERT_DIR":
        folder = tmp_path / "authorities"
        folder.mkdir()
        certificate.put_into(folder)
        monkeypatch.setenv(name, str(folder))
    else:
        monkeypatch.setenv(name, str(certificate.file))
    assert await account_at(address) == "ada"


async def test_a_proxy_is_used_but_for_the_hosts_that_need_none(
    address: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    with Proxy("user", "pass word") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%20word@127.0.0.1:{proxy.port}")
        assert await account_at(address) == "ada"
        assert proxy.asked == [address.removeprefix("https://")]
        assert TOKEN.encode() not in b"".join(proxy.heard)
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert await account_at(address) == "ada"
        assert len(proxy.asked) == 1


async def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    world = GitHubStandIn(tokens={TOKEN})
    world.add_user("ada")
    with Server(world.app) as server, Proxy("user", "password") as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://user:password@127.0.0.1:{proxy.port}")
        assert await account_at(server.url) == "ada"
        assert proxy.heard == []


async def test_a_proxy_that_lets_nobody_in_is_named_without_its_password(
    address: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    with Proxy("user", "right") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:wrong@127.0.0.1:{proxy.port}")
        with pytest.raises(GitHubUnavailable, match="407") as raised:
            await account_at(address)
        said = await ask_pipedrive(address, timedelta(seconds=60))
    assert said.startswith("Pipedrive can't be reached: the proxy answered 407")
    assert "wrong" not in f"{raised.value} {said}"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HTTPS_PROXY", "socks5://user:secret@127.0.0.1:1", "HTTPS_PROXY: must be an HTTP proxy"),
        ("ALL_PROXY", "http://", "ALL_PROXY: must be an HTTP proxy"),
        ("HTTPS_PROXY", "http://user:secret@host:port", "HTTPS_PROXY: must be an HTTP proxy"),
        (
            "SSL_CERT_FILE",
            "/nowhere/at/all.pem",
            "must be certificates in PEM format (No such file",
        ),
        (
            "SSL_CERT_FILE",
            "/dev/null",
            "PEM format (it contains no certificate)",
        ),
        ("SSL_CERT_DIR", "/nowhere/at/all", "SSL_CERT_DIR=/nowhere/at/all: must be"),
    ],
)
async def test_a_wrong_proxy_or_certificate_setting_is_named(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentUnusable) as raised:
        await account_at("https://localhost:1")
    assert told in str(raised.value)
    assert "must be " in str(raised.value)
    assert "secret" not in str(raised.value)


@dataclass
class Hesitant:
    """A vendor that refuses the old token, but only once the client has got a new one."""

    accepted: bytes
    asked: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readuntil(b"\r\n\r\n"):
            head, body = b"200 OK", self.accepted
            if b"old-token" in request:
                self.asked.set()
                await asyncio.to_thread(self.changed.wait, 60)
                head, body = b"401 Unauthorized", b'{"success": false, "error": "no"}'
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
            await writer.drain()


async def test_github_is_asked_again_when_the_token_was_changed_meanwhile() -> None:
    hesitant = Hesitant(b'{"login": "ada", "id": 7}')
    with Listener(hesitant) as vendor:
        url = f"http://127.0.0.1:{vendor.port}"
        async with GitHub(api_url=url, token="old-token", timeout=timedelta(seconds=90)) as github:
            asking = asyncio.create_task(github.account("ada"))
            assert await asyncio.to_thread(hesitant.asked.wait, 60)
            github.set_token("new-token")
            hesitant.changed.set()
            assert (await asking).login == "ada"


async def test_a_refusal_of_the_old_token_says_nothing_of_pipedrives_new_one() -> None:
    hesitant = Hesitant(b'{"success": true, "data": {"id": 5}}')
    with Listener(hesitant) as vendor:
        async with Pipedrive(
            api_url=f"http://127.0.0.1:{vendor.port}",
            token=SecretStr("old-token"),
            timeout=timedelta(seconds=90),
            rest=timedelta(0),
        ) as pipedrive:
            asking = asyncio.create_task(pipedrive.create_deal("ada"))
            assert await asyncio.to_thread(hesitant.asked.wait, 60)
            pipedrive.set_token(SecretStr("new-token"))
            hesitant.changed.set()
            outcome = await asking
            assert isinstance(outcome, NotProcessed)
            assert not outcome.access
            assert not outcome.everyone
            assert await pipedrive.create_deal("ada") == Accepted(5)


@pytest.mark.parametrize("rounds", range(6))
async def test_a_cancelled_client_leaves_no_connection_open(rounds: int) -> None:
    made: list[asyncio.StreamWriter] = []
    ended = threading.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        ended.release()

    closing = asyncio.Event()

    async def ask(port: int) -> None:
        http = client(timeout=60)
        await asyncio.gather(*(http.get(f"http://127.0.0.1:{port}") for _ in range(3)))
        closing.set()
        await http.aclose()

    with Listener(answer) as listener:
        asking = asyncio.create_task(ask(listener.port))
        await closing.wait()
        for _ in range(rounds):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        for _ in made:
            assert await asyncio.to_thread(ended.acquire, timeout=10)
