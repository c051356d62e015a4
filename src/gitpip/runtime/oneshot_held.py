"""Errands about held files: showing what waits for a decision, and deciding."""

from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.model import Backfill
from gitpip.runtime.oneshot import did
from gitpip.runtime.serve import opened
from gitpip.store.publications import held
from gitpip.store.publications.held import Answered, Held
from gitpip.store.users import users

MOST_SHOWN = 1_000


async def show(settings: Settings, login: str | None) -> tuple[Held, ...]:
    """What is held, of one user or of all. Raises UserNotTracked."""
    async with opened(settings) as database, database.read() as transaction:
        if login is None:
            return await held.everyone(transaction, limit=MOST_SHOWN)
        user = await users.find(transaction, login)
        one = await held.of_user(transaction, user.key)
        return (one,) if one else ()


async def decide(settings: Settings, login: str, approved: Backfill) -> Answered:
    """Answer for a user; a running service notices within seconds. Raises UserNotTracked."""
    async with opened(settings) as database, database.begin() as transaction:
        return await held.answer(transaction, login, approved, did=did, now=utc_now())
