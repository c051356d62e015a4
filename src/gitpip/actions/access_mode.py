"""The access mode: who may enter, by the settings and the access keys."""

from enum import StrEnum

from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.store.access import keys
from gitpip.store.database import Database


class AccessMode(StrEnum):
    """The possible access modes."""

    EVERYBODY = "everybody"
    KEY_HOLDERS = "key holders"
    THIS_MACHINE = "this machine"
    NOBODY = "nobody"


async def access_mode_of(settings: Settings, database: Database) -> AccessMode:
    """Return the access mode of a service with these settings and this database.

    A database that is not migrated yet holds no key. Raises DatabaseUnavailable.
    """
    if settings.allow_anonymous:
        return AccessMode.EVERYBODY
    if settings.admin_key:
        return AccessMode.KEY_HOLDERS
    was_closed = False
    if await database.is_migrated():
        async with database.read() as transaction:
            if await keys.any_is_usable(transaction, utc_now()):
                return AccessMode.KEY_HOLDERS
            was_closed = await keys.any_exists(transaction)
    if settings.serves_only_this_machine and not was_closed:
        return AccessMode.THIS_MACHINE
    return AccessMode.NOBODY
