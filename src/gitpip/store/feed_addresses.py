"""Secret addresses of feeds: made by a viewer, used by a feed reader, revoked. Hashes are stored.

A feed reader can't sign in; its address is the key, to the feeds alone. One made by somebody with
an access key ends with that key.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.errors import FeedAddressNotFound, InvalidInput
from gitpip.store.schema import access_keys, feed_addresses

FeedAddressId = NewType("FeedAddressId", int)

PREFIX = "gitpip_feed_"
FORM = re.compile(rf"{PREFIX}[0-9a-f]{{48}}")
NAME_LIMIT = 60


@dataclass(frozen=True)
class FeedAddress:
    """A secret address as it is kept: without its secret. Times are UTC."""

    id: FeedAddressId
    name: str
    viewer: str
    """Who made it."""
    created_at: datetime
    used_at: datetime | None


async def create(
    transaction: AsyncConnection, *, name: str, viewer: str, key_id: int | None, now: datetime
) -> str:
    """Make an address, and give its secret, which can't be shown again.

    Raises InvalidInput for a name that can't be one.
    """
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise InvalidInput(
            "name",
            f"{name[: NAME_LIMIT + 20]!r} can't name an address; 1 to {NAME_LIMIT} printable "
            "characters, like the name of your feed reader, would be right",
        )
    secret = f"{PREFIX}{secrets.token_hex(24)}"
    await transaction.execute(
        insert(feed_addresses).values(
            hash=_digest(secret), name=name, viewer=viewer, key_id=key_id, created_at=now
        )
    )
    return secret


async def presented(transaction: AsyncConnection, secret: str, now: datetime) -> FeedAddress | None:
    """The address that bears this secret, while it and the key that made it hold."""
    if not FORM.fullmatch(secret):
        return None
    key_holds = or_(
        feed_addresses.c.key_id.is_(None),
        access_keys.c.revoked_at.is_(None)
        & or_(access_keys.c.expires_at.is_(None), access_keys.c.expires_at > now),
    )
    row = (
        await transaction.execute(
            select(feed_addresses)
            .outerjoin(access_keys, access_keys.c.id == feed_addresses.c.key_id)
            .where(
                feed_addresses.c.hash == _digest(secret),
                feed_addresses.c.revoked_at.is_(None),
                key_holds,
            )
        )
    ).one_or_none()
    return _address(row) if row else None


async def note_use(transaction: AsyncConnection, address: FeedAddress, now: datetime) -> None:
    """Keep that an address was used; call it where `keys.use_is_news`."""
    await transaction.execute(
        update(feed_addresses).where(feed_addresses.c.id == address.id).values(used_at=now)
    )


async def of_viewer(transaction: AsyncConnection, viewer: str | None) -> tuple[FeedAddress, ...]:
    """The addresses of a viewer, or everybody's, that are not revoked, newest first."""
    wanted = select(feed_addresses).where(feed_addresses.c.revoked_at.is_(None))
    if viewer is not None:
        wanted = wanted.where(feed_addresses.c.viewer == viewer)
    rows = await transaction.execute(wanted.order_by(feed_addresses.c.id.desc()))
    return tuple(map(_address, rows))


async def revoke(
    transaction: AsyncConnection,
    address_id: FeedAddressId,
    now: datetime,
    *,
    viewer: str | None,
) -> FeedAddress:
    """Let an address lead nowhere any more; one of this viewer, or anybody's if None.

    Raises FeedAddressNotFound.
    """
    for address in await of_viewer(transaction, viewer):
        if address.id == address_id:
            await transaction.execute(
                update(feed_addresses)
                .where(feed_addresses.c.id == address_id)
                .values(revoked_at=now)
            )
            return address
    raise FeedAddressNotFound(f"there is no address {address_id} of yours that could be revoked")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _address(row: Row[Any]) -> FeedAddress:
    return FeedAddress(FeedAddressId(row.id), row.name, row.viewer, row.created_at, row.used_at)
