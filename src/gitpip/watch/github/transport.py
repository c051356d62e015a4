"""One request to GitHub: limited in time and size, within the rate limits, or a typed error."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urljoin

import httpx2
import stamina

from gitpip.clock import CLOCK_TOLERANCE, day_and_clock
from gitpip.errors import (
    GitHubAskedToWait,
    GitHubBlocked,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitHubUnavailable,
    GitHubUnreachable,
    GraphQLFailed,
    GraphQLTooSlow,
)
from gitpip.http_client import Origin, client, http_date, origin_of, unreachable
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.observability.watchdog import step
from gitpip.vendor_values import json_of, words
from gitpip.watch.github.addresses import LONGEST_WORDS, called, logged
from gitpip.watch.github.limited_alone import LimitedAddresses
from gitpip.watch.github.rate_limits import GitHubLimits

GITHUB_ANSWER_LIMIT = 32 * 1024 * 1024
ATTEMPTS = 3
REDIRECTS = 3
GRAPHQL_TIMEOUT = timedelta(seconds=12)
"""The time-out of a query. GitHub ends a query after ten seconds:
https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api"""
API_VERSION = "2022-11-28"
LONGEST_ETAG = 200
RATE_LIMITED = re.compile("API rate limit|secondary rate limit|abuse detection", re.IGNORECASE)
"""GitHub's words for an exceeded limit. Other refusals may mention limits as well, so only these
words count:
https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#rate-limit-errors
"""

_ASCII = "".join(map(chr, range(128)))

log = get_logger()


class AnswerTooLarge(GitHubUnavailable):
    """GitHub's answer is larger than what is read of one."""


class _PassingFault(GitHubUnavailable):
    """A fault that may be gone in a moment: it is worth a short retry."""


class _NoConnection(_PassingFault, GitHubUnreachable):
    pass


class _TooSlow(GitHubUnavailable):
    """No whole answer came in time."""


@dataclass(frozen=True)
class GitHubAnswer:
    """A 200 or a 304. Any other status was raised as an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def unchanged(self) -> bool:
        return self.status == httpx2.codes.NOT_MODIFIED

    @property
    def etag(self) -> str | None:
        """The value for the next request to learn of changes; None if it can't be sent."""
        etag = self.headers.get("etag", "")
        usable = len(etag) <= LONGEST_ETAG and etag.isascii() and etag.isprintable()
        return etag if etag and usable else None

    @property
    def date(self) -> datetime | None:
        """The server's own time of the answer, UTC."""
        return http_date(self.headers.get("date"))

    @property
    def next_page(self) -> str | None:
        """The URL of the next page, as the `Link` header (RFC 8288) gives it.

        Raises GitHubUnavailable if it can't be read: there may be further pages.
        """
        header = quote(self.headers.get("link", ""), safe=_ASCII)
        for link in httpx2.Response(200, headers={"link": header}).links.values():
            relations = {name.lower(): value for name, value in link.items()}.get("rel", "")
            if "next" in relations.lower().split():
                return _absolute(self.url, link["url"])
        return None

    @property
    def json_object(self) -> Mapping[str, object]:
        """The body if it is a JSON object, otherwise empty."""
        try:
            body = json_of(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def message(self) -> str:
        """GitHub's own words about a refusal; empty if it gives none."""
        said = self.json_object.get("message")
        return words(said, LONGEST_WORDS) if isinstance(said, str) else ""

    @property
    def words(self) -> str:
        """The message as the end of an error of ours: `: message`, or empty."""
        return f": {self.message}" if self.message else ""


class Transport:
    """Requests to one API and the hosts that hold its files. The token goes only to the API.

    A request that the known limits forbid is not sent: `limits` are those of REST, `graphql_limits`
    those of GraphQL. `timeout` limits a whole request, from the first byte sent to the last one
    read.
    """

    def __init__(
        self,
        *,
        api_url: str,
        token: str | None,
        timeout: timedelta,
        limits: GitHubLimits,
        graphql_limits: GitHubLimits,
    ) -> None:
        self._api = origin_of(api_url)
        self._rate_limit_url = f"{api_url}/rate_limit"
        self._timeout = timeout.total_seconds()
        self.set_token(token)
        self._limits = limits
        self._graphql_limits = graphql_limits
        self._limited_alone = LimitedAddresses()
        self._client = client(timeout=self._timeout)
        self.clock_ahead: timedelta | None = None
        """The lead of our clock over GitHub's at the last answer with a date; 0 if they agree, None
        before the first one."""

    def set_token(self, token: str | None) -> None:
        """Use this token from the next request on, or none."""
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    async def close(self) -> None:
        await self._client.aclose()

    async def get(
        self,
        url: str,
        *,
        accept: str,
        etag: str | None = None,
        size_limit: int = GITHUB_ANSWER_LIMIT,
        reserved: bool = False,
        attempts: int = ATTEMPTS,
    ) -> GitHubAnswer:
        """Send a request, `attempts` times in all if GitHub fails or the connection breaks.

        `reserved` uses what the limits keep in reserve. Raises GitHubNotFound, GitHubBlocked,
        GitHubUnauthorized (only if `/rate_limit` refuses the token as well), GitHubLimited,
        AnswerTooLarge and GitHubUnavailable, also if only this address always asks to wait.
        """
        try:
            return await self._repeated(url, accept, etag, size_limit, reserved, attempts)
        except (GitHubLimited, GitHubNotFound):
            raise
        except GitHubError as error:
            logged(url, error)
            raise

    async def _repeated(
        self,
        url: str,
        accept: str,
        etag: str | None,
        size_limit: int,
        reserved: bool,
        attempts: int,
    ) -> GitHubAnswer:
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        async for attempt in stamina.retry_context(
            on=_PassingFault,
            attempts=attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.3,
        ):
            with attempt:
                try:
                    return await self._ask(url, headers, size_limit, reserved)
                except GitHubUnauthorized as error:
                    if url == self._rate_limit_url:
                        raise
                    await self._confirm_refusal()
                    raise GitHubUnavailable(
                        f"GitHub answered 401 for {called(url)}, although it accepts the token "
                        "elsewhere"
                    ) from error
        raise GitHubUnavailable(f"GitHub was not asked for {called(url)}")

    async def post(self, url: str, content: Mapping[str, object]) -> GitHubAnswer:
        """Send one query to GraphQL.

        Raises GitHubUnauthorized (only if REST refuses the token as well), GitHubLimited, and
        GraphQLFailed (a GraphQLTooSlow after at most 12 seconds) for every other failure. A single
        user in the query can cause it.
        """
        headers = {"Accept": "application/json", **self._authorization}
        try:
            async with self._graphql_limits.room():
                answer = await self._exchange("POST", url, headers, content=content)
                self._graphql_limits.learn(answer.headers, answer.date)
            return await self._judged(answer, self._graphql_limits)
        except GitHubLimited:
            raise
        except GitHubUnauthorized as error:
            await self._confirm_refusal()
            raise GraphQLFailed("GraphQL refuses the token (401), and REST accepts it") from error
        except _TooSlow as error:
            raise GraphQLTooSlow(str(error)) from error
        except GitHubError as error:
            raise GraphQLFailed(str(error)) from error

    async def _confirm_refusal(self) -> None:
        """Raise GitHubUnauthorized if GitHub refuses the token for `/rate_limit` as well.

        A single 401 can be the fault of one address. This request costs nothing of the hourly
        limit: https://docs.github.com/rest/rate-limit/rate-limit
        """
        try:
            await self.get(self._rate_limit_url, accept="application/json", reserved=True)
        except GitHubUnauthorized:
            raise
        except GitHubError as error:
            log.info("token.unconfirmed", reason=str(error))

    async def _ask(
        self, url: str, headers: dict[str, str], size_limit: int, reserved: bool
    ) -> GitHubAnswer:
        for _ in range(1 + REDIRECTS):
            answer = await self._send(url, headers, size_limit, reserved)
            if answer.status == httpx2.codes.UNAUTHORIZED and origin_of(url) != self._api:
                # The token was not sent there, so this says nothing about it.
                raise GitHubUnavailable(f"GitHub requires a sign-in for {called(url)} (401)")
            if answer.status not in {301, 302, 307, 308}:
                return await self._judged(answer, self._limits)
            target = _absolute(url, answer.headers.get("location", ""))
            if not same_origin(target, url):
                raise GitHubUnavailable(
                    f"GitHub's answer for {called(url)} redirects to another host"
                )
            url = target
        raise GitHubUnavailable(f"GitHub's answer for {called(url)} redirects too often")

    async def _send(
        self, url: str, headers: dict[str, str], size_limit: int, reserved: bool
    ) -> GitHubAnswer:
        try:
            origin = origin_of(url)
        except httpx2.InvalidURL as error:
            reason = words(str(error), LONGEST_WORDS)
            raise GitHubUnavailable(f"GitHub gave an invalid URL: {reason}") from error
        is_api = origin == self._api
        if not is_api and not _holds_contents(self._api, origin):
            raise GitHubUnavailable(
                f"the address of {called(url)} is on none of GitHub's hosts, so gitpip did not "
                "ask there"
            )
        if until := self._limited_alone.waits_until(url, self._limits.now()):
            raise _limited_alone(url, until)
        if is_api:
            headers = {**headers, **self._authorization, "X-GitHub-Api-Version": API_VERSION}
        async with self._limits.room(reserved=reserved):
            answer = await self._exchange("GET", url, headers, size_limit)
            if is_api:
                self._limits.learn(answer.headers, answer.date)
            return answer

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        size_limit: int = GITHUB_ANSWER_LIMIT,
        content: Mapping[str, object] | None = None,
    ) -> GitHubAnswer:
        started, status, asked_at = time.monotonic(), None, self._limits.now()
        timeout = self._timeout
        if content is not None:
            timeout = min(timeout, GRAPHQL_TIMEOUT.total_seconds())
        try:
            async with (
                asyncio.timeout(timeout),
                self._client.stream(method, url, headers=headers, json=content) as response,
            ):
                body = await _read(response, size_limit)
                status = response.status_code
        except (TimeoutError, httpx2.TimeoutException):
            raise _TooSlow(
                f"GitHub gave no complete answer for {called(url)} within {timeout:g} s"
            ) from None
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            reason = unreachable(error, url)
            raise _NoConnection(f"GitHub can't be reached: {reason}") from error
        except httpx2.RequestError as error:
            reason = words(str(error), LONGEST_WORDS) or "the connection broke"
            raise _PassingFault(
                f"GitHub's answer for {called(url)} could not be read: {reason}"
            ) from error
        finally:
            metrics.vendor_answered("github", status, time.monotonic() - started)
            step()
        if (
            response.status_code == httpx2.codes.UNAUTHORIZED
            and "Authorization" in headers
            and headers["Authorization"] != self._authorization.get("Authorization")
        ):
            raise _PassingFault(f"the token was changed during a request for {called(url)}")
        answer = GitHubAnswer(response.status_code, response.headers, body, url)
        if origin_of(url) == self._api:
            self._compare_clocks(answer, asked_at)
        return answer

    def _compare_clocks(self, answer: GitHubAnswer, asked_at: datetime) -> None:
        # A cache's answer has the time at which the cache got it: RFC 9111, section 4.2.3.
        if answer.date is None or "age" in answer.headers:
            return
        ahead = clock_ahead(asked_at, self._limits.now(), answer.date)
        before = self.clock_ahead or timedelta(0)
        if (abs(ahead) > CLOCK_TOLERANCE) != (abs(before) > CLOCK_TOLERANCE):
            log.warning("clock.compared", ahead=ahead.total_seconds())
        self.clock_ahead = self._limits.ahead = self._graphql_limits.ahead = ahead

    async def _judged(self, answer: GitHubAnswer, limits: GitHubLimits) -> GitHubAnswer:
        try:
            return self._judge(answer, limits)
        finally:
            await self._limits.tell()
            await self._graphql_limits.tell()

    def _judge(self, answer: GitHubAnswer, limits: GitHubLimits) -> GitHubAnswer:
        what = called(answer.url)
        match answer.status:
            case 200 | 304:
                limits.accepted()
                if limits is self._limits:
                    self._limited_alone.answered(answer.url, limits.now())
                return answer
            case 401:
                raise GitHubUnauthorized("GitHub does not accept the token")
            case 404 | 410:
                raise GitHubNotFound(
                    f"GitHub doesn't show {what} ({answer.status})", names_user=False
                )
            case 451:
                raise GitHubBlocked(f"GitHub blocks {what} for legal reasons (451){answer.words}")
            case 403 | 429:
                raise self._refusal(answer, limits)
            case status if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
                raise _PassingFault(f"GitHub answered {status} for {what}")
            case status:
                raise GitHubUnavailable(
                    f"GitHub answered {status} for {what}, which gitpip did not expect"
                )

    def _refusal(self, answer: GitHubAnswer, limits: GitHubLimits) -> GitHubError:
        if (
            answer.status == httpx2.codes.TOO_MANY_REQUESTS
            or "retry-after" in answer.headers
            or answer.headers.get("x-ratelimit-remaining") == "0"
            or RATE_LIMITED.search(answer.message)
        ):
            return self._limit(answer, limits)
        what = called(answer.url)
        if "block" in answer.json_object:
            return GitHubBlocked(f"GitHub blocks {what} (403){answer.words}")
        return GitHubUnavailable(f"GitHub rejected the request for {what} (403){answer.words}")

    def _limit(self, answer: GitHubAnswer, limits: GitHubLimits) -> GitHubError:
        """Return the error of an answer that asks all requests, or this address, to wait."""
        if answer.headers.get("x-ratelimit-remaining") == "0":
            return limits.refused(answer.headers, answer.date)
        by_rest, now = limits is self._limits, limits.now()
        if by_rest:
            announced = limits.announced(answer.headers, answer.date)
            if until := self._limited_alone.refused(answer.url, announced, now):
                return _limited_alone(answer.url, until)
        error = limits.refused(answer.headers, answer.date)
        if by_rest:
            self._limited_alone.everybody_waits(answer.url, error.until)
        # A secondary limit applies to the caller, whichever API is used.
        for other in (self._limits, self._graphql_limits):
            other.wait(error.until - now)
        return GitHubAskedToWait(str(error), error.until, error.resource)


def clock_ahead(asked_at: datetime, answered_at: datetime, theirs: datetime) -> timedelta:
    """Return how far our clock is ahead of the server's full seconds; 0 if they agree.

    The server took the time between the request and the answer.
    """
    if asked_at > theirs + timedelta(seconds=1):
        return asked_at - theirs - timedelta(seconds=1)
    return min(answered_at - theirs, timedelta(0))


def _limited_alone(url: str, until: datetime) -> GitHubUnavailable:
    return GitHubUnavailable(
        f"GitHub asks gitpip to wait with {called(url)}, and with nothing else. gitpip asks again "
        f"after {day_and_clock(until, seconds=True)}"
    )


def same_origin(url: str, other: str) -> bool:
    """Return whether both go to the same host; an invalid URL goes nowhere."""
    try:
        return origin_of(url) == origin_of(other)
    except httpx2.InvalidURL:
        return False


def _holds_contents(api: Origin, origin: Origin) -> bool:
    """Return whether an installation of GitHub keeps the contents of files there.

    An Enterprise Server keeps them on its own host or, with subdomain isolation, on hosts below:
    https://docs.github.com/enterprise-server/admin/configuring-settings/hardening-security-for-your-enterprise/enabling-subdomain-isolation
    """
    if origin.scheme != api.scheme:
        return False
    if api.scheme == "http":  # settings allow it on this machine alone, where ports are no hosts
        return origin.host == api.host
    if origin.port != api.port:
        return False
    if api.host == "api.github.com":
        return origin.host == "gist.githubusercontent.com"
    home = api.host.removeprefix("api.") if api.host.endswith(".ghe.com") else api.host
    return origin.host == home or origin.host.endswith(f".{home}")


def _absolute(url: str, target: str) -> str:
    """Return the target of an answer's header; raises GitHubUnavailable if it is not a URL."""
    try:
        return urljoin(url, target)
    except ValueError:
        raise GitHubUnavailable(
            f"GitHub's answer for {called(url)} leads to an invalid URL"
        ) from None


async def _read(response: httpx2.Response, size_limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > size_limit:
            what = called(str(response.url))
            raise AnswerTooLarge(f"GitHub's answer for {what} has more than {size_limit:,} bytes")
    return bytes(body)
