"""Reading the condition of the service in one transaction: every problem, worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitpip.clock import CLOCK_TOLERANCE, day_and_clock
from gitpip.config import Settings, format_duration
from gitpip.counts import count, people
from gitpip.model import Pause, Publication, PublicationState, User, UserState
from gitpip.modes import PublishingMode
from gitpip.status import accounts, background_work, modes, publishing, undos, watching
from gitpip.status.problem import (
    PAUSES,
    Problem,
    ProblemKind,
    Remedy,
    Severity,
    said,
    until,
    worst_first,
)
from gitpip.store.database import Transaction
from gitpip.store.gists import unreadable
from gitpip.store.gists.unreadable import FurthestBehind, UnreadableSummary
from gitpip.store.status import budgets, instances, pauses, publishing_pause
from gitpip.store.status.instances import Instance, Tokens, tokens_at_work
from gitpip.store.status.publishing_pause import PersonsPause
from gitpip.store.users import schedule, users

FOR_READERS = frozenset(
    {
        ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
        ProblemKind.DRY_RUN,
        ProblemKind.USERS_PAUSED,
        ProblemKind.PUBLICATIONS_HELD,
    }
)
"""The kinds that are no fault, but explain why a gist is not found or not sent."""


@dataclass(frozen=True)
class ProcessFacts:
    """The facts that a process knows and the rows do not hold."""

    settings: Settings
    secret_faults: Sequence[str] = ()
    """A sentence for each secret file that can't be used."""
    health_problems: Sequence[str] = ()
    """The sentences of this process's `/health`."""
    instance_id: str | None = None
    """The id of this process's row among the instances, if it has one."""
    scheduler_is_alive: bool | None = None
    """None in a process that does not watch and publish."""


@dataclass(frozen=True)
class ServiceCondition:
    """The condition of the service. Times are UTC."""

    problems: tuple[Problem, ...]
    """The problems, worst first."""
    complete_until: datetime | None
    """The time before which no user's public gist was missed; None if that is unknown."""
    pauses: Mapping[str, Pause]
    instances: tuple[Instance, ...] = field(default=())
    furthest_behind: FurthestBehind | None = None
    """The user who is furthest behind, if an unreadable gist or the like delays that time."""
    works: bool = True
    """Whether any process watches and publishes."""
    persons_pause: PersonsPause | None = None
    """A person's pause of publishing."""
    mode: PublishingMode = PublishingMode.AUTOMATIC
    """The publishing mode of everybody."""
    capacity: int = 0
    """The number of users that GitHub's limits allow to be checked in each interval."""

    @property
    def all_good(self) -> bool:
        """Whether everything was found and published, with nothing else to say."""
        return not self.problems

    @property
    def for_readers(self) -> tuple[Problem, ...]:
        """The problems that readers of gists should know, worst first, without work in progress."""
        return tuple(
            problem
            for problem in self.problems
            if problem.severity is not Severity.INFO or problem.kind in FOR_READERS
        )

    @property
    def severity(self) -> Severity | None:
        """The severity of the worst problem, or None."""
        return self.problems[0].severity if self.problems else None

    @property
    def sentence(self) -> str:
        """The worst problem and the number of others, or that all is good."""
        if not self.problems:
            time = self.complete_until
            up_to = f" up to {day_and_clock(time)}" if time else ""
            return f"All systems normal. Everything{up_to} is captured. Nothing waits to be sent."
        first, *others = self.problems
        worse = [other for other in others if other.severity is not Severity.INFO]
        more = len(others if first.severity is Severity.INFO else worse)
        return f"{first.sentence} And {more} more." if more else first.sentence

    def publishing_due(self, due: datetime | None, *, sends: bool = True) -> datetime | None:
        """Return the earliest time at which what is due at `due` can be sent; None if unknown.

        That is not before the end of any pause, a person's or our own. Without `sends`, it is only
        searched for in Pipedrive.
        """
        if due is None or (self.persons_pause and self.persons_pause.until is None):
            return None
        names = pauses.STOPS_PUBLISHING if sends else (pauses.PUBLISHING,)
        ends = [self.pauses[name].until for name in names if name in self.pauses]
        if self.persons_pause and self.persons_pause.until:
            ends.append(self.persons_pause.until)
        return max([due, *ends])

    def due_of(self, publication: Publication) -> datetime | None:
        """Return when the next step of a publication can come, or None if that is unknown."""
        match publication.state:
            case PublicationState.PENDING if publication.user_state is UserState.PAUSED:
                return None
            case PublicationState.PENDING if (
                publication.publishing_mode or self.mode
            ) is PublishingMode.DRY_RUN:
                return None
            case PublicationState.PENDING | PublicationState.UNCERTAIN as state:
                sends = state is PublicationState.PENDING
                return self.publishing_due(publication.due_at, sends=sends)
            case _:
                return publication.due_at

    def check_due(self, user: User) -> datetime | None:
        """Return when a user is checked again at the earliest, or None for a paused user."""
        if user.state is UserState.PAUSED:
            return None
        ends = [self.pauses[name].until for name in pauses.STOPS_WATCHING if name in self.pauses]
        return max([user.next_check_at, *ends])

    def held_up(self, name: str) -> Problem | None:
        """Return the problem that stops `pauses.PUBLISHING` or `pauses.WATCHING`, or None."""
        return next((problem for problem in self.problems if problem.kind in STOPS[name]), None)


def tokens_known(running: Sequence[Instance], process: ProcessFacts) -> Tokens:
    """Return the tokens with which the work is done.

    A process that does not work can have others than those that do: a command is often run in a
    shell without any.
    """
    settings = process.settings
    own = Tokens(settings.github_token is not None, settings.pipedrive_token is not None)
    told = tokens_at_work(running)
    if told is None:
        return own
    if process.scheduler_is_alive is None:
        return told
    return Tokens(own.github or told.github, own.destination or told.destination)


STOPS: Mapping[str, frozenset[ProblemKind]] = {
    pauses.WATCHING: frozenset(
        {
            ProblemKind.NO_WORKER,
            ProblemKind.GITHUB_ACCOUNT_CHANGED,
            ProblemKind.WATCHING_PAUSED,
        }
    ),
    pauses.PUBLISHING: frozenset(
        {
            ProblemKind.NO_WORKER,
            ProblemKind.DESTINATION_ACCOUNT_CHANGED,
            ProblemKind.DESTINATION_TOKEN_MISSING,
            ProblemKind.PUBLISHING_PAUSED,
            ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
            ProblemKind.EXAMINING_PAUSED,
        }
    ),
}


async def _capacity(
    transaction: Transaction, process: ProcessFacts, *, has_token: bool, now: datetime
) -> int:
    return await budgets.capacity_now(
        transaction,
        has_token=has_token,
        share=process.settings.github_share,
        interval=process.settings.check_interval,
        now=now,
    )


async def read(transaction: Transaction, process: ProcessFacts, now: datetime) -> ServiceCondition:
    """Return every problem at `now` (UTC)."""
    stopped = await read_stops(transaction, process, now)
    known = await schedule.completeness(transaction)
    stops = {problem.kind for problem in stopped.problems}
    tracked = await users.any_tracked(transaction)
    has_token = tokens_known(stopped.instances, process).github
    capacity = await _capacity(transaction, process, has_token=has_token, now=now)
    problems = [
        *stopped.problems,
        *_of_processes(stopped.instances, process),
        *_of_clocks(stopped.instances),
        *_of_secrets(process),
    ]
    if tracked:
        watched = watching.Watching(
            transaction=transaction,
            now=now,
            interval=process.settings.check_interval,
            pauses=stopped.pauses,
            works=stopped.works and ProblemKind.GITHUB_ACCOUNT_CHANGED not in stops,
            has_token=has_token,
            reads_feed=process.settings.feed and has_token,
        )
        problems += await watching.problems(watched, known, capacity=capacity)
        problems += _of_unreadable(await unreadable.summary(transaction))
    else:
        problems.append(
            Problem(
                ProblemKind.NO_USERS,
                Severity.INFO,
                "No one is tracked yet. Add people to start.",
                act=Remedy.ADD_USERS,
            )
        )
    problems += await accounts.contents(transaction, now)
    problems += await accounts.clocks(transaction, now)
    goes_on = not stops & STOPS[pauses.PUBLISHING]
    problems += await publishing.problems(
        transaction,
        now,
        request_timeout=process.settings.http_timeout,
        goes_on=goes_on,
        mode=stopped.mode,
    )
    problems += await undos.problems(transaction)
    problems += await background_work.problems(transaction, now)
    problems += await publishing.unusable_settings(transaction, process.settings.publishing)
    return ServiceCondition(
        problems=worst_first(problems),
        complete_until=known.complete_until,
        pauses=stopped.pauses,
        instances=stopped.instances,
        furthest_behind=await unreadable.furthest_behind(transaction),
        works=stopped.works,
        persons_pause=stopped.persons_pause,
        mode=stopped.mode,
        capacity=capacity,
    )


async def read_stops(
    transaction: Transaction, process: ProcessFacts, now: datetime
) -> ServiceCondition:
    """Return only what stops watching or publishing, which is cheap to read however much waits."""
    current = await pauses.pauses_now(transaction, now)
    running = await instances.running(transaction, now)
    works = process.scheduler_is_alive is not None or any(one.works for one in running)
    checks = not set(pauses.STOPS_WATCHING) & set(current)
    problems = [
        _of_pause(name, pause, now, checks=checks)
        for name, pause in current.items()
        if name in PAUSES
    ]
    problems += await accounts.changes(transaction, now)
    if not works:
        problems.append(
            Problem(
                ProblemKind.NO_WORKER,
                Severity.ERROR,
                "No worker is running, so no one is checked and nothing is sent.",
                act=Remedy.START_WORKER,
                advice="Start one with gitpip serve.",
            )
        )
    if not tokens_known(running, process).destination:
        problems.append(
            Problem(
                ProblemKind.DESTINATION_TOKEN_MISSING,
                Severity.ERROR,
                "Pipedrive isn't connected. New gists are collected and sent once you connect it.",
                act=Remedy.SET_DESTINATION_TOKEN,
                advice="Set PIPEDRIVE_TOKEN. Pipedrive shows the token under Personal preferences "
                "> API.",
            )
        )
    persons_pause = await publishing_pause.current(transaction, now)
    if persons_pause is not None:
        problems.append(modes.of_persons_pause(persons_pause, now))
    return ServiceCondition(
        worst_first(problems),
        None,
        current,
        running,
        works=works,
        persons_pause=persons_pause,
        mode=await modes.overall_mode(transaction, process.settings),
    )


WHAT_WAITS = {
    pauses.WATCHING: "Checks are paused",
    pauses.READING: "Reading new gists is paused",
    pauses.SWEEPING: "Checking many people in one request is paused",
    pauses.PUBLISHING: "Sync is paused",
    pauses.EXAMINING: "Sync is paused",
}
MEANWHILE = {
    pauses.WATCHING: " Nothing is lost.",
    pauses.PUBLISHING: " Nothing is lost.",
    pauses.EXAMINING: " gitpip tries again, and nothing is lost.",
}
DETECTOR_ADVICE = (
    "If this goes on, install gitpip's dependencies again, or run its image. gitpip doctor tests "
    "the detector."
)


def _of_pause(name: str, pause: Pause, now: datetime, *, checks: bool) -> Problem:
    """Return the problem of a pause; `checks` says whether users are checked in the meantime."""
    act, severity = watching.help_for(name, pause.cause)
    meanwhile = MEANWHILE.get(name, "")
    if name == pauses.SWEEPING and checks:
        meanwhile = " Until then people are checked one after the other, which takes longer."
    return Problem(
        PAUSES[name],
        severity,
        f"{WHAT_WAITS[name]} {until(pause.until, now)}: {said(pause.reason)}{meanwhile}",
        since=pause.since,
        act=act,
        unreachable=pause.unreachable,
        advice=DETECTOR_ADVICE
        if name == pauses.EXAMINING
        else watching.advice_on(name, pause.cause),
    )


def _of_processes(running: Sequence[Instance], process: ProcessFacts) -> Sequence[Problem]:
    # This process's row holds the sentences of its last heartbeat, with other numbers of seconds.
    others = [one for one in running if one.id != process.instance_id]
    elsewhere = sorted(ailment for one in others for ailment in one.health_problems)
    wrong = [*process.health_problems, *elsewhere]
    if process.scheduler_is_alive is False and not wrong:
        wrong = ["the scheduler does not reach its database"]
    if not wrong:
        return ()
    return (
        Problem(
            ProblemKind.UNHEALTHY,
            Severity.ERROR,
            f"A process is not working as it should: {said(', '.join(dict.fromkeys(wrong)))}",
            count=len(wrong),
            act=Remedy.RESTART,
            advice="The log says more; a restart may help.",
        ),
    )


def _of_clocks(running: Sequence[Instance]) -> Sequence[Problem]:
    wrong = [one.clock_ahead for one in running if abs(one.clock_ahead) > CLOCK_TOLERANCE]
    if not wrong:
        return ()
    worst = max(wrong, key=abs)
    apart = f"{format_duration(abs(worst))} {'ahead of' if worst > timedelta(0) else 'behind'}"
    return (
        Problem(
            ProblemKind.CLOCK_WRONG,
            Severity.WARNING,
            f"The clock of {count(len(wrong), 'process', 'processes')} is {apart} GitHub's, so "
            "people may be checked too early or too late. "
            "The time up to which all gists are known follows GitHub's clock.",
            count=len(wrong),
            act=Remedy.SET_CLOCK,
            advice="Let the machine set its clock by NTP.",
        ),
    )


def _of_secrets(process: ProcessFacts) -> Sequence[Problem]:
    return tuple(
        Problem(
            ProblemKind.SECRET_UNREADABLE,
            Severity.WARNING,
            said(fault),
            act=Remedy.MEND_SECRET_FILE,
        )
        for fault in process.secret_faults
    )


def _of_unreadable(found: UnreadableSummary) -> Sequence[Problem]:
    if not found.gists:
        return ()
    such_as = ": " if found.gists == 1 else ", e.g. "
    example = f"{such_as}{said(found.example)}" if found.example else "."
    return (
        Problem(
            ProblemKind.CONTENTS_UNREADABLE,
            Severity.WARNING,
            f"{count(found.gists, 'gist')} of {people(found.users)} could not be read"
            f"{example} gitpip tries again at longer and longer intervals.",
            since=found.since,
            count=found.gists,
            act=Remedy.REVIEW_USERS,
        ),
    )
