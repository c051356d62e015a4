"""Problems of the accounts: another company, and what a comparison with it found."""

from sqlalchemy import insert, literal, select

from gitpip.status.problem import ProblemKind, Remedy, Severity
from gitpip.store.schema import publications
from gitpip.store.schema_accounts import ledger, markers
from gitpip.store.schema_publishing import second_sends
from tests.status.case import FORGET, HOUR, OF_ADA, Case, account, queued
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW

CASES = (
    Case(
        ProblemKind.FIRST_SENDS_COMPARED,
        Severity.INFO,
        None,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(markers).values(account_key=1, activity_id=9, marker="gp-x", seen_at=JUST_NOW),
            queued(deal_id=8),
            insert(second_sends).values(publication_id=1, due_at=NOW + HOUR),
        ),
        # Such an activity was there before the start, as where another database published.
        (markers.update().values(seen_at=LONG_AGO),),
        ("1 file sent in the first minutes", "there twice"),
    ),
    Case(
        ProblemKind.DESTINATION_ACCOUNT_CHANGED,
        Severity.ERROR,
        Remedy.SWITCH_ACCOUNT,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            account(2, "pipedrive", "New Ltd", waits_since=JUST_NOW),
        ),
        FORGET,
        ("the token belongs to New Ltd", "gitpip accounts switch pipedrive"),
    ),
    Case(
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        Severity.ERROR,
        Remedy.SWITCH_ACCOUNT,
        (
            account(1, "github", "api.github.com", bound=1),
            account(2, "github", "ghe.example.com", waits_since=JUST_NOW),
        ),
        FORGET,
        ("address is ghe.example.com", "the people are of api.github.com", "--same"),
    ),
    Case(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        Remedy.COMPARE,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(ledger).values(id=1, missing=3, missing_since=JUST_NOW),
        ),
        (*FORGET, ledger.delete()),
        (
            "shows none of the latest 3 activities that gitpip sent",
            "gitpip does not send them again on its own",
            "--acknowledge",
        ),
        count=3,
    ),
    Case(
        ProblemKind.COMPARING,
        Severity.INFO,
        None,
        (account(1, "pipedrive", "Old Ltd", bound=1), insert(ledger).values(id=1, read=10_000)),
        (*FORGET, ledger.delete()),
        ("before it sends more: 10,000 activities read",),
        count=10_000,
    ),
    Case(
        ProblemKind.DATABASE_SET_BACK,
        Severity.WARNING,
        None,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(ledger).values(id=1, set_back_at=NOW - HOUR),
        ),
        (ledger.update().values(set_back_at=NOW - 25 * HOUR), *FORGET),
        ("set back to an earlier state", "does not send it again"),
    ),
    Case(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        Remedy.COMPARE,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            publications.update().where(OF_ADA).values(activity_lost_at=JUST_NOW),
        ),
        (publications.update().values(activity_lost_at=None), *FORGET),
        ("1 file no longer has an activity, e.g. ada.txt", "Retry it"),
        count=1,
    ),
    Case(
        ProblemKind.CLOCK_WAS_WRONG,
        Severity.WARNING,
        None,
        (insert(ledger).values(id=1, times_set_back_at=NOW - HOUR),),
        (ledger.update().values(times_set_back_at=NOW - 25 * HOUR),),
        ("A clock was ahead", "NTP"),
    ),
    Case(
        ProblemKind.OTHERS_PUBLISH,
        Severity.WARNING,
        None,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(ledger).values(id=1, others_seen_at=NOW - HOUR),
        ),
        (ledger.update().values(others_seen_at=NOW - 25 * HOUR), *FORGET),
        ("seems to send to Old Ltd", "Let only one send"),
    ),
    Case(
        ProblemKind.ACTIVITIES_DOUBLED,
        Severity.WARNING,
        Remedy.COMPARE,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(markers).from_select(
                ["account_key", "activity_id", "marker", "seen_at", "duplicate"],
                select(
                    literal(1),
                    literal(70),
                    publications.c.marker,
                    literal(JUST_NOW, markers.c.seen_at.type),
                    literal(1),
                ).where(OF_ADA),
            ),
        ),
        FORGET,
        ("number 70 besides 1, for ada.txt of ada", "run gitpip adopt", "--acknowledge"),
    ),
)
