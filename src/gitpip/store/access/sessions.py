"""Sessions of browsers that signed in: the key that each stands for, and its end.

Only hashes are stored, so that neither a backup nor reading the database opens anything. Signing
out, or revoking the key, counts at once in every process.
"""

import secrets
from datetime import datetime

from sqlalchemy import and_, delete, insert, or_, select

from gitpip.digests import digest
from gitpip.store import commit_order
from gitpip.store.access import keys
from gitpip.store.database import Transaction
from gitpip.store.schema_access import sessions

MOST_SESSIONS = 100
"""The most sessions that a key has; one more ends the oldest."""
SETTINGS_LABEL = "="
"""The beginning of the label of the settings' key, which has no row."""


def label_of_settings_key(admin_key: str) -> str:
    """Return the label of the admin key of the settings; another key has another label."""
    return f"{SETTINGS_LABEL}{digest(admin_key)[:16]}"


async def begin(transaction: Transaction, *, label: str, now: datetime, until: datetime) -> str:
    """Begin a session for the key with this label, and return its token.

    Sessions that are over, or whose key has ended, are deleted, and the oldest ones of this key
    beyond `MOST_SESSIONS`. The token holds 256 random bits, so one round of SHA-256 is enough to
    store it.
    """
    token = secrets.token_urlsafe(32)
    await commit_order.one_at_a_time(transaction, f"sessions of {label}")
    key_ended = and_(
        sessions.c.label.not_like(f"{SETTINGS_LABEL}%"),
        sessions.c.label.not_in(keys.usable_labels(now)),
    )
    await transaction.execute(delete(sessions).where(or_(sessions.c.until <= now, key_ended)))
    newest = (
        select(sessions.c.hash)
        .where(sessions.c.label == label)
        .order_by(sessions.c.began_at.desc())
        .limit(MOST_SESSIONS - 1)
    )
    await transaction.execute(
        delete(sessions).where(sessions.c.label == label, sessions.c.hash.not_in(newest))
    )
    await transaction.execute(
        insert(sessions).values(hash=digest(token), label=label, began_at=now, until=until)
    )
    return token


async def label_of(transaction: Transaction, token: str, now: datetime) -> str | None:
    """Return the label of the key that a session stands for at `now`; None if there is none."""
    label: str | None = await transaction.scalar(
        select(sessions.c.label).where(sessions.c.hash == digest(token), sessions.c.until > now)
    )
    return label


async def end(transaction: Transaction, token: str) -> None:
    """End the session with this token, if there is one."""
    await transaction.execute(delete(sessions).where(sessions.c.hash == digest(token)))
