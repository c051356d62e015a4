"""The problems of the accounts at the vendors, and of their contents."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gitpip.counts import count
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import AccountChange, VendorAccount
from gitpip.store.database import Transaction
from gitpip.store.ledger import LedgerState
from gitpip.store.publications import duplicates, second_sends
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import troubles
from gitpip.store.status.troubles import Trouble

TOLD_FOR = timedelta(days=1)
MAX_DUPLICATES_COUNTED = 1_000
"""The most duplicates that are counted: each of them is one too many."""


async def changes(transaction: Transaction, now: datetime) -> Sequence[Problem]:
    """Return a problem for each account that is set although the rows belong to another."""
    found = []
    if change := await accounts.change(transaction, Vendor.DESTINATION, now):
        found.append(_destination(change))
    if change := await accounts.change(transaction, Vendor.GITHUB, now):
        found.append(_github(change))
    return found


def _destination(change: AccountChange) -> Problem:
    if change.goes_on:
        return Problem(
            ProblemKind.DESTINATION_ACCOUNT_CHANGED,
            Severity.WARNING,
            f"Two processes have tokens of two companies. Files are sent to {change.bound.name}. "
            f"The process with a token of {change.waiting.name} sends nothing.",
            since=change.since,
            act=Remedy.SWITCH_ACCOUNT,
            advice=f"Give both a token of {change.bound.name}. Or send to {change.waiting.name} "
            "from now on: gitpip accounts switch pipedrive.",
        )
    return Problem(
        ProblemKind.DESTINATION_ACCOUNT_CHANGED,
        Severity.ERROR,
        f"Sync stopped: the token belongs to {change.waiting.name}, but earlier files are in "
        f"{change.bound.name}.",
        since=change.since,
        act=Remedy.SWITCH_ACCOUNT,
        advice=f"Set PIPEDRIVE_TOKEN to a token of {change.bound.name}. Or send to "
        f"{change.waiting.name} from now on: gitpip accounts switch pipedrive. Earlier files are "
        "then not sent again.",
    )


def _github(change: AccountChange) -> Problem:
    if change.goes_on:
        return Problem(
            ProblemKind.GITHUB_ACCOUNT_CHANGED,
            Severity.WARNING,
            f"Two processes have different addresses of GitHub. People are checked at "
            f"{change.bound.name}. The process with {change.waiting.name} checks no one.",
            since=change.since,
            act=Remedy.SWITCH_ACCOUNT,
            advice="Give both the same GITHUB_API_URL. Or start with the people of "
            f"{change.waiting.name}: gitpip accounts switch github.",
        )
    return Problem(
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        Severity.ERROR,
        f"No one is checked: the GitHub address is {change.waiting.name}, but the people are of "
        f"{change.bound.name}.",
        since=change.since,
        act=Remedy.SWITCH_ACCOUNT,
        advice="Set the former GITHUB_API_URL. Or start with the people of "
        f"{change.waiting.name}: gitpip accounts switch github. If it is the same GitHub under "
        "another address: gitpip accounts switch github --same.",
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
        "The database was set back to an earlier state while gitpip ran. gitpip read from "
        "Pipedrive what was sent since then, and does not send it again. People, keys and "
        "decisions of that time are lost. This is shown for a day.",
        since=state.set_back_at,
        advice="Check whether people, keys or decisions of that time are missing.",
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
            "A clock was ahead, so gitpip corrected times that were too far in the future. Nothing "
            "is lost. This is shown for a day.",
            since=at,
            advice="Let NTP set the clock of every machine that gitpip runs on.",
        ),
    )


def _others(state: LedgerState, account: VendorAccount, now: datetime) -> Problem | None:
    if state.others_seen_at is None or now - state.others_seen_at >= TOLD_FOR:
        return None
    return Problem(
        ProblemKind.OTHERS_PUBLISH,
        Severity.WARNING,
        f"Another gitpip, with its own database, seems to send to {account.name}: this one did "
        "not send some activities there. Files that both find at once can arrive twice. This is "
        "shown for a day after the last such activity.",
        since=state.others_seen_at,
        advice="Let only one send.",
    )


def _comparing(state: LedgerState) -> Problem | None:
    if not (state.read or state.requested_at):
        return None
    return Problem(
        ProblemKind.COMPARING,
        Severity.INFO,
        "gitpip compares its records with Pipedrive before it sends more: "
        f"{count(state.read, 'activity', 'activities')} read.",
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
        "For an hour, gitpip checks for files that are there twice. It deletes the younger "
        "activity if no person has changed it.",
        count=number,
    )


def _missing(state: LedgerState, lost: Trouble) -> Problem | None:
    if not (state.missing or lost.count):
        return None
    told, advice = [], []
    if state.missing:
        told.append(
            f"Pipedrive shows none of the latest {count(state.missing, 'activity', 'activities')} "
            "that gitpip sent. They were deleted, or the account was reset or restored."
        )
    if lost.count:
        have = "has" if lost.count == 1 else "have"
        told.append(
            f"{count(lost.count, 'file')} no longer {have} an activity, e.g. "
            f"{lost.example}: Pipedrive has given its number to another file."
        )
        advice.append("Retry it under CRM sync to send it again.")
    advice.append("If this is as intended, acknowledge it: gitpip adopt --acknowledge.")
    return Problem(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        f"{' '.join(told)} gitpip does not send them again on its own, and deleted nothing here.",
        since=min(since for since in (state.missing_since, lost.since) if since),
        count=state.missing + lost.count,
        act=Remedy.COMPARE,
        advice=" ".join(advice),
    )


async def _doubled(transaction: Transaction, account_key: int) -> Problem | None:
    found = await duplicates.listed(
        transaction, account_key, MAX_DUPLICATES_COUNTED, acknowledged=False
    )
    if not found:
        return None
    number, first = len(found), found[0]
    of = f"{first.filename} of {first.login}" if first.filename else f"the Sync ID {first.marker}"
    other = f" besides {first.published_as}" if first.published_as else ""
    return Problem(
        ProblemKind.ACTIVITIES_DOUBLED,
        Severity.WARNING,
        f"Pipedrive holds {count(number, 'activity', 'activities')} with the Sync ID of another "
        f"one, e.g. number {first.activity_id}{other}, for {of}. Someone copied it, or another "
        "gitpip sent it.",
        since=first.seen_at,
        count=number,
        act=Remedy.COMPARE,
        advice="Delete one of the two in Pipedrive and run gitpip adopt. Or keep both and "
        "acknowledge that: gitpip adopt --acknowledge.",
    )
