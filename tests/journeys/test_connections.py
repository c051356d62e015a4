"""A real gitpip with few file handles: floods of connections take neither these nor its memory."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import psutil
import pytest

from gitpip.web.middleware import BODIES_IN_MEMORY
from tests.journeys.conftest import World
from tests.support.running import Installation

MIB = 2**20
LOG_GROWTH = MIB / 45
"""Bytes a second; during a flood nothing but a few summaries is logged."""
ACCEPT_PAUSES = 10
"""Seconds that /health may wait where accept() fails, and is tried again each second."""
POST = "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n"
FORM = "content-type: application/x-www-form-urlencoded\r\n\r\n"


@contextmanager
def open_files(limit: int) -> Iterator[None]:
    """What is started in this block may open so many files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def gitpip(world: World) -> Installation:
    return world.gitpip


def port_of(gitpip: Installation) -> int:
    return int(gitpip.url.rpartition(":")[2])


def flood(gitpip: Installation, number: int, start: bytes) -> Iterator[socket.socket]:
    """Connections that send this, as far as they are let."""
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port_of(gitpip)), timeout=10)
        with contextlib.suppress(OSError):
            client.sendall(start)
        yield client


def health(gitpip: Installation, times: int = 3) -> float:
    """In how many seconds /health answers: the best of a few, as other tests take the processor."""
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        assert httpx2.get(gitpip.url + "/health", timeout=30).text == "Alive"
        seconds.append(time.monotonic() - began)
    return min(seconds)


def prompt(gitpip: Installation) -> float:
    """Within how many seconds /health must answer in a flood: one, and more where the machine is
    so busy that it is slow without a flood. On an idle machine it takes 0.01 s in both cases."""
    return 1 + 10 * max(health(gitpip, times=1) for _ in range(5))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("handles", "pauses"), [(300, 0), (64, ACCEPT_PAUSES)])
def test_idle_connections_do_not_use_up_the_file_handles(
    gitpip: Installation, handles: int, pauses: int
) -> None:
    """64 are fewer than gitpip reserves for itself: there accept() fails, and is tried again."""
    gitpip.inherits = True
    with open_files(handles):
        gitpip.start()
    gitpip.wait_for(lambda: gitpip.get("/ready").is_success, "readiness")
    assert gitpip.process
    process = psutil.Process(gitpip.process.pid)
    in_time = prompt(gitpip)
    size, began = gitpip.log_file.stat().st_size, time.monotonic()
    with ExitStack() as clients:
        for _ in range(4):
            for client in flood(gitpip, 100, b""):
                clients.enter_context(client)
            assert health(gitpip) < in_time + pauses
        assert process.num_fds() < handles
        used = gitpip.processor_time()
        time.sleep(2)
        assert health(gitpip) < in_time
        assert gitpip.processor_time() - used < 1
        assert gitpip.get("/ready").is_success
        grown = gitpip.log_file.stat().st_size - size
        assert grown < LOG_GROWTH * (time.monotonic() - began)
    told = [*gitpip.logged("http.clients_disconnected"), *gitpip.logged("http.accept_failed")]
    assert 1 <= len(told) <= 2
    assert "open files" in str(told[0]["advice"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/users"])
def test_unfinished_bodies_do_not_use_up_the_memory(gitpip: Installation, path: str) -> None:
    """On loopback without a key both are open, so nothing but limits keeps them out."""
    gitpip.start()
    assert gitpip.process
    process = psutil.Process(gitpip.process.pid)
    httpx2.post(gitpip.url + path, data={"key": "wrong"})
    before, in_time = process.memory_info().rss, prompt(gitpip)
    chunk = f"{MIB - 4096:x}\r\n".encode() + b"x" * (MIB - 4096) + b"\r\n"
    with ExitStack() as clients:
        flooding = [
            clients.enter_context(client)
            for client in flood(gitpip, 300, (POST + FORM).format(path=path).encode() + chunk)
        ]
        assert health(gitpip) < in_time
        most = before

        def enough_answered() -> list[socket.socket]:
            nonlocal most
            most = max(most, process.memory_info().rss)
            answered = [c for c in flooding if select.select([c], [], [], 0)[0]]
            return answered if len(answered) > 200 else []

        statuses = {_status(c) for c in gitpip.wait_for(enough_answered, "refusals")}
        assert most - before < 3 * BODIES_IN_MEMORY, f"{(most - before) / MIB:.0f} MiB more"
    # On a busy machine some are given up as too slow.
    assert statuses - {b""} <= {b"408", b"413", b"503"}
    assert statuses & {b"413", b"503"}


def _status(client: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return client.recv(65536)[9:12]
    return b""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_large_list_over_a_link_with_pauses_is_imported(world: World) -> None:
    """Its last login arrives after the deadline that an idle connection has."""
    gitpip = world.gitpip
    gitpip.start()
    names = [f"user-{number}" for number in range(3)]
    for name in names:
        world.github.add_user(name)
    filler = ("# " + "x" * 60_000 + "\n").encode()
    began = time.monotonic()

    def body() -> Iterator[bytes]:
        yield (
            b'--edge\r\ncontent-disposition: form-data; name="file"; filename="users.txt"\r\n'
            b"content-type: text/plain\r\n\r\n"
        )
        for name in names:
            yield from [filler] * 100
            yield f"{name}\n".encode()
            time.sleep(4)
        yield b"\r\n--edge--\r\n"

    answer = httpx2.post(
        gitpip.url + "/imports",
        content=body(),
        headers={
            "content-type": "multipart/form-data; boundary=edge",
            "origin": gitpip.url,
            "accept": "text/html",
        },
        timeout=60,
    )
    assert answer.status_code == 303, answer.text
    assert time.monotonic() - began > 10
    confirmed = httpx2.post(
        gitpip.url + answer.headers["location"] + "/confirm",
        headers={"origin": gitpip.url, "accept": "text/html"},
        timeout=60,
    )
    assert confirmed.status_code == 303, confirmed.text

    def all_tracked() -> bool:
        return [user["login"] for user in gitpip.get("/users").json()] == names

    gitpip.wait_for(all_tracked, "the import")
