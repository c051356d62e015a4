"""What lies between two programs on a network: listeners of any manners, TLS, a proxy."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gitpip_standins.server import accept_the_last

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.contextmanager
def nobody_listening() -> Iterator[int]:
    """A port that refuses connections, and that no other test is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port


class Listener:
    """Holds a conversation with each client, inside a `with` block, in a thread of its own."""

    def __init__(self, converse: Conversation, *, tls: ssl.SSLContext | None = None) -> None:
        self._converse = converse
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self.port = 0
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Known before it begins: one that is cancelled first would leave its writer open.
            self.connections += 1
            talks[asyncio.create_task(talk(reader, writer))] = writer

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        await accept_the_last()
        for task in talks:
            task.cancel()
        ends = await asyncio.gather(*talks, return_exceptions=True)
        for writer in talks.values():
            writer.transport.abort()
        await asyncio.sleep(0)  # aborting takes a round of the loop
        for fault in ends:
            if isinstance(fault, Exception):  # and no cancellation
                raise fault


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    """Pass on everything between two ends until one of them hangs up."""
    there_reader, there_writer = await asyncio.open_connection(host, port)
    ways = [
        asyncio.create_task(_pass_on(reader, there_writer)),
        asyncio.create_task(_pass_on(there_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        there_writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost that nobody but a test trusts."""

    file: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def put_into(self, folder: Path) -> None:
        """Lay it into a folder of authorities, under the name by which OpenSSL looks for it."""
        named = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", self.file],
            check=True,
            capture_output=True,
            text=True,
        )
        (folder / f"{named.stdout.strip()}.0").symlink_to(self.file)

    @classmethod
    def make(cls, folder: Path) -> Self:
        made = cls(folder / "certificate.pem", folder / "key.pem")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost", "-keyout", made.key),
                *("-out", made.file),
            ],
            check=True,
            capture_output=True,
        )
        return made


def in_front_of(port: int, certificate: Certificate) -> Listener:
    """TLS before a server that has none."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, "127.0.0.1", port)

    return Listener(converse, tls=certificate.context)


class Proxy(Listener):
    """An HTTP proxy for tunnels, which lets in those who know the password.

    To those it turns away it says what it was told to say.
    """

    def __init__(self, user: str, password: str) -> None:
        super().__init__(self._tunnel)
        self._credentials = f"{user}:{password}"
        self.to_turn_away = 0
        """So many of those to come, no matter which."""
        self.asked: list[str] = []
        """Where to, as `host:port`."""
        self.heard: list[bytes] = []
        """The requests for tunnels, whole."""

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(request)
        line, *headers = request.decode().split("\r\n")
        method, target, _ = line.split()
        given = [h.partition("Basic ")[2] for h in headers if h.lower().startswith("proxy-auth")]
        known = [b64decode(text).decode() for text in given] == [self._credentials]
        if self.to_turn_away or not known:
            self.to_turn_away = max(self.to_turn_away - 1, 0)
            reason = f"Who is {' '.join(given)}?"
            writer.write(f"HTTP/1.1 407 {reason}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        assert method == "CONNECT"
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
        await relay(reader, writer, host, int(port))
