"""One request in, one answer out, or what a fault makes of it; and a journal of both."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.client import responses
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from gitpip_standins.faults import Fault, FaultKind, FaultPlan
from gitpip_standins.server import CONNECTION

Clock = Callable[[], datetime]
JsonObject = dict[str, object]

UNDER_WAY = timedelta(milliseconds=500)
"""A request this soon after a limit was announced may have been under way: it is no abuse. On a
busy machine 430 ms were measured."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Request:
    """A client's request. Header names are in lower case; of repeated parameters the last wins."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    in_flight: int
    """The number of requests under way, this one included."""

    @property
    def origin(self) -> str:
        return f"http://{self.headers.get('host', 'localhost')}"


@dataclass
class Answer:
    """An answer of the vendor, and the tokens of its budget that it took."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    spent: int = 0


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    try:
        body = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair can only be sent escaped
        body = json.dumps(content).encode()
    return Answer(
        status, body, {"content-type": "application/json; charset=utf-8"} | {**(headers or {})}
    )


def html_answer(status: int) -> Answer:
    """A page such as proxies and edges in front of an API send."""
    phrase = responses.get(status, "Unknown Error")  # as of Cloudflare's 520 to 527
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{status} {phrase}</title></head>"
        f"<body><center><h1>{status} {phrase}</h1></center><hr></body></html>\n"
    )
    return Answer(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


@dataclass(slots=True)
class Recorded:
    """A request that arrived, and what became of it."""

    at: datetime
    method: str
    path: str
    query: str
    """As sent, without the question mark."""
    status: int | None = None
    """None as long as the client has not got any."""
    spent: int = 0
    processed: bool = False
    fault: Fault | None = None


class Journal:
    """The requests that arrived, and those that the vendor would call abuse. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._changes = 0
        self._requests: list[Recorded] = []
        self._abuse: list[str] = []

    @property
    def requests(self) -> list[Recorded]:
        with self._changed:
            return list(self._requests)

    @property
    def abuse(self) -> list[str]:
        with self._changed:
            return list(self._abuse)

    @property
    def count(self) -> int:
        return len(self._requests)

    def add(self, recorded: Recorded) -> None:
        with self._changed:
            self._requests.append(recorded)
        self.tell()

    def blame(self, reason: str) -> None:
        with self._changed:
            self._abuse.append(reason)
        self.tell()

    def tell(self) -> None:
        """Wake up all who wait: something about a request has changed."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Return once `condition` holds; TimeoutError after so many seconds.

        The condition is asked at every change, in the caller's thread.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._changes
            # Asked without our lock: the condition may well take the stand-in's own.
            if condition():
                return
            with self._changed:
                while self._changes == seen:
                    if not self._changed.wait(deadline - time.monotonic()):
                        raise TimeoutError(
                            f"not within {timeout} s; {len(self._requests)} requests came"
                        )


class Exchange:
    """The ASGI application: hands requests to `handle`, one at a time, unless a fault forbids it.

    `handle` runs on the server's event loop and must not block; `error` makes the vendor's own
    error answer for a status.
    """

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        *,
        error: Callable[[int], Answer],
        faults: FaultPlan,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._handle = handle
        self._error = error
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self.tells_time = True
        """Whether answers carry a date."""
        self.dateless: Callable[[str], object] = lambda _: False
        """Whether the answer about a path carries none all the same, as behind some proxies."""
        self.odd_headers: Mapping[str, str] = {}
        """The headers that every answer carries in place of its own ones of these names."""
        self._in_flight = 0
        self._on_their_way: list[tuple[datetime, Request, Recorded]] = []
        """Requests that land at a time by the clock."""
        self._told_to_wait: tuple[datetime, datetime] | None = None
        """Since when, until when; by an injected `retry-after`."""

    def land(self) -> None:
        """Process the requests whose time to land has come, each as of that time."""
        now = self._clock()
        landing = sorted((each for each in self._on_their_way if each[0] <= now), key=_due)
        self._on_their_way = [each for each in self._on_their_way if each[0] > now]
        for at, request, recorded in landing:
            self._process(replace(request, at=at), recorded)
            self._journal.tell()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._in_flight += 1
        try:
            await self._exchange(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return
        query = scope["query_string"].decode("latin-1")
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={
                name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
            },
            body=body,
            at=self._clock(),
            in_flight=self._in_flight,
        )
        self.land()
        recorded = Recorded(request.at, request.method, request.path, query)
        text = f"{query}\n{body.decode(errors='replace')}"
        recorded.fault = self._faults.pick(request.method, request.path, request.at, text)
        self._journal.add(recorded)
        self._notice_impatience(request)
        client = _Client(scope["extensions"][CONNECTION], receive, send)
        if recorded.fault is None:
            await self._answer(send, recorded, self._process(request, recorded))
        elif recorded.fault.kind is FaultKind.LANDS:
            self._on_their_way.append((request.at + recorded.fault.delay, request, recorded))
            self._journal.tell()
            client.connection.abort()
            await client.gone()
        else:
            await self._spoil(recorded.fault, request, recorded, client)

    def _notice_impatience(self, request: Request) -> None:
        if self._told_to_wait is not None:
            since, until = self._told_to_wait
            if since + UNDER_WAY < request.at < until:
                self._journal.blame("a request before retry-after had passed")

    def _process(self, request: Request, recorded: Recorded) -> Answer:
        answer = self._handle(request)
        recorded.processed = True
        recorded.spent = answer.spent
        return answer

    async def _answer(self, send: Send, recorded: Recorded, answer: Answer) -> None:
        recorded.status = answer.status
        self._journal.tell()
        if self.tells_time:
            answer.headers.setdefault("date", format_datetime(self._clock(), usegmt=True))
        if self.dateless(recorded.path):
            answer.headers.pop("date", None)
        answer.headers |= self.odd_headers
        await send(_start(answer))
        await send({"type": "http.response.body", "body": answer.body})

    async def _spoil(
        self, fault: Fault, request: Request, recorded: Recorded, client: "_Client"
    ) -> None:
        if fault.kind is FaultKind.LATE:
            await asyncio.sleep(fault.delay.total_seconds())
        answer = self._process(request, recorded) if fault.processed else None
        self._journal.tell()
        match fault.kind:
            case FaultKind.DROP:
                client.connection.abort()
                await client.gone()
            case FaultKind.HANG:
                await client.gone()
            case FaultKind.CUT if answer is not None:
                await client.send(_start(answer))
                half = answer.body[: len(answer.body) // 2]
                await client.send({"type": "http.response.body", "body": half, "more_body": True})
                client.connection.close()
                await client.gone()
            case FaultKind.SLOW:
                await asyncio.sleep(fault.delay.total_seconds())
            case FaultKind.HELD:
                await self._faults.hold(fault.name)
        spoilt = self._spoilt(fault, answer)
        if spoilt is None:
            return
        if client.connection.is_closing():
            await client.gone()
            return
        if fault.kind is FaultKind.LIMITED and fault.headers.get("retry-after", "").isdigit():
            now = self._clock()
            wait = timedelta(seconds=int(fault.headers["retry-after"]))
            self._told_to_wait = (now, now + wait)
        await self._answer(client.send, recorded, spoilt)

    def _spoilt(self, fault: Fault, answer: Answer | None) -> Answer | None:
        """The answer the client gets in the end; None where the fault leaves none."""
        match fault.kind:
            case FaultKind.SLOW | FaultKind.HELD | FaultKind.LATE:
                return answer
            case FaultKind.BROKEN_JSON if answer is not None:
                headers = {k: v for k, v in answer.headers.items() if k != "etag"}
                return Answer(answer.status, answer.body[: len(answer.body) // 2], headers)
            case FaultKind.EMPTY if answer is not None:
                return Answer(answer.status, b"", dict(answer.headers))
            case FaultKind.ERROR | FaultKind.LIMITED | FaultKind.SAYS:
                says = fault.kind is FaultKind.SAYS
                said = json_answer(fault.status, fault.content) if says else None
                said = said or self._error(fault.status)
                said.headers.update(fault.headers)
                return said
            case FaultKind.HTML:
                return html_answer(fault.status)
            case _:
                return None


@dataclass(frozen=True)
class _Client:
    """The sender of the request, and the connection it came through."""

    connection: asyncio.Transport
    receive: Receive
    send: Send

    async def gone(self) -> None:
        """Return once the client has hung up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None where the client left before it was complete."""
    body = bytearray()
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _due(landing: tuple[datetime, Request, Recorded]) -> datetime:
    return landing[0]


def _start(answer: Answer) -> Message:
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
    if answer.status != HTTPStatus.NOT_MODIFIED:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}
