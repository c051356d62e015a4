"""Which of many secrets that were shown may open something, by one query for all of them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select, union_all

from gitpip.store.access import keys
from gitpip.store.access.sessions import SETTINGS_LABEL
from gitpip.store.database import Transaction
from gitpip.store.schema_access import access_keys, feed_addresses, sessions


async def promising(
    transaction: Transaction, digests: Collection[str], now: datetime
) -> frozenset[str]:
    """Those of these digests that are stored, of secrets that may open something at `now`.

    Secrets derived from what has no row, as the settings' key, are among them; whether that holds
    still is for others to say.
    """
    usable = keys.usable_labels(now)
    found = union_all(
        select(access_keys.c.hash).where(
            access_keys.c.hash.in_(digests), access_keys.c.label.in_(usable)
        ),
        select(sessions.c.hash).where(
            sessions.c.hash.in_(digests),
            sessions.c.until > now,
            or_(sessions.c.label.like(f"{SETTINGS_LABEL}%"), sessions.c.label.in_(usable)),
        ),
        select(feed_addresses.c.hash).where(
            feed_addresses.c.hash.in_(digests),
            feed_addresses.c.revoked_at.is_(None),
            or_(feed_addresses.c.key_id.is_(None), feed_addresses.c.parent.in_(usable)),
        ),
    )
    return frozenset((await transaction.execute(found)).scalars())
