"""The acts on publishing: pausing it for some time, and resuming it."""

from datetime import datetime

from gitpip.actions.acting import Acting
from gitpip.clock import day_and_clock, given_moment
from gitpip.config import LONGEST_DURATION, parse_duration
from gitpip.errors import InvalidInput
from gitpip.store.status import publishing_pause
from gitpip.store.status.publishing_pause import PersonsPause

PAUSE_REASON_LIMIT = 200


async def pause_publishing(
    acting: Acting, *, until: str = "", lasts: str = "", reason: str = ""
) -> PersonsPause:
    """Pause publishing until a time, for as long as it `lasts`, or until it is resumed.

    The texts are a time such as 2026-01-31T08:00 (UTC, if it names no zone) and a duration such as
    3h. If both are empty, the pause has no end. Repeating it replaces the pause; if nothing
    changes, it is not recorded. Raises InvalidInput.
    """
    reason = _checked_reason(reason)
    async with acting.begin() as act:
        end = _end(until.strip(), lasts.strip(), act.now)
        pause = PersonsPause(act.actor.name, act.now, end, reason)
        if await publishing_pause.begin(act.transaction, pause, act.now):
            told = f"until {day_and_clock(end)}" if end else "until it is resumed"
            await act.record("publishing.paused", f"{told}: {reason}" if reason else told)
        return await publishing_pause.current(act.transaction, act.now) or pause


async def resume_publishing(acting: Acting) -> PersonsPause | None:
    """End a person's pause; return it as it was, or None if there was none."""
    async with acting.begin() as act:
        ended = await publishing_pause.end(act.transaction, act.now)
        if ended is not None:
            await act.record("publishing.resumed", ended.reason or "no reason was given")
    return ended


def _end(until: str, lasts: str, now: datetime) -> datetime | None:
    if until and lasts:
        raise InvalidInput("until", "give a time or a duration, not both")
    if lasts:
        try:
            return now + parse_duration(lasts)
        except ValueError as error:
            raise InvalidInput("for", str(error)) from None
    return _time(until, now) if until else None


def _time(text: str, now: datetime) -> datetime:
    try:
        time = given_moment(text)
    except ValueError:
        raise InvalidInput(
            "until", f"must be a time, e.g. 2026-01-31T08:00 (UTC), not {text[:40]!r}"
        ) from None
    if not now < time <= now + LONGEST_DURATION:
        raise InvalidInput(
            "until",
            f"{day_and_clock(time)} is not within the next {LONGEST_DURATION.days} days; without a "
            "time, publishing is paused until someone resumes it",
        )
    return time


def _checked_reason(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > PAUSE_REASON_LIMIT or not line.isprintable():
        raise InvalidInput("reason", f"use at most {PAUSE_REASON_LIMIT} printable characters")
    return line
