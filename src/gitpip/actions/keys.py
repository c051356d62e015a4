"""What a person does with access keys: make, rotate, revoke."""

from datetime import timedelta

from gitpip.actions.acting import Act, Acting
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.access.keys import AccessKey, IssuedKey


async def create(
    acting: Acting,
    name: str,
    *,
    role: Role,
    lifetime: timedelta | None,
    maker_stays_in: bool = True,
) -> IssuedKey:
    """Make a key; without a lifetime it holds until it is revoked.

    A maker who is let in only until there is a key must make an admin's first.
    Raises InvalidInput, KeyConflict.
    """
    async with acting.begin() as act:
        if role is not Role.ADMIN and not maker_stays_in:
            await _check_not_first(act, role)
        issued = await keys.create(
            act.transaction, name=name, role=role, lifetime=lifetime, now=act.now
        )
        await act.record("key.created", issued.key.name)
    return issued


async def rotate(acting: Acting, name: str, *, lifetime: timedelta | None) -> IssuedKey:
    """Give a key another secret; the former opens nothing from now on.

    Without a lifetime it holds as long as before, counted from now. Raises KeyNotFound.
    """
    async with acting.begin() as act:
        issued = await keys.rotate(act.transaction, name, lifetime=lifetime, now=act.now)
        await act.record("key.rotated", issued.key.name)
    return issued


async def revoke(acting: Acting, name: str) -> AccessKey:
    """Let a key open nothing any more, from this moment on. Raises KeyNotFound."""
    async with acting.begin() as act:
        key = await keys.revoke(act.transaction, name, act.now)
        await act.record("key.revoked", key.name)
    return key


async def _check_not_first(act: Act, role: Role) -> None:
    if not await keys.any_exists(act.transaction):
        raise InvalidInput(
            "role",
            "must be admin for the first key: from then on nothing is open without a key, "
            f"and you could make no other one with the role {role}",
        )
