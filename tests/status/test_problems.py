"""Each problem is told from the rows with its kind, severity and act, and is gone when mended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Executable, insert, literal, select

from gitpip.model import FailureKind, Pause, PauseCause
from gitpip.status import reading
from gitpip.status.problem import Act, Problem, ProblemKind, Severity
from gitpip.status.reading import Surroundings
from gitpip.store.gists.unreadable import HeldBack
from gitpip.store.schema import (
    amendments,
    checks,
    deal_doubles,
    deals,
    doubles,
    publications,
    second_sends,
    unreadable,
    users,
)
from gitpip.store.schema_accounts import accounts, ledger, markers
from gitpip.store.schema_status import feed, services
from gitpip.store.schema_status import pauses as pause_rows
from gitpip.store.status import pauses
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW, Rows

HOUR = timedelta(hours=1)
ADA = users.c.login == "ada"
OF_ADA = publications.c.user_key == 1


@dataclass(frozen=True)
class Case:
    """What spoils the rows, and what mends them."""

    kind: ProblemKind
    severity: Severity
    act: Act | None
    spoil: Sequence[Executable]
    mend: Sequence[Executable]
    told: Sequence[str]
    """What the sentence must say."""
    count: int = 1


def paused(name: str, cause: PauseCause, reason: str) -> Sequence[Executable]:
    values = {"name": name, "until": NOW + HOUR, "reason": reason, "cause": cause.value}
    return (insert(pause_rows).values(**values, since=JUST_NOW),)


OVER = pause_rows.update().values(until=NOW)
WELL = (
    users.update()
    .where(ADA)
    .values(
        state="active",
        failure=None,
        failures=0,
        complete_until=JUST_NOW,
        next_check_at=NOW + HOUR,
    )
)
SENT = publications.update().values(state="published", attempts=1, due_at=LONG_AGO, reason=None)
NOT_THERE = {"failure": "GitHub shows no user ada", "failures": 3}
FAILED = {"failure": "Not Found (SAML)", "failures": 3}
UNREACHABLE = {"failure": "no route", "failures": 1, "failure_kind": FailureKind.UNREACHABLE}
NOT_LOOKED_FOR = {"reason": "could not look: answered 500", "not_looked_for": True}


def queued(**values: object) -> Executable:
    return publications.update().where(OF_ADA).values(**values)


def deal(**values: object) -> Executable:
    return insert(deals).values(user_key=1, due_at=LONG_AGO, sent_at=LONG_AGO, **values)


def asked(asked_at: datetime, **values: object) -> Executable:
    return insert(amendments).values(
        publication_id=1, version=1, due_at=NOW + HOUR, asked_at=asked_at, **values
    )


def unread(filename: str) -> Executable:
    return insert(unreadable).values(
        user_key=1,
        gist_id="a1b2",
        filename=filename,
        reason="blocked by GitHub (451)",
        failures=3,
        first_failed_at=LONG_AGO,
        next_try_at=NOW + HOUR,
    )


def account(key: int, vendor: str, name: str, **values: object) -> Executable:
    common = {"key": key, "vendor": vendor, "identity": name, "name": name, "met_at": LONG_AGO}
    return insert(accounts).values(**common, **values)


FORGET = (markers.delete(), accounts.delete())


CASES = (
    Case(
        ProblemKind.PIPEDRIVE_ACCOUNT_CHANGED,
        Severity.ERROR,
        Act.SWITCH_ACCOUNT,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            account(2, "pipedrive", "New Ltd", waits_since=JUST_NOW),
        ),
        FORGET,
        ("PIPEDRIVE_TOKEN is of New Ltd", "gitpip accounts switch pipedrive"),
    ),
    Case(
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        Severity.ERROR,
        Act.SWITCH_ACCOUNT,
        (
            account(1, "github", "api.github.com", bound=1),
            account(2, "github", "ghe.example.com", waits_since=JUST_NOW),
        ),
        FORGET,
        ("GITHUB_API_URL is ghe.example.com", "the users are of api.github.com", "--same"),
    ),
    Case(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        Act.COMPARE,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(ledger).values(id=1, missing=3, missing_since=JUST_NOW),
        ),
        (*FORGET, ledger.delete()),
        (
            "does not show 3 activities that gitpip published",
            "Nothing of them is sent again by gitpip alone",
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
        ("before anything more is sent: 10,000 activities read",),
        count=10_000,
    ),
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
        ProblemKind.DATABASE_SET_BACK,
        Severity.WARNING,
        None,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            insert(ledger).values(id=1, set_back_at=NOW - HOUR),
        ),
        (ledger.update().values(set_back_at=NOW - 25 * HOUR), *FORGET),
        ("set back to an earlier state", "is not sent again"),
    ),
    Case(
        ProblemKind.ACTIVITIES_MISSING,
        Severity.WARNING,
        Act.COMPARE,
        (
            account(1, "pipedrive", "Old Ltd", bound=1),
            publications.update().where(OF_ADA).values(activity_lost_at=JUST_NOW),
        ),
        (publications.update().values(activity_lost_at=None), *FORGET),
        ("1 published file has no activity any more, e.g. ada.txt", "Retry it"),
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
        ("seems to publish to Old Ltd", "Let only one publish"),
    ),
    Case(
        ProblemKind.ACTIVITIES_DOUBLED,
        Severity.WARNING,
        Act.COMPARE,
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
    Case(
        ProblemKind.NO_WORKER,
        Severity.ERROR,
        Act.START_WORKER,
        (services.update().values(heartbeat_at=LONG_AGO),),
        (services.update().values(heartbeat_at=NOW),),
        ("gitpip serve",),
    ),
    Case(
        ProblemKind.UNHEALTHY,
        Severity.ERROR,
        Act.RESTART,
        (services.update().values(ailments=["check has failed 9 times", "publish hangs"]),),
        (services.update().values(ailments=None),),
        ("check has failed 9 times", "publish hangs"),
        count=2,
    ),
    Case(
        ProblemKind.CLOCK_WRONG,
        Severity.WARNING,
        Act.SET_CLOCK,
        (services.update().values(clock_ahead=timedelta(minutes=10)),),
        (services.update().values(clock_ahead=timedelta(seconds=-2)),),
        ("10m ahead of GitHub's", "NTP"),
    ),
    Case(
        ProblemKind.WATCHING_PAUSED,
        Severity.ERROR,
        Act.SET_GITHUB_TOKEN,
        paused("watching", PauseCause.CREDENTIAL, "GitHub says: Bad credentials"),
        (OVER,),
        ("13:00 UTC", "GitHub says: Bad credentials."),
    ),
    Case(
        ProblemKind.READING_PAUSED,
        Severity.WARNING,
        None,
        paused("reading", PauseCause.RATE_LIMIT, "the limit is used up"),
        (OVER,),
        ("13:00 UTC", "the limit is used up."),
    ),
    Case(
        ProblemKind.SWEEPING_PAUSED,
        Severity.WARNING,
        Act.TRY_NOW,
        paused("sweeping", PauseCause.FAULT, "GraphQL gave no data"),
        (OVER,),
        ("13:00 UTC", "GraphQL gave no data."),
    ),
    Case(
        ProblemKind.PUBLISHING_PAUSED,
        Severity.WARNING,
        Act.TRY_NOW,
        paused("publishing", PauseCause.VENDOR, "Pipedrive answered 502"),
        (OVER,),
        ("13:00 UTC", "Pipedrive answered 502.", "Nothing is lost."),
    ),
    Case(
        ProblemKind.USERS_UNAVAILABLE,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(state="unavailable", **FAILED),),
        (WELL,),
        ("New gists of ada are not found: Not Found (SAML).", "gitpip asks again once a day"),
    ),
    Case(
        ProblemKind.USERS_UNAVAILABLE,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(state="unavailable", **NOT_THERE),),
        (WELL,),
        (
            "New gists of ada are not found: GitHub shows no user ada. gitpip asks again once a "
            "day; check the login, or remove the user.",
        ),
    ),
    Case(
        ProblemKind.CONTENTS_UNREADABLE,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (unread("a.py"), unread("b.py")),
        (unreadable.delete(),),
        ("1 gist of 1 user", "ada: file a.py of gist a1b2: blocked by GitHub (451)."),
    ),
    Case(
        ProblemKind.USERS_FAILING,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().values(failure="GitHub answered 502", failures=1),),
        (users.update().values(failure=None, failures=0),),
        ("2 users", "ada", "GitHub answered 502."),
        count=2,
    ),
    Case(
        ProblemKind.USERS_FAILING,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(**UNREACHABLE),),
        (WELL,),
        ("ada is checked again soon. Run gitpip doctor.",),
    ),
    Case(
        ProblemKind.USERS_LATE,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(next_check_at=NOW - HOUR),),
        (WELL,),
        ("ada", "not checked in time"),
    ),
    Case(
        ProblemKind.USERS_LATE,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(complete_until=LONG_AGO),),
        (WELL,),
        ("ada", "2026-05-02 12:00 UTC"),
    ),
    Case(
        ProblemKind.USERS_UNREAD,
        Severity.INFO,
        None,
        (users.update().where(ADA).values(complete_until=None, created_at=JUST_NOW),),
        (WELL,),
        ("1 of 2 users",),
    ),
    Case(
        ProblemKind.USERS_UNREAD,
        Severity.WARNING,
        Act.REVIEW_USERS,
        (users.update().where(ADA).values(complete_until=None),),
        (WELL,),
        ("1 of 2 users", "ada"),
    ),
    Case(
        ProblemKind.USERS_PAUSED,
        Severity.INFO,
        Act.RESUME_USERS,
        (users.update().values(state="paused"),),
        (users.update().values(state="active"),),
        ("All 2 users",),
        count=2,
    ),
    Case(
        ProblemKind.NO_USERS,
        Severity.INFO,
        Act.ADD_USERS,
        (users.update().values(removed_at=NOW),),
        (users.update().values(removed_at=None),),
        ("Nobody is tracked yet",),
    ),
    Case(
        ProblemKind.CHECK_ABANDONED,
        Severity.WARNING,
        Act.RESTART,
        (insert(checks).values(requested_at=NOW - HOUR, started_at=NOW - HOUR),),
        (checks.update().values(ended_at=NOW),),
        ("11:00 UTC", "nobody works on it"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.ERROR,
        Act.DECIDE_HELD,
        (queued(state="held", queued_at=LONG_AGO, reason="one of 412 files"),),
        (SENT,),
        ("1 file of ada waits for your decision: ", "gitpip held ada"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.ERROR,
        Act.DECIDE_HELD,
        (publications.update().values(state="held", queued_at=LONG_AGO),),
        (SENT,),
        ("2 files of 2 users wait for your decision, e.g. 1 file of ada: ",),
        count=2,
    ),
    Case(
        ProblemKind.PUBLICATIONS_FAILED,
        Severity.ERROR,
        Act.RETRY_FAILED,
        (queued(state="failed", reason="Pipedrive answered 400: Bad deal"),),
        (SENT,),
        ("ada.txt", "Bad deal."),
    ),
    Case(
        ProblemKind.PUBLICATIONS_UNCERTAIN,
        Severity.WARNING,
        None,
        (queued(state="uncertain", sent_at=NOW - HOUR, due_at=NOW + HOUR),),
        (SENT,),
        ("11:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.DOUBLES_LEFT,
        Severity.WARNING,
        None,
        (insert(doubles).values(publication_id=1, activity_id=9, found_at=NOW, reason="changed"),),
        (doubles.update().values(found_at=NOW - 8 * 24 * HOUR),),
        ("twice", "ada.txt: changed.", "delete the one"),
    ),
    Case(
        ProblemKind.DEALS_DOUBLED,
        Severity.WARNING,
        None,
        (
            deal(state="published", deal_id=8),
            insert(deal_doubles).values(user_key=1, deal_id=9, found_at=NOW),
        ),
        # The two were merged, and the other one is in use now.
        (deals.update().values(deal_id=9),),
        ("two deals", "ada: gitpip uses deal 8 and leaves deal 9", "Merge the two"),
    ),
    Case(
        ProblemKind.DOUBLES_DELETED,
        Severity.INFO,
        None,
        (insert(doubles).values(publication_id=1, activity_id=9, found_at=NOW),),
        (doubles.update().values(found_at=NOW - 25 * HOUR),),
        ("twice", "ada.txt", "GITPIP_ABSENT_AFTER"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_RETRIED,
        Severity.WARNING,
        None,
        (queued(state="pending", attempts=5, due_at=NOW + HOUR, reason="answered 500"),),
        (SENT,),
        ("ada.txt", "answered 500."),
    ),
    Case(
        ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR,
        Severity.WARNING,
        None,
        (
            queued(
                state="pending",
                attempts=2,
                looked_at=LONG_AGO,
                due_at=NOW + HOUR,
                **NOT_LOOKED_FOR,
            ),
        ),
        (SENT,),
        ("can't be sent again", "ada.txt", "answered 500."),
    ),
    Case(
        ProblemKind.PUBLICATIONS_OVERDUE,
        Severity.WARNING,
        None,
        (queued(state="pending", due_at=NOW - HOUR, backfill=1),),
        (SENT,),
        ("11:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_WAITING,
        Severity.INFO,
        None,
        (queued(state="pending", due_at=NOW),),
        (SENT,),
        ("1 file is being sent",),
    ),
    Case(
        ProblemKind.PUBLICATIONS_WAITING,
        Severity.INFO,
        None,
        (queued(state="pending", due_at=NOW, reason="Pipedrive answered 500"),),
        (SENT,),
        ("1 file is waiting to be sent to Pipedrive: Pipedrive answered 500.",),
    ),
    Case(
        ProblemKind.DEALS_FAILED,
        Severity.ERROR,
        Act.RETRY_FAILED,
        (deal(state="failed", reason="a cap"),),
        (deals.update().values(state="published", deal_id=1),),
        ("ada", "a cap."),
    ),
    Case(
        ProblemKind.DEALS_DELAYED,
        Severity.WARNING,
        Act.TRY_NOW,
        (
            queued(state="pending", due_at=NOW + HOUR),
            insert(deals).values(
                user_key=1, state="pending", due_at=NOW + HOUR, sent_at=JUST_NOW, reason="a cap"
            ),
        ),
        (SENT, deals.update().values(state="published", deal_id=1)),
        ("Deals can't be made for 1 user", "ada: a cap.", "next try is at 13:00 UTC"),
    ),
    Case(
        ProblemKind.DEALS_UNCERTAIN,
        Severity.WARNING,
        None,
        (deal(state="uncertain", reason="it timed out"),),
        (deals.update().values(state="published", deal_id=1),),
        ("ada", "it timed out."),
    ),
    Case(
        ProblemKind.NOTES_FAILED,
        Severity.WARNING,
        Act.RETRY_NOTES,
        (queued(reason="its note could not be brought up to date: 404"),),
        (SENT,),
        ("ada.txt", "404."),
    ),
    Case(
        ProblemKind.NOTES_OVERDUE,
        Severity.WARNING,
        None,
        # The next attempt is due later: each one that failed puts it off.
        (asked(NOW - HOUR, attempts=1, reason="Pipedrive answered 500"),),
        (amendments.delete(),),
        ("since 11:00 UTC", "ada.txt (Pipedrive answered 500)"),
    ),
    Case(
        ProblemKind.NOTES_OVERDUE,
        Severity.WARNING,
        None,
        (asked(NOW, attempts=3, reason="Pipedrive answered 500"),),
        (amendments.delete(),),
        ("since 12:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.NOTES_WAITING,
        Severity.INFO,
        None,
        (asked(NOW, attempts=1, reason="Pipedrive answered 500"),),
        (amendments.delete(),),
        ("is being brought up to date", "ada.txt (Pipedrive answered 500)."),
    ),
    Case(
        ProblemKind.FEED_UNREADABLE,
        Severity.WARNING,
        None,
        (
            insert(feed).values(
                id=1, seen={}, read_at=LONG_AGO, failure="odd", failing_since=NOW - HOUR
            ),
        ),
        (feed.update().values(failure=None, failing_since=None),),
        ("odd.",),
    ),
    Case(
        ProblemKind.LISTS_NOT_COMPARED,
        Severity.INFO,
        None,
        (users.update().where(ADA).values(sweep_mark="a-mark", gist_count=1),),
        (users.update().where(ADA).values(listed_at=JUST_NOW),),
        ("The gist lists of 1 user", "since the upgrade: ada."),
    ),
    Case(
        ProblemKind.FEED_GAP,
        Severity.INFO,
        None,
        (insert(feed).values(id=1, seen={}, read_at=LONG_AGO, gaps=1, gap_at=NOW),),
        (users.update().values(complete_until=NOW + timedelta(seconds=1)),),
        ("left out",),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.severity}")
async def test_each_problem_is_told_and_is_gone_when_mended(rows: Rows, case: Case) -> None:
    well = await rows.condition()
    assert (well.problems, well.all_good) == ((), True)
    assert well.sentence.startswith("All good: no gist that was public before ")

    await rows.execute(*case.spoil)
    spoilt = await rows.condition()

    [problem] = [one for one in spoilt.problems if one.kind is case.kind]
    assert (problem.severity, problem.act, problem.count) == (case.severity, case.act, case.count)
    for words in case.told:
        assert words in problem.sentence
    assert ".." not in problem.sentence
    assert not spoilt.all_good
    assert "All good" not in spoilt.sentence
    assert case.kind is spoilt.problems[0].kind or case.severity is not Severity.ERROR

    await rows.execute(*case.mend)
    mended = await rows.condition()
    assert (mended.problems, mended.all_good) == ((), True)


@pytest.mark.parametrize("unreachable", [True, False])
async def test_the_doctor_is_recommended_where_a_vendor_can_not_be_reached(
    rows: Rows, unreachable: bool
) -> None:
    words = "Pipedrive can't be reached"
    async with rows.database.begin() as transaction:
        pause = Pause(NOW + HOUR, words, unreachable=unreachable)
        await pauses.pause(transaction, pauses.PUBLISHING, pause, now=NOW)
    kind = FailureKind.UNREACHABLE if unreachable else FailureKind.OTHER
    failing = {"failure": words, "failures": 1, "failure_kind": kind}
    await rows.execute(users.update().where(ADA).values(**failing))
    told = {one.kind: one.sentence for one in (await rows.condition()).problems}
    for problem in (ProblemKind.PUBLISHING_PAUSED, ProblemKind.USERS_FAILING):
        assert ("Run gitpip doctor." in told[problem]) is unreachable


async def test_what_cannot_be_looked_for_is_told_for_that_alone_and_beside_others(
    rows: Rows,
) -> None:
    waits = {"state": "pending", "looked_at": LONG_AGO, "due_at": NOW + HOUR}
    refused = queued(**waits, attempts=2, reason="answered 403")
    await rows.execute(refused)
    told = {one.kind for one in (await rows.condition()).problems}
    assert ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR not in told
    await rows.execute(queued(attempts=3, **NOT_LOOKED_FOR))
    told = {one.kind for one in (await rows.condition()).problems}
    assert told >= {ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR, ProblemKind.PUBLICATIONS_RETRIED}


def test_every_kind_has_a_test() -> None:
    of_processes = {
        ProblemKind.PIPEDRIVE_TOKEN_MISSING,
        ProblemKind.SECRET_UNREADABLE,
        ProblemKind.OVER_CAPACITY,
    }
    assert {case.kind for case in CASES} | of_processes == set(ProblemKind)


async def test_what_only_the_process_knows_is_told(rows: Rows) -> None:
    healthy = rows.surroundings()
    cases: Mapping[ProblemKind, Surroundings] = {
        ProblemKind.PIPEDRIVE_TOKEN_MISSING: replace(
            healthy, settings=rows.surroundings(PIPEDRIVE_TOKEN="").settings
        ),
        ProblemKind.SECRET_UNREADABLE: replace(healthy, secret_faults=("GITHUB_TOKEN is empty",)),
        ProblemKind.OVER_CAPACITY: rows.surroundings(GITHUB_TOKEN="", GITPIP_CHECK_INTERVAL="1m"),
        ProblemKind.UNHEALTHY: replace(healthy, ailments=("the database could not be written",)),
    }
    for kind, surroundings in cases.items():
        condition = await rows.condition(surroundings)
        assert [problem.kind for problem in condition.problems] == [kind]
        assert not condition.all_good


@pytest.mark.parametrize(
    ("cause", "settings", "advice"),
    [
        # A hundredth of the limits is enough for two users a minute by GraphQL, not by REST.
        (PauseCause.RATE_LIMIT, {}, None),
        (PauseCause.VENDOR, {}, None),
        (PauseCause.FAULT, {}, None),
        (
            PauseCause.CREDENTIAL,
            {},
            "set GITHUB_TOKEN to a classic token without any scope, or a longer "
            "GITPIP_CHECK_INTERVAL.",
        ),
        (None, {"GITHUB_TOKEN": ""}, "set GITHUB_TOKEN, or a longer GITPIP_CHECK_INTERVAL."),
        (None, {"GITPIP_GITHUB_SHARE": "0.0001"}, "late: set a longer GITPIP_CHECK_INTERVAL."),
    ],
)
async def test_too_many_users_are_told_with_what_helps(
    rows: Rows, cause: PauseCause | None, settings: Mapping[str, str], advice: str | None
) -> None:
    if cause:
        await rows.execute(*paused("sweeping", cause, "why"))

    condition = await rows.condition(
        rows.surroundings(
            **{"GITPIP_CHECK_INTERVAL": "1m", "GITPIP_GITHUB_SHARE": "0.01", **settings}
        )
    )

    said = [one.sentence for one in condition.problems if one.kind is ProblemKind.OVER_CAPACITY]
    assert len(said) == (advice is not None)
    assert all(sentence.endswith(advice or "") for sentence in said)


async def test_the_worst_is_said_first_and_how_many_more(rows: Rows) -> None:
    await rows.execute(
        queued(state="failed", reason="no"),
        publications.update().where(publications.c.user_key == 2).values(state="pending"),
        users.update().where(ADA).values(state="unavailable", **FAILED),
        *paused("publishing", PauseCause.VENDOR, "a limit"),
    )

    condition = await rows.condition()

    assert [problem.kind for problem in condition.problems] == [
        ProblemKind.PUBLICATIONS_FAILED,
        ProblemKind.PUBLISHING_PAUSED,
        ProblemKind.USERS_UNAVAILABLE,
        ProblemKind.PUBLICATIONS_WAITING,
    ]
    assert condition.sentence == f"{condition.problems[0].sentence} And 2 more."


async def test_a_user_who_is_not_shown_is_no_empty_list_of_users(rows: Rows) -> None:
    await rows.execute(users.update().values(state="unavailable", **FAILED))

    kinds = [problem.kind for problem in (await rows.condition()).problems]

    assert kinds == [ProblemKind.USERS_UNAVAILABLE]


async def test_rows_of_a_removed_user_are_no_problem(rows: Rows) -> None:
    await rows.execute(
        queued(state="failed", reason="no"),
        deal(state="failed", reason="no"),
        users.update().where(ADA).values(**FAILED, removed_at=NOW),
    )

    assert (await rows.condition()).problems == ()


async def test_a_due_time_is_not_before_the_end_of_a_pause(rows: Rows) -> None:
    await rows.execute(*paused("publishing", PauseCause.VENDOR, "a limit"))
    pause = (await rows.condition()).pauses[pauses.PUBLISHING]

    assert reading.due_after(NOW, pause) == NOW + HOUR
    assert reading.due_after(NOW + 2 * HOUR, pause) == NOW + 2 * HOUR
    assert reading.due_after(NOW, None) == NOW
    assert reading.due_after(None, pause) is None
    assert pause == Pause(NOW + HOUR, "a limit", PauseCause.VENDOR, JUST_NOW)


async def test_a_backlog_that_moves_is_no_standstill(rows: Rows) -> None:
    await rows.execute(
        queued(state="pending", due_at=LONG_AGO, backfill=1),
        publications.update().where(publications.c.user_key == 2).values(published_at=JUST_NOW),
    )

    problems: Sequence[Problem] = (await rows.condition()).problems

    assert [problem.kind for problem in problems] == [ProblemKind.PUBLICATIONS_WAITING]


async def test_a_pause_that_goes_on_keeps_its_beginning(rows: Rows) -> None:
    for minutes in (0, 10, 20):
        async with rows.database.begin() as transaction:
            at = NOW - HOUR + timedelta(minutes=minutes)
            await pauses.pause(
                transaction, pauses.PUBLISHING, Pause(at + timedelta(minutes=8), "a limit"), now=at
            )
    async with rows.database.begin() as transaction:
        again = await pauses.pauses_now(transaction, NOW - timedelta(minutes=39))
        await pauses.pause(transaction, pauses.PUBLISHING, Pause(NOW + HOUR, "a limit"), now=NOW)
    later = (await rows.condition()).pauses

    assert again[pauses.PUBLISHING].since == NOW - HOUR
    assert later[pauses.PUBLISHING].since == NOW


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            [users.update().where(ADA).values(state="unavailable", **NOT_THERE)],
            "GitHub shows no user ada",
        ),
        ([unread("a.txt")], "file a.txt of gist a1b2: blocked by GitHub (451)"),
    ],
)
async def test_who_holds_the_time_back_is_named_and_counts(
    rows: Rows, spoil: Sequence[Executable], reason: str
) -> None:
    assert (await rows.condition()).held_back is None
    await rows.execute(users.update().where(ADA).values(complete_until=LONG_AGO), *spoil)
    condition = await rows.condition()
    assert condition.complete_until == LONG_AGO
    assert condition.held_back == HeldBack("ada", reason)
