"""The problems of modes: files that wait for a mode, or for a person."""

from datetime import datetime

from gitpip.config import Settings
from gitpip.config.publishing.policy import publishing_mode
from gitpip.counts import count, people
from gitpip.modes import PublishingMode
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, said, until
from gitpip.store.database import Transaction
from gitpip.store.publications import publishing_settings
from gitpip.store.status import kept_back
from gitpip.store.status.publishing_pause import PersonsPause


async def overall_mode(transaction: Transaction, settings: Settings) -> PublishingMode:
    """Return the mode of everybody without another one."""
    return publishing_mode(settings.publishing, await publishing_settings.values(transaction))


def of_persons_pause(pause: PersonsPause, now: datetime) -> Problem:
    """Return the problem of a person's pause. It is not a fault, and says who can end it."""
    end = until(pause.until, now) if pause.until else "until someone resumes it"
    why = f": {said(pause.reason)}" if pause.reason else "."
    return Problem(
        ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
        Severity.INFO,
        f"Sync is paused by {pause.paused_by} {end}{why} Nothing is lost.",
        since=pause.since,
        act=Remedy.RESUME_PUBLISHING,
    )


async def problems(transaction: Transaction, overall: PublishingMode) -> list[Problem]:
    """Return what waits though nothing is wrong: in a dry run, and of paused users."""
    waiting = await kept_back.counts(transaction, overall)
    found = []
    if overall is PublishingMode.DRY_RUN:
        found.append(_of_dry_run("Dry run: nothing is sent to Pipedrive", waiting.in_dry_run))
    elif waiting.dry_users:
        are = "is" if waiting.dry_users == 1 else "are"
        subject = f"{people(waiting.dry_users)} {are} in a dry run"
        found.append(_of_dry_run(f"{subject}: none of their files is sent", waiting.in_dry_run))
    if waiting.of_paused:
        wait = "waits" if waiting.of_paused == 1 else "wait"
        found.append(
            Problem(
                ProblemKind.PUBLICATIONS_OF_PAUSED_USERS,
                Severity.INFO,
                f"{count(waiting.of_paused, 'file')} of paused people {wait} to be sent until "
                "someone resumes them.",
                count=waiting.of_paused,
                act=Remedy.RESUME_USERS,
            )
        )
    return found


def _of_dry_run(subject: str, files: int) -> Problem:
    wait = f", and {count(files, 'file')} {'waits' if files == 1 else 'wait'}" if files else ""
    return Problem(
        ProblemKind.DRY_RUN,
        Severity.INFO,
        f"{subject}{wait}. When the mode changes, files found until then are held until someone "
        "approves or skips them.",
        count=max(files, 1),
        act=Remedy.CHANGE_MODE,
        advice="gitpip publish --dry-run shows what would be sent.",
    )
