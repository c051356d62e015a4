"""Answers of GitHub that a test writes itself."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from gitpip.model import GitHubId

ADA = GitHubId(7)
AT = "2026-03-01T10:00:00Z"
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Script:
    """An HTTP server that answers as told, whatever GitHub itself would never say."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    takes: float = 0.02
    in_flight: int = 0
    most_in_flight: int = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: object, send: Send) -> None:
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((path, headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(self.takes)
        self.in_flight -= 1
        status, given, body = self.answers.get(path, (404, {}, b"{}"))
        shown = [(name.encode(), value.encode()) for name, value in given.items()]
        await send({"type": "http.response.start", "status": status, "headers": shown})
        await send({"type": "http.response.body", "body": body})

    def say(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, named, octets)
