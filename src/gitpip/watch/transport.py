"""One request to GitHub: bounded in time and size, within the limits, or a typed error."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx2
import stamina

from gitpip.errors import (
    GitHubBlocked,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitHubUnavailable,
)

IN_FLIGHT = 4
ANSWER_LIMIT = 32 * 1024 * 1024
ATTEMPTS = 3
REDIRECTS = 3
SHORTEST_WAIT = timedelta(seconds=1)
SECONDARY_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(days=1)


class AnswerTooLarge(GitHubUnavailable):
    """GitHub's answer is larger than what is read of one."""


class _PassingFault(GitHubUnavailable):
    """A fault that may be gone in a moment: it is worth a short retry."""


@dataclass(frozen=True)
class Answer:
    """A 200 or a 304: anything else was raised as an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def unchanged(self) -> bool:
        return self.status == httpx2.codes.NOT_MODIFIED

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def date(self) -> datetime | None:
        """The server's own time of the answer, UTC."""
        return _http_date(self.headers.get("date"))

    @property
    def next_page(self) -> str | None:
        """The URL of the next page, as the `Link` header gives it."""
        for link in self.headers.get("link", "").split(","):
            target, _, parameters = link.strip().partition(">")
            if target.startswith("<") and 'rel="next"' in parameters:
                return urljoin(self.url, target[1:])
        return None


class Transport:
    """GETs to one API and to the hosts it refers to; the token goes to the API's origin alone.

    At most four requests are in flight. A request that the known limits forbid is not sent.
    `timeout` bounds a whole request, from the first byte sent to the last one read.
    """

    def __init__(
        self,
        *,
        api_url: str,
        token: str | None,
        timeout: timedelta,
        user_agent: str,
        now: Callable[[], datetime],
    ) -> None:
        self._origin = origin_of(api_url)
        self._timeout = timeout.total_seconds()
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._limits = Limits(now)
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": user_agent},
            timeout=self._timeout,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def get(
        self,
        url: str,
        *,
        accept: str,
        etag: str | None = None,
        size_limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """Ask, with up to two short retries where GitHub fails or the connection breaks.

        Raises GitHubNotFound, GitHubBlocked, GitHubUnauthorized, GitHubLimited, AnswerTooLarge and
        GitHubUnavailable.
        """
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        async for attempt in stamina.retry_context(
            on=_PassingFault,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.3,
        ):
            with attempt:
                return await self._ask(url, headers, size_limit)
        raise GitHubUnavailable(f"{shown(url)} was not asked")

    async def _ask(self, url: str, headers: dict[str, str], size_limit: int) -> Answer:
        for _ in range(1 + REDIRECTS):
            answer = await self._send(url, headers, size_limit)
            if answer.status not in {301, 302, 307, 308}:
                return self._judge(answer)
            target = urljoin(url, answer.headers.get("location", ""))
            if origin_of(target) != origin_of(url):
                raise GitHubUnavailable(f"{shown(url)} redirects to another host")
            url = target
        raise GitHubUnavailable(f"{shown(url)} redirects too often")

    async def _send(self, url: str, headers: dict[str, str], size_limit: int) -> Answer:
        is_api = origin_of(url) == self._origin
        if is_api:
            headers = {**headers, **self._authorization, "X-GitHub-Api-Version": "2022-11-28"}
        async with self._limits.room():
            try:
                async with (
                    asyncio.timeout(self._timeout),
                    self._client.stream("GET", url, headers=headers) as response,
                ):
                    body = await _read(response, size_limit)
            except (TimeoutError, httpx2.TimeoutException):
                raise GitHubUnavailable(
                    f"{shown(url)} gave no whole answer within {self._timeout:g} s"
                ) from None
            except httpx2.RequestError as error:
                raise _PassingFault(
                    f"{shown(url)} could not be read: {error or type(error).__name__}"
                ) from error
            except httpx2.InvalidURL as error:
                raise GitHubUnavailable(f"GitHub gave a URL that is none: {error}") from error
            answer = Answer(response.status_code, response.headers, body, url)
            if is_api:
                self._limits.learn(answer)
            return answer

    def _judge(self, answer: Answer) -> Answer:
        what = shown(answer.url)
        match answer.status:
            case 200 | 304:
                self._limits.accepted()
                return answer
            case 401:
                raise GitHubUnauthorized(
                    "GitHub does not accept the token: set GITHUB_TOKEN to a valid one"
                )
            case 404 | 410:
                raise GitHubNotFound(f"{what} is not shown by GitHub ({answer.status})")
            case 451:
                raise GitHubBlocked(f"{what} is blocked for legal reasons (451)")
            case 403 | 429:
                raise self._refusal(answer)
            case status if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
                raise _PassingFault(f"{what} answered {status}")
            case status:
                raise GitHubUnavailable(f"{what} answered {status}, which was not expected")

    def _refusal(self, answer: Answer) -> GitHubError:
        text = answer.body[:10_000].decode(errors="replace").lower()
        if (
            answer.status == httpx2.codes.TOO_MANY_REQUESTS
            or "retry-after" in answer.headers
            or answer.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in text
            or "abuse" in text
        ):
            return self._limits.refused(answer)
        if '"block"' in text:
            return GitHubBlocked(f"{shown(answer.url)} is blocked by GitHub (403)")
        return GitHubUnavailable(f"{shown(answer.url)} was refused (403)")


class Limits:
    """What GitHub's headers allow; the rules are those of its documentation on rate limits.

    Waits are differences of the server's own times, so a wrong local clock does no harm. As long
    as nothing is known, one request goes alone to learn what is left.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._in_flight = 0
        self._left: float | None = None
        self._window: str | None = None
        self._until: datetime | None = None
        self._refusals = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Wait for room for one more request; raises GitHubLimited when none may be sent."""
        while self._in_flight >= self._allowed():
            self._freed.clear()
            await self._freed.wait()
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._freed.set()

    def learn(self, answer: Answer) -> None:
        """Take in what an answer of the API says of the limits."""
        left = _number(answer.headers.get("x-ratelimit-remaining"))
        window = answer.headers.get("x-ratelimit-reset")
        if left is None:
            self._left = self._left if self._until else float("inf")
            return
        # Answers overtake each other: within a window, the smallest figure is the latest.
        if window == self._window and self._left is not None:
            left = min(left, self._left)
        self._left, self._window = left, window
        if left <= 0:
            self._wait(self._wait_for_reset(answer))

    def accepted(self) -> None:
        self._refusals = 0

    def refused(self, answer: Answer) -> GitHubLimited:
        """The error for a refusal: `retry-after`, else the reset, else a minute and growing."""
        after = answer.headers.get("retry-after")
        if after is not None and (wait := _retry_after(after, answer.date or self._now())):
            self._wait(wait)
        elif answer.headers.get("x-ratelimit-remaining") == "0":
            self._wait(self._wait_for_reset(answer))
        elif self._until is None or self._until <= self._now():
            self._wait(SECONDARY_WAIT * 2**self._refusals)
            self._refusals += 1
        return self._limited()

    def _allowed(self) -> float:
        if self._until is not None:
            if self._now() < self._until:
                raise self._limited()
            self._until = self._left = None
        return 1 if self._left is None else min(self._left, IN_FLIGHT)

    def _wait(self, wait: timedelta) -> None:
        until = self._now() + min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        self._until = max(self._until or until, until)
        self._freed.set()

    def _wait_for_reset(self, answer: Answer) -> timedelta:
        reset = _number(answer.headers.get("x-ratelimit-reset"))
        if reset is None:
            return SECONDARY_WAIT
        server_now = answer.date or self._now()
        # Both times are cut to whole seconds, hence one second more.
        return timedelta(seconds=reset - server_now.timestamp()) + SHORTEST_WAIT

    def _limited(self) -> GitHubLimited:
        until = self._until or self._now()
        return GitHubLimited(
            f"GitHub's rate limit is used up until {until:%Y-%m-%d %H:%M:%S} UTC", until
        )


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and host of a URL."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def shown(url: str) -> str:
    """A URL as errors name it: without its query, and without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def _read(response: httpx2.Response, size_limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > size_limit:
            raise AnswerTooLarge(f"{shown(str(response.url))} gave more than {size_limit} bytes")
    return bytes(body)


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None


def _retry_after(text: str, server_now: datetime) -> timedelta | None:
    seconds = _number(text)
    if seconds is not None:
        return timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds())) or SHORTEST_WAIT
    date = _http_date(text)
    return max(date - server_now, SHORTEST_WAIT) if date else None


def _http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    if date is None:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
