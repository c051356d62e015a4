"""The command that shows how the service is doing."""

from datetime import datetime, timedelta

from gitpip.bodies.status import ProblemBody
from gitpip.cli.output import Json, console, prepared_settings, print_json, run, shown, summary_of
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.model import Check, Pause, PublicationState, UserState
from gitpip.observability.redaction import redacted
from gitpip.runtime.opening import opened
from gitpip.status import reading
from gitpip.status.problem import Act, Problem, ProblemKind, Severity, until
from gitpip.status.reading import Condition, Surroundings
from gitpip.store.publications import publications
from gitpip.store.status import checks, lists_read, pauses
from gitpip.store.users import schedule, users


def status(as_json: Json = False) -> None:
    """Show service status: problems, users and the queue."""

    settings = prepared_settings()
    condition, facts = run(_read_status(settings))
    if as_json:
        problems = [ProblemBody.of(problem).model_dump() for problem in condition.problems]
        heading = {"sentence": condition.sentence, "all_good": condition.all_good}
        print_json(heading | {"problems": problems} | facts)
        return
    _print_problems(condition)
    file = settings.sqlite_file
    console.say(f"database: {f'SQLite, {file}' if file else settings.masked_database_url}")
    for name, value in facts.items():
        match value:
            case dict():
                text = ", ".join(f"{key} {number}" for key, number in value.items() if number)
            case Check():
                text = f"{shown(value.ended_at) or 'under way'}; {summary_of(value)}"
            case _:
                text = shown(value)
        console.say(f"{LABELS.get(name, name.replace('_', ' '))}: {text or 'none'}")


LABELS = {
    "running_services": "services",
    "next_publication_due": "next file due",
    "nothing_missed_before": "up to date as of",
    "held_back_by": "furthest behind",
    "not_looked_at_yet": "never checked",
    "lists_read_in_a_day": "lists read per day",
    "days_for_a_round_of_lists": "days to read all lists",
    "known_up_to_p50": "median up to date as of",
    "known_up_to_p95": "95% up to date as of",
    "users_that_can_be_kept_fresh": "capacity (users)",
}
"""What people read in place of the names that JSON has."""


async def _read_status(settings: Settings) -> tuple[Condition, dict[str, object]]:
    now = utc_now()
    surroundings = Surroundings(settings)
    async with opened(settings) as database, database.read() as transaction:
        condition = await reading.read(transaction, surroundings, now)
        tracked = await users.count(transaction)
        counts = await publications.count(transaction)
        last = (await checks.page(transaction, offset=0, limit=1)).items
        freshness = await schedule.freshness(transaction)
        lists = await lists_read.lists(transaction, now)
        next_due = await publications.next_due(transaction, condition.mode)
        capacity = await reading.capacity(transaction, surroundings, now)
    behind, round_of_lists = condition.furthest_behind, lists.round
    return condition, {
        "running_services": len(condition.instances),
        "users": {state.value: tracked.get(state, 0) for state in UserState},
        "publications": {state.value: counts.get(state, 0) for state in PublicationState},
        "publishing": _publishing(condition, now),
        "publishing_mode": condition.mode.value,
        "watching": _watching(condition, now),
        "next_publication_due": condition.publishing_due(next_due),
        "nothing_missed_before": freshness.complete_until,
        "held_back_by": behind and f"{behind.login}: {behind.reason}",
        "not_looked_at_yet": freshness.unread,
        "lists_not_read_for_a_week": lists.waiting,
        "oldest_list_read": lists.oldest,
        "lists_read_in_a_day": round(lists.a_day),
        "days_for_a_round_of_lists": (
            round(round_of_lists / timedelta(days=1), 1) if round_of_lists else None
        ),
        "known_up_to_p50": freshness.median,
        "known_up_to_p95": freshness.most,
        "users_that_can_be_kept_fresh": capacity,
        "last_check": last[0] if last else None,
    }


COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "default"}


def _print_problems(condition: Condition) -> None:
    if condition.all_good:
        console.say("", lead=condition.sentence, style="green")
    for problem in condition.problems:
        since = f" Since {shown(problem.since)}." if problem.since else ""
        console.say(
            f"{redacted(problem.sentence)}{since}{_command_for(problem)}",
            lead=f"{problem.severity:<8}",
            style=COLOURS[problem.severity],
        )


def _command_for(problem: Problem) -> str:
    """The command that ends a pause, as one more sentence: pages have a button for it."""
    if problem.act is Act.RESUME_PUBLISHING:
        return " To resume: gitpip publishing resume"
    if problem.pause and problem.act in ENDED_BY_A_TRY:
        return f" Try: gitpip try-now {problem.pause}"
    return ""


ENDED_BY_A_TRY = (Act.TRY_NOW, Act.SET_GITHUB_TOKEN, Act.SET_PIPEDRIVE_TOKEN)
STOPPED = "stopped: another account is set"


def _publishing(condition: Condition, now: datetime) -> str:
    if any(one.kind is ProblemKind.PIPEDRIVE_TOKEN_MISSING for one in condition.problems):
        return "waits for PIPEDRIVE_TOKEN"
    problem = condition.held_up(pauses.PUBLISHING)
    if problem and problem.vendor:
        return STOPPED
    if person := condition.persons_pause:
        end = until(person.until, now) if person.until else "until someone resumes it"
        return f"paused by {person.paused_by} {end}"
    pause = condition.pauses.get(pauses.PUBLISHING) or condition.pauses.get(pauses.EXAMINING)
    return _paused(pause, now)


def _watching(condition: Condition, now: datetime) -> str:
    problem = condition.held_up(pauses.WATCHING)
    if problem and problem.vendor:
        return STOPPED
    reading = condition.pauses.get(pauses.READING)
    if pauses.WATCHING in condition.pauses or reading is None:
        return _paused(condition.pauses.get(pauses.WATCHING), now)
    return f"reading is {_paused(reading, now)}"


def _paused(pause: Pause | None, now: datetime) -> str:
    return f"paused {until(pause.until, now)}: {pause.reason}" if pause else "running"
