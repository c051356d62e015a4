"""Access by the settings, which has no row of its own: the settings' key, reading without a key.

Sessions and feed addresses are derived from both, and no row says when such a right ended. So each
service records what its settings let in. When that changes, what was derived from the same right in
an earlier period has ended with that period, and is deleted.
"""

from enum import StrEnum

from sqlalchemy import delete, insert, select, update

from gitpip.store import commit_order
from gitpip.store.access import sessions as stored_sessions
from gitpip.store.access.feed_tokens import ANONYMOUS
from gitpip.store.database import Transaction
from gitpip.store.schema_access import feed_addresses, noted_rights, sessions


class NotedRight(StrEnum):
    """A right to access that has no row of its own."""

    SETTINGS_KEY = "settings key"
    WITHOUT_KEY = "without a key"


async def note_settings_key(transaction: Transaction, admin_key: str | None) -> None:
    """Record the settings' key, if any; delete what an earlier period of the same key left."""
    label = stored_sessions.label_of_settings_key(admin_key) if admin_key else ""
    if await _changes(transaction, NotedRight.SETTINGS_KEY, label) and label:
        await transaction.execute(delete(sessions).where(sessions.c.label == label))
        await transaction.execute(delete(feed_addresses).where(feed_addresses.c.parent == label))


async def note_without_key(transaction: Transaction, why: str) -> None:
    """Record why reading needs no key, or "" if it needs one. Feed addresses end as above."""
    if await _changes(transaction, NotedRight.WITHOUT_KEY, why) and why:
        of_anybody = feed_addresses.c.parent == ANONYMOUS
        await transaction.execute(delete(feed_addresses).where(of_anybody))


async def _changes(transaction: Transaction, right: NotedRight, held: str) -> bool:
    """Record what a right holds; return whether something else was recorded before."""
    await commit_order.one_at_a_time(transaction, f"noted: {right}")
    of_right = noted_rights.c.name == right.value
    before = await transaction.scalar(select(noted_rights.c.held).where(of_right))
    if before is None:
        await transaction.execute(insert(noted_rights).values(name=right.value, held=held))
    elif before != held:
        await transaction.execute(update(noted_rights).where(of_right).values(held=held))
    return before is not None and before != held
