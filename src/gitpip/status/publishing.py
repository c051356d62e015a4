"""The problems of publishing: files that were refused, hang, or wait for too long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.clock import day_and_clock
from gitpip.config.publishing.policy import effective
from gitpip.counts import count, people
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.publish.rules import readable
from gitpip.status import modes
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, said
from gitpip.store.database import Transaction
from gitpip.store.publications import approvals, held, publishing_settings, repairs, rules
from gitpip.store.publications.approvals import HeldForCredentials
from gitpip.store.publications.held import HeldSummary
from gitpip.store.publications.publishing_settings import Fault
from gitpip.store.publications.repairs import Repair
from gitpip.store.publications.rules import PublishingRule
from gitpip.store.status import troubles
from gitpip.store.status.troubles import Trouble

SENT_WITHIN = timedelta(minutes=10)
"""The time after which a due file is late: it is usually sent within seconds."""
LEFT_SHOWN = timedelta(days=7)
DELETED_SHOWN = timedelta(days=1)
DRIFT_SHOWN = timedelta(days=1)
GOES_ON = frozenset({"activity_type", publishing_settings.REQUIRED})
"""Sending continues without these settings: another type is sent instead of a missing one, and a
deal may be made without a required field. It is not made without its stage."""
WHERE_TO_SET = "Change it under Settings, or with gitpip publishing settings."
LOOKS_TAKE = 10
"""The longest time that an uncertain publication is searched for, in time-outs of a request."""


@dataclass(frozen=True)
class _Report:
    """The text about a trouble. `sentence` has the fields of `_fields`."""

    severity: Severity
    thing: str
    """The word for what is counted."""
    sentence: str
    act: Remedy | None = None
    advice: str = ""


REPORTS: Mapping[ProblemKind, _Report] = {
    ProblemKind.PUBLICATIONS_FAILED: _Report(
        Severity.ERROR,
        "file",
        "{number} failed to sync: {example}",
        Remedy.RETRY_FAILED,
        "Fix the problem, then retry or skip.",
    ),
    ProblemKind.DEALS_FAILED: _Report(
        Severity.ERROR,
        "deal",
        "{number} could not be found or created: {example} These people's files are not sent.",
        Remedy.RETRY_FAILED,
        "Fix the problem, then retry one of the files.",
    ),
    ProblemKind.TARGETS_UNUSABLE: _Report(
        Severity.ERROR,
        "person",
        "{number} {have} a target in Pipedrive that can't be used: {example} New files of theirs "
        "wait.",
        Remedy.CHANGE_TARGETS,
        "Set another target on the person's page, or with gitpip users change.",
    ),
    ProblemKind.DEALS_GONE: _Report(
        Severity.ERROR,
        "person",
        "{number} {have} a deal in Pipedrive that people closed or removed: {example} New files of "
        "theirs wait.",
        Remedy.CHANGE_TARGETS,
        "Open the deal again, set a target on the person's page, or change the publishing "
        "settings on_deal_won to on_deal_merged.",
    ),
    ProblemKind.NOTES_FAILED: _Report(
        Severity.WARNING,
        "note",
        "{number} in Pipedrive could not be brought up to date: {example} "
        "The file itself is in Pipedrive.",
        Remedy.RETRY_NOTES,
    ),
    ProblemKind.NOTES_WAITING: _Report(
        Severity.INFO,
        "note",
        "{number} in Pipedrive {are} being brought up to date{such_as}that of {name}{why}.",
    ),
    ProblemKind.NOTES_OVERDUE: _Report(
        Severity.WARNING,
        "note",
        "{number} in Pipedrive should have been brought up to date since {since}"
        "{such_as}that of {name}{why}. gitpip tries again.",
    ),
    ProblemKind.DOUBLES_LEFT: _Report(
        Severity.WARNING,
        "file",
        "{number} {are} in Pipedrive twice, and gitpip deletes neither activity: {example} "
        "This is shown for a week.",
        advice="Open the deal and delete the one that you don't need.",
    ),
    ProblemKind.DEALS_DOUBLED: _Report(
        Severity.WARNING,
        "person",
        "{number} {have} two deals in Pipedrive that gitpip created: {example} This is "
        "shown for a week.",
        advice="Merge them, or delete the one that you don't need.",
    ),
    ProblemKind.DOUBLES_DELETED: _Report(
        Severity.INFO,
        "file",
        "{number} {were} in Pipedrive twice for a while{such_as}{name}. A request arrived late, "
        "or the database did not know of it after a restore. gitpip deleted the younger activity, "
        "which no one had changed.",
        advice="If this happens again without a restore, set a longer GITPIP_ABSENT_AFTER.",
    ),
    ProblemKind.DEALS_DRIFTED: _Report(
        Severity.INFO,
        "person",
        "{number} {have} a deal that people closed or removed in Pipedrive: {example} The "
        "person's page says where new files go. This is shown for a day.",
    ),
    ProblemKind.DEALS_DELAYED: _Report(
        Severity.WARNING,
        "person",
        "Deals can't be found or created for {number}, so their files wait: {example} "
        "The next try is at {next_try}.",
        Remedy.TRY_NOW,
    ),
    ProblemKind.DEALS_UNCERTAIN: _Report(
        Severity.WARNING,
        "deal",
        "gitpip doesn't know whether Pipedrive created {number} (since {since}){such_as}{example} "
        "It is verifying.",
    ),
    ProblemKind.PUBLICATIONS_UNCERTAIN: _Report(
        Severity.WARNING,
        "file",
        "gitpip doesn't know whether Pipedrive received {number} (since {since}){such_as}{example} "
        "It is verifying, and sends nothing twice.",
    ),
    ProblemKind.PUBLICATIONS_RETRIED: _Report(
        Severity.WARNING,
        "file",
        "{number} could not be sent after several attempts: {example} gitpip tries again.",
    ),
    ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR: _Report(
        Severity.WARNING,
        "file",
        "{number} can't be sent again before Pipedrive shows whether the first request arrived"
        "{such_as}{example} gitpip tries again.",
    ),
    ProblemKind.PUBLICATIONS_OVERDUE: _Report(
        Severity.WARNING,
        "file",
        "{number} {have} been queued for Pipedrive since {since}{such_as}{what}",
    ),
}


async def problems(
    transaction: Transaction,
    now: datetime,
    *,
    request_timeout: timedelta,
    goes_on: bool,
    mode: PublishingMode = PublishingMode.AUTOMATIC,
) -> Sequence[Problem]:
    """Return every problem of publishing.

    `request_timeout` is how long one request to Pipedrive may take. `goes_on` is False while
    nothing is published: then waiting is not a problem of its own. `mode` is that of everybody.
    """
    found = {
        ProblemKind.PUBLICATIONS_FAILED: await troubles.publications_failed(transaction),
        ProblemKind.DEALS_FAILED: await troubles.deals_failed(transaction),
        ProblemKind.TARGETS_UNUSABLE: await troubles.targets_unusable(transaction),
        ProblemKind.DEALS_GONE: await troubles.deals_gone(transaction),
        ProblemKind.DEALS_DRIFTED: await troubles.deals_drifted(transaction, now - DRIFT_SHOWN),
        ProblemKind.NOTES_FAILED: await troubles.notes_failed(transaction),
        ProblemKind.NOTES_WAITING: await troubles.notes_waiting(transaction),
        ProblemKind.DOUBLES_LEFT: await troubles.doubles_left(transaction, now - LEFT_SHOWN),
        ProblemKind.DEALS_DOUBLED: await troubles.deals_doubled(transaction, now - LEFT_SHOWN),
        ProblemKind.DOUBLES_DELETED: await troubles.doubles_deleted(
            transaction, now - DELETED_SHOWN
        ),
    }
    waiting = await troubles.publications_waiting(transaction, mode)
    if goes_on:
        found |= await _delayed(transaction, now, request_timeout, mode, waiting=waiting)
    if goes_on and waiting:
        found[ProblemKind.PUBLICATIONS_OVERDUE] = await _overdue(transaction, now, mode)
    told = [_problem(kind, trouble, now) for kind, trouble in found.items() if trouble.count]
    if waiting:
        put_off = await troubles.publications_put_off(transaction, mode)
        told.append(_waiting(waiting, put_off, goes_on=goes_on))
    if faults := await publishing_settings.faults(transaction):
        told.append(_settings_refused(faults))
    unreadable = [each for each in await rules.everything(transaction) if readable(each) is None]
    if unreadable:
        told.append(_rules_unreadable(unreadable))
    if summary := await held.summary(transaction):
        told.append(_held(summary))
    if with_credentials := await approvals.held_for_credentials(transaction):
        told.append(_credentials_held(with_credentials))
    if interrupted := await repairs.cut_short(transaction, now):
        told.append(_interrupted(interrupted))
    return [*told, *await modes.problems(transaction, mode)]


async def _delayed(
    transaction: Transaction,
    now: datetime,
    request_timeout: timedelta,
    mode: PublishingMode,
    *,
    waiting: int,
) -> Mapping[ProblemKind, Trouble]:
    unsure_since = now - max(SENT_WITHIN, LOOKS_TAKE * request_timeout)
    found = {
        ProblemKind.DEALS_DELAYED: await troubles.deals_delayed(transaction, now, mode),
        ProblemKind.DEALS_UNCERTAIN: await troubles.deals_uncertain(transaction, unsure_since),
        ProblemKind.NOTES_OVERDUE: await troubles.notes_overdue(transaction, now - SENT_WITHIN),
    }
    if waiting:
        found |= {
            ProblemKind.PUBLICATIONS_UNCERTAIN: await troubles.publications_uncertain(
                transaction, unsure_since
            ),
            ProblemKind.PUBLICATIONS_RETRIED: await troubles.publications_retried(transaction),
            ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR: await troubles.publications_not_looked_for(
                transaction, now
            ),
        }
    return found


async def _overdue(transaction: Transaction, now: datetime, mode: PublishingMode) -> Trouble:
    """Return what waits for too long. Files from before their user was added may wait longer."""
    published = await troubles.last_published(transaction)
    stands_still = published is None or now - published > SENT_WITHIN
    return await troubles.publications_overdue(
        transaction, now - SENT_WITHIN, mode, backfill=stands_still
    )


def _problem(kind: ProblemKind, trouble: Trouble, now: datetime) -> Problem:
    report = REPORTS[kind]
    sentence = report.sentence.format_map(_fields(trouble, report.thing, now))
    return Problem(
        kind,
        report.severity,
        sentence,
        trouble.since,
        trouble.count,
        report.act,
        advice=report.advice,
    )


def _fields(trouble: Trouble, thing: str, now: datetime) -> Mapping[str, str]:
    """Return the words of a sentence that depend on the trouble."""
    one, reason = trouble.count == 1, said(trouble.reason)
    return {
        "number": people(trouble.count) if thing == "person" else count(trouble.count, thing),
        "are": "is" if one else "are",
        "were": "was" if one else "were",
        "have": "has" if one else "have",
        # The words before the example, which is the thing itself if there is only one.
        "such_as": ": " if one else ", e.g. ",
        "name": str(trouble.example),
        "example": f"{trouble.example}: {reason}",
        "what": f"{trouble.example}: {reason}" if trouble.reason else f"{trouble.example}.",
        "why": f" ({reason.rstrip('.')})" if trouble.reason else "",
        "since": day_and_clock(trouble.since) if trouble.since else "an unknown time",
        "next_try": day_and_clock(trouble.next_try or now),
    }


async def unusable_settings(
    transaction: Transaction, given: Mapping[str, str]
) -> Sequence[Problem]:
    """Return stored settings that this gitpip can't use; the environment sets those in `given`."""
    stored = await publishing_settings.stored(transaction)
    texts = {name: one.value for name, one in stored.items()}
    found = [one for one in effective(given, texts) if one.fault]
    if not found:
        return []
    first, name = found[0], found[0].setting.name
    sentence = (
        f"The stored value of {name} can't be used: {said(first.fault)} Its default is used "
        "instead."
    )
    return [
        Problem(
            ProblemKind.PUBLISHING_SETTINGS_UNUSABLE,
            Severity.ERROR,
            sentence,
            since=stored[name].set_at,
            count=len(found),
            act=Remedy.CHANGE_SETTINGS,
            advice=WHERE_TO_SET,
        )
    ]


def _interrupted(cut_short: Sequence[Repair]) -> Problem:
    """Return the problem of repairs that no process continues, as a service does within seconds."""
    first = cut_short[0]
    gone = first.done + first.changed
    return Problem(
        ProblemKind.REPAIR_INTERRUPTED,
        Severity.WARNING,
        f"Repair {first.id} ({first.act}) was interrupted: {gone:,} of "
        f"{count(first.total, 'file')} {'is' if gone == 1 else 'are'} done. A running "
        "service continues it.",
        since=first.moved_at,
        count=len(cut_short),
        act=Remedy.RESUME_REPAIR,
        advice=f"To continue it now: gitpip publications repair --resume {first.id}.",
    )


def _waiting(waiting: int, put_off: Trouble, *, goes_on: bool) -> Problem:
    subject = f"{count(waiting, 'file')} {'is' if waiting == 1 else 'are'}"
    if not goes_on:
        sentence = f"{subject} queued for Pipedrive. Nothing is lost."
    elif put_off.count:
        such_as = "" if waiting == 1 else f", e.g. {put_off.example}"
        sentence = f"{subject} queued for Pipedrive{such_as}: {said(put_off.reason)}"
    else:
        sentence = f"{subject} queued for Pipedrive."
    return Problem(ProblemKind.PUBLICATIONS_WAITING, Severity.INFO, sentence, count=waiting)


def _settings_refused(faults: Sequence[Fault]) -> Problem:
    """Return the problem of what the account lacks of what publishing settings name."""
    waiting = [one for one in faults if one.name not in GOES_ON]
    first = (waiting or faults)[0]
    meanwhile = " New deals wait for that. Nothing is lost." if waiting else ""
    return Problem(
        ProblemKind.PUBLISHING_SETTINGS_REFUSED,
        Severity.ERROR if waiting else Severity.WARNING,
        f"A publishing setting does not fit the Pipedrive account: {first.name}: "
        f"{said(first.sentence)}{meanwhile}",
        since=first.since,
        count=len(faults),
        act=Remedy.CHANGE_SETTINGS,
        advice=WHERE_TO_SET,
    )


def _rules_unreadable(unreadable: Sequence[PublishingRule]) -> Problem:
    first = unreadable[0]
    others = "" if len(unreadable) == 1 else f" The same is true of {len(unreadable) - 1:,} more."
    return Problem(
        ProblemKind.RULES_UNREADABLE,
        Severity.WARNING,
        f"This gitpip can't read rule {first.id}, {first.name}: another version may have stored "
        f"it. Every file that no earlier rule decides about is held.{others}",
        count=len(unreadable),
        act=Remedy.CHANGE_RULES,
        advice=f"Change or remove the rule under Rules, or with gitpip rules change {first.id}.",
    )


def _held(waiting: HeldSummary) -> Problem:
    first = waiting.first
    wait = "waits" if waiting.files == 1 else "wait"
    files = count(waiting.files, "file")
    example = ""
    if waiting.users == 1:
        subject = f"{files} of {first.login} {wait} for a decision"
    else:
        subject = f"{files} of {people(waiting.users)} {wait} for a decision"
        are = "is" if first.files == 1 else "are"
        example = f" {first.files:,} of them {are} by {first.login}."
    as_wanted = not set(waiting.because) - AS_WANTED
    return Problem(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.INFO if as_wanted else Severity.ERROR,
        f"{subject}: {_why_held(waiting.because)}.{example}",
        since=first.since,
        count=waiting.files,
        act=Remedy.DECIDE_HELD,
        advice="Approve all, those of the latest gists, or none, under CRM sync or with gitpip "
        f"held {first.login}.",
    )


def _credentials_held(held: HeldForCredentials) -> Problem:
    such_as, them = (": ", "it") if held.files == 1 else (", e.g. ", "them")
    return Problem(
        ProblemKind.CREDENTIALS_HELD,
        Severity.WARNING,
        f"{count(held.files, 'file')} may hold credentials{such_as}{held.example} of "
        f"{held.login}. gitpip does not send {them} until someone approves {them}.",
        since=held.since,
        count=held.files,
        act=Remedy.REVIEW_CREDENTIALS,
        advice=f"Review {them} under CRM sync. If you find credentials, tell the owner, because "
        "anyone can use what was public.",
    )


AS_WANTED = frozenset({HeldBecause.ASK, HeldBecause.DRY_RUN, HeldBecause.PERSON, HeldBecause.RULE})
"""The reasons for holding that a person chose, so that they are no trouble."""
WHY_HELD = {
    HeldBecause.FLOOD: "far more would have been sent at once than expected",
    HeldBecause.DAY_FLOOD: "far more of all people would have been sent within a day than expected",
    HeldBecause.RULE: "a rule holds them",
    HeldBecause.DRY_RUN: "they were found, or not sent yet, during a dry run",
    HeldBecause.ASK: "new files need approval",
    HeldBecause.PERSON: "a person held them",
}


def _why_held(files: Mapping[HeldBecause, int]) -> str:
    """Return the reasons, the most serious first, with numbers if there are several."""
    if len(files) == 1:
        return WHY_HELD[next(iter(files))]
    return ", ".join(
        f"{files[kind]:,} because {why}" for kind, why in WHY_HELD.items() if kind in files
    )
