"""The acts on access keys: make, rotate, revoke."""

from collections.abc import Awaitable, Callable, Set
from datetime import timedelta

from gitpip.actions.acting import Acting
from gitpip.config import Settings
from gitpip.errors import InvalidInput, LastAdminKey
from gitpip.model import Anonymous, Role
from gitpip.store.access import keys
from gitpip.store.access.keys import AccessKey, IssuedKey
from gitpip.store.database import Transaction

Check = Callable[[Transaction], Awaitable[None]]
"""A function that raises an error if something may not be done."""
SHORTEST_FIRST = timedelta(days=1)
"""The least lifetime of the first key."""


async def create(
    acting: Acting,
    name: str,
    *,
    role: Role,
    lifetime: timedelta | None,
    check: Check | None = None,
) -> IssuedKey:
    """Make a key. Without a lifetime it is valid until it is revoked.

    `check` raises, in the same transaction, if its maker may not make it, such as a person who may
    only enter until there is a key. Raises InvalidInput, KeyConflict.
    """
    async with acting.begin() as act:
        if check is not None:
            await check(act.transaction)
        issued = await keys.create(
            act.transaction, name=name, role=role, lifetime=lifetime, now=act.now
        )
        await act.record("key.created", issued.key.name)
    return issued


async def rotate(
    acting: Acting,
    name: str,
    *,
    lifetime: timedelta | None,
    settings: Settings,
    force: bool = False,
) -> IssuedKey:
    """Replace the secret of a key. The old one stops working immediately.

    Without a lifetime it is valid as long as before, counted from now. Raises KeyNotFound, and
    LastAdminKey if the last key of an admin would end within a day, unless with `force`.
    """
    async with acting.begin() as act:
        admins = await keys.admins(act.transaction, act.now, for_change=True)
        issued = await keys.rotate(act.transaction, name, lifetime=lifetime, now=act.now)
        end = issued.key.expires_at
        if end and end < act.now + SHORTEST_FIRST and not force:
            what = f"the last admin key, {issued.key.name}, would expire within a day"
            _check_others(admins, issued.key, settings, what)
        await act.record("key.rotated", issued.key.name)
    return issued


async def revoke(
    acting: Acting, name: str, *, settings: Settings, force: bool = False
) -> AccessKey:
    """Revoke a key immediately.

    Raises KeyNotFound, and LastAdminKey for the last key of an admin, unless with `force`.
    """
    async with acting.begin() as act:
        admins = await keys.admins(act.transaction, act.now, for_change=True)
        key = await keys.revoke(act.transaction, name, act.now)
        if not force:
            _check_others(admins, key, settings, f"without {key.name}, no admin key would be left")
        await act.record("key.revoked", key.name)
    return key


def _check_others(admins: Set[int], key: AccessKey, settings: Settings, what: str) -> None:
    """Raise LastAdminKey, with what would happen, if only this key lets admins in."""
    without_keys = settings.admin_key or settings.allow_anonymous is Anonymous.ALL
    if admins == {key.id} and not without_keys:
        raise LastAdminKey(
            f"{what}. Then only gitpip keys create NAME --role admin, run on the machine that runs "
            "gitpip, could create a new one. Create another admin key first"
        )


def check_first_key(role: Role, lifetime: timedelta | None) -> None:
    """Raise InvalidInput for a first key that would lock out its maker.

    The maker needs it to make others: it must be an admin's, and last until that is done.
    """
    if role is not Role.ADMIN:
        raise InvalidInput(
            "role",
            "must be admin for the first key: after it, everyone needs a key, and the role "
            f"{role} can't create others",
        )
    if lifetime is not None and lifetime < SHORTEST_FIRST:
        raise InvalidInput(
            "expires",
            "must be at least 1d for the first key, or empty: after it, everyone needs a key, "
            "and only an admin's key can create others",
        )
