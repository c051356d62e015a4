"""The problems of undos: what stopped, what could not be deleted, and what is in progress."""

from collections.abc import Sequence

from gitpip.clock import day_and_clock
from gitpip.counts import count
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, said
from gitpip.store.database import Transaction
from gitpip.store.publications import undo_troubles, undos
from gitpip.store.publications.undo_troubles import Failures, RetriedItem
from gitpip.store.publications.undos import Undo
from gitpip.store.schema_undo import UndoneState
from gitpip.store.visibility import without_removed


async def problems(transaction: Transaction) -> Sequence[Problem]:
    """Return the undos that wait for a person, and those in progress."""
    unfinished = await undos.unfinished(transaction)
    found = []
    if stopped := [one for one in unfinished if one.stopped_at is not None]:
        found.append(_stopped(stopped))
    if failures := await undo_troubles.failures(transaction):
        shown = await without_removed(transaction, [failures.subject])
        subject = failures.subject if failures.subject in shown else undos.OF_REMOVED
        found.append(_failed(failures, subject))
    if going := [one for one in unfinished if one.stopped_at is None]:
        retried = await undo_troubles.retried(transaction, [one.id for one in going])
        found.append(_under_way(going, retried))
    return found


def _stopped(stopped: Sequence[Undo]) -> Problem:
    first = stopped[-1]
    return Problem(
        ProblemKind.UNDO_STOPPED,
        Severity.ERROR,
        f"Undo {first.id} of {first.subject} has stopped: {said(first.stopped_because)}",
        since=first.stopped_at,
        count=len(stopped),
        act=Remedy.RESUME_UNDO,
        undo_id=first.id,
        advice="Let the token's user delete activities and deals in Pipedrive. Then resume the "
        f"undo: gitpip undos resume {first.id}.",
    )


def _failed(failures: Failures, subject: str) -> Problem:
    first = f"undo {failures.undo_id} of {subject}"
    whose = first if failures.undos == 1 else f"{failures.undos:,} undos, e.g. {first},"
    number = failures.activities + failures.deals
    it = "it" if number == 1 else "them"
    return Problem(
        ProblemKind.UNDO_FAILED,
        Severity.ERROR,
        f"{_number_of(failures.activities, 'activity', 'activities', failures.deals)} of {whose} "
        f"could not be deleted in Pipedrive: {said(failures.reason)}",
        since=failures.since,
        count=number,
        act=Remedy.RESUME_UNDO,
        undo_id=failures.undo_id,
        advice="Fix the problem, then resume the undo: gitpip undos resume "
        f"{failures.undo_id}. Or keep {it} there and acknowledge that: gitpip undos acknowledge.",
    )


def _under_way(going: Sequence[Undo], retried: RetriedItem | None) -> Problem:
    files = sum(one.counts.get(UndoneState.WAITING, 0) for one in going)
    deals = sum(one.deal_counts.get(UndoneState.WAITING, 0) for one in going)
    sentence = (
        f"{_number_of(files, 'file', 'files', deals)} {'is' if files + deals == 1 else 'are'} "
        "being undone."
    )
    if retried:
        sentence += (
            f" An attempt failed: {said(retried.reason)} gitpip tries again: "
            f"{day_and_clock(retried.at)}."
        )
    return Problem(
        ProblemKind.UNDO_UNDER_WAY,
        Severity.WARNING if retried else Severity.INFO,
        sentence,
        since=going[-1].asked_at,
        count=files + deals,
    )


def _number_of(number: int, thing: str, things: str, deals: int) -> str:
    """Return the numbers of things and deals, such as `2 files and 1 deal`."""
    each = ((number, thing, things), (deals, "deal", "deals"))
    return " and ".join(count(*one) for one in each if one[0])
