"""Each problem is told from the rows with its kind, severity and act, and is gone when mended."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Executable, insert

from gitpip.config import load_settings
from gitpip.model import FailureKind, Part, Pause, PauseCause
from gitpip.modes import HeldBecause
from gitpip.status import publishing
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity
from gitpip.status.reading import ProcessFacts
from gitpip.status.stats import StatsReader
from gitpip.store.gists.unreadable import FurthestBehind
from gitpip.store.schema import (
    checks,
    publications,
    unreadable,
    users,
)
from gitpip.store.schema_status import public_feed, publishing_pause, services
from gitpip.store.status import instances, pauses
from tests.status import account_cases, publishing_cases
from tests.status.case import (
    ADA,
    FAILED,
    HOUR,
    NOT_LOOKED_FOR,
    NOT_THERE,
    OVER,
    UNREACHABLE,
    WELL,
    Case,
    deal,
    paused,
    queued,
    unread,
)
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW, SETTINGS, Rows

CASES = (
    *account_cases.CASES,
    *publishing_cases.CASES,
    Case(
        ProblemKind.NO_WORKER,
        Severity.ERROR,
        Remedy.START_WORKER,
        (services.update().values(heartbeat_at=LONG_AGO),),
        (services.update().values(heartbeat_at=NOW),),
        ("gitpip serve",),
    ),
    Case(
        ProblemKind.UNHEALTHY,
        Severity.ERROR,
        Remedy.RESTART,
        (services.update().values(health_problems=["check has failed 9 times", "publish hangs"]),),
        (services.update().values(health_problems=None),),
        ("check has failed 9 times", "publish hangs"),
        count=2,
    ),
    Case(
        ProblemKind.CLOCK_WRONG,
        Severity.WARNING,
        Remedy.SET_CLOCK,
        (services.update().values(clock_ahead=timedelta(minutes=10)),),
        (services.update().values(clock_ahead=timedelta(seconds=-2)),),
        ("10m ahead of GitHub's", "NTP"),
    ),
    Case(
        ProblemKind.WATCHING_PAUSED,
        Severity.ERROR,
        Remedy.SET_GITHUB_TOKEN,
        paused("watching", PauseCause.CREDENTIAL, "GitHub says: Bad credentials"),
        (OVER,),
        ("2026-05-04 13:00 UTC", "GitHub says: Bad credentials.", "Set GITHUB_TOKEN to a valid"),
    ),
    Case(
        ProblemKind.READING_PAUSED,
        Severity.WARNING,
        None,
        paused("reading", PauseCause.RATE_LIMIT, "the limit is used up"),
        (OVER,),
        ("2026-05-04 13:00 UTC", "the limit is used up."),
    ),
    Case(
        ProblemKind.SWEEPING_PAUSED,
        Severity.WARNING,
        Remedy.TRY_NOW,
        paused("sweeping", PauseCause.FAULT, "GraphQL gave no data"),
        (OVER,),
        ("2026-05-04 13:00 UTC", "GraphQL gave no data."),
    ),
    Case(
        ProblemKind.PUBLISHING_PAUSED,
        Severity.WARNING,
        Remedy.TRY_NOW,
        paused("publishing", PauseCause.VENDOR, "Pipedrive answered 502"),
        (OVER,),
        ("2026-05-04 13:00 UTC", "Pipedrive answered 502.", "Nothing is lost."),
    ),
    Case(
        ProblemKind.EXAMINING_PAUSED,
        Severity.ERROR,
        Remedy.TRY_NOW,
        paused(
            "examining", PauseCause.VENDOR, "no file can be examined for credentials (it ended)"
        ),
        (OVER,),
        ("Sync is paused", "2026-05-04 13:00 UTC: no file", "nothing is lost", "gitpip doctor"),
    ),
    Case(
        ProblemKind.USERS_UNAVAILABLE,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().where(ADA).values(state="unavailable", **FAILED),),
        (WELL,),
        ("gitpip can't find new gists of ada: Not Found (SAML).", "gitpip asks again once a day"),
    ),
    Case(
        ProblemKind.USERS_UNAVAILABLE,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().where(ADA).values(state="unavailable", **NOT_THERE),),
        (WELL,),
        (
            "gitpip can't find new gists of ada: GitHub has no user ada. gitpip asks again once a "
            "day. Check the username, or stop tracking this person.",
        ),
    ),
    Case(
        ProblemKind.CONTENTS_UNREADABLE,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (unread("a.py"), unread("b.py")),
        (unreadable.delete(),),
        ("1 gist of 1 person", "ada: file a.py of gist a1b2: blocked by GitHub (451)."),
    ),
    Case(
        ProblemKind.USERS_FAILING,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().values(failure="GitHub answered 502", failures=1),),
        (users.update().values(failure=None, failures=0),),
        ("2 people", "ada", "GitHub answered 502."),
        count=2,
    ),
    Case(
        ProblemKind.USERS_FAILING,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().where(ADA).values(**UNREACHABLE),),
        (WELL,),
        ("ada is checked again soon. Run gitpip doctor.",),
    ),
    Case(
        ProblemKind.USERS_LATE,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().where(ADA).values(next_check_at=NOW - HOUR),),
        (WELL,),
        ("ada", "not checked in time"),
    ),
    Case(
        ProblemKind.USERS_LATE,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
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
        ("1 of 2 people",),
    ),
    Case(
        ProblemKind.USERS_UNREAD,
        Severity.WARNING,
        Remedy.REVIEW_USERS,
        (users.update().where(ADA).values(complete_until=None),),
        (WELL,),
        ("1 of 2 people", "ada"),
    ),
    Case(
        ProblemKind.USERS_PAUSED,
        Severity.INFO,
        Remedy.RESUME_USERS,
        (users.update().values(state="paused"),),
        (users.update().values(state="active"),),
        ("All 2 people",),
        count=2,
    ),
    Case(
        ProblemKind.NO_USERS,
        Severity.INFO,
        Remedy.ADD_USERS,
        (users.update().values(removed_at=NOW),),
        (users.update().values(removed_at=None),),
        ("No one is tracked yet",),
    ),
    Case(
        ProblemKind.CHECK_ABANDONED,
        Severity.WARNING,
        Remedy.RESTART,
        (insert(checks).values(requested_at=NOW - HOUR, started_at=NOW - HOUR),),
        (checks.update().values(ended_at=NOW),),
        ("2026-05-04 11:00 UTC", "stopped before it was done"),
    ),
    Case(
        ProblemKind.FEED_UNREADABLE,
        Severity.WARNING,
        None,
        (
            insert(public_feed).values(
                id=1, seen={}, read_at=LONG_AGO, failure="odd", failing_since=NOW - HOUR
            ),
        ),
        (public_feed.update().values(failure=None, failing_since=None),),
        ("odd.",),
    ),
    Case(
        ProblemKind.LISTS_NOT_COMPARED,
        Severity.INFO,
        None,
        (users.update().where(ADA).values(sweep_mark="a-mark", gist_count=1),),
        (users.update().where(ADA).values(listed_at=JUST_NOW),),
        ("has not read the gist lists of 1 person", "since the upgrade: ada."),
    ),
    Case(
        ProblemKind.FEED_GAP,
        Severity.INFO,
        None,
        (insert(public_feed).values(id=1, seen={}, read_at=LONG_AGO, gaps=1, gap_at=NOW),),
        (users.update().values(complete_until=NOW + timedelta(seconds=1)),),
        ("left out",),
    ),
)


APART = frozenset(
    {
        ProblemKind.ACTIVITIES_DOUBLED,
        ProblemKind.ACTIVITIES_MISSING,
        ProblemKind.AUDITS_FAILED,
        ProblemKind.CLOCK_WAS_WRONG,
        ProblemKind.CREDENTIALS_HELD,
        ProblemKind.DATABASE_SET_BACK,
        ProblemKind.DEALS_FAILED,
        ProblemKind.DEALS_GONE,
        ProblemKind.DRY_RUN,
        ProblemKind.GITHUB_ACCOUNT_CHANGED,
        ProblemKind.IMPORT_FAILED,
        ProblemKind.IMPORT_INTERRUPTED,
        ProblemKind.NO_WORKER,
        ProblemKind.OTHERS_PUBLISH,
        ProblemKind.OVER_CAPACITY,
        ProblemKind.DESTINATION_ACCOUNT_CHANGED,
        ProblemKind.PUBLICATIONS_FAILED,
        ProblemKind.PUBLICATIONS_HELD,
        ProblemKind.PUBLISHING_SETTINGS_REFUSED,
        ProblemKind.REPAIR_INTERRUPTED,
        ProblemKind.RULES_UNREADABLE,
        ProblemKind.TARGETS_UNUSABLE,
        ProblemKind.UNDO_FAILED,
        ProblemKind.UNDO_STOPPED,
        ProblemKind.USERS_UNAVAILABLE,
    }
)
"""The problems whose advice stands apart from what happened."""
OPERATORS_ACT = (
    r"\byour?\b|with gitpip|gitpip (accounts|adopt|publish|serve|undos)\b|Fix the|Set another|"
    r"Check (the username|whether people)|Review (it|them)|Approve all|"
    r"under (CRM sync|CRM audits|Rules|Settings)|\backnowledge\b|\b(Delete|Give|Let|Upload)\b"
)
"""What only an operator can do, which viewers aren't told."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.severity}")
async def test_each_problem_is_told_and_is_gone_when_mended(rows: Rows, case: Case) -> None:
    well = await rows.condition()
    assert (well.problems, well.all_good) == ((), True)
    assert well.sentence.startswith("All systems normal. Everything up to ")

    await rows.execute(*case.spoil)
    spoilt = await rows.condition()

    [problem] = [one for one in spoilt.problems if one.kind is case.kind]
    assert (problem.severity, problem.act, problem.count) == (case.severity, case.act, case.count)
    for words in case.told:
        assert words in problem.sentence
    assert ".." not in problem.sentence
    # What everyone reads names no setting; the advice to operators may.
    assert not re.search(r"[A-Z]+_[A-Z_]+", problem.described)
    if case.kind in APART:
        assert not re.search(OPERATORS_ACT, problem.described)
    assert not spoilt.all_good
    assert "All systems normal" not in spoilt.sentence
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


async def test_failing_searches_are_a_problem_alone_and_beside_others(
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
        ProblemKind.DESTINATION_TOKEN_MISSING,
        ProblemKind.SECRET_UNREADABLE,
        ProblemKind.OVER_CAPACITY,
    }
    assert {case.kind for case in CASES} | of_processes == set(ProblemKind)


async def test_what_only_the_process_knows_is_told(rows: Rows) -> None:
    healthy = rows.process()
    cases: Mapping[ProblemKind, ProcessFacts] = {
        ProblemKind.DESTINATION_TOKEN_MISSING: replace(
            healthy, settings=rows.process(PIPEDRIVE_TOKEN="").settings
        ),
        ProblemKind.SECRET_UNREADABLE: replace(healthy, secret_faults=("GITHUB_TOKEN is empty",)),
        ProblemKind.OVER_CAPACITY: rows.process(GITHUB_TOKEN="", GITPIP_CHECK_INTERVAL="1m"),
        ProblemKind.UNHEALTHY: replace(
            healthy, health_problems=("the database could not be written",)
        ),
    }
    for kind, process in cases.items():
        condition = await rows.condition(process)
        assert [problem.kind for problem in condition.problems] == [kind]
        assert not condition.all_good


async def test_the_own_row_of_a_process_does_not_count_again(rows: Rows) -> None:
    here = replace(rows.process(), instance_id="one", health_problems=("no progress for 304 s",))
    await rows.execute(services.update().values(health_problems=["no progress for 300 s"]))
    [problem] = (await rows.condition(here)).problems
    assert problem.count == 1
    assert problem.described.endswith(": no progress for 304 s.")

    async with rows.database.begin() as transaction:
        other = instances.Beat("two", "1", Part.WORK, health_problems=["check hangs"])
        await instances.record_heartbeat(transaction, other, NOW)
    [problem] = (await rows.condition(here)).problems
    assert problem.count == 2
    assert problem.described.endswith(": no progress for 304 s, check hangs.")


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
            "Set GITHUB_TOKEN to a classic token without any scope, or a longer "
            "GITPIP_CHECK_INTERVAL.",
        ),
        (None, {"GITHUB_TOKEN": ""}, "Set GITHUB_TOKEN, or a longer GITPIP_CHECK_INTERVAL."),
        (
            None,
            {"GITPIP_GITHUB_SHARE": "0.0001"},
            "late. Check less often. Set a longer GITPIP_CHECK_INTERVAL.",
        ),
    ],
)
async def test_too_many_users_are_told_with_what_helps(
    rows: Rows, cause: PauseCause | None, settings: Mapping[str, str], advice: str | None
) -> None:
    if cause:
        await rows.execute(*paused("sweeping", cause, "why"))

    condition = await rows.condition(
        rows.process(**{"GITPIP_CHECK_INTERVAL": "1m", "GITPIP_GITHUB_SHARE": "0.01", **settings})
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
    assert condition.for_readers == condition.problems[:3]


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
    condition = await rows.condition()
    pause = condition.pauses[pauses.PUBLISHING]

    assert condition.publishing_due(NOW) == NOW + HOUR
    assert condition.publishing_due(NOW + 2 * HOUR) == NOW + 2 * HOUR
    assert condition.publishing_due(None) is None
    assert pause == Pause(NOW + HOUR, "a limit", PauseCause.VENDOR, JUST_NOW)
    condition = replace(condition, pauses={pauses.EXAMINING: pause})
    assert condition.publishing_due(NOW) == NOW + HOUR
    assert condition.publishing_due(NOW, sends=False) == NOW


async def test_nothing_is_overdue_for_an_alert_while_a_person_has_paused_it(rows: Rows) -> None:
    async def next_due() -> datetime | None:
        settings = load_settings(SETTINGS, env_file=None)
        stats = await StatsReader(rows.database, lambda: ProcessFacts(settings)).read()
        assert stats is not None
        return stats.next_due

    await rows.execute(queued(state="pending", due_at=LONG_AGO))
    assert await next_due() == LONG_AGO
    pause = insert(publishing_pause).values(id=1, reason="", paused_by="eve", since=LONG_AGO)
    await rows.execute(pause)
    assert await next_due() is None


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
            "GitHub has no user ada",
        ),
        ([unread("a.txt")], "file a.txt of gist a1b2: blocked by GitHub (451)"),
    ],
)
async def test_the_user_who_holds_back_the_time_is_named(
    rows: Rows, spoil: Sequence[Executable], reason: str
) -> None:
    assert (await rows.condition()).furthest_behind is None
    await rows.execute(users.update().where(ADA).values(complete_until=LONG_AGO), *spoil)
    condition = await rows.condition()
    assert condition.complete_until == LONG_AGO
    assert condition.furthest_behind == FurthestBehind("ada", reason)


def test_every_reason_for_holding_has_words() -> None:
    # What is held for credentials is a problem of its own.
    assert set(publishing.WHY_HELD) == set(HeldBecause) - {HeldBecause.CREDENTIALS}
