"""A network between two ends that can fall silent, as when a peer vanishes without a word."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import make_url


class Relay:
    """Passes TCP connections on to another address, until told to swallow them.

    What is swallowed stays open and silent, as if the other end were gone: its packets get
    an acknowledgement and nothing else. What is opened later passes, unless it is swallowed, too.
    """

    def __init__(self, target: str) -> None:
        """`target`: the path of a Unix socket."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._swallowing = False
        self._lingering = False
        self.ended = threading.Event()
        """That the other end has hung up on somebody is not told while connections linger."""
        self._open: list[_Way] = []

    def address(self, dsn: str) -> str:
        """The same database by way of this relay."""
        url = make_url(dsn).set(host="127.0.0.1", port=self.port, query={})
        return url.render_as_string(hide_password=False)

    def swallow(self) -> None:
        """Let no byte pass from now on, in no direction."""
        with self._lock:
            self._swallowing = True
            for way in self._open:
                way.silent.set()

    def pass_on(self) -> None:
        """Let connections pass that are opened from now on."""
        with self._lock:
            self._swallowing = False

    def linger(self) -> None:
        """Pass on what the other end says, and not that it hangs up then."""
        self._lingering = True

    def hang_up(self) -> None:
        """Close every connection, and tell of ends again."""
        with self._lock:
            self._lingering = False
            for way in self._open:
                way.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                way = _Way(near, far, self._end)
                if self._swallowing:
                    way.silent.set()
                self._open.append(way)
            way.start()

    def _end(self) -> bool:
        """Note that an end has hung up; whether to tell the other."""
        self.ended.set()
        return not self._lingering


def relay_to(dsn: str) -> Relay:
    """A relay to the PostgreSQL of an address, which names the folder of its socket."""
    folder = make_url(dsn).query["host"]
    return Relay(f"{folder}/.s.PGSQL.5432")


class _Way:
    """One connection, there and back."""

    def __init__(
        self, near: socket.socket, far: socket.socket, is_told: Callable[[], bool]
    ) -> None:
        self._near, self._far, self._is_told = near, far, is_told
        self.silent = threading.Event()

    def start(self) -> None:
        for source, sink in ((self._near, self._far), (self._far, self._near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        for end in (self._near, self._far):
            # Closed alone, it would stay open for as long as a thread waits for something from it.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                if not self.silent.is_set():
                    sink.sendall(piece)
            if self._is_told() and not self.silent.is_set():
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
