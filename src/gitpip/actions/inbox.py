"""The acts of a reader in the inbox: marking gists as read or unread, undoing it, saving filters.

The audit has no entry of marks: what a person has read is private.
"""

from collections.abc import Mapping

from gitpip.actions.acting import Acting
from gitpip.model import GistId, VisitId
from gitpip.store import commit_order
from gitpip.store.inbox import marks, saved
from gitpip.store.inbox.filters import InboxFilter
from gitpip.store.inbox.saved import FilterId, SavedFilter
from gitpip.store.visits.home import HomeVisit


async def mark(
    acting: Acting, viewer: str, gists: Mapping[GistId, int | None], *, read: bool
) -> HomeVisit:
    """Mark gists as read or as unread for a viewer.

    Each is marked up to the key that it was shown with; without a key, as it is now.
    """
    async with acting.begin() as act:
        return await marks.mark(act.transaction, viewer, gists, act.now, read=read)


async def mark_all(
    acting: Acting, viewer: str, *, up_to: int | None = None, most: int | None = None
) -> HomeVisit:
    """Mark everything as read up to the key `up_to` of the inbox, or up to now.

    It is a visit to at most `most` users.
    """
    newest = await commit_order.settled(acting.database)
    up_to = newest if up_to is None else min(up_to, newest)
    async with acting.begin() as act:
        return await marks.mark_all(act.transaction, viewer, act.now, up_to=up_to, most=most)


async def undo(acting: Acting, viewer: str, visit_id: VisitId) -> HomeVisit:
    """Undo the last marks of a viewer. Raises VisitNotFound, MarkedSince."""
    async with acting.begin() as act:
        return await marks.undo(act.transaction, viewer, visit_id, act.now)


async def save_filter(acting: Acting, viewer: str, name: str, asked: InboxFilter) -> SavedFilter:
    """Save a filter for a viewer. One with the same name is replaced. Raises InvalidInput."""
    async with acting.begin() as act:
        kept = await saved.save(act.transaction, viewer, name.strip(), asked, act.now)
        await act.record("filter.saved", kept.name)
    return kept


async def delete_filter(acting: Acting, viewer: str, filter_id: FilterId) -> SavedFilter:
    """Delete a filter that a viewer saved. Raises FilterNotFound."""
    async with acting.begin() as act:
        gone = await saved.remove(act.transaction, viewer, filter_id)
        await act.record("filter.deleted", gone.name)
    return gone
