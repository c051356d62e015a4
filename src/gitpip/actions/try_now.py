"""The act of trying now: a person ends a pause, and gitpip asks the vendor once more."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from gitpip.actions.acting import Acting
from gitpip.errors import PauseKept
from gitpip.status.problem import until
from gitpip.store.database import Transaction
from gitpip.store.status import pauses, publishing_pause
from gitpip.store.status.pauses import PUBLISHING, READING, STOPS_PUBLISHING, WATCHING


@dataclass(frozen=True)
class TryNowResult:
    """The result for the pauses that a person wanted to end."""

    ended: tuple[str, ...]
    """The names of the ended pauses, in no particular order."""
    reason: str | None
    """The reason why none was ended, as a sentence, if so."""


async def try_now(acting: Acting, names: Collection[str]) -> TryNowResult:
    """End those of these pauses that may be ended.

    Work then begins with one request, and pauses again if that is refused. `names` are of
    `pauses.PAUSABLE`. A name without a pause has no effect.

    Raises PauseKept if none was ended because GitHub said how long to wait: asking earlier is what
    its documents call abuse, and can get the token banned.
    """
    async with acting.begin() as act:
        ended = await pauses.end_pauses(act.transaction, names, act.now)
        for name in ended:
            await act.record("pause.ended", name)
            act.wake("publish" if name in STOPS_PUBLISHING else "check")
        if ended:
            return TryNowResult(ended, None)
        for name, pause in (await pauses.pauses_now(act.transaction, act.now)).items():
            if name in names:
                raise PauseKept(
                    f"{name} is paused {until(pause.until, act.now)} because GitHub asked to wait "
                    "that long; asking earlier can get the token banned, so it can't be ended"
                )
        return TryNowResult((), await _not_paused(act.transaction, names, act.now))


async def _not_paused(transaction: Transaction, names: Collection[str], now: datetime) -> str:
    """Return why no pause of these names can be ended: another one can be the cause."""
    by_person = await publishing_pause.current(transaction, now) if PUBLISHING in names else None
    if by_person is not None:
        end = f" {until(by_person.until, now)}" if by_person.until else ""
        who = f"Sync is paused by {by_person.paused_by}{end}"
        return f"{who}. To resume: gitpip publishing resume"
    if len(names) > 1:
        return "Nothing is paused."
    [name] = names
    pause = await pauses.paused(transaction, READING, now) if name == WATCHING else None
    if pause is None:
        return f"{name} is not paused."
    end = until(pause.until, now)
    return f"{name} itself is not paused; {READING} is, {end}: gitpip try-now {READING}"
