"""Clients that are slow or many: each loses its own connection, and others are served."""

import asyncio
import contextlib
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gitpip.runtime.http_server import (
    FEWEST_CLIENT_CONNECTIONS,
    MOST_CONNECTIONS,
    ClientLimits,
    HttpServer,
    connection_limit,
)
from gitpip.web.middleware import SecurityMiddleware

LARGE = 16 * 2**20
SHORT = timedelta(seconds=2)
QUICK = ClientLimits(head=SHORT, window=SHORT, drain=SHORT, rate=2_000, connections=20)
PATIENCE = 30
LONG_HEAD = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: "


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer /large with much, /refuse without reading, and the rest with the body's length.

    /wait is not answered before its client is disconnected.
    """
    if scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    body = b"x" * LARGE if scope["path"] == "/large" else b""
    if scope["path"] not in ("/large", "/refuse"):
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length, more = length + len(message["body"]), message["more_body"]
        body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(limits: ClientLimits, serves: ASGIApp = app) -> Iterator[int]:
    """A server with these limits in a thread; gives its port."""
    config = uvicorn.Config(
        serves,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=1,
        timeout_graceful_shutdown=1,
    )
    server = HttpServer(config, limits)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port: int = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(QUICK) as port:
        yield port


def connect(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    client.settimeout(PATIENCE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port))
    return client


def read_all(client: socket.socket) -> bytes:
    """What arrives until the server closes the connection."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def read_until(client: socket.socket, is_complete: Callable[[bytes], bool]) -> bytes:
    """What arrives until it is complete; the connection must not be closed before."""
    answer = b""
    while not is_complete(answer):
        piece = client.recv(65536)
        assert piece, f"closed after {answer!r}"
        answer += piece
    return answer


def trickle(client: socket.socket, start: bytes, piece: bytes) -> bytes:
    """Send slowly, but without a pause, until the server answers or closes; give its answer."""
    client.sendall(start)
    deadline = time.monotonic() + PATIENCE
    while not select.select([client], [], [], 0.05)[0]:
        assert time.monotonic() < deadline, "the server waits without a limit"
        with contextlib.suppress(ConnectionError):
            client.sendall(piece)
    return read_all(client)


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_a_connection_without_a_request_is_closed(port: int, start: bytes) -> None:
    with connect(port) as client:
        client.sendall(start)
        assert read_all(client).count(b"HTTP/1.1") == bool(start)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (LONG_HEAD, b"x"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n", b""),
    ],
    ids=["head", "body", "chunks", "unfinished"],
)
def test_a_slow_request_is_answered_408_and_closed(port: int, start: bytes, piece: bytes) -> None:
    with connect(port) as client:
        answer = trickle(client, start, piece)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_slow_further_request_is_closed(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        read_until(client, lambda answer: answer.endswith(b"\r\n\r\n0"))
        assert trickle(client, LONG_HEAD, b"x").startswith(b"HTTP/1.1 408 ")


def test_a_body_nobody_reads_is_not_received_without_end(port: int) -> None:
    """However fast it comes: the answer has been sent."""
    with connect(port) as client:
        client.sendall(b"POST /refuse HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                client.sendall(chunk)
        assert time.monotonic() < deadline


def test_a_client_that_does_not_read_is_disconnected(port: int) -> None:
    with connect(port, receive_buffer=4096) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(1)
        end = time.monotonic() + 5 * SHORT.total_seconds()
        while time.monotonic() < end:
            assert httpx2.get(f"http://127.0.0.1:{port}/").text == "0"
            time.sleep(0.05)  # others need the processor
        # The answer is larger than what the system buffers, so its end was never sent.
        assert len(read_all(client)) < LARGE


def test_a_slow_but_steady_reader_gets_its_whole_answer(port: int) -> None:
    with connect(port, receive_buffer=65536) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        read, began = 0, time.monotonic()
        while piece := client.recv(2**17):
            read += len(piece)
            time.sleep(0.02)
        assert read > LARGE
        assert time.monotonic() - began > SHORT.total_seconds()


def test_a_slow_but_steady_body_arrives_whole(port: int) -> None:
    pieces, size = 60, 4096  # at most 80 kB a second, over several windows

    def body() -> Iterator[bytes]:
        for _ in range(pieces):
            time.sleep(0.05)
            yield b"x" * size

    answer = httpx2.post(f"http://127.0.0.1:{port}/", content=body())
    assert answer.text == str(pieces * size)


def test_connections_are_reused_and_requests_may_be_pipelined() -> None:
    with serving(ClientLimits(connections=10)) as port, connect(port) as client:
        for _ in range(3):
            client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab" * 5)
            read_until(client, lambda answers: answers.count(b"\r\n\r\n2") == 5)
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert read_all(client).endswith(b"\r\n\r\n0")


@pytest.mark.parametrize(
    "start",
    [
        b"",
        LONG_HEAD,
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 70_000,
        b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["idle", "head", "answered", "body", "unread"],
)
def test_more_clients_than_the_limit_replace_those_that_wait(start: bytes) -> None:
    """Deadlines are long here: only the limit on connections makes room."""
    with serving(ClientLimits(connections=10)) as port, contextlib.ExitStack() as clients:
        flood = []
        for _ in range(40):
            client = clients.enter_context(connect(port, receive_buffer=4096))
            with contextlib.suppress(ConnectionError):
                client.sendall(start)
            flood.append(client)
            if len(flood) % 10 == 0:
                assert soon_answered(port) == "0"
        assert soon_answered(port) == "0"


def soon_answered(port: int) -> str:
    """What a client gets that tries again for a second, as browsers do after a reset.

    While all others are just being answered, the newest connection is the only one that waits.
    """
    until = time.monotonic() + 1
    while True:
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE).text
        except httpx2.ReadError:
            if time.monotonic() > until:
                raise


def test_a_flood_from_one_address_does_not_disconnect_another() -> None:
    with serving(ClientLimits(connections=10)) as port, contextlib.ExitStack() as clients:
        quiet = socket.create_connection(
            ("127.0.0.1", port), timeout=PATIENCE, source_address=("127.0.0.2", 0)
        )
        clients.enter_context(quiet)
        for _ in range(30):
            clients.enter_context(connect(port))
        assert httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE).text == "0"
        quiet.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert read_all(quiet).endswith(b"\r\n\r\n0")


def test_malformed_requests_are_answered_400_and_not_logged_one_by_one(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    for malformed in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        with connect(port) as client:
            client.sendall(malformed)
            assert read_all(client).startswith(b"HTTP/1.1 400 ")
    with connect(port) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: x\r\n\r\n"
        )
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    assert [record for record in caplog.records if record.name.startswith("uvicorn.error")] == []


def test_after_a_request_with_two_lengths_the_connection_is_closed(port: int) -> None:
    """A proxy that took the other one would take what follows for a request of somebody else."""
    lengths = b"content-length: 4\r\ntransfer-encoding: chunked\r\n"
    with connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\n" + lengths + b"\r\n0\r\n\r\n")
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 ") == 1


def from_address(address: str, port: int) -> socket.socket:
    client = socket.create_connection(
        ("127.0.0.1", port), timeout=PATIENCE, source_address=(address, 0)
    )
    client.sendall(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
    return client


def is_refused(client: socket.socket) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return (
            bool(select.select([client], [], [], 0)[0]) and client.recv(1, socket.MSG_PEEK) == b""
        )
    return True


def answered_from(address: str, port: int) -> bool:
    client = socket.create_connection(
        ("127.0.0.1", port), timeout=PATIENCE, source_address=(address, 0)
    )
    with client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return read_all(client).endswith(b"\r\n\r\n0")


def test_busy_connections_of_one_address_leave_a_share_to_others() -> None:
    """None of them waits for its client, so none can be replaced."""
    with serving(ClientLimits(connections=20)) as port, contextlib.ExitStack() as clients:
        busy = [clients.enter_context(from_address("127.0.0.1", port)) for _ in range(60)]
        for number in range(2, 7):
            assert answered_from(f"127.0.0.{number}", port)
        refused = [is_refused(client) for client in busy]
        assert refused.count(False) == 15


def test_the_address_with_the_most_busy_connections_loses_the_newest() -> None:
    with serving(ClientLimits(connections=20)) as port, contextlib.ExitStack() as clients:
        first = [clients.enter_context(from_address("127.0.0.1", port)) for _ in range(15)]
        assert answered_from("127.0.0.9", port)
        second = [clients.enter_context(from_address("127.0.0.2", port)) for _ in range(12)]
        assert answered_from("127.0.0.3", port)
        kept = [sum(not is_refused(client) for client in group) for group in (first, second)]
        assert sum(kept) >= 19
        assert abs(kept[0] - kept[1]) <= 1


def test_answers_close_the_connections_of_an_address_near_its_limit() -> None:
    with serving(ClientLimits(connections=20)) as port, contextlib.ExitStack() as clients:

        def answer() -> bytes:
            client = clients.enter_context(connect(port))
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            return client.recv(65536)

        answers = [b"connection: close" in answer().lower() for _ in range(12)]
        assert answers == [False] * 11 + [True]


@pytest.mark.parametrize(
    ("handles", "expected"),
    [
        (64, FEWEST_CLIENT_CONNECTIONS),
        (300, 170),
        (1024, MOST_CONNECTIONS),
        (resource.RLIM_INFINITY, MOST_CONNECTIONS),
    ],
)
def test_the_limit_leaves_file_handles_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, handles: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (handles, handles))
    assert connection_limit(database_connections=10) == expected


def test_a_request_that_is_under_way_when_the_server_stops_is_told_to_come_again() -> None:
    begun = threading.Event()

    async def never_answers(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    with serving(QUICK, SecurityMiddleware(never_answers, public_url=None, limit=None)) as port:
        client = connect(port)
        client.sendall(b"GET /api/v1/users HTTP/1.1\r\nhost: x\r\n\r\n")
        assert begun.wait(PATIENCE)
    with client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 5" in head
    assert b'"code":"stopping"' in body
