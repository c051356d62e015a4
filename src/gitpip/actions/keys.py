"""What a person does with access keys: make, rotate, revoke."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from gitpip.actions.acting import Acting
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.access.keys import AccessKey, IssuedKey
from gitpip.store.database import Transaction

Check = Callable[[Transaction], Awaitable[None]]
"""Raises an error where something may not be done."""


async def create(
    acting: Acting,
    name: str,
    *,
    role: Role,
    lifetime: timedelta | None,
    check: Check | None = None,
) -> IssuedKey:
    """Make a key; without a lifetime it holds until it is revoked.

    `check` raises, in the same transaction, where its maker may not make it: who is let in only
    until there is a key. Raises InvalidInput, KeyConflict.
    """
    async with acting.begin() as act:
        if check is not None:
            await check(act.transaction)
        issued = await keys.create(
            act.transaction, name=name, role=role, lifetime=lifetime, now=act.now
        )
        await act.record("key.created", issued.key.name)
    return issued


async def rotate(acting: Acting, name: str, *, lifetime: timedelta | None) -> IssuedKey:
    """Give a key another secret; the old one opens nothing from now on.

    Without a lifetime it holds as long as before, counted from now. Raises KeyNotFound.
    """
    async with acting.begin() as act:
        issued = await keys.rotate(act.transaction, name, lifetime=lifetime, now=act.now)
        await act.record("key.rotated", issued.key.name)
    return issued


async def revoke(acting: Acting, name: str) -> AccessKey:
    """Revoke a key, from this moment on. Raises KeyNotFound."""
    async with acting.begin() as act:
        key = await keys.revoke(act.transaction, name, act.now)
        await act.record("key.revoked", key.name)
    return key
