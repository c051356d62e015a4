"""The check of what was sent twice: the first request may have landed after all."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from gitpip.errors import DatabaseUnavailable
from gitpip.model import ActivityId, Publication, PublicationState
from gitpip.modes import ActivityLeftBecause
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.publish.activity import find_markers, has_marker, marker_in
from gitpip.publish.activity_search import sent_since
from gitpip.publish.circuit_breaker import RequestKind
from gitpip.publish.delivery import Accepted, Refused
from gitpip.publish.destination import DealFinder, ListedActivity, LookFailed
from gitpip.publish.double_deals import EARLIER, DoubleDeals
from gitpip.publish.pauses import Channel
from gitpip.store import ledger
from gitpip.store.publications import markers, permission, second_deals, second_sends
from gitpip.store.publications.permission import OverallMode, Present
from gitpip.store.publications.second_sends import (
    OF_DEALS,
    OF_PUBLICATIONS,
    Double,
    LeftActivity,
    Watch,
)

RETRY_SEARCH_AFTER = timedelta(minutes=2)
"""The wait after a search that failed."""
TOO_MANY = LeftActivity(ActivityLeftBecause.TOO_MANY, "there are more of them than gitpip sent")

log = get_logger()


class Doubles:
    """Deletes the younger of two activities of one file, if it is unchanged.

    If a user has two deals, neither is deleted.
    """

    def __init__(
        self,
        channel: Channel,
        index: DealFinder,
        *,
        now: Callable[[], datetime],
        mode: OverallMode,
    ) -> None:
        self._deals = DoubleDeals(channel.database, channel.destination, index, now=now)
        self._mode = mode
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._now = now
        self.busy = False
        """Whether a search is running."""

    async def look(self) -> None:
        """Search for publications and deals that were sent twice, if that is due."""
        if self.busy:
            return
        self.busy = True
        try:
            async with self._database.read() as transaction:
                present = Present(self._now(), await self._mode(transaction))
                files = await second_sends.due(transaction, present)
                deals = await second_deals.due(transaction, present)
            if files:
                looks = {int(each.id): looks for each, looks in files.items()}
                await self._guarded(OF_PUBLICATIONS, looks, partial(self._look, files))
            if deals:
                looks = {int(each.deal.user_key): each.looks for each in deals}
                await self._guarded(OF_DEALS, looks, partial(self._deals.look, deals))
        finally:
            self.busy = False

    async def _guarded(
        self, watch: Watch, looks: Mapping[int, int], look: Callable[[], Awaitable[None]]
    ) -> None:
        """Search once for these rows, each with its number of searches so far."""
        request = self._pauses.request(RequestKind.READ, "what was sent twice")
        try:
            await look()
        except DatabaseUnavailable:
            raise
        except LookFailed as failure:
            await self._pauses.after(failure.outcome, request)
            await self._postpone(watch, looks, refused=isinstance(failure.outcome, Refused))
        except Exception:
            log.exception("doubles.broken", table=watch.table.name, keys=list(looks))
            await self._postpone(watch, looks, refused=False)

    async def _postpone(self, watch: Watch, looks: Mapping[int, int], *, refused: bool) -> None:
        """Search later. If the list is refused, each time counts, so that this comes to an end."""
        now = self._now()
        async with self._database.begin() as transaction:
            for number, so_far in looks.items():
                if refused:
                    await watch.looked(transaction, number, so_far, now)
                else:
                    await watch.postpone(transaction, number, now + RETRY_SEARCH_AFTER, so_far)

    async def _look(self, watched: Mapping[Publication, int]) -> None:
        """Search in all deals: if two were merged, the first request's activity has moved."""
        found: dict[Publication, list[ListedActivity]] = {each: [] for each in watched}
        by_marker = {each.marker: mine for each, mine in found.items()}
        async for page in self._destination.activities(None, since=sent_since(watched, EARLIER)):
            for item in page.items:
                for marker in _markers_in(item):
                    if marker in by_marker:
                        by_marker[marker].append(item)
        for publication, seen in found.items():
            # A list that is behind may show what an undo has deleted.
            activities = [each for each in seen if each.id != publication.deleted_activity_id]
            withdrawn = publication.state is PublicationState.WITHDRAWN
            # Activities of a withdrawn publication are recorded like any others, then deleted.
            if len(activities) > 1 and not withdrawn:
                await self._settle(publication, sorted(activities, key=lambda each: each.id))
            async with self._database.begin() as transaction:
                if len(activities) == 1 and not withdrawn:
                    # A deletion may not have been noted, for example if this process was killed.
                    await second_sends.keep(transaction, publication, ActivityId(activities[0].id))
                await OF_PUBLICATIONS.looked(
                    transaction, publication.id, watched[publication], self._now()
                )

    async def _settle(self, publication: Publication, activities: list[ListedActivity]) -> None:
        first, *others = activities
        creator = (await self._destination.owner()).user_id
        async with self._database.read() as transaction:
            known = await second_sends.known(transaction, publication)
        too_many = len(others) > 1 or _were_more(publication, activities, known)
        for activity in others:
            left = _why_left(publication, activity, creator)
            if not set(_markers_in(activity)) <= set(_markers_in(first)):
                left = LeftActivity(ActivityLeftBecause.TOUCHED, "it holds other files, too")
            if too_many:
                left = TOO_MANY
            if left is None:
                left = await self._delete(publication, ActivityId(activity.id))
            await self._note(publication, first, activity, left)

    async def _delete(
        self, publication: Publication, activity_id: ActivityId
    ) -> LeftActivity | None:
        """Delete an activity; return why that failed, if it did. Remaining searches retry it."""
        async with self._database.read() as transaction:
            present = Present(self._now(), await self._mode(transaction))
            if not await permission.may_be_mended(transaction, publication.user_key, present):
                return LeftActivity(
                    ActivityLeftBecause.NOT_DELETED, "gitpip may not write to Pipedrive now"
                )
        request = self._pauses.request(
            RequestKind.WRITE, f"the double of publication {publication.id}"
        )
        outcome = await self._destination.delete_activity(activity_id)
        if isinstance(outcome, Accepted):
            await self._pauses.after(outcome, request)
            return None
        await self._pauses.failed(outcome, request)
        return LeftActivity(
            ActivityLeftBecause.NOT_DELETED, f"gitpip could not delete it: {outcome.reason}"
        )

    async def _note(
        self,
        publication: Publication,
        first: ListedActivity,
        second: ListedActivity,
        left: LeftActivity | None,
    ) -> None:
        double = Double(publication.id, publication.marker, ActivityId(second.id), left)
        async with self._database.begin() as transaction:
            await ledger.share(transaction)
            news = await second_sends.note(transaction, double, self._now())
            if left is None:
                await second_sends.keep(transaction, publication, ActivityId(first.id))
                await markers.forget(transaction, publication.marker, {first.id, second.id})
        if news:
            metrics.doubles.labels("left" if left else "deleted").inc()
            log.warning(
                "publication.doubled" if left else "publication.double_deleted",
                publication_id=publication.id,
                login=publication.login,
                filename=publication.filename,
                activity_id=first.id,
                double_id=second.id,
                reason=left and left.reason,
            )


def _markers_in(item: ListedActivity) -> tuple[str, ...]:
    """Return the markers of all files that an activity holds."""
    first = marker_in(subject=item.text, note=item.note)
    others = find_markers(subject=None, note=item.note).parts
    return (*((first,) if first else ()), *(marker for marker, _ in others))


def _were_more(
    publication: Publication, present: list[ListedActivity], known: Double | None
) -> bool:
    """Return whether there were more activities, one deleted by gitpip included, than it sent.

    Each request makes at most one, so a person has made one of those that are present.
    """
    if known is None:
        return False
    if known.left is not None:
        return known.left.because is ActivityLeftBecause.TOO_MANY
    deleted = known.activity_id not in {each.id for each in present}
    return len(present) + deleted > max(publication.attempts, 2)


def _why_left(
    publication: Publication, double: ListedActivity, creator: int
) -> LeftActivity | None:
    """Return why a second activity is kept, or None if it is certainly ours and unchanged."""
    marker = publication.marker
    if not (
        has_marker(marker, subject=double.text, note=None)
        and has_marker(marker, subject=None, note=double.note)
    ):
        return LeftActivity(ActivityLeftBecause.TOUCHED, "its subject or its note was changed")
    if double.creator_id != creator:
        return LeftActivity(ActivityLeftBecause.TOUCHED, "another user made it")
    if not double.untouched or double.done_since:
        return LeftActivity(ActivityLeftBecause.TOUCHED, "someone has changed it")
    return None
