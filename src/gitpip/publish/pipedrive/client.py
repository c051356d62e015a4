"""The client of Pipedrive's API v2: each request returns a typed outcome.

Limits, costs and error shapes follow Pipedrive's developer documentation of autumn 2026.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import httpx2
from pydantic import SecretStr

from gitpip.clock import whole_seconds
from gitpip.digests import fingerprint
from gitpip.http_client import Sending, client, http_date
from gitpip.model import ActivityId, DealId
from gitpip.observability import metrics
from gitpip.observability.watchdog import step
from gitpip.publish.catalog import ActivityFields, Catalog, DealFields, Field, Listed
from gitpip.publish.delivery import Accepted, Ambiguous, Denied, NotProcessed, Outcome, Refused
from gitpip.publish.destination import (
    UNREAD_ENTRIES,
    Activities,
    DealContents,
    Item,
    ListedActivity,
    ListPage,
    LookFailed,
    NoteWritten,
    Place,
    SearchHit,
    TokenOwner,
    Turn,
    Unusable,
)
from gitpip.publish.pipedrive import answers, catalog, contents, targets
from gitpip.publish.pipedrive.answers import ACCESS_PAUSE, Json, Success, Unauthorized, Unread
from gitpip.publish.pipedrive.deal_index import DealIndex
from gitpip.publish.pipedrive.lists import Hits, newest_first, read_hits, read_page
from gitpip.publish.pipedrive.page_size import PageSize
from gitpip.publish.pipedrive.rate_limit import RateLimiter, number
from gitpip.store.database import Database
from gitpip.store.users.targets import SeenTarget
from gitpip.targets import Target, TargetKind
from gitpip.vendor_values import whole_number

Query = Mapping[str, str | int]

ACTIVITIES, DEALS = "/v2/activities", "/v2/deals"
SEARCH = "/v2/deals/search"
OWNER = "/v1/users/me"
ACTIVITY_DEFAULTS, DEAL_DEFAULTS = ActivityFields(), DealFields()
PIPEDRIVE_ANSWER_LIMIT = 64 * 2**20
SEARCH_LIMIT = 9
"""The searches of a window. Every plan allows ten: one is left to the token's other users."""
SENT_LATELY = 600.0
"""The seconds for which a sent subject is remembered: longer than any write is under way."""
ACCESS_CONFIRMED_FOR = timedelta(minutes=1)
"""The time after `users/me` accepted the token in which a 403 says nothing about the token."""


class Pipedrive:
    """The API of one account. As many requests run at the same time as its limit allows.

    `timeout` limits a whole request. Redirects are never followed, so that the token can't leak.
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
        self._pace = RateLimiter(rest)
        self._sizes: defaultdict[str, PageSize] = defaultdict(PageSize)
        self._searches = RateLimiter(timedelta(0), limit=SEARCH_LIMIT)
        self._client = client(timeout=timeout.total_seconds())
        self._admitted: str | None = None
        """The fingerprint of the only token that may be used, or None if any may."""
        self.set_token(token)
        self.answers_received = 0
        self.last_status: int | None = None
        """The status of the last request, or None if no complete answer came."""
        self.daily_remaining: int | None = None
        self.daily_limit: int | None = None
        self.now: datetime | None = None
        """The time by Pipedrive's clock, as last announced."""
        self.deal_field: str | None = None
        """The custom field of deals that holds GitHub's id, where the account has one."""
        self.sent: dict[str, float] = {}
        """The subjects of activities sent recently, and when, by the monotonic clock."""
        self.seen: Callable[[Sequence[Item]], None] = lambda _: None
        """A function that receives all activities of every list."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def set_token(self, token: SecretStr | None) -> None:
        """Use this token from the next request on. Without a token, nothing should be asked."""
        text = token.get_secret_value() if token else ""
        self.has_token = token is not None
        self.deal_fields: tuple[Field, ...] | None = None
        """The fields of deals, if they were read during the search for our own field."""
        self._access_confirmed_until = 0.0
        self._headers = {"Accept": "application/json"} | ({"x-api-token": text} if token else {})
        self.fingerprint = fingerprint(self._api_url, text)
        """A fingerprint that tells one token from another and reveals nothing of the token."""

    @property
    def burst(self) -> int:
        """The number of requests in a window of the burst limit."""
        return self._pace.limit

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Yield permission to make one request, once the pace allows it. Take it before a lease."""
        turn = await self._pace.turn()
        try:
            yield turn
        finally:
            turn.give_back()

    async def owner(self) -> TokenOwner:
        """Return the user and company of the token. Costs two tokens. Raises LookFailed."""
        return answers.owner(await self._current_user())

    def expect_admission(self) -> None:
        """From now on, ask only for the owner of the token, until that token is admitted."""
        self._admitted = ""

    def admit(self, fingerprint: str) -> None:
        """Ask only under the token with this fingerprint, which belongs to the right account."""
        self._admitted = fingerprint

    def deal_finder(self, database: Database, now: Callable[[], datetime]) -> DealIndex:
        """Return the finder of this account's deals. `now` returns our own time (UTC)."""
        return DealIndex(database, self, now)

    async def create_deal(
        self,
        title: str,
        holder: str | None = None,
        *,
        fields: DealFields = DEAL_DEFAULTS,
        turn: Turn | None = None,
    ) -> Outcome:
        """Make an open deal; Accepted holds its id.

        Its `holder` is written into our custom field, if the account has one.
        """
        body: Json = {"title": title} | catalog.deal_body(fields)
        if self.deal_field is None or holder is None:
            return await self._create(DEALS, body, turn)
        custom = dict(fields.custom_fields) | {self.deal_field: holder}
        named = body | {"custom_fields": custom}
        outcome = await self._create(DEALS, named, turn)
        if not isinstance(outcome, Refused):
            return outcome
        # A person may have deleted the field. A refused deal was not made.
        without = await self._create(DEALS, body, None)
        if not isinstance(without, Refused):
            self.deal_field = None
        # Otherwise the field was not the reason, and other users' deals need not wait until it is
        # checked.
        return without

    async def create_activity(
        self,
        *,
        place: Place,
        subject: str,
        note: str,
        fields: ActivityFields = ACTIVITY_DEFAULTS,
        turn: Turn | None = None,
    ) -> Outcome:
        """Make an activity at a place; Accepted holds its id."""
        body: Json = {"subject": subject, "note": note} | targets.body_of(place)
        body |= catalog.activity_body(fields)
        self._note_sent(subject)
        outcome = await self._create(ACTIVITIES, body, turn)
        if not isinstance(outcome, Accepted | Ambiguous):
            self.sent.pop(subject, None)
        return outcome

    def _note_sent(self, subject: str) -> None:
        now = time.monotonic()
        self.sent.pop(subject, None)
        self.sent[subject] = now
        while (oldest := next(iter(self.sent))) and now - self.sent[oldest] >= SENT_LATELY:
            del self.sent[oldest]

    async def delete_activity(self, activity_id: ActivityId) -> Outcome:
        """Delete an activity, for three tokens. One that is already deleted counts as deleted."""
        answer = await self._request("DELETE", f"{ACTIVITIES}/{activity_id}")
        return answers.deleted(answer, activity_id)

    async def delete_deal(self, deal_id: DealId) -> Outcome:
        """Delete a deal, for three tokens. One that is already deleted counts as deleted."""
        return answers.deleted(await self._request("DELETE", f"{DEALS}/{deal_id}"), deal_id)

    async def rewrite_note(self, activity_id: ActivityId, note: str) -> Outcome:
        """Replace the note of an activity. Doing it twice does no harm."""
        answer = await self._request("PATCH", f"{ACTIVITIES}/{activity_id}", body={"note": note})
        if not isinstance(answer, Success):
            return answer
        written = answers.activity(answer.body.get("data"))
        return NoteWritten(activity_id, written.changed_at if written else None)

    async def activity(self, activity_id: ActivityId) -> ListedActivity | None:
        """Return an activity as it is now; None if it was deleted. One token. Raises LookFailed."""
        entry = answers.existing(await self._request("GET", f"{ACTIVITIES}/{activity_id}"))
        if entry is None:
            return None
        if (found := answers.activity(entry)) is None:
            raise LookFailed(Ambiguous("Pipedrive's answer about an activity holds none"))
        return found

    async def deal(self, deal_id: DealId) -> Item | None:
        """Return a deal as it is now, or None if it was deleted. One token. Raises LookFailed."""
        entry = answers.existing(await self._request("GET", f"{DEALS}/{deal_id}"))
        if entry is None:
            return None
        if (deal := answers.item(entry, "title")) is None:
            raise LookFailed(Ambiguous("Pipedrive's answer about a deal holds no deal"))
        return deal

    async def deal_contents(self, deal_id: DealId) -> DealContents | None:
        """Return a deal with its contents; None if it was deleted. One token. Raises LookFailed."""
        return await contents.read(self._request, f"{DEALS}/{deal_id}")

    async def target(self, target: Target) -> SeenTarget | Unusable:
        """Return what a target is now, for at most two tokens. Raises LookFailed."""
        return await targets.read(self._request, target)

    async def search_targets(self, term: str) -> tuple[SearchHit, ...]:
        """Return the objects with this term in their names, for 20 tokens. Raises LookFailed."""
        query: Query = {"term": term, "item_types": ",".join(TargetKind), "limit": targets.MAX_HITS}
        return targets.found(await self._search(targets.SEARCH, query))

    async def _search(self, path: str, query: Query) -> answers.AnswerOrRefusal:
        allowed = await self._searches.turn()
        try:
            return await self._request("GET", path, query)
        finally:
            allowed.end(None)

    async def activity_page(self, cursor: str | None) -> ListPage:
        """Return a page of all activities, newest first, for 10 tokens. Raises LookFailed."""
        query: Query = {"sort_by": "id", "sort_direction": "desc"}
        return await self._page(ACTIVITIES, query, cursor, answers.activity)

    async def deal_list_page(self, cursor: str | None) -> ListPage:
        """Return a page of all deals that are not archived, for 10 tokens. Raises LookFailed."""
        return await self._page(DEALS, newest_first(None), cursor, answers.deal)

    async def existing_activities(self, ids: Sequence[int]) -> frozenset[ActivityId]:
        """Return those of at most 100 that were not deleted, for 10 tokens. Raises LookFailed."""
        query: Query = {"ids": ",".join(str(number) for number in ids)}
        found: set[ActivityId] = set()
        unread = 0
        async for page in self._pages(ACTIVITIES, query, answers.activity):
            unread += page.unread
            found |= {ActivityId(item.id) for item in page.items}
        if unread and not found.issuperset(ids):
            raise LookFailed(UNREAD_ENTRIES)
        return frozenset(found)

    async def deal_field_code(self, name: str) -> str | None:
        """Return the code of our custom field of deals; see `catalog.deal_field_code`."""
        code, fields = await catalog.deal_field_code(self._request, name)
        self.deal_fields = fields or None
        return code

    async def catalog(self, wanted: Collection[Listed]) -> Catalog:
        """Return these lists of the account. Raises LookFailed."""
        return await catalog.read(self._request, wanted)

    async def deal_page(self, *, since: datetime | None, cursor: str | None) -> ListPage:
        """Return a page of the deals, oldest first, for 10 tokens. Raises LookFailed.

        With `since`, a time by Pipedrive's clock, only deals changed since, closed ones included.
        """
        query: dict[str, str | int] = {"sort_by": "id", "sort_direction": "asc"}
        query |= {"updated_since": whole_seconds(since)} if since else {"status": "open"}
        return await self._page(DEALS, query, cursor, answers.deal)

    async def search_deals(self, title: str) -> Hits:
        """Return open deals with this title in any case, for 20 tokens. Raises LookFailed.

        The search lags behind the writes by seconds.
        """
        query: Query = {
            "term": title,
            "fields": "title",
            "exact_match": "true",
            "status": "open",
            "limit": 100,
        }
        return read_hits(await self._search(SEARCH, query), SEARCH, answers.deal)

    def deals_since(self, since: datetime | None) -> AsyncIterator[ListPage]:
        """Yield the deals that changed after `since`, or all, newest first. Raises LookFailed."""
        return self._pages(DEALS, newest_first(since), answers.deal)

    async def activities(
        self, deal_id: DealId | None, *, since: datetime | None
    ) -> AsyncIterator[Activities]:
        """Yield activities of one deal or of all that changed after `since`, or all, newest first.

        Raises LookFailed.
        """
        query = newest_first(since) | ({} if deal_id is None else {"deal_id": deal_id})
        async for page in self._pages(ACTIVITIES, query, answers.activity):
            items = tuple(each for each in page.items if isinstance(each, ListedActivity))
            yield Activities(items, page.at, page.cursor is None, page.unread)

    async def _pages(
        self, path: str, query: Query, read: Callable[[object], Item | None]
    ) -> AsyncIterator[ListPage]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = await self._page(path, query, cursor, read)
            yield page
            cursor = page.cursor
            if cursor is None:
                return
            if cursor in seen:
                raise LookFailed(Ambiguous(f"the list {path} returns to an earlier page"))
            seen.add(cursor)

    async def _page(
        self, path: str, query: Query, cursor: str | None, read: Callable[[object], Item | None]
    ) -> ListPage:
        after = {"cursor": cursor} if cursor else {}
        sizes = self._sizes[path]
        asked_under = self.fingerprint
        # If Pipedrive fails now and then, a list of many pages would otherwise hardly ever be read.
        tries = 1 if cursor is None else 2
        while tries:
            size = sizes.current
            answer = await self._request("GET", path, {**query, "limit": size, **after})
            if isinstance(answer, Unread) and sizes.was_not_read(size):
                continue
            again = isinstance(answer, Ambiguous) and not answer.by_edge
            tries = tries - 1 if again else 0
        page = read_page(answer, path, read, asked=size)
        sizes.was_read(size)
        if path == ACTIVITIES and asked_under == self.fingerprint:
            self.seen(page.items)
        return page

    async def _create(self, path: str, body: Json, turn: Turn | None) -> Outcome:
        answer = await self._request("POST", path, body=body, turn=turn)
        if isinstance(answer, Success):
            data = answer.body.get("data")
            created = whole_number(data.get("id")) if isinstance(data, dict) else None
            if created is not None:
                return Accepted(created)
            return Ambiguous("Pipedrive's answer holds no id", unintelligible=True)
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        turn: Turn | None = None,
    ) -> answers.AnswerOrRefusal:
        asked_under = self.fingerprint
        outcome = await self._ask(method, path, query, body, turn)
        if isinstance(outcome, Unauthorized):
            return await self._explained(outcome, asked_under)
        return outcome

    async def _explained(
        self, refusal: Unauthorized, asked_under: str
    ) -> Denied | NotProcessed | Ambiguous:
        """Tell a refused token from a refused deal or activity, by asking for the token's owner."""
        if asked_under != self.fingerprint:
            return answers.TOKEN_CHANGED
        if refusal.status == _FORBIDDEN and time.monotonic() < self._access_confirmed_until:
            return Denied(refusal.reason)
        owner = await self._current_user()
        if isinstance(owner, Success):
            return Denied(refusal.reason)
        if isinstance(owner, NotProcessed):
            return owner
        reason = f"{refusal.reason}; and could not ask whether the token is accepted"
        if isinstance(owner, Ambiguous) and owner.pause:
            return NotProcessed(f"{reason}: {owner.reason}", owner.pause)
        return Denied(f"{reason}: {owner.reason}")

    async def _current_user(self) -> Success | Refused | NotProcessed | Ambiguous | Denied:
        asked_under = self.fingerprint
        answer = await self._ask("GET", OWNER)
        if isinstance(answer, Unauthorized):
            if asked_under != self.fingerprint:
                return answers.TOKEN_CHANGED
            self._access_confirmed_until = 0.0
            return NotProcessed(
                f"{answer.reason}; {answers.MEANINGS[answer.status]}", ACCESS_PAUSE, access=True
            )
        if isinstance(answer, Success):
            lasts = ACCESS_CONFIRMED_FOR.total_seconds()
            self._access_confirmed_until = time.monotonic() + lasts
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        turn: Turn | None = None,
    ) -> answers.Read:
        turn = turn or await self._pace.turn()
        if path != OWNER and self._admitted not in (None, self.fingerprint):
            return answers.NOT_ADMITTED
        headers: Mapping[str, str] | None = None
        started, status = time.monotonic(), None
        sending = Sending()
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                response, content = await self._exchange(method, path, query, body, sending)
            headers, status = response.headers, response.status_code
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            return NotProcessed(f"PIPEDRIVE_API_URL does not work: {error}", ACCESS_PAUSE)
        except _TooLarge:
            return Unread(f"Pipedrive's answer is larger than {PIPEDRIVE_ANSWER_LIMIT} bytes")
        except (httpx2.HTTPError, TimeoutError) as error:
            if not sending.begun and isinstance(error, _NOT_CONNECTED):
                return answers.not_connected(error, self._api_url)
            kind = Unread if isinstance(error, _TOO_LATE) else Ambiguous
            return kind(f"Pipedrive did not respond: {answers.cause(error)}")
        finally:
            turn.end(headers)
            self.last_status = status
            metrics.vendor_answered("pipedrive", status, time.monotonic() - started)
            step()
        remaining = number(response.headers, "x-daily-ratelimit-token-remaining")
        self.daily_remaining = remaining
        self.answers_received += 1
        limit = number(response.headers, "x-daily-ratelimit-token-limit")
        self.daily_limit = limit or self.daily_limit
        self.now = http_date(response.headers.get("date")) or self.now
        return answers.read(response.status_code, response.headers, content)

    async def _exchange(
        self, method: str, path: str, query: Query | None, body: Json | None, sending: Sending
    ) -> tuple[httpx2.Response, bytes]:
        url = self._api_url + path
        async with self._client.stream(
            method,
            url,
            params=query,
            json=body,
            headers=self._headers,
            extensions={"trace": sending.trace},
        ) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > PIPEDRIVE_ANSWER_LIMIT:
                    raise _TooLarge
            return response, bytes(content)


class _TooLarge(Exception):
    pass


_NOT_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    TimeoutError,
)
_TOO_LATE = (httpx2.TimeoutException, TimeoutError)
_FORBIDDEN = 403
