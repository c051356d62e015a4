"""The command that shows how the service is doing."""

from datetime import datetime, timedelta

from gitpip.bodies.status import StatusBody
from gitpip.cli.output import Json, console, prepared_settings, print_json, run, shown, summary_of
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.model import Check, PublicationState, UserState
from gitpip.observability.redaction import redacted
from gitpip.runtime.opening import opened
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, until
from gitpip.status.reading import ProcessFacts, ServiceCondition
from gitpip.status.summary import ActivityState, Operation, Summary, read_summary
from gitpip.store.status import pauses


def status(as_json: Json = False) -> None:
    """Show service status: problems, users and the queue."""

    settings = prepared_settings()
    summary = run(_read_status(settings))
    facts = _facts(summary)
    if as_json:
        body = StatusBody.of(summary, is_alive=None).model_dump()
        # Fields that this command had before the API's body, some of them in another form.
        print_json(body | facts | {"last_check": next(iter(body["last_checks"]), None)})
        return
    _print_problems(summary.condition)
    file = settings.sqlite_file
    console.say(f"database: {f'SQLite, {file}' if file else settings.masked_database_url}")
    for name, value in facts.items():
        match value:
            case dict():
                text = ", ".join(f"{key} {number}" for key, number in value.items() if number)
            case Check():
                text = f"{shown(value.ended_at) or 'running'}; {summary_of(value)}"
            case _:
                text = shown(value) if value or name == "running_services" else ""
        if text:
            console.say(f"{LABELS.get(name, name.replace('_', ' '))}: {text}")


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
"""The words that people read in place of the names that JSON has."""


async def _read_status(settings: Settings) -> Summary:
    async with opened(settings) as database, database.read() as transaction:
        return await read_summary(transaction, ProcessFacts(settings), utc_now())


def _facts(summary: Summary) -> dict[str, object]:
    condition, freshness, lists = summary.condition, summary.freshness, summary.lists
    behind, round_of_lists = condition.furthest_behind, lists.round
    return {
        "running_services": len(condition.instances),
        "users": {state.value: summary.users.get(state, 0) for state in UserState},
        "publications": {
            state.value: summary.publications.get(state, 0) for state in PublicationState
        },
        "publishing": _in_words(summary.publishing, summary.now),
        "publishing_mode": condition.mode.value,
        "watching": _in_words(summary.watching, summary.now),
        "next_publication_due": summary.next_publication_due,
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
        "users_that_can_be_kept_fresh": summary.capacity,
        "last_check": summary.last_checks[0] if summary.last_checks else None,
    }


COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "default"}


def _print_problems(condition: ServiceCondition) -> None:
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
    """The command that helps, as one more sentence: pages have a button for it."""
    if problem.act is Remedy.RESUME_PUBLISHING:
        return " To resume: gitpip publishing resume"
    if problem.pause and problem.act in ENDED_BY_A_TRY:
        return f" Try: gitpip try-now {problem.pause}"
    if problem.act in (Remedy.SET_GITHUB_TOKEN, Remedy.SET_DESTINATION_TOKEN):
        return " Run gitpip setup, then restart gitpip."
    return ""


ENDED_BY_A_TRY = (Remedy.TRY_NOW, Remedy.SET_GITHUB_TOKEN, Remedy.SET_DESTINATION_TOKEN)
STOPPED_BY = {
    ProblemKind.NO_WORKER: "no worker is running",
    ProblemKind.GITHUB_ACCOUNT_CHANGED: "another account is set",
    ProblemKind.DESTINATION_ACCOUNT_CHANGED: "another account is set",
}


def _in_words(activity: Operation, now: datetime) -> str:
    if activity.state is ActivityState.RUNNING:
        return "running"
    if activity.state is ActivityState.WAITING_FOR_TOKEN:
        return "waits for PIPEDRIVE_TOKEN"
    if activity.problem:
        return f"stopped: {STOPPED_BY[activity.problem]}"
    end = until(activity.until, now) if activity.until else "until someone resumes it"
    if activity.by:
        return f"paused by {activity.by} {end}"
    what = "reading is " if activity.pause == pauses.READING else ""
    return f"{what}paused {end}: {activity.reason}"
