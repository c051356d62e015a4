"""The problems of watching: users who can't be read, are late, or are too many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gitpip.clock import day_and_clock
from gitpip.config import format_duration
from gitpip.counts import people
from gitpip.model import Pause, PauseCause, UserState
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, said
from gitpip.store.database import Transaction
from gitpip.store.gists import public_feed
from gitpip.store.status import budgets, pauses, troubles
from gitpip.store.status.troubles import Trouble
from gitpip.store.users import users
from gitpip.store.users.schedule import Completeness

SHORTEST_DELAY = timedelta(minutes=5)
"""The delay below which no user counts as late."""
LONGEST_FIRST_CHECK = timedelta(hours=1)
"""The time after which a new user without a complete check is worth a warning."""
CHECK_BEGINS_WITHIN = timedelta(minutes=2)
"""The time within which a requested check begins: usually seconds. One left by a dead process is
taken over as soon."""
FEED_FAILS_FOR = timedelta(minutes=10)
"""The time of failures after which the feed is a problem. A few failures in a row are ordinary."""


@dataclass(frozen=True)
class Watching:
    """The data from which the problems of watching are read."""

    transaction: Transaction
    now: datetime
    interval: timedelta
    """The time between two checks of a user without an interval of their own."""
    pauses: Mapping[str, Pause]
    works: bool
    has_token: bool
    reads_feed: bool

    @property
    def goes_on(self) -> bool:
        """Whether users are checked at present, so that a delay is a problem of its own."""
        return self.works and not set(pauses.STOPS_WATCHING) & set(self.pauses)

    @property
    def delay(self) -> timedelta:
        """The delay that a check may have."""
        return max(SHORTEST_DELAY, self.interval / 4)


TOKENS = {
    pauses.PUBLISHING: "Set PIPEDRIVE_TOKEN to a valid token of a user who may use the API.",
    pauses.SWEEPING: "Set GITHUB_TOKEN to a classic token without any scope.",
}
"""The advice if a pause is the token's fault."""


def help_for(name: str, cause: PauseCause) -> tuple[Remedy | None, Severity]:
    """Return the act that helps against a pause, and the pause's severity."""
    match cause:
        case PauseCause.CREDENTIAL if name == pauses.SWEEPING:
            # REST accepts the token, so users are still checked.
            return Remedy.SET_GITHUB_TOKEN, Severity.WARNING
        case PauseCause.CREDENTIAL:
            publishing = name == pauses.PUBLISHING
            act = Remedy.SET_DESTINATION_TOKEN if publishing else Remedy.SET_GITHUB_TOKEN
            return act, Severity.ERROR
        case PauseCause.RATE_LIMIT if name != pauses.PUBLISHING:
            return None, Severity.WARNING
        case PauseCause.SETTING:
            return Remedy.CHANGE_SETTINGS, Severity.ERROR
        case _ if name == pauses.EXAMINING:
            return Remedy.TRY_NOW, Severity.ERROR
        case _:
            return Remedy.TRY_NOW, Severity.WARNING


def advice_on(name: str, cause: PauseCause) -> str:
    """Return the setting that helps if a pause is the token's fault, or an empty text."""
    if cause is not PauseCause.CREDENTIAL:
        return ""
    return TOKENS.get(name, "Set GITHUB_TOKEN to a valid token.")


async def problems(watching: Watching, known: Completeness, *, capacity: int) -> Sequence[Problem]:
    """Return every problem of watching. At least one user must be tracked."""
    rows = watching.transaction
    found: list[tuple[Trouble, Callable[[Trouble], Problem]]] = [
        (await troubles.users_unavailable(rows), _unavailable),
        (await troubles.users_failing(rows), _failing),
        (await _users_late(watching), _late),
        (await troubles.users_unread(rows), partial(_unread, watching, known)),
        (await troubles.users_not_compared(rows), _not_compared),
    ]
    if watching.goes_on:
        found.append((await _checks_abandoned(watching), _abandoned))
    problems = [describe(trouble) for trouble, describe in found if trouble.count]
    if known.users > capacity:
        problems.append(_over_capacity(watching, known, capacity))
    problems += await _of_feed(watching, known)
    if not await troubles.any_checkable(rows):
        problems.append(await _all_paused(rows))
    return problems


def _unavailable(trouble: Trouble) -> Problem:
    if trouble.count == 1:
        sentence = (
            f"gitpip can't find new gists of {trouble.example}: {said(trouble.reason)} gitpip asks "
            "again once a day."
        )
        advice = "Check the username, or stop tracking this person."
    else:
        sentence = (
            f"gitpip can't find new gists of {people(trouble.count)}, e.g. {trouble.example}: "
            f"{said(trouble.reason)} gitpip asks again once a day."
        )
        advice = "Check the usernames, or stop tracking them."
    return Problem(
        ProblemKind.USERS_UNAVAILABLE,
        Severity.WARNING,
        sentence,
        since=trouble.since,
        count=trouble.count,
        act=Remedy.REVIEW_USERS,
        advice=advice,
    )


def _failing(trouble: Trouble) -> Problem:
    if trouble.count == 1:
        subject, example = trouble.example, f": {said(trouble.reason)}"
        again = f"{trouble.example} is checked again soon."
    else:
        subject = people(trouble.count)
        example = f", e.g. {trouble.example}: {said(trouble.reason)}"
        again = "They are checked again soon."
    return Problem(
        ProblemKind.USERS_FAILING,
        Severity.WARNING,
        f"The last check of {subject} failed{example} {again}",
        since=trouble.since,
        count=trouble.count,
        act=Remedy.REVIEW_USERS,
        unreachable=trouble.unreachable,
    )


async def _users_late(watching: Watching) -> Trouble:
    now, interval, delay = watching.now, watching.interval, watching.delay
    return await troubles.users_late(
        watching.transaction,
        due_before=now - delay,
        complete_before=now - 2 * interval - delay,
        interval=interval,
    )


def _late(trouble: Trouble) -> Problem:
    subject = (
        f"{trouble.example} was"
        if trouble.count == 1
        else f"{people(trouble.count)}, e.g. {trouble.example}, were"
    )
    after = f" after {day_and_clock(trouble.since)}" if trouble.since else ""
    return Problem(
        ProblemKind.USERS_LATE,
        Severity.WARNING,
        f"{subject} not checked in time, so gists{after} may be missing.",
        since=trouble.since,
        count=trouble.count,
        act=Remedy.REVIEW_USERS,
        advice="If no other problem is shown, see the log.",
    )


def _unread(watching: Watching, known: Completeness, trouble: Trouble) -> Problem:
    patience = max(LONGEST_FIRST_CHECK, 2 * watching.interval)
    late = trouble.since is not None and watching.now - trouble.since > patience
    return Problem(
        ProblemKind.USERS_UNREAD,
        Severity.WARNING if late else Severity.INFO,
        f"{trouble.count:,} of {people(known.users)} "
        f"{'has' if trouble.count == 1 else 'have'} not been checked completely yet"
        + (f"{': ' if trouble.count == 1 else ', e.g. '}{trouble.example}." if late else "."),
        since=trouble.since,
        count=trouble.count,
        act=Remedy.REVIEW_USERS if late else None,
    )


def _not_compared(trouble: Trouble) -> Problem:
    such_as = ": " if trouble.count == 1 else ", e.g. "
    return Problem(
        ProblemKind.LISTS_NOT_COMPARED,
        Severity.INFO,
        f"gitpip has not read the gist lists of {people(trouble.count)} since the upgrade"
        f"{such_as}{trouble.example}. The former version did not notice lists that were behind, so "
        "a file may be missing. gitpip reads these lists with the requests to spare.",
        count=trouble.count,
    )


async def _checks_abandoned(watching: Watching) -> Trouble:
    return await troubles.checks_abandoned(
        watching.transaction,
        now=watching.now,
        requested_before=watching.now - CHECK_BEGINS_WITHIN,
    )


def _abandoned(trouble: Trouble) -> Problem:
    when = f", requested at {day_and_clock(trouble.since)}," if trouble.since else ""
    return Problem(
        ProblemKind.CHECK_ABANDONED,
        Severity.WARNING,
        f"Check {trouble.example}{when} stopped before it was done: it failed, or its process "
        "ended. It starts again.",
        since=trouble.since,
        count=trouble.count,
        act=Remedy.RESTART,
        advice="If this continues, check the log.",
    )


def _over_capacity(watching: Watching, known: Completeness, capacity: int) -> Problem:
    remedy, names = "Check less often.", "Set "
    if not watching.has_token:
        remedy, names = "Add a GitHub token or check less often.", "Set GITHUB_TOKEN, or "
    elif budgets.token_keeps_from_graphql(watching.pauses.get(pauses.SWEEPING)):
        remedy = "Use a classic GitHub token or check less often."
        names = "Set GITHUB_TOKEN to a classic token without any scope, or "
    return Problem(
        ProblemKind.OVER_CAPACITY,
        Severity.WARNING,
        f"Too many people for GitHub's limits: {known.users:,} are tracked, and {capacity:,} can "
        f"be checked every {format_duration(watching.interval)}. gitpip finds gists late.",
        count=known.users,
        act=Remedy.CHECK_LESS_OFTEN,
        advice=f"{remedy} {names}a longer GITPIP_CHECK_INTERVAL.",
    )


async def _of_feed(watching: Watching, known: Completeness) -> Sequence[Problem]:
    """Return the problems of the public feed.

    The feed only makes things faster: the checks find everything.
    """
    state = await public_feed.status(watching.transaction) if watching.reads_feed else None
    if state is None:
        return ()
    problems = []
    failing = state.failing_since
    if failing and watching.now - failing > FEED_FAILS_FOR:
        problems.append(
            Problem(
                ProblemKind.FEED_UNREADABLE,
                Severity.WARNING,
                f"GitHub's public feed can't be read: {said(state.failure)} The regular checks "
                f"find new gists, every {format_duration(watching.interval)}.",
                since=failing,
            )
        )
    caught_up = (
        known.oldest is not None and state.gap_at is not None and known.oldest > state.gap_at
    )
    if state.gap_at and not caught_up:
        problems.append(
            Problem(
                ProblemKind.FEED_GAP,
                Severity.INFO,
                "GitHub's public feed may have left out gists before "
                f"{day_and_clock(state.gap_at)}: the regular checks find these.",
                since=state.gap_at,
            )
        )
    return problems


async def _all_paused(transaction: Transaction) -> Problem:
    number = (await users.count(transaction)).get(UserState.PAUSED, 0)
    subject = "The only person is" if number == 1 else f"All {number:,} people are"
    return Problem(
        ProblemKind.USERS_PAUSED,
        Severity.INFO,
        f"{subject} paused: gitpip does not check for new gists until someone resumes them.",
        count=number,
        act=Remedy.RESUME_USERS,
    )
