"""The HTTP server: uvicorn with deadlines for slow clients and a limit on open connections.

uvicorn 0.54 has a deadline for idle keep-alive connections only. Its `limit_concurrency` answers
503 but keeps the connection, so idle sockets use up the file handles; then asyncio (3.11) calls
accept() 2,048 times a second and logs each failure. Replacing uvicorn would not help: Granian has a
deadline for headers (`header_read_timeout`) and Hypercorn one for each read (`read_timeout`), but
neither has a minimum rate for bodies or a limit on connections.
"""

import asyncio
import logging
import resource
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

import h11
import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gitpip.observability.logging import get_logger

MOST_CONNECTIONS = 512
FEWEST_CLIENT_CONNECTIONS = 16
RESERVED_HANDLES = 100
"""The file handles for everything except clients and databases: 2 x 20 idle connections that httpx2
keeps to the vendors, a burst of accepted connections, uploads on disk, static files."""
HANDLES_PER_DATABASE_CONNECTION = 3
"""The file handles of a connection. SQLite opens the database, its write-ahead log and its shared
memory."""
ACCEPTED_AT_ONCE = 16
"""The connections accepted at once, which limits by how many the limit on connections can be
exceeded until clients are disconnected."""
ACCEPT_PAUSE = timedelta(seconds=1)
SHARE_FOR_OTHERS = 4
"""The part that one address can't have: it may have all connections except this part, so that
others always get in."""
CROWDED = 0.75
"""The part of its share from which an address gets no keep-alive: each answer makes room."""
LOG_INTERVAL = timedelta(minutes=1)
TICKS_PER_REVIEW = 5
"""The ticks of uvicorn between two reviews. It ticks ten times a second."""
BODY_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
"""The headers of a body's length. A request with both can end elsewhere for a proxy than it does
here (RFC 9112, section 6.1)."""

CONNECTION_LOGGER = logging.getLogger("uvicorn.error.connection")
CONNECTION_LOGGER.setLevel(logging.ERROR)
"""Hides uvicorn's warning for each malformed request: they are counted and logged together."""
SERVER_LOGGER = logging.getLogger("uvicorn.error")

log = get_logger()


def _tells_of_a_fault(record: logging.LogRecord) -> bool:
    """Return whether a record of uvicorn holds an exception that cutting a request off is not."""
    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, asyncio.CancelledError)


@dataclass(frozen=True)
class ClientLimits:
    """The limits for a client. The defaults are those of Apache's mod_reqtimeout and nginx.

    https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html
    https://nginx.org/en/docs/http/ngx_http_core_module.html#lingering_time
    """

    head: timedelta = timedelta(seconds=10)
    """The time from the connection, or the first byte of a further request, to the end of the
    headers."""
    window: timedelta = timedelta(seconds=20)
    rate: int = 500
    """The bytes a second that a client must reach on average over each `window`, if it sends a body
    or reads an answer. Time in which the service makes the client wait does not count."""
    drain: timedelta = timedelta(seconds=30)
    """The time for which the rest of a body is still read after the answer was sent."""
    unread: int = 64 * 2**20
    """The bytes of answers that all clients together may leave unread."""
    connections: int = MOST_CONNECTIONS
    """The connections open at a time, of which one address may have three quarters. One more
    replaces a connection of the address with the most that waits for its client; if there is none,
    the newest of that address is refused."""


def connection_limit(database_connections: int) -> int:
    """Return how many clients may be connected, in addition to so many database connections.

    More would use up the file handles of the process.
    """
    handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if handles == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    needed = RESERVED_HANDLES + HANDLES_PER_DATABASE_CONNECTION * database_connections
    return min(max(handles - needed, FEWEST_CLIENT_CONNECTIONS), MOST_CONNECTIONS)


class HttpServer(uvicorn.Server):
    """A uvicorn server that disconnects clients which exceed `limits`."""

    def __init__(self, config: uvicorn.Config, limits: ClientLimits) -> None:
        super().__init__(config)
        self._limits = limits
        self._clients = _Clients(limits)
        self._listeners: list[socket.socket] = []
        self._accepting: set[asyncio.Task[object]] = set()
        self._accept_failures = _Occurrences()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections on these sockets."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        self._listeners = list(sockets or [])
        for listener in self._listeners:
            listener.setblocking(False)
            loop.add_reader(listener, self._accept, listener)

    async def on_tick(self, counter: int) -> bool:
        """Disconnect clients that are too slow; return True when the server should stop."""
        if counter % TICKS_PER_REVIEW == 0:
            self._clients.review(asyncio.get_running_loop().time())
            self._report()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and let requests under way finish."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
        self._listeners = []
        # It logs as an error that it cuts requests off. These are answered, and logged as such.
        SERVER_LOGGER.addFilter(_tells_of_a_fault)
        try:
            await super().shutdown(sockets)
        finally:
            SERVER_LOGGER.removeFilter(_tells_of_a_fault)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._accept_failures.add(error.strerror or type(error).__name__)
                self._clients.make_room(ACCEPTED_AT_ONCE)
                # The socket stays readable, so the loop would call this at once and without effect.
                loop.remove_reader(listener)
                loop.call_later(ACCEPT_PAUSE.total_seconds(), self._accept_again, listener)
                return
            connection.setblocking(False)
            task: asyncio.Task[object] = loop.create_task(
                loop.connect_accepted_socket(self._connection, connection)
            )
            self._accepting.add(task)
            task.add_done_callback(self._accepted)

    def _accept_again(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accepted(self, task: asyncio.Task[object]) -> None:
        self._accepting.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._accept_failures.add(type(error).__name__)

    def _connection(self) -> "_Connection":
        return _Connection(self.config, self.server_state, self.lifespan.state, self._clients)

    def _report(self) -> None:
        """Log the counts at most once a minute: events can happen thousands of times a second."""
        now = asyncio.get_running_loop().time()
        if reasons := self._accept_failures.due(now):
            log.warning(
                "http.accept_failed",
                times=reasons.total(),
                reason="; ".join(sorted(reasons)),
                advice="raise the limit on open files (ulimit -n, LimitNOFILE in systemd)",
            )
        if reasons := self._clients.disconnected.due(now):
            log.warning(
                "http.clients_disconnected",
                **dict(sorted(reasons.items())),
                open=len(self.server_state.connections),
                limit=self._limits.connections,
                advice="if these are not attacks, put a reverse proxy in front or, where the limit "
                f"on connections is below {MOST_CONNECTIONS}, raise the limit on open files",
            )


@dataclass
class _Occurrences:
    """Counts events by reason, and returns the counts at most once a minute."""

    _counts: Counter[str] = field(default_factory=Counter)
    _handed_over_at: float = float("-inf")

    def add(self, reason: str) -> None:
        self._counts[reason] += 1

    def due(self, now: float) -> Counter[str]:
        """Return the counts since they were last returned; empty within LOG_INTERVAL of that.

        `now` is in seconds, by the event loop's clock.
        """
        if not self._counts or now - self._handed_over_at < LOG_INTERVAL.total_seconds():
            return Counter()
        self._handed_over_at = now
        counts, self._counts = self._counts, Counter()
        return counts


class _Clients:
    """The open connections of a server, with the decision which of them are closed.

    An address is that of the other end: of a reverse proxy, for all clients that use it.
    """

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        self.disconnected = _Occurrences()
        self._open: set[_Connection] = set()
        self._of_address: dict[str, dict[_Connection, None]] = {}
        """The connections of each address, in the order in which they were opened."""
        self._share = limits.connections - limits.connections // SHARE_FOR_OTHERS

    def add(self, connection: "_Connection") -> None:
        """Add a new connection. Above a limit, another one or this one is closed."""
        self._open.add(connection)
        theirs = self._of_address.setdefault(connection.address, {})
        theirs[connection] = None
        if len(theirs) > self._share:
            self.disconnect(self._idle_of(theirs, connection) or connection, "too_many")
        elif len(self._open) > self.limits.connections:
            most = self._most()
            # An address with fewer connections than another one gets in.
            last = connection if len(theirs) >= len(most) else next(reversed(most))
            self.disconnect(self._idle_of(most, connection) or last, "too_many")

    def discard(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        theirs = self._of_address.get(connection.address, {})
        theirs.pop(connection, None)
        if not theirs:
            self._of_address.pop(connection.address, None)

    def disconnect(self, connection: "_Connection", reason: str) -> None:
        """Close a connection at once, without its unsent data, and free its file handle."""
        self.discard(connection)
        self.disconnected.add(reason)
        connection.transport.abort()

    def make_room(self, number: int) -> None:
        """Close up to `number` connections that wait for their client.

        The address with the most connections loses its own, so that a flood from one address
        does not disconnect the clients at others.
        """
        for _ in range(min(number, len(self._open))):
            if (idle := self._idle_of(self._most(), None)) is None:
                return
            self.disconnect(idle, "too_many")

    def is_crowded(self, connection: "_Connection") -> bool:
        """Return whether a connection should close after its answer, to let other clients in."""
        theirs = len(self._of_address.get(connection.address, {}))
        return theirs > self._share * CROWDED

    def _most(self) -> "dict[_Connection, None]":
        return max(self._of_address.values(), key=len)

    @staticmethod
    def _idle_of(
        connections: "dict[_Connection, None]", newest: "_Connection | None"
    ) -> "_Connection | None":
        """Return the connection opened first among those that wait for their client."""
        waiting = (one for one in connections if one is not newest and one.waits_for_client)
        return next(waiting, None)

    def review(self, now: float) -> None:
        """Close connections that are too slow, and the largest unread answers above the limit.

        `now` is in seconds, by the event loop's clock.
        """
        for connection in list(self._open):
            connection.review(now)
        unread = sum(one.unread for one in self._open)
        while unread > self.limits.unread:
            largest = max(self._open, key=lambda one: one.unread)
            unread -= largest.unread
            self.disconnect(largest, "unread_answer")


class _Connection(H11Protocol):
    """A HTTP/1.1 connection of uvicorn that also knows since when it waits for its client."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, object],
        clients: _Clients,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.logger = CONNECTION_LOGGER
        self._clients = clients
        self._limits = clients.limits
        self.address = ""
        self.since = 0.0
        """The beginning of the present wait for the client, or of its present window."""
        self._received = self._received_before = 0
        self._writable_again = False
        self._unread_since = 0.0
        self._unread_before = 0

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to act next: send something, or read its answer."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered or self.conn.their_state is h11.SEND_BODY or self.unread > 0

    @property
    def unread(self) -> int:
        """The bytes of the answer that wait for the client in this process."""
        return self.transport.get_write_buffer_size()

    def connection_made(  # type: ignore[override]  # as narrow as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.since = self.loop.time()
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None:
            self.since = self.loop.time()
        self._received += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._begin_window(self.loop.time())
            if self._clients.is_crowded(self) or self._has_two_lengths():
                # The task that answers has only been scheduled so far.
                self.cycle.default_headers = [*self.cycle.default_headers, CLOSE_HEADER]

    def _has_two_lengths(self) -> bool:
        return {name for name, _ in self.headers} >= BODY_LENGTHS

    def send_400_response(self, msg: str) -> None:
        self._clients.disconnected.add("invalid_request")
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def resume_writing(self) -> None:
        self._writable_again = True
        super().resume_writing()

    def review(self, now: float) -> None:
        """Close the connection if its client is too slow at `now`, by the event loop's clock."""
        if self.unread:
            if not self._reads(now):
                self._clients.disconnect(self, "slow_reader")
            return
        self._unread_before = 0
        if self.transport.is_closing():
            return
        waited = now - self.since
        if self.conn.their_state is h11.IDLE:
            idle = self.timeout_keep_alive_task is not None
            if not idle and waited > self._limits.head.total_seconds():
                self._end_slow_request()
        elif self.conn.their_state is h11.SEND_BODY:
            self._review_body(now, waited)

    def _review_body(self, now: float, waited: float) -> None:
        if self.cycle.response_complete:
            if waited > self._limits.drain.total_seconds():
                self._clients.disconnect(self, "slow_body")
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._begin_window(now)
        elif waited >= self._limits.window.total_seconds():
            if self._received - self._received_before < self._limits.rate * waited:
                self._end_slow_request()
            else:
                self._begin_window(now)

    def _begin_window(self, now: float) -> None:
        self.since = now
        self._received_before = self._received

    def _reads(self, now: float) -> bool:
        """Return whether the client reads its answer, and fast enough once a window is over."""
        unread, before = self.unread, self._unread_before
        # A buffer that grew, or that the application may fill again, was read from.
        if self._writable_again or before == 0 or unread > before:
            self._writable_again = False
            self._unread_since, self._unread_before = now, unread
            return True
        waited = now - self._unread_since
        if waited < self._limits.window.total_seconds():
            return True
        self._unread_since, self._unread_before = now, unread
        return before - unread >= self._limits.rate * waited

    def _end_slow_request(self) -> None:
        """Answer 408 if the client has begun a request, and close the connection."""
        begun = self.conn.trailing_data[0] or self.conn.their_state is h11.SEND_BODY
        if begun and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            status = HTTPStatus.REQUEST_TIMEOUT
            headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
            text = b"The request did not arrive in time; send it again, faster.\n"
            for event in (
                h11.Response(status_code=status, headers=headers, reason=status.phrase),
                h11.Data(data=text),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun:
            self._clients.disconnected.add("slow_request")
        self.transport.close()
