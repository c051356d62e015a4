"""Pipedrive's API v2: one request in, a typed outcome out.

Limits, costs and error shapes follow Pipedrive's developer documentation of autumn 2026.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, cast

import httpx2
from pydantic import SecretStr

from gitpip import metrics
from gitpip.model import ActivityId, DealId
from gitpip.outgoing import client, http_date
from gitpip.progress import step
from gitpip.publish.delivery import Accepted, Ambiguous, NotProcessed, Outcome, Refused
from gitpip.publish.pace import Pace, number
from gitpip.settings import organization
from gitpip.telemetry import redacted

Json = dict[str, object]
Query = Mapping[str, str | int]

ANSWER_LIMIT = 64 * 2**20
LIST_LIMIT = 500
BURST_PAUSE = timedelta(seconds=3)
ACCESS_PAUSE = timedelta(minutes=5)
EDGE_PAUSE = timedelta(minutes=10)
DAILY_PAUSE = timedelta(minutes=30)
"""The reset is at midnight of an unnamed time zone, so it is tried now and then."""
CONNECT_PAUSE = timedelta(seconds=10)
DAILY_RESERVE = 30
"""So many tokens are left unspent: the next step may need a list, a post and a get."""


@dataclass(frozen=True)
class Item:
    """A deal or an activity in a list."""

    id: int
    text: str
    """The title or subject."""
    note: str | None


class LookFailed(Exception):
    """A list could not be read to its end; what it did not show proves nothing."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(getattr(outcome, "reason", ""))


class Pipedrive:
    """One account's API, asked by one request at a time.

    `timeout` bounds a whole request. Redirects are never followed, so that the token can't leak.
    """

    def __init__(
        self,
        *,
        api_url: str,
        token: SecretStr | None,
        timeout: timedelta,
        rest: timedelta = timedelta(seconds=2),
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._timeout = timeout
        self._pace = Pace(rest)
        self._turn = asyncio.Lock()
        self._client = client(timeout=timeout.total_seconds())
        self.use(token)
        self.daily_remaining: int | None = None
        self.daily_limit: int | None = None
        """Tokens left today, as last announced."""
        self.now: datetime | None = None
        """The time by Pipedrive's clock, as last announced."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def use(self, token: SecretStr | None) -> None:
        """Ask under this token from the next request on; without one nothing should be asked."""
        text = token.get_secret_value() if token else ""
        self.has_token = token is not None
        self._headers = {"Accept": "application/json"} | ({"x-api-token": text} if token else {})
        self.fingerprint = hashlib.sha256(f"{self._api_url}\0{text}".encode()).hexdigest()[:12]
        """What tells one token from another, and tells nothing of the token."""

    async def ready(self) -> None:
        """Return when the pace allows a request: call it before taking a lease."""
        await self._pace.wait()

    async def owner(self) -> str:
        """Whose token this is, and of which company; costs two tokens. Raises LookFailed."""
        user = await self._current_user()
        return f"{user.get('name')} of {user.get('company_name')}"

    async def company_domain(self) -> str | None:
        """The company's part of COMPANY.pipedrive.com; costs two tokens. Raises LookFailed.

        None where Pipedrive names none that can be one.
        """
        domain = (await self._current_user()).get("company_domain")
        try:
            return organization(domain) if isinstance(domain, str) else None
        except ValueError:
            return None

    async def _current_user(self) -> dict[str, object]:
        user = _data(await self._request("GET", "/v1/users/me"))
        if not isinstance(user, dict):
            raise LookFailed(Ambiguous("Pipedrive did not say whose token it is"))
        return user

    async def create_deal(self, title: str) -> Outcome:
        """Make an open deal; Accepted bears its id."""
        return await self._create("/v2/deals", {"title": title})

    async def create_activity(self, *, deal_id: DealId, subject: str, note: str) -> Outcome:
        """Make an activity under a deal; Accepted bears its id."""
        return await self._create(
            "/v2/activities", {"subject": subject, "deal_id": deal_id, "note": note}
        )

    async def rewrite_note(self, activity_id: ActivityId, note: str) -> Outcome:
        """Give an activity another note; doing it twice does no harm."""
        answer = await self._request("PATCH", f"/v2/activities/{activity_id}", body={"note": note})
        return Accepted(activity_id) if isinstance(answer, _Answer) else answer

    async def deal_is_gone(self, deal_id: DealId) -> bool:
        """Whether a deal was deleted. Raises LookFailed when that can't be learned."""
        answer = await self._request("GET", f"/v2/deals/{deal_id}")
        if isinstance(answer, Refused) and answer.status in {404, 410}:
            return True
        data = _data(answer)
        return isinstance(data, dict) and (
            data.get("is_deleted") is True or data.get("status") == "deleted"
        )

    def open_deals(self) -> AsyncIterator[Item]:
        """Every open deal, oldest first. Raises LookFailed."""
        return self._items(
            "/v2/deals", {"status": "open", "sort_by": "id", "sort_direction": "asc"}, "title"
        )

    def activities(self, deal_id: DealId, *, since: datetime) -> AsyncIterator[Item]:
        """A deal's activities that changed after `since`, newest first. Raises LookFailed."""
        # Pipedrive refuses fractions of a second here.
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query: Query = {
            "deal_id": deal_id,
            "updated_since": text,
            "sort_by": "id",
            "sort_direction": "desc",
        }
        return self._items("/v2/activities", query, "subject")

    async def _items(self, path: str, query: Query, text_field: str) -> AsyncIterator[Item]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = {"cursor": cursor} if cursor else {}
            answer = await self._request("GET", path, {**query, "limit": LIST_LIMIT, **page})
            data = _data(answer)
            if not isinstance(data, list):
                raise LookFailed(Ambiguous(f"the list {path} holds no list"))
            for entry in data:
                yield _item(entry, text_field)
            cursor = _next_cursor(answer)
            if cursor is None:
                return
            if cursor in seen:
                raise LookFailed(Ambiguous(f"the list {path} goes round in circles"))
            seen.add(cursor)

    async def _create(self, path: str, body: Json) -> Outcome:
        answer = await self._request("POST", path, body=body)
        if isinstance(answer, _Answer):
            data = answer.body.get("data")
            created = data.get("id") if isinstance(data, dict) else None
            if isinstance(created, int) and not isinstance(created, bool):
                return Accepted(created)
            return Ambiguous("Pipedrive's answer bears no id")
        return answer

    async def _request(
        self, method: str, path: str, query: Query | None = None, body: Json | None = None
    ) -> "_Answer | _Refused | NotProcessed | Ambiguous":
        async with self._turn:
            await self._pace.wait()
            asked_under = self.fingerprint
            headers: Mapping[str, str] | None = None
            started, status = time.monotonic(), None
            try:
                async with asyncio.timeout(self._timeout.total_seconds()):
                    response, content = await self._exchange(method, path, query, body)
                headers, status = response.headers, response.status_code
            except (
                httpx2.ConnectError,
                httpx2.ConnectTimeout,
                httpx2.PoolTimeout,
                httpx2.ProxyError,
            ) as error:
                return NotProcessed(f"Pipedrive can't be reached: {_cause(error)}", CONNECT_PAUSE)
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
                return NotProcessed(f"PIPEDRIVE_API_URL does not work: {error}", ACCESS_PAUSE)
            except _TooLarge:
                return Ambiguous(f"Pipedrive's answer is larger than {ANSWER_LIMIT} bytes")
            except (httpx2.HTTPError, TimeoutError) as error:
                return Ambiguous(f"Pipedrive's answer did not arrive: {_cause(error)}")
            finally:
                self._pace.note_end(headers)
                metrics.vendor_answered("pipedrive", status, time.monotonic() - started)
                step()
        remaining = number(response.headers, "x-daily-ratelimit-token-remaining")
        self.daily_remaining = remaining
        limit = number(response.headers, "x-daily-ratelimit-token-limit")
        self.daily_limit = limit or self.daily_limit
        self.now = http_date(response.headers.get("date"))
        outcome = _read(response.status_code, response.headers, content)
        if isinstance(outcome, NotProcessed) and outcome.access and asked_under != self.fingerprint:
            return NotProcessed("the token was changed meanwhile", timedelta(0), everyone=False)
        return outcome

    async def _exchange(
        self, method: str, path: str, query: Query | None, body: Json | None
    ) -> tuple[httpx2.Response, bytes]:
        url = self._api_url + path
        async with self._client.stream(
            method, url, params=query, json=body, headers=self._headers
        ) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > ANSWER_LIMIT:
                    raise _TooLarge
            return response, bytes(content)


class _TooLarge(Exception):
    pass


@dataclass(frozen=True)
class _Refused(Refused):
    status: int


@dataclass(frozen=True)
class _Answer:
    body: Json


def _read(
    status: int, headers: Mapping[str, str], content: bytes
) -> _Answer | _Refused | NotProcessed | Ambiguous:
    if httpx2.codes.is_redirect(status):
        return Ambiguous(
            f"Pipedrive answered {status}: it redirects to another address, which is not followed;"
            " check PIPEDRIVE_ORG and PIPEDRIVE_API_URL",
            ACCESS_PAUSE,
        )
    body = _json(content)
    if body is None:
        pause = EDGE_PAUSE if content.lstrip().startswith(b"<") or status in {403, 429} else None
        return Ambiguous(f"Pipedrive answered {status} with something that is no JSON", pause)
    if status in {200, 201} and body.get("success") is True:
        return _Answer(body)
    return _error(status, headers, body)


def _error(
    status: int, headers: Mapping[str, str], body: Json
) -> _Refused | NotProcessed | Ambiguous:
    words = _words(status, body)
    match status:
        case 429:
            return NotProcessed(words, _limit_pause(headers))
        case 403 if body.get("code") == "feature_capping_deals_limit":
            return NotProcessed(words, timedelta(hours=1), everyone=False)
        case 401:
            words = f"{words}; set PIPEDRIVE_TOKEN to a valid token"
            return NotProcessed(words, ACCESS_PAUSE, access=True)
        case 402 | 403:
            return NotProcessed(words, ACCESS_PAUSE, access=True)
        case 400 | 404 | 405 | 409 | 410 | 413 | 415 | 422:
            return _Refused(words, status)
        case _:
            return Ambiguous(words)


def _limit_pause(headers: Mapping[str, str]) -> timedelta:
    burst_left = number(headers, "x-ratelimit-remaining")
    daily_left = number(headers, "x-daily-ratelimit-token-remaining")
    if daily_left == 0 or (burst_left is not None and burst_left > 0):
        return DAILY_PAUSE
    announced = number(headers, "retry-after") or number(headers, "x-ratelimit-reset") or 0
    return max(BURST_PAUSE, timedelta(seconds=min(announced + 1, 86_400)))


def _json(content: bytes) -> Json | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return cast("Json", body) if isinstance(body, dict) else None


def _words(status: int, body: Json) -> str:
    said = body.get("error") or body.get("error_info") or body.get("message") or "without a reason"
    # It is kept as the reason, and may say back what was sent.
    return f"Pipedrive answered {status}: {redacted(str(said))[:500]}"


def _data(answer: _Answer | Refused | NotProcessed | Ambiguous) -> object:
    if isinstance(answer, _Answer):
        return answer.body.get("data")
    raise LookFailed(answer)


def _next_cursor(answer: object) -> str | None:
    extra = answer.body.get("additional_data") if isinstance(answer, _Answer) else None
    if not isinstance(extra, dict) or "next_cursor" not in extra:
        raise LookFailed(Ambiguous("the list does not say whether it ends here"))
    cursor = extra["next_cursor"]
    return cursor if isinstance(cursor, str) and cursor else None


def _item(entry: object, text_field: str) -> Item:
    if isinstance(entry, dict) and isinstance(entry.get("id"), int):
        text, note = entry.get(text_field), entry.get("note")
        return Item(
            entry["id"],
            text if isinstance(text, str) else "",
            note if isinstance(note, str) else None,
        )
    raise LookFailed(Ambiguous("the list holds something that has no id"))


def _cause(error: Exception) -> str:
    return type(error).__name__ + (f" ({redacted(str(error))})" if str(error) else "")
