"""The acts on secret addresses of feeds: make one, revoke one."""

from dataclasses import dataclass

from gitpip.actions.access_mode import AccessMode, access_mode_of
from gitpip.actions.acting import Acting
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.errors import InvalidInput
from gitpip.store.access import feed_tokens, keys
from gitpip.store.access.feed_tokens import (
    ANONYMOUS,
    FeedAddress,
    FeedAddressId,
    IssuedAddress,
    Parent,
)
from gitpip.store.database import Database
from gitpip.store.visits import visits

OPEN = (AccessMode.EVERYBODY, AccessMode.THIS_MACHINE)


@dataclass(frozen=True)
class FeedOwner:
    """The owner of an address, and the end of its life."""

    viewer: str
    parent: Parent


async def create(acting: Acting, name: str, owner: FeedOwner) -> IssuedAddress:
    """Create an address; its secret can't be shown again. Blanks around the name are dropped.

    Raises InvalidInput, FeedAddressConflict.
    """
    name = name.strip()
    async with acting.begin() as act:
        issued = await feed_tokens.create(
            act.transaction, name=name, viewer=owner.viewer, parent=owner.parent, now=act.now
        )
        await act.record("feed_address.created", name)
    return issued


async def revoke(acting: Acting, address_id: FeedAddressId, *, viewer: str | None) -> FeedAddress:
    """Revoke an address: one of this viewer, or of any viewer if None.

    Raises FeedAddressNotFound.
    """
    async with acting.begin() as act:
        address = await feed_tokens.revoke(act.transaction, address_id, act.now, viewer=viewer)
        await act.record("feed_address.revoked", address.name)
    return address


async def owner_named(database: Database, settings: Settings, key_name: str | None) -> FeedOwner:
    """Return the owner that a command names: a key's holder, or everybody if none is needed.

    Raises InvalidInput, KeyNotFound.
    """
    if key_name is None:
        if await access_mode_of(settings, database) not in OPEN:
            raise InvalidInput(
                "key",
                "each reader has an access key here, and an inbox and feed links of their own; "
                "name the reader's key with --key NAME; gitpip keys list shows the names",
            )
        return FeedOwner(visits.SHARED_VIEWER, Parent(ANONYMOUS, None))
    async with database.read() as transaction:
        key = await keys.find(transaction, key_name)
    if (state := key.state(utc_now())) != "active":
        raise InvalidInput("key", f"{key.name} is {state}; rotate it, or choose another key")
    return FeedOwner(keys.viewer_of(key.name), Parent(key.label, key.id))


async def addresses(database: Database, settings: Settings) -> tuple[FeedAddress, ...]:
    """Return all addresses that lead somewhere now, newest first."""
    without_key = await access_mode_of(settings, database) in OPEN
    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    parents = feed_tokens.valid_parents(admin_key, without_key=without_key)
    async with database.read() as transaction:
        return await feed_tokens.of_viewer(transaction, None, parents=parents, now=utc_now())
