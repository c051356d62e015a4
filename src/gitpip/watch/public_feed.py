"""The public feed: hints who is due now.

GitHub lists the newest public gists of everybody, cached for a minute. One conditional request a
minute covers all tracked users, however many. It misses what is flagged, edited deep in the list,
or published during an outage: so it makes things fast, and never complete.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gitpip.clock import utc_now
from gitpip.errors import GitHubError, GitHubLimited, GitHubUnauthorized
from gitpip.model import GistId
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.gists import public_feed
from gitpip.store.gists.public_feed import PublicFeedState
from gitpip.store.status import pauses
from gitpip.store.users import schedule
from gitpip.watch.github.client import GitHub, PublicFeedGist

READ_EVERY = timedelta(minutes=1)
MOST_PAGES = 30
"""GitHub pages through 3,000 gists and no further."""

log = get_logger()


class PublicFeed:
    """Reads the public feed; each reading goes on where the last one of any process ended."""

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
        """Read what is new, and make its owners due; gives how many tracked users these are.

        A feed that can't be read is logged and noted, and does no harm. Raises DatabaseUnavailable.
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
        gists, odd = list(first.gists), list(first.odd)
        pages, page = 1, first
        # Without an overlap with the page before, something passed in between.
        while (
            before and not _overlaps(gists, before.seen) and page.next_page and pages < MOST_PAGES
        ):
            further = await self._github.public_feed(None, page.next_page)
            if further is None:
                break
            gists += further.gists
            odd += further.odd
            pages, page = pages + 1, further
        gap = before is not None and bool(before.seen) and not _overlaps(gists, before.seen)
        state = PublicFeedState(
            etag=first.etag,
            seen={gist.id: gist.updated_at for gist in first.gists},
            read_at=now,
            gaps=(before.gaps if before else 0) + gap,
            gap_at=now if gap else (before.gap_at if before else None),
            hints=before.hints if before else 0,
        )
        seen = before.seen if before else {}
        owners = {gist.owner_id for gist in gists if seen.get(gist.id) != gist.updated_at}
        async with self._database.begin() as transaction:
            logins = await schedule.hint(transaction, owners, now)
            await public_feed.save(transaction, replace(state, hints=state.hints + len(logins)))
        if gap:
            log.warning("feed.gap", pages=pages, since=before.read_at if before else None)
        if odd:
            # Whose they are is not known, so the list of each user has to tell.
            log.warning("feed.odd_items", items=len(odd), reason=odd[0].reason)
        for login in logins:
            log.info("user.hinted", login=login)
        return len(logins)


def _overlaps(gists: list[PublicFeedGist], seen: Mapping[GistId, datetime]) -> bool:
    return any(gist.id in seen for gist in gists)
