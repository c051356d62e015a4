"""What is wrong with publishing: what was refused, hangs, or waits for too long."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gitpip.config.publishing.policy import effective
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.status import modes
from gitpip.status.problem import Act, Problem, ProblemKind, Severity, clock, count, said
from gitpip.store.database import Transaction
from gitpip.store.publications import approvals, held, publishing_settings
from gitpip.store.publications.approvals import HeldForCredentials
from gitpip.store.publications.publishing_settings import Fault
from gitpip.store.status import troubles
from gitpip.store.status.troubles import Trouble

PATIENCE = timedelta(minutes=10)
"""A file that is due is usually sent within seconds."""
LEFT_SHOWN = timedelta(days=7)
DELETED_SHOWN = timedelta(days=1)
GOES_ON = frozenset({"activity_type", publishing_settings.REQUIRED})
"""Another type is sent instead of one that is gone, and a deal may be made without what the account
requires; without its stage it is not made."""
WHERE_TO_SET = "Change it under Settings, or with gitpip publishing settings."
LOOKS_TAKE = 10
"""So many times the time-out of a request, what is uncertain is looked for at the longest."""


async def problems(
    transaction: Transaction,
    now: datetime,
    *,
    request_timeout: timedelta,
    goes_on: bool,
    mode: PublishingMode = PublishingMode.AUTOMATIC,
) -> Sequence[Problem]:
    """Every problem of publishing.

    `request_timeout` is how long one request to Pipedrive may take. `goes_on` is False while
    nothing is published: waiting is then no problem of its own. `mode` is that of everybody.
    """
    found = [
        _settings_refused(await publishing_settings.faults(transaction)),
        await _held(transaction),
        _credentials_held(await approvals.held_for_credentials(transaction)),
        _failed(await troubles.publications_failed(transaction)),
        _deals_failed(await troubles.deals_failed(transaction)),
        _notes_failed(await troubles.notes_failed(transaction)),
    ]
    found += [
        _doubles_left(await troubles.doubles_left(transaction, now - LEFT_SHOWN)),
        _deals_doubled(await troubles.deals_doubled(transaction, now - LEFT_SHOWN)),
        _doubles_deleted(await troubles.doubles_deleted(transaction, now - DELETED_SHOWN)),
    ]
    waiting = await troubles.publications_waiting(transaction, mode)
    if goes_on:
        found += await _delayed(transaction, now, request_timeout=request_timeout, waiting=waiting)
    if goes_on and waiting:
        found.append(await _overdue(transaction, now, mode))
    found += await modes.problems(transaction, mode)
    if waiting:
        put_off = await troubles.publications_put_off(transaction, mode)
        found.append(_waiting(waiting, put_off, goes_on=goes_on))
    found.append(_notes_waiting(await troubles.notes_waiting(transaction)))
    return [problem for problem in found if problem]


async def unusable_settings(
    transaction: Transaction, given: Mapping[str, str]
) -> Sequence[Problem]:
    """What an older or newer gitpip stored and this one can't use; the environment has `given`."""
    stored = await publishing_settings.stored(transaction)
    texts = {name: one.value for name, one in stored.items()}
    found = [one for one in effective(given, texts) if one.fault]
    if not found:
        return []
    first, name = found[0], found[0].setting.name
    sentence = (
        f"What is stored for the publishing setting {name} can't be used: {said(first.fault)} Its"
        f" default is used instead. {WHERE_TO_SET}"
    )
    return [
        Problem(
            ProblemKind.PUBLISHING_SETTINGS_UNUSABLE,
            Severity.ERROR,
            sentence,
            since=stored[name].set_at,
            count=len(found),
            act=Act.CHANGE_SETTINGS,
        )
    ]


def _waiting(waiting: int, put_off: Trouble, *, goes_on: bool) -> Problem:
    are, them = ("is", "it") if waiting == 1 else ("are", "them")
    subject = f"{count(waiting, 'file')} {are}"
    if not goes_on:
        sentence = f"{subject} waiting to be sent to Pipedrive; nothing of {them} is lost."
    elif put_off.count:
        such_as = "" if waiting == 1 else f", e.g. {put_off.example}"
        sentence = f"{subject} waiting to be sent to Pipedrive{such_as}: {said(put_off.reason)}"
    else:
        sentence = f"{subject} being sent to Pipedrive."
    return Problem(ProblemKind.PUBLICATIONS_WAITING, Severity.INFO, sentence, count=waiting)


async def _delayed(
    transaction: Transaction, now: datetime, *, request_timeout: timedelta, waiting: int
) -> list[Problem | None]:
    unsure_since = now - max(PATIENCE, LOOKS_TAKE * request_timeout)
    found = [
        _deals_delayed(await troubles.deals_delayed(transaction, now), now),
        _deals_uncertain(await troubles.deals_uncertain(transaction, unsure_since), now),
        _notes_overdue(await troubles.notes_overdue(transaction, now - PATIENCE), now),
    ]
    if waiting:
        found += [
            _uncertain(await troubles.publications_uncertain(transaction, unsure_since), now),
            _retried(await troubles.publications_retried(transaction)),
            _not_looked_for(await troubles.publications_not_looked_for(transaction, now)),
        ]
    return found


def _settings_refused(faults: Sequence[Fault]) -> Problem | None:
    """What the account lacks of what publishing settings name."""
    if not faults:
        return None
    waiting = [one for one in faults if one.name not in GOES_ON]
    first = (waiting or faults)[0]
    meanwhile = " New deals wait for that; nothing is lost." if waiting else ""
    return Problem(
        ProblemKind.PUBLISHING_SETTINGS_REFUSED,
        Severity.ERROR if waiting else Severity.WARNING,
        f"A publishing setting does not fit the Pipedrive account: {first.name}: "
        f"{said(first.sentence)}{meanwhile} {WHERE_TO_SET}",
        since=first.since,
        count=len(faults),
        act=Act.CHANGE_SETTINGS,
    )


async def _held(transaction: Transaction) -> Problem | None:
    waiting = await held.summary(transaction)
    if waiting is None:
        return None
    first = waiting.first
    wait = "waits" if waiting.files == 1 else "wait"
    files = count(waiting.files, "file")
    if waiting.users == 1:
        subject = f"{files} of {first.login} {wait} for your decision"
    else:
        of_first = f"{count(first.files, 'file')} of {first.login}"
        subject = (
            f"{files} of {count(waiting.users, 'user')} {wait} for your decision, e.g. {of_first}"
        )
    as_wanted = not set(waiting.because) - AS_WANTED
    return Problem(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.INFO if as_wanted else Severity.ERROR,
        f"{subject}: {_why_held(waiting.because)}. Publish all of them, those of the latest gists, "
        f"or none, under Publications or with gitpip held {first.login}.",
        since=first.since,
        count=waiting.files,
        act=Act.DECIDE_HELD,
    )


def _credentials_held(held: HeldForCredentials | None) -> Problem | None:
    if held is None:
        return None
    one = held.files == 1
    look, they, them, are = ("looks", "it", "it", "is") if one else ("look", "they", "them", "are")
    return Problem(
        ProblemKind.CREDENTIALS_HELD,
        Severity.WARNING,
        f"{count(held.files, 'file')} {look} as if credentials were in {them}, e.g. "
        f"{said(held.example)} of {held.login}, so {they} {are} not sent. Approve or skip each "
        "under Publications, and tell the owner: what was public can be used by anybody.",
        since=held.since,
        count=held.files,
        act=Act.REVIEW_CREDENTIALS,
    )


AS_WANTED = frozenset({HeldBecause.ASK, HeldBecause.DRY_RUN, HeldBecause.PERSON})
"""What is held for these reasons is held since somebody chose so: that is no trouble."""
WHY_HELD = {
    HeldBecause.FLOOD: "far more would have been published at once than was expected, and that "
    "can't be undone in Pipedrive",
    HeldBecause.DAY_FLOOD: "far more of all users would have been published within a day than was "
    "expected",
    HeldBecause.RULE: "a rule holds them",
    HeldBecause.DRY_RUN: "they were met in a dry run",
    HeldBecause.ASK: "the publishing mode is to ask",
    HeldBecause.PERSON: "a person held them",
}


def _why_held(files: Mapping[HeldBecause, int]) -> str:
    """The reasons, the gravest first, with numbers where there are several."""
    if len(files) == 1:
        return WHY_HELD[next(iter(files))]
    return "; ".join(
        f"{files[kind]:,} since {why}" for kind, why in WHY_HELD.items() if kind in files
    )


def _failed(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    were = "was" if trouble.count == 1 else "were"
    return Problem(
        ProblemKind.PUBLICATIONS_FAILED,
        Severity.ERROR,
        f"{count(trouble.count, 'file')} {were} refused by Pipedrive: {_example(trouble)} "
        "Mend the reason and retry, or skip.",
        since=trouble.since,
        count=trouble.count,
        act=Act.RETRY_FAILED,
    )


def _example(trouble: Trouble) -> str:
    return f"{trouble.example}: {said(trouble.reason)}"


def _such_as(trouble: Trouble) -> str:
    """What leads over to the example, which with one thing is that thing."""
    return ": " if trouble.count == 1 else ", e.g. "


def _why(trouble: Trouble) -> str:
    """The reason of the example in brackets, where there is one."""
    return f" ({said(trouble.reason).rstrip('.')})" if trouble.reason else ""


def _deals_failed(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.DEALS_FAILED,
        Severity.ERROR,
        f"{count(trouble.count, 'deal')} could not be made, so these users' files are not "
        f"published: {_example(trouble)} Mend the reason, and retry one of the files.",
        since=trouble.since,
        count=trouble.count,
        act=Act.RETRY_FAILED,
    )


def _notes_failed(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.NOTES_FAILED,
        Severity.WARNING,
        f"{count(trouble.count, 'note')} in Pipedrive could not be brought up to date: "
        f"{_example(trouble)} The file itself is in Pipedrive.",
        since=trouble.since,
        count=trouble.count,
        act=Act.RETRY_NOTES,
    )


def _notes_waiting(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    are = "is" if trouble.count == 1 else "are"
    return Problem(
        ProblemKind.NOTES_WAITING,
        Severity.INFO,
        f"{count(trouble.count, 'note')} in Pipedrive {are} being brought up to date"
        f"{_such_as(trouble)}that of {trouble.example}{_why(trouble)}.",
        since=trouble.since,
        count=trouble.count,
    )


def _notes_overdue(trouble: Trouble, now: datetime) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.NOTES_OVERDUE,
        Severity.WARNING,
        f"{count(trouble.count, 'note')} in Pipedrive should have been brought up to date since "
        f"{_clock(trouble, now)}{_such_as(trouble)}that of {trouble.example}"
        f"{_why(trouble)}; gitpip tries again.",
        since=trouble.since,
        count=trouble.count,
    )


def _doubles_left(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    are = "is" if trouble.count == 1 else "are"
    return Problem(
        ProblemKind.DOUBLES_LEFT,
        Severity.WARNING,
        f"{count(trouble.count, 'file')} {are} in Pipedrive twice, and gitpip deletes neither "
        f"activity: {_example(trouble)} Look at the deal, and delete the one that you do not "
        "need. This is shown for a week.",
        since=trouble.since,
        count=trouble.count,
    )


def _deals_doubled(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    have = "has" if trouble.count == 1 else "have"
    return Problem(
        ProblemKind.DEALS_DOUBLED,
        Severity.WARNING,
        f"{count(trouble.count, 'user')} {have} two deals in Pipedrive that gitpip made: "
        f"{_example(trouble)} Merge the two in Pipedrive, or delete the one that you do not need. "
        "This is shown for a week.",
        since=trouble.since,
        count=trouble.count,
    )


def _doubles_deleted(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    were = "was" if trouble.count == 1 else "were"
    return Problem(
        ProblemKind.DOUBLES_DELETED,
        Severity.INFO,
        f"{count(trouble.count, 'file')} {were} in Pipedrive twice for a while"
        f"{_such_as(trouble)}{trouble.example}. A request arrived after it was taken for lost, or "
        "the database did not know of it after a restore; gitpip deleted the younger activity, "
        "which nobody had touched. If this happens again without a restore, set a longer "
        "GITPIP_ABSENT_AFTER.",
        since=trouble.since,
        count=trouble.count,
    )


def _deals_delayed(trouble: Trouble, now: datetime) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.DEALS_DELAYED,
        Severity.WARNING,
        f"Deals can't be made for {count(trouble.count, 'user')}, so their files wait: "
        f"{_example(trouble)} The next try is at {clock(trouble.next_try or now, now)}.",
        since=trouble.since,
        count=trouble.count,
        act=Act.TRY_NOW,
    )


def _deals_uncertain(trouble: Trouble, now: datetime) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.DEALS_UNCERTAIN,
        Severity.WARNING,
        f"It has been unknown since {_clock(trouble, now)} whether Pipedrive made "
        f"{count(trouble.count, 'deal')}{_such_as(trouble)}{_example(trouble)} "
        "gitpip keeps looking for it.",
        since=trouble.since,
        count=trouble.count,
    )


def _uncertain(trouble: Trouble, now: datetime) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.PUBLICATIONS_UNCERTAIN,
        Severity.WARNING,
        f"It has been unknown since {_clock(trouble, now)} whether {count(trouble.count, 'file')} "
        f"arrived in Pipedrive{_such_as(trouble)}{_example(trouble)} gitpip keeps looking for it, "
        "and sends nothing twice.",
        since=trouble.since,
        count=trouble.count,
    )


def _retried(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.PUBLICATIONS_RETRIED,
        Severity.WARNING,
        f"{count(trouble.count, 'file')} could not be sent after several attempts: "
        f"{_example(trouble)} gitpip tries again.",
        since=trouble.since,
        count=trouble.count,
    )


def _not_looked_for(trouble: Trouble) -> Problem | None:
    if not trouble.count:
        return None
    return Problem(
        ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR,
        Severity.WARNING,
        f"{count(trouble.count, 'file')} can't be sent again before Pipedrive shows whether the "
        f"first request arrived{_such_as(trouble)}{_example(trouble)} gitpip tries again.",
        since=trouble.since,
        count=trouble.count,
    )


async def _overdue(transaction: Transaction, now: datetime, mode: PublishingMode) -> Problem | None:
    """What waits for too long; what is from before its user was added may wait for its turn."""
    published = await troubles.last_published(transaction)
    stands_still = published is None or now - published > PATIENCE
    trouble = await troubles.publications_overdue(
        transaction, now - PATIENCE, mode, backfill=stands_still
    )
    if not trouble.count:
        return None
    have = "has" if trouble.count == 1 else "have"
    return Problem(
        ProblemKind.PUBLICATIONS_OVERDUE,
        Severity.WARNING,
        f"{count(trouble.count, 'file')} {have} been waiting to be sent to Pipedrive since "
        f"{_clock(trouble, now)}{_such_as(trouble)}{trouble.example}"
        + (f": {said(trouble.reason)}" if trouble.reason else "."),
        since=trouble.since,
        count=trouble.count,
    )


def _clock(trouble: Trouble, now: datetime) -> str:
    return clock(trouble.since, now) if trouble.since else "an unknown time"
