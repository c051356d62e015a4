"""The problems of the accounts at the vendors, and of their contents."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, count
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import AccountChange, Vendor, VendorAccount
from gitpip.store.database import Transaction
from gitpip.store.ledger import LedgerState
from gitpip.store.publications import duplicates, second_sends
from gitpip.store.status import troubles
from gitpip.store.status.troubles import Trouble

TOLD_FOR = timedelta(days=1)
MAX_DUPLICATES_COUNTED = 1_000
"""The most duplicates that are counted: each of them is one too many."""


async def changes(transaction: Transaction, now: datetime) -> Sequence[Problem]:
    """Return a problem for each account that is set although the rows belong to another."""
    found = []
    if change := await accounts.change(transaction, Vendor.DESTINATION, now):
        found.append(_pipedrive(change))
    if change := await accounts.change(transaction, Vendor.GITHUB, now):
        found.append(_github(change))
    return found


def _pipedrive(change: AccountChange) -> Problem:
    if change.goes_on:
        return Problem(
            ProblemKind.PIPEDRIVE_ACCOUNT_CHANGED,
            Severity.WARNING,
            f"Two processes have tokens of two companies: files are published to "
            f"{change.bound.name}, and the one with a token of {change.waiting.name} publishes "
            f"nothing. Give both a token of {change.bound.name}, or publish to "
            f"{change.waiting.name} from now on: gitpip accounts switch pipedrive.",
            since=change.since,
            act=Remedy.SWITCH_ACCOUNT,
        )
    return Problem(
        ProblemKind.PIPEDRIVE_ACCOUNT_CHANGED,
        Severity.ERROR,
        f"Nothing is published: PIPEDRIVE_TOKEN is of {change.waiting.name}, and what was "
        f"published so far is in {change.bound.name}. Set a token of {change.bound.name}, or "
        f"publish to {change.waiting.name} from now on: gitpip accounts switch pipedrive. What is "
        "in the one is then not sent to the other.",
        since=change.since,
        act=Remedy.SWITCH_ACCOUNT,
    )


def _github(change: AccountChange) -> Problem:
    if change.goes_on:
        return Problem(
            ProblemKind.GITHUB_ACCOUNT_CHANGED,
            Severity.WARNING,
            f"Two processes have different addresses of GitHub: the people are of "
            f"{change.bound.name} and are checked there, and the one whose GITHUB_API_URL is "
            f"{change.waiting.name} checks no one. Give both the same address, or begin with the "
            f"people of {change.waiting.name}: gitpip accounts switch github.",
            since=change.since,
            act=Remedy.SWITCH_ACCOUNT,
        )
    return Problem(
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        Severity.ERROR,
        f"No one is checked: GITHUB_API_URL is {change.waiting.name}, and the people are of "
        f"{change.bound.name}. Set the former address, or begin with the people of "
        f"{change.waiting.name}: gitpip accounts switch github. If it is the same GitHub under "
        "another address: gitpip accounts switch github --same.",
        since=change.since,
        act=Remedy.SWITCH_ACCOUNT,
    )


async def contents(transaction: Transaction, now: datetime) -> Sequence[Problem]:
    """Return the problems that Pipedrive holds something twice, or not at all."""
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    if account is None:
        return ()
    state = await ledger.read(transaction)
    found = [
        _missing(state, await troubles.activities_lost(transaction)),
        await _doubled(transaction, account.key),
        _comparing(state),
        await _first_sends(transaction, account.key, now),
        _set_back(state, now),
        _others(state, account, now),
    ]
    return [problem for problem in found if problem]


def _set_back(state: LedgerState, now: datetime) -> Problem | None:
    if state.set_back_at is None or now - state.set_back_at >= TOLD_FOR:
        return None
    return Problem(
        ProblemKind.DATABASE_SET_BACK,
        Severity.WARNING,
        "The database was set back to an earlier state while gitpip ran. What was published since "
        "then was read from Pipedrive, and is not sent again. People, keys and decisions of the "
        "time between are lost: look whether any are missing. This is shown for a day.",
        since=state.set_back_at,
    )


async def clocks(transaction: Transaction, now: datetime) -> Sequence[Problem]:
    """Return the problem that a clock was ahead and is right again."""
    at = (await ledger.read(transaction)).times_set_back_at
    if at is None or now - at >= TOLD_FOR:
        return ()
    return (
        Problem(
            ProblemKind.CLOCK_WAS_WRONG,
            Severity.WARNING,
            "A clock was ahead: gitpip has set back times of checks and of publishing that lay too "
            "far in the future, and goes on. Nothing is lost. Let NTP set the clock of every "
            "machine that gitpip runs on. This is shown for a day.",
            since=at,
        ),
    )


def _others(state: LedgerState, account: VendorAccount, now: datetime) -> Problem | None:
    if state.others_seen_at is None or now - state.others_seen_at >= TOLD_FOR:
        return None
    return Problem(
        ProblemKind.OTHERS_PUBLISH,
        Severity.WARNING,
        f"Another gitpip, with a database of its own, seems to publish to {account.name}: there "
        "are activities that this one did not send. Let only one publish: what both find in the "
        "same moment can be there twice. This is shown for a day after the last such activity.",
        since=state.others_seen_at,
    )


def _comparing(state: LedgerState) -> Problem | None:
    if not (state.read or state.requested_at):
        return None
    return Problem(
        ProblemKind.COMPARING,
        Severity.INFO,
        "What is in Pipedrive is being compared with what was published, before anything more is "
        f"sent: {count(state.read, 'activity', 'activities')} read.",
        since=state.requested_at,
        count=state.read,
    )


async def _first_sends(transaction: Transaction, account_key: int, now: datetime) -> Problem | None:
    since = now - second_sends.WATCHED_FOR
    if not (number := await second_sends.doubtful(transaction, account_key, since)):
        return None
    return Problem(
        ProblemKind.FIRST_SENDS_COMPARED,
        Severity.INFO,
        f"Pipedrive holds activities of gitpip that this database does not know. "
        f"{count(number, 'file')} sent in the first minutes after the start may be among them. "
        "For an hour, gitpip looks for files that are there twice. It deletes the younger activity "
        "if no person has changed it.",
        count=number,
    )


def _missing(state: LedgerState, lost: Trouble) -> Problem | None:
    if not (state.missing or lost.count):
        return None
    told = []
    if state.missing:
        told.append(
            f"Pipedrive does not show {count(state.missing, 'activity', 'activities')} that gitpip "
            "published, none of the last ones: they were deleted, or the account was reset or "
            "restored."
        )
    if lost.count:
        have = "has" if lost.count == 1 else "have"
        told.append(
            f"{count(lost.count, 'published file')} {have} no activity any more, e.g. "
            f"{lost.example}: Pipedrive has given its number to another file. Retry it under "
            "CRM sync to send it again."
        )
    return Problem(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        f"{' '.join(told)} Nothing of them is sent again by gitpip alone, and nothing was deleted "
        "here. If that is as it should be, acknowledge it: gitpip adopt --acknowledge.",
        since=min(since for since in (state.missing_since, lost.since) if since),
        count=state.missing + lost.count,
        act=Remedy.COMPARE,
    )


async def _doubled(transaction: Transaction, account_key: int) -> Problem | None:
    found = await duplicates.listed(
        transaction, account_key, MAX_DUPLICATES_COUNTED, acknowledged=False
    )
    if not found:
        return None
    number, first = len(found), found[0]
    of = f"{first.filename} of {first.login}" if first.filename else f"the marker {first.marker}"
    other = f" besides {first.published_as}" if first.published_as else ""
    return Problem(
        ProblemKind.ACTIVITIES_DOUBLED,
        Severity.WARNING,
        f"Pipedrive holds {count(number, 'activity', 'activities')} with the marker of another "
        f"one, e.g. number {first.activity_id}{other}, for {of}: somebody copied it, or another "
        "gitpip published it. Delete one of the two in Pipedrive and run gitpip adopt, or leave "
        "them and acknowledge that: gitpip adopt --acknowledge.",
        since=first.seen_at,
        count=number,
        act=Remedy.COMPARE,
    )
