"""Faults of requests, on demand: by a script, or by a seeded chance."""

import asyncio
import random
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Self


class FaultKind(StrEnum):
    """The fault as the client sees it."""

    DROP = "drop"
    """The connection is closed without any answer."""
    CUT = "cut"
    """The connection is closed in the middle of the answer."""
    HANG = "hang"
    """No answer at all, for as long as the client waits."""
    LATE = "late"
    """The request is processed, and answered, only after `delay`; also when the client has gone."""
    SLOW = "slow"
    """The request is processed at once and answered after `delay`."""
    HELD = "held"
    """The request is processed at once and answered when the plan lets go."""
    LANDS = "lands"
    """The connection is closed at once, and the request is processed when `delay` has passed by the
    stand-in's clock."""
    ERROR = "error"
    """A 5xx `status`."""
    HTML = "html"
    """An HTML page with `status`, as proxies and edges send them."""
    LIMITED = "limited"
    """A 429 with `headers`."""
    SAYS = "says"
    """A `status` with any `content` in JSON, and `headers`."""
    BROKEN_JSON = "broken-json"
    """The true answer's first half, complete as far as HTTP goes."""
    EMPTY = "empty"
    """The true answer's status with an empty body."""


@dataclass(frozen=True)
class Fault:
    """One kind of trouble; `processed` tells whether the request takes effect nevertheless."""

    kind: FaultKind
    processed: bool
    status: int = 500
    delay: timedelta = timedelta(0)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: object = None
    """Of one that says something."""
    name: str = ""
    """Of one that is held: those of a name are let go together."""

    def __str__(self) -> str:
        return f"{self.kind} {'after' if self.processed else 'before'} processing"

    @classmethod
    def drop(cls, *, processed: bool = False) -> Self:
        return cls(FaultKind.DROP, processed)

    @classmethod
    def cut(cls) -> Self:
        return cls(FaultKind.CUT, processed=True)

    @classmethod
    def hang(cls, *, processed: bool = False) -> Self:
        return cls(FaultKind.HANG, processed)

    @classmethod
    def late(cls, delay: timedelta) -> Self:
        """The commit lands `delay` after the request arrived, also if the client is gone."""
        return cls(FaultKind.LATE, processed=True, delay=delay)

    @classmethod
    def slow(cls, delay: timedelta) -> Self:
        return cls(FaultKind.SLOW, processed=True, delay=delay)

    @classmethod
    def held(cls, name: str = "") -> Self:
        return cls(FaultKind.HELD, processed=True, name=name)

    @classmethod
    def lands(cls, delay: timedelta) -> Self:
        """The client sees a dropped connection; the network delivers the request much later."""
        return cls(FaultKind.LANDS, processed=True, delay=delay)

    @classmethod
    def error(cls, status: int = 500, *, processed: bool = False) -> Self:
        """The vendor's JSON for 500, the edge's HTML for 502 and above."""
        own = status == HTTPStatus.INTERNAL_SERVER_ERROR
        kind = FaultKind.ERROR if own else FaultKind.HTML
        return cls(kind, processed, status)

    @classmethod
    def html(cls, status: int = 403, *, processed: bool = False) -> Self:
        return cls(FaultKind.HTML, processed, status)

    @classmethod
    def limited(cls, headers: Mapping[str, str] | None = None) -> Self:
        return cls(FaultKind.LIMITED, processed=False, status=429, headers=headers or {})

    @classmethod
    def says(
        cls,
        status: int,
        content: object,
        headers: Mapping[str, str] | None = None,
        *,
        processed: bool = False,
    ) -> Self:
        return cls(FaultKind.SAYS, processed, status, headers=headers or {}, content=content)

    @classmethod
    def broken_json(cls) -> Self:
        return cls(FaultKind.BROKEN_JSON, processed=True)

    @classmethod
    def empty(cls) -> Self:
        return cls(FaultKind.EMPTY, processed=True)


@dataclass(frozen=True)
class Injected:
    """A fault that happened. `at` is UTC, by the stand-in's clock."""

    at: datetime
    method: str
    path: str
    fault: Fault
    text: str = ""
    """The request's query and body."""


class FaultPlan:
    """The requests that go wrong, and how; can be changed at any time, from any thread.

    `method`, `path` and `about` are regular expressions: the whole method must match, the path
    (without its query) somewhere, and `about` somewhere in the query or the body, as sent. Scripted
    faults come first, in the order they were added.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: list[_Rule] = []
        self._chances: list[_Chance] = []
        self._injected: list[Injected] = []
        self._held: list[tuple[str, Callable[[], object]]] = []
        self._let_go: set[str] = set()
        self._holding = True

    def script(
        self,
        *faults: Fault,
        method: str = ".*",
        path: str = "",
        about: str = "",
        times: int | None = 1,
    ) -> None:
        """Let the next matching requests meet these faults one by one, the whole row `times` times.

        `times=None` repeats them without end.
        """
        with self._lock:
            self._scripted.append(
                _Rule(re.compile(method), re.compile(path), re.compile(about), faults, times)
            )

    def chance(
        self,
        probability: float,
        faults: Sequence[Fault],
        *,
        seed: int,
        method: str = ".*",
        path: str = "",
        about: str = "",
    ) -> None:
        """Let each matching request meet one of `faults` with this probability (0 to 1)."""
        with self._lock:
            self._chances.append(
                _Chance(
                    re.compile(method),
                    re.compile(path),
                    re.compile(about),
                    tuple(faults),
                    probability,
                    random.Random(seed),  # noqa: S311 - repeatable on purpose
                )
            )

    def clear(self) -> None:
        """Nothing goes wrong from now on; what was injected stays on record."""
        with self._lock:
            self._scripted.clear()
            self._chances.clear()

    def let_go(self, name: str | None = None) -> None:
        """Let the answers that are held, all or those of a name, be sent, these and all to come."""
        with self._lock:
            if name is None:
                self._holding = False
            else:
                self._let_go.add(name)
            for held, send in self._held:
                if name in (None, held):
                    send()

    async def hold(self, name: str) -> None:
        """Return when the plan lets go."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if not self._holding or name in self._let_go:
                return
            self._held.append((name, partial(loop.call_soon_threadsafe, over.set)))
        await over.wait()

    @property
    def injected(self) -> list[Injected]:
        with self._lock:
            return list(self._injected)

    def pick(self, method: str, path: str, at: datetime, text: str = "") -> Fault | None:
        """The fault this request meets, noted as injected; `text` is its query and body."""
        with self._lock:
            fault = self._next(method, path, text)
            if fault is not None:
                self._injected.append(Injected(at, method, path, fault, text))
            return fault

    def _next(self, method: str, path: str, text: str) -> Fault | None:
        for rule in self._scripted:
            if rule.method.fullmatch(method) and rule.path.search(path) and rule.about.search(text):
                fault = rule.take()
                if rule.used_up:
                    self._scripted.remove(rule)
                return fault
        for chance in self._chances:
            if (
                chance.method.fullmatch(method)
                and chance.path.search(path)
                and chance.about.search(text)
                and chance.random.random() < chance.probability
            ):
                return chance.random.choice(chance.faults)
        return None


@dataclass
class _Rule:
    method: re.Pattern[str]
    path: re.Pattern[str]
    about: re.Pattern[str]
    faults: tuple[Fault, ...]
    times: int | None
    taken: int = 0

    def take(self) -> Fault:
        fault = self.faults[self.taken % len(self.faults)]
        self.taken += 1
        return fault

    @property
    def used_up(self) -> bool:
        return self.times is not None and self.taken >= self.times * len(self.faults)


@dataclass(frozen=True)
class _Chance:
    method: re.Pattern[str]
    path: re.Pattern[str]
    about: re.Pattern[str]
    faults: tuple[Fault, ...]
    probability: float
    random: random.Random
