"""Many shown secrets checked by one query: the ones that may open something."""

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
    """Return the digests among these of stored secrets that may open something at `now`.

    Secrets derived from a parent without a row, such as the settings' key, are included; the caller
    checks whether that parent is still valid.
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
