"""The public feed, which gives hints about users that are due now.

GitHub lists the newest public gists of all users, cached for a minute. One conditional request a
minute covers all tracked users, however many. It misses gists that are flagged, edited deep in the
list, or published during an outage: so it makes things fast, but never complete.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gitpip.clock import utc_now
from gitpip.errors import GitHubError, GitHubLimited, GitHubUnauthorized
from gitpip.model import GistId, GitHubId
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.gists import public_feed
from gitpip.store.gists.public_feed import PublicFeedState
from gitpip.store.status import pauses
from gitpip.store.users import schedule
from gitpip.watch.github.client import GitHub, PublicFeedPage

READ_EVERY = timedelta(minutes=1)
MOST_FEED_PAGES = 30
"""GitHub pages through 3,000 gists and no further."""

log = get_logger()


class PublicFeed:
    """Reads the public feed. Each reading continues where the last one of any process ended."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._github = github
        self._now = now

    async def read(self) -> int:
        """Read what is new, and make its owners due; return the number of these tracked users.

        A feed that can't be read is logged and recorded, and does no harm. Raises
        DatabaseUnavailable.
        """
        now = self._now()
        async with self._database.read() as transaction:
            if await pauses.paused(
                transaction, pauses.WATCHING, now, credential=self._github.fingerprint
            ):
                return 0
            before = await public_feed.get(transaction)
        try:
            return await self._read(before, now)
        except (GitHubLimited, GitHubUnauthorized) as error:
            log.info("feed.waits", reason=str(error))
        except GitHubError as error:
            log.warning("feed.unreadable", reason=str(error))
            async with self._database.begin() as transaction:
                await public_feed.failed(transaction, str(error), now)
        return 0

    async def _read(self, before: PublicFeedState | None, now: datetime) -> int:
        first = await self._github.public_feed(before.etag if before else None)
        if first is None:
            if before and before.failure:
                async with self._database.begin() as transaction:
                    await public_feed.worked(transaction)
            return 0
        reading = _Reading(before.seen if before else {})
        reading.add(first)
        page = first
        # Without an overlap with the page before, some gists were missed in between.
        while (
            before and not reading.overlaps and page.next_page and reading.pages < MOST_FEED_PAGES
        ):
            further = await self._github.public_feed(None, page.next_page)
            if further is None:
                break
            reading.add(further)
            page = further
        gap = before is not None and bool(before.seen) and not reading.overlaps
        state = PublicFeedState(
            etag=first.etag,
            seen={gist.id: gist.updated_at for gist in first.gists},
            read_at=now,
            gaps=(before.gaps if before else 0) + gap,
            gap_at=now if gap else (before.gap_at if before else None),
            hints=before.hints if before else 0,
        )
        async with self._database.begin() as transaction:
            logins = await schedule.hint(transaction, reading.owners, now)
            await public_feed.save(transaction, replace(state, hints=state.hints + len(logins)))
        if gap:
            log.warning("feed.gap", pages=reading.pages, since=before.read_at if before else None)
        if reading.odd_items:
            # Their owners are unknown, so the list of each user has to tell.
            log.warning("feed.odd_items", items=reading.odd_items, reason=reading.reason)
        for login in logins:
            log.info("user.hinted", login=login)
        return len(logins)


class _Reading:
    """The state kept from page to page. The pages are not kept, as 30 hold 3,000 gists."""

    def __init__(self, seen: Mapping[GistId, datetime]) -> None:
        self._seen = seen
        self.owners: set[GitHubId] = set()
        """The owners of gists that are new, or were updated, since the reading before."""
        self.overlaps = False
        """Whether a page had a gist that the reading before has seen."""
        self.pages = 0
        self.odd_items = 0
        self.reason: str | None = None
        """The fault of the first odd item."""

    def add(self, page: PublicFeedPage) -> None:
        for gist in page.gists:
            self.overlaps |= gist.id in self._seen
            if self._seen.get(gist.id) != gist.updated_at:
                self.owners.add(gist.owner_id)
        if page.odd and self.reason is None:
            self.reason = page.odd[0].reason
        self.odd_items += len(page.odd)
        self.pages += 1
