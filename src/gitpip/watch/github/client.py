"""The client of GitHub's REST API for public gists: returns model objects or raises typed errors.

An unchanged user costs one request, and still nothing is missed. A list of one page is requested
with the ETag of that page. With several pages, the ETag of the first is not enough: a file added to
an old gist changes only a later page. So a longer list is requested with `since`, a time of the
server shortly before the whole list was read. The answer holds everything updated from then on, at
any place of the list. It is one short page, and has an ETag of its own. If GitHub ever changed a
list without touching `updated_at`, the reading of every page once a day finds it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import quote, urlencode

from gitpip.clock import EPOCH, utc_now, whole_seconds
from gitpip.digests import fingerprint
from gitpip.errors import (
    GitHubBlocked,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitHubUnavailable,
    GraphQLFailed,
)
from gitpip.model import Account, GistId, GitHubId, SeenGist, User, UserKey
from gitpip.watch.github.addresses import logged
from gitpip.watch.github.contents import JSON, Contents, GistToRead, Reading
from gitpip.watch.github.gist_list import (
    BURST,
    GISTS_PER_REQUEST,
    GistList,
    ListTag,
    SeenList,
    since_of,
)
from gitpip.watch.github.graphql import (
    GISTS_OF_ONE,
    LookedUp,
    Snapshot,
    build_look_up,
    build_query,
    parse_look_up,
    parse_response,
    shows_gists,
)
from gitpip.watch.github.rate_limits import (
    SPARE_A_MINUTE,
    WHOLE_ALLOWANCE,
    Allowance,
    Budget,
    GitHubLimits,
)
from gitpip.watch.github.rest_models import (
    GIST,
    LIMITS,
    OWNER,
    OddItem,
    parse,
    parse_gists,
    parse_public_feed,
)
from gitpip.watch.github.transport import (
    AnswerTooLarge,
    GitHubAnswer,
    Transport,
    same_origin,
)

MOST_GIST_PAGES = 1000
ROUNDS = 3
LOOKED_UP_AT_ONCE = 100
WHOLE_LIST_EVERY = timedelta(days=1)
PUBLIC_FEED_RESERVE = 60
"""The requests of an hour that are reserved for the public feed."""


@dataclass(frozen=True)
class PublicFeedGist:
    """A gist in the public feed."""

    id: GistId
    owner_id: GitHubId
    updated_at: datetime
    """1970 if GitHub's answer could not be interpreted."""


@dataclass(frozen=True)
class PublicFeedPage:
    """A page of the newest public gists of all users."""

    gists: tuple[PublicFeedGist, ...]
    etag: str | None
    next_page: str | None
    odd: tuple[OddItem, ...] = ()
    """Items that can't be read, so that their owner is unknown."""


@dataclass(frozen=True)
class AccessStatus:
    """GitHub's view of a client: the owner of the token, the remaining limits, and the time."""

    login: str | None
    """The login of the token's owner, or None without a token."""
    budgets: tuple[Budget, ...]
    """The remaining limits; empty if there are none."""
    now: datetime | None
    """The time by GitHub's clock, or None if it is not told."""


class GitHub:
    """A client for one installation of GitHub, under one token or none.

    Every method raises GitHubNotFound, GitHubBlocked, GitHubUnauthorized, GitHubLimited and
    GitHubUnavailable. `timeout` limits each request; `now` returns aware UTC times. `graphql_url`
    is used to ask about many users at once, given a token; None if that is not possible.
    """

    def __init__(
        self,
        *,
        api_url: str,
        token: str | None,
        timeout: timedelta,
        graphql_url: str | None = None,
        allowance: Allowance = WHOLE_ALLOWANCE,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._graphql_url = graphql_url
        self._now = now
        self._share = allowance.share
        self._limits = GitHubLimits(now, allowance=allowance)
        self._graphql_limits = GitHubLimits(now, resource="graphql", allowance=allowance)
        self._transport = Transport(
            api_url=self._api_url,
            token=token,
            timeout=timeout,
            limits=self._limits,
            graphql_limits=self._graphql_limits,
        )
        self._contents = Contents(
            self._transport,
            api_url=self._api_url,
            graphql_url=graphql_url,
            find_listed=self._find_listed,
        )
        self.set_token(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def set_token(self, token: str | None) -> None:
        """Use this token from the next request on, or none."""
        self._has_token = token is not None
        # An ETag is valid only under the token it was given to.
        self._fingerprint = fingerprint(self._api_url, token)
        self._limits.begin(
            credential=self._fingerprint, reserve=PUBLIC_FEED_RESERVE if self.polls_batches else 0
        )
        self._graphql_limits.begin(credential=self._fingerprint, reserve=0)
        self._transport.set_token(token)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.close()

    @property
    def polls_batches(self) -> bool:
        """Whether many users can be asked about at once."""
        return self._graphql_url is not None and self._has_token

    @property
    def fingerprint(self) -> str:
        """A fingerprint that tells one token from another and reveals nothing of the token."""
        return self._fingerprint

    @property
    def clock_ahead(self) -> timedelta:
        """The lead of our clock over GitHub's at the last answer; 0 if they agree."""
        return self._transport.clock_ahead or timedelta(0)

    @property
    def knows_the_time(self) -> bool:
        """Whether an answer of GitHub ever told the time, so that ours can be corrected."""
        return self._transport.clock_ahead is not None

    def budgets(self) -> tuple[Budget, ...]:
        """Return what is left of GitHub's limits, as far as GitHub said."""
        known = (self._limits.budget, self._graphql_limits.budget)
        return tuple(budget for budget in known if budget)

    @property
    def spare(self) -> int:
        """The number of requests that can be used now for what is not urgent.

        Half of our share of this hour is reserved, and a part of this minute's.
        """
        most = max(int(SPARE_A_MINUTE * self._share), 1)
        budget = self._limits.budget
        return most if budget is None else min(most, budget.spare)

    async def access_status(self) -> AccessStatus:
        """Ask how GitHub sees this client, with one request, which may be one of the reserve."""
        login = None
        if self._has_token:
            whose = f"{self._api_url}/user"
            login = parse(OWNER, await self._transport.get(whose, accept=JSON, reserved=True)).login
        try:
            answer = await self._transport.get(
                f"{self._api_url}/rate_limit", accept=JSON, reserved=True
            )
        except GitHubNotFound:  # an Enterprise Server without limits
            return AccessStatus(login, (), None)
        limits = parse(LIMITS, answer).resources
        return AccessStatus(
            login,
            tuple(
                Budget(
                    resource=name,
                    limit=limits[name].limit,
                    ours=limits[name].limit,
                    remaining=limits[name].remaining,
                    resets_at=datetime.fromtimestamp(limits[name].reset, UTC),
                )
                for name in ("core", "graphql")
                if name in limits
            ),
            answer.date,
        )

    async def snapshots(self, users: Sequence[User]) -> Mapping[UserKey, Snapshot | GitHubError]:
        """Return the number of gists of each user, and the gists that changed last, in one request.

        A user that GitHub does not show has a GitHubNotFound instead, and one without an answer, or
        with an incomplete one, a GraphQLFailed. Raises GitHubLimited, GitHubUnauthorized, and
        GraphQLFailed if there is no answer about any user.
        """
        answer = await self._transport.post(self._graphql_url or "", build_query(users))
        try:
            return parse_response(answer, users, self._graphql_limits)
        finally:
            await self._graphql_limits.tell()

    async def look_up(self, logins: Sequence[str]) -> LookedUp:
        """Return which of these logins no user has, and the gist counts of the others.

        Asks about a hundred at a time. Raises GraphQLFailed, also without a token: GraphQL requires
        one.
        """
        if not self.polls_batches:
            raise GraphQLFailed("GraphQL needs a token")
        counts, unknown = dict[str, int](), frozenset[str]()
        for start in range(0, len(logins), LOOKED_UP_AT_ONCE):
            asked = logins[start : start + LOOKED_UP_AT_ONCE]
            answer = await self._transport.post(self._graphql_url or "", build_look_up(asked))
            try:
                found = parse_look_up(answer, asked, self._graphql_limits)
            finally:
                await self._graphql_limits.tell()
            counts |= found.gist_counts
            unknown |= found.unknown
        return LookedUp(counts, unknown)

    async def shows_gists(self) -> bool | None:
        """Return whether GraphQL shows gists to this token; it does not to a fine-grained one.

        Returns None if there is no public gist to ask about. Costs two requests or a few more.
        """
        newest = f"{self._api_url}/gists/public?per_page=10"
        answer = await self._transport.get(newest, accept=JSON, reserved=True)
        listed, _ = parse_gists(answer)
        for login in dict.fromkeys(item.owner.login for item in listed if item.owner):
            question = {"query": GISTS_OF_ONE, "variables": {"login": login}}
            shown_one = shows_gists(await self._transport.post(self._graphql_url or "", question))
            if shown_one is not None:
                return shown_one
        return None

    async def is_gone(self, gist_id: GistId) -> bool:
        """Return whether a gist was deleted, is blocked, or is no longer public."""
        try:
            answer = await self._get(f"{self._api_url}/gists/{quote(gist_id, safe='')}")
        except (GitHubNotFound, GitHubBlocked):
            return True
        except AnswerTooLarge:
            return False
        return not parse(GIST, answer).public

    async def public_feed(self, etag: str | None, page: str | None = None) -> PublicFeedPage | None:
        """Return a page of the newest public gists of all users; None if unchanged since `etag`.

        `page` is the URL that the page before gave as `next_page`, or None for the first.
        """
        url = page or f"{self._api_url}/gists/public?per_page={GISTS_PER_REQUEST}"
        if not same_origin(url, self._api_url):
            raise GitHubUnavailable("the public feed has its next page on another host")
        answer = await self._transport.get(url, accept=JSON, etag=etag, reserved=True)
        if answer.unchanged:
            return None
        items, odd = parse_public_feed(answer)
        return PublicFeedPage(
            gists=tuple(
                PublicFeedGist(GistId(item.id), GitHubId(item.owner.id), item.updated() or EPOCH)
                for item in items
                if item.public is not False
            ),
            etag=answer.etag,
            next_page=answer.next_page,
            odd=tuple(odd),
        )

    async def account(self, login: str) -> Account:
        """Return the account of a login, in any case."""
        try:
            answer = await self._get(f"{self._api_url}/users/{quote(login, safe='')}")
        except GitHubNotFound:
            raise GitHubNotFound(f"GitHub has no user {login}; check the spelling") from None
        owner = parse(OWNER, answer)
        # Finer than the full seconds of the answer's date, if the clocks agree.
        seen_at = self._now() - self.clock_ahead if self.knows_the_time else None
        return Account(owner.login, GitHubId(owner.id), owner.node_id, seen_at)

    async def gists(self, github_id: GitHubId, list_tag: str | None) -> GistList:
        """Return a user's public gists; `unchanged` if they are as in the list with the tag.

        Without a tag, or with that of another token, it is the complete list.
        """
        known = ListTag.parse(list_tag, self._fingerprint)
        if known is None or (known.since and self._is_old(known.read_at)):
            return await self._whole_list(github_id)
        first = await self._get(self._list_url(github_id, known.since), known.etag)
        whole, as_of = known.since is None, first.date
        if first.unchanged:
            return GistList((), None, list_tag, whole=False, as_of=as_of, unchanged=True)
        if first.next_page:
            return await self._whole_list(github_id, first if whole else None)
        seen = SeenList(github_id)
        seen.add(first)
        return seen.as_list(replace(known, etag=first.etag).text(), whole=whole, as_of=as_of)

    def _is_old(self, read_at: datetime) -> bool:
        """Return whether a list was read long ago, or in the future: then the clock was wrong."""
        return abs(self._now() - read_at) >= WHOLE_LIST_EVERY

    async def read(self, wanted: GistToRead) -> Reading:
        """Return a gist with the contents of its files, and why some could not be read.

        Also raises GistNotPublic.
        """
        return await self._contents.read(wanted, has_token=self._has_token)

    async def _find_listed(self, gist_id: GistId, owner_id: GitHubId) -> SeenGist | None:
        listed = await self._whole_list(owner_id)
        return next((gist for gist in listed.gists if gist.id == gist_id), None)

    async def _whole_list(self, github_id: GitHubId, first: GitHubAnswer | None = None) -> GistList:
        """Read every page, until no gist can have moved from an unread page to a read one.

        That happens if a gist is deleted at the same time; then one of the pages except the last
        differs when it is requested again. A list that changes each time is taken as far as it was
        seen, and gives no list tag, so that the next check reads it again. The same holds for one
        with a page that fails.
        """
        seen = SeenList(github_id)
        for _ in range(ROUNDS):
            read_at = self._now()
            pages = await self._pages(first or await self._get(self._list_url(github_id)), seen)
            as_of = pages[0].date
            first = None
            if seen.fault_of_pages:
                break
            if len(pages) == 1:
                list_tag = ListTag(self._fingerprint, None, read_at, pages[0].etag).text()
                return seen.as_list(list_tag, whole=True, as_of=as_of)
            if not await self._kept_still(pages[:-1]):
                continue
            since = since_of(pages[0].date, [gist.updated_at for gist in seen.gists.values()])
            if since is None:
                # So many updates in this very second: let it pass, GitHub counts in seconds.
                await asyncio.sleep(BURST.total_seconds())
                continue
            list_tag = await self._list_tag_by_time(github_id, since, seen.gists, read_at)
            return seen.as_list(list_tag, whole=True, as_of=as_of)
        seen.fault_of_pages = seen.fault_of_pages or "the list of gists changed while it was read"
        return seen.as_list(None, whole=False)

    async def _pages(self, first: GitHubAnswer, seen: "SeenList") -> list[GitHubAnswer]:
        """Return all pages from the first on. A failure ends them, and `seen` has the reason."""
        seen.add(first)
        pages = [first]
        try:
            while (url := pages[-1].next_page) is not None:
                if not same_origin(url, first.url):
                    raise GitHubUnavailable("its address is on another host")
                if len(pages) == MOST_GIST_PAGES or any(page.url == url for page in pages):
                    raise GitHubUnavailable("the list has no end")
                page = await self._get(url)
                seen.add(page)
                pages.append(page)
        except (GitHubLimited, GitHubUnauthorized):
            raise
        except GitHubError as error:
            logged(first.url, error)
            seen.fault_of_pages = f"page {len(pages) + 1} of the gist list: {error}"
        return pages

    async def _kept_still(self, pages: Iterable[GitHubAnswer]) -> bool:
        again = await asyncio.gather(
            *(self._get(page.url, page.etag) for page in pages), return_exceptions=True
        )
        for answer in again:
            if isinstance(answer, GitHubLimited | GitHubUnauthorized):
                raise answer
            if isinstance(answer, GitHubError):
                return False
            if isinstance(answer, BaseException):
                raise answer
        return all(
            isinstance(answer, GitHubAnswer) and (answer.unchanged or answer.body == page.body)
            for answer, page in zip(again, pages, strict=True)
        )

    async def _list_tag_by_time(
        self,
        github_id: GitHubId,
        since: datetime,
        gists: dict[GistId, SeenGist],
        read_at: datetime,
    ) -> str | None:
        lately = SeenList(github_id)
        try:
            answer = await self._get(self._list_url(github_id, since))
            lately.add(answer)
        except (GitHubLimited, GitHubUnauthorized):
            raise
        except GitHubError:  # all pages were read: only the next check costs more
            return None
        if answer.next_page or any(gists.get(id_) != gist for id_, gist in lately.gists.items()):
            return None
        return ListTag(self._fingerprint, since, read_at, answer.etag).text()

    def _list_url(self, github_id: GitHubId, since: datetime | None = None) -> str:
        query = {"per_page": str(GISTS_PER_REQUEST)}
        if since:
            query["since"] = whole_seconds(since)
        # By id and not by login: it survives a rename, and a login taken over by somebody else.
        return f"{self._api_url}/user/{github_id}/gists?{urlencode(query)}"

    async def _get(self, url: str, etag: str | None = None) -> GitHubAnswer:
        return await self._transport.get(url, accept=JSON, etag=etag)
