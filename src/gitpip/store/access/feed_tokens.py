"""Secret addresses of feeds: made by a viewer, used by a feed reader, revoked.

Only hashes are stored. A feed reader cannot sign in; its address is the key, to the feeds alone. An
address ends with its parent: a key when it is revoked, rotated or expired, the settings' key when
it is replaced, or reading without a key when that is no longer allowed.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from gitpip.digests import digest
from gitpip.errors import FeedAddressConflict, FeedAddressNotFound, InvalidInput
from gitpip.store import commit_order
from gitpip.store.access import keys, sessions
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_access import feed_addresses

FeedAddressId = NewType("FeedAddressId", int)

PREFIX = "gitpip_feed_"
TOKEN_PATTERN = re.compile(rf"{PREFIX}[0-9a-f]{{48}}")
FEED_NAME_LIMIT = 60
ANONYMOUS = "anonymous"
"""The parent of addresses made without a key: they are valid while reading needs no key."""
KEY_LIMIT = 50
"""The most addresses that a key may have."""
ANONYMOUS_LIMIT = 500
"""The most addresses that may be made without a key."""


@dataclass(frozen=True)
class Parent:
    """The origin of an address, with which the address ends."""

    label: str
    """The label of a key, which changes with the key, or a word for a parent without a row."""
    key_id: int | None
    """The id of the key's row; None for the key of the settings, and for callers without a key."""


@dataclass(frozen=True)
class FeedAddress:
    """A secret address as it is stored: without its secret. Times are UTC."""

    id: FeedAddressId
    name: str
    viewer: str
    """The viewer who made it."""
    created_at: datetime
    used_at: datetime | None


_address = reader(FeedAddress)


@dataclass(frozen=True)
class IssuedAddress:
    """An address just made; `secret` cannot be shown again."""

    address: FeedAddress
    secret: str


async def create(
    transaction: Transaction, *, name: str, viewer: str, parent: Parent, now: datetime
) -> IssuedAddress:
    """Make an address.

    Addresses that were revoked, or ended with their parent, are deleted. Raises InvalidInput for an
    invalid name, FeedAddressConflict if there are too many addresses already.
    """
    if not name or len(name) > FEED_NAME_LIMIT or not name.isprintable():
        raise InvalidInput(
            "name",
            f"must be 1 to {FEED_NAME_LIMIT} printable characters, e.g. Feedly, not "
            f"{name[: FEED_NAME_LIMIT + 20]!r}",
        )
    await commit_order.one_at_a_time(transaction, f"feed addresses of {parent.label}")
    await transaction.execute(delete(feed_addresses).where(_has_ended(now)))
    await _check_number(transaction, parent)
    secret = f"{PREFIX}{secrets.token_hex(24)}"
    made = await transaction.execute(
        insert(feed_addresses)
        .values(
            hash=digest(secret),
            name=name,
            viewer=viewer,
            parent=parent.label,
            key_id=parent.key_id,
            created_at=now,
        )
        .returning(feed_addresses.c.id)
    )
    address_id = FeedAddressId(made.scalar_one())
    return IssuedAddress(FeedAddress(address_id, name, viewer, now, None), secret)


def valid_parents(admin_key: str | None, *, without_key: bool) -> frozenset[str]:
    """Return the labels of the valid parents that have no row.

    `without_key` says whether reading needs no key.
    """
    labels = {sessions.label_of_settings_key(admin_key)} if admin_key else set()
    return frozenset(labels | {ANONYMOUS} if without_key else labels)


async def presented(
    transaction: Transaction, secret: str, *, parents: Collection[str], now: datetime
) -> FeedAddress | None:
    """Return the address with this secret while it and its parent are valid, otherwise None.

    `parents` are the labels of the valid parents without a row.
    """
    if not TOKEN_PATTERN.fullmatch(secret):
        return None
    found = select(feed_addresses).where(
        feed_addresses.c.hash == digest(secret), _holds(parents, now)
    )
    row = (await transaction.execute(found)).one_or_none()
    return _address(row) if row else None


async def note_use(transaction: Transaction, address: FeedAddress, now: datetime) -> None:
    """Record that an address was used; call it if `keys.use_is_news`."""
    await transaction.execute(
        update(feed_addresses).where(feed_addresses.c.id == address.id).values(used_at=now)
    )


async def of_viewer(
    transaction: Transaction, viewer: str | None, *, parents: Collection[str], now: datetime
) -> tuple[FeedAddress, ...]:
    """Return the valid addresses of a viewer, or of all, newest first; see `presented`."""
    wanted = select(feed_addresses).where(_holds(parents, now))
    if viewer is not None:
        wanted = wanted.where(feed_addresses.c.viewer == viewer)
    rows = await transaction.execute(wanted.order_by(feed_addresses.c.id.desc()))
    return tuple(map(_address, rows))


async def revoke(
    transaction: Transaction,
    address_id: FeedAddressId,
    now: datetime,
    *,
    viewer: str | None,
) -> FeedAddress:
    """Revoke an address of this viewer, or of any viewer if None.

    Raises FeedAddressNotFound.
    """
    wanted = select(feed_addresses).where(
        feed_addresses.c.id == address_id, feed_addresses.c.revoked_at.is_(None)
    )
    if viewer is not None:
        wanted = wanted.where(feed_addresses.c.viewer == viewer)
    row = (await transaction.execute(wanted)).one_or_none()
    if row is None:
        raise FeedAddressNotFound(f"you have no feed link {address_id} that is in use")
    await transaction.execute(
        update(feed_addresses).where(feed_addresses.c.id == address_id).values(revoked_at=now)
    )
    return _address(row)


def _holds(parents: Collection[str], now: datetime) -> ColumnElement[bool]:
    address = feed_addresses.c
    parent_holds = or_(address.parent.in_(parents), address.parent.in_(keys.usable_labels(now)))
    return and_(address.revoked_at.is_(None), parent_holds)


def _has_ended(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an address can never be valid again.

    Parents without a row are not considered: the settings of another process may know others.
    """
    address = feed_addresses.c
    of_key = address.key_id.is_not(None)
    key_ended = and_(of_key, address.parent.not_in(keys.usable_labels(now)))
    return or_(address.revoked_at.is_not(None), key_ended)


async def _check_number(transaction: Transaction, parent: Parent) -> None:
    """Raise FeedAddressConflict if the parent has too many addresses.

    They are not counted by viewer: a browser without a key can be any number of viewers.
    """
    anonymous = parent.label == ANONYMOUS
    limit = ANONYMOUS_LIMIT if anonymous else KEY_LIMIT
    counted = select(func.count()).where(feed_addresses.c.parent == parent.label)
    number = await transaction.scalar(counted) or 0
    if number >= limit:
        owner = "without a key" if anonymous else "of your key"
        raise FeedAddressConflict(
            f"there are already {number} feed links {owner}, and at most {limit} are allowed; "
            "revoke one that you no longer use"
        )
