"""Trying now: a person ends a pause, and gitpip asks the vendor once more."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from gitpip.errors import PauseKept
from gitpip.status.problem import until
from gitpip.store.database import Transaction
from gitpip.store.status import pauses
from gitpip.store.status.pauses import READING, WATCHING

Did = Callable[[Transaction, str, str], Awaitable[None]]
"""Records an action and its subject in the audit."""


async def try_now(
    transaction: Transaction, names: Collection[str], *, did: Did, now: datetime
) -> tuple[str, ...]:
    """End those of these pauses that may be ended; gives their names, in no certain order.

    Wake the engine after the commit. Work then begins with one request, and pauses again if that is
    refused. `names` are of `pauses.PAUSABLE`; what is not paused stays as it is.

    Raises PauseKept if none was ended because GitHub said how long to wait: asking earlier is what
    its documents call abuse, and can get the token banned.
    """
    ended = await pauses.end_pauses(transaction, names, now)
    for name in ended:
        await did(transaction, "pause.ended", name)
    kept = [
        (name, pause)
        for name, pause in (await pauses.pauses_now(transaction, now)).items()
        if name in names
    ]
    if kept and not ended:
        name, pause = kept[0]
        raise PauseKept(
            f"{name} is paused {until(pause.until, now)} because GitHub asked to wait that long; "
            "asking earlier can get the token banned, so it can't be ended"
        )
    return ended


async def not_paused(transaction: Transaction, name: str, now: datetime) -> str:
    """Why there is no pause of this name to end, as a sentence: another one can hold it up."""
    pause = await pauses.paused(transaction, READING, now) if name == WATCHING else None
    if pause is None:
        return f"{name} is not paused."
    end = until(pause.until, now)
    return f"{name} itself is not paused; {READING} is, {end}: gitpip try-now {READING}"
