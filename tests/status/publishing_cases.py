"""Problems of publishing: what is refused, hangs, waits, or is there twice."""

from datetime import datetime

from sqlalchemy import Executable, insert

from gitpip.status.problem import ProblemKind, Remedy, Severity
from gitpip.store.schema import deals, publications, users
from gitpip.store.schema_publishing import (
    amendments,
    deal_doubles,
    doubles,
    publishing_faults,
    publishing_settings,
    repairs,
)
from gitpip.store.schema_rules import publishing_rules
from gitpip.store.schema_status import imports, publishing_pause
from gitpip.store.schema_surveys import surveys
from gitpip.store.schema_targets import deal_drifts, targets
from gitpip.store.schema_undo import undone, undos
from gitpip.targets import Target
from tests.status.case import ADA, HOUR, NOT_LOOKED_FOR, SENT, Case, asked, deal, queued
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW


def by_person(until: datetime | None) -> Executable:
    return insert(publishing_pause).values(
        id=1, until=until, reason="a fair", paused_by="eve", since=LONG_AGO
    )


def audit(**values: object) -> Executable:
    common = {"kind": "audit", "requested_at": LONG_AGO, "requested_by": "eve", "step": "deals"}
    return insert(surveys).values(**common | values)


def an_undo(**values: object) -> Executable:
    common = {"id": 3, "account_key": 0, "subject": "check 5", "total": 1}
    return insert(undos).values(**common, asked_at=LONG_AGO, asked_by="eve", **values)


def an_undone(state: str, **values: object) -> Executable:
    common = {"undo_id": 3, "publication_id": 1, "account_key": 0, "due_at": NOW}
    return insert(undone).values(**common, state=state, **values)


def a_rule(name: str, conditions: str) -> Executable:
    common = {"position": 1, "action": "skip", "created_at": LONG_AGO, "created_by": "eve"}
    return insert(publishing_rules).values(name=name, conditions=conditions, **common)


def an_import(**values: object) -> Executable:
    common = {"name": "a", "size": 100, "read": 40, "faults": (), "confirmed_at": LONG_AGO}
    return insert(imports).values(**common, started_at=LONG_AGO, moved_at=LONG_AGO, **values)


DEAL = Target.parse("deal:7")


def drifted(drift: str, answer: str) -> Executable:
    values = {"drift": drift, "answer": answer, "drifted_deal_id": 8}
    return insert(deal_drifts).values(user_key=1, drifted_at=NOW, **values)


CASES = (
    Case(
        ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
        Severity.INFO,
        Remedy.RESUME_PUBLISHING,
        (by_person(until=NOW + HOUR),),
        (publishing_pause.delete(),),
        ("Sync is paused by eve until 2026-05-04 13:00 UTC: a fair. Nothing is lost.",),
    ),
    Case(
        ProblemKind.PUBLISHING_PAUSED_BY_PERSON,
        Severity.INFO,
        Remedy.RESUME_PUBLISHING,
        (by_person(until=None),),
        (publishing_pause.update().values(until=JUST_NOW),),
        ("Sync is paused by eve until someone resumes it: a fair.",),
    ),
    Case(
        ProblemKind.DRY_RUN,
        Severity.INFO,
        Remedy.CHANGE_MODE,
        (
            insert(publishing_settings).values(
                name="publishing_mode", value="dry-run", set_at=LONG_AGO, set_by="eve"
            ),
            queued(state="pending", due_at=LONG_AGO),
        ),
        (publishing_settings.delete(), SENT),
        ("Dry run: nothing is sent to Pipedrive, and 1 file waits.", "gitpip publish --dry-run"),
    ),
    Case(
        ProblemKind.DRY_RUN,
        Severity.INFO,
        Remedy.CHANGE_MODE,
        (users.update().where(ADA).values(publishing_mode="dry-run"),),
        (users.update().values(publishing_mode=None),),
        ("1 person is in a dry run: none of their files is sent.",),
    ),
    Case(
        ProblemKind.PUBLICATIONS_OF_PAUSED_USERS,
        Severity.INFO,
        Remedy.RESUME_USERS,
        (
            users.update().where(ADA).values(state="paused"),
            queued(state="pending", due_at=LONG_AGO),
        ),
        (users.update().values(state="active"), SENT),
        ("1 file of paused people waits to be sent until someone resumes them.",),
    ),
    Case(
        ProblemKind.RULES_UNREADABLE,
        Severity.WARNING,
        Remedy.CHANGE_RULES,
        (a_rule("Logs", '{"names": ["*.log"]}'), a_rule("Old", '{"colour": "red"}')),
        (publishing_rules.delete(),),
        ("can't read rule 2, Old: another version", "gitpip rules change 2."),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.INFO,
        Remedy.DECIDE_HELD,
        (queued(state="held", queued_at=LONG_AGO, held_because="ask"),),
        (SENT,),
        ("1 file of ada waits for a decision: new files need approval. Approve",),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.INFO,
        Remedy.DECIDE_HELD,
        (queued(state="held", queued_at=LONG_AGO, held_because="rule"),),
        (SENT,),
        ("1 file of ada waits for a decision: a rule holds them. Approve",),
    ),
    Case(
        ProblemKind.TARGETS_UNUSABLE,
        Severity.ERROR,
        Remedy.CHANGE_TARGETS,
        (
            insert(targets).values(
                user_key=1, target=DEAL, problem="deal 7 is archived", problem_since=LONG_AGO
            ),
        ),
        (targets.delete(),),
        ("1 person has a target in Pipedrive that can't be used", "ada: deal 7 is archived."),
    ),
    Case(
        ProblemKind.CREDENTIALS_HELD,
        Severity.WARNING,
        Remedy.REVIEW_CREDENTIALS,
        (queued(state="held", held_because="credentials", reason="password, line 3"),),
        (SENT,),
        (
            "1 file may hold credentials: ada.txt of ada. ",
            "gitpip does not send it until someone approves it.",
        ),
    ),
    Case(
        ProblemKind.CREDENTIALS_HELD,
        Severity.WARNING,
        Remedy.REVIEW_CREDENTIALS,
        (publications.update().values(state="held", held_because="credentials"),),
        (SENT,),
        ("2 files may hold credentials, e.g. ", "does not send them until someone approves them."),
        count=2,
    ),
    Case(
        ProblemKind.PUBLISHING_SETTINGS_REFUSED,
        Severity.ERROR,
        Remedy.CHANGE_SETTINGS,
        tuple(
            insert(publishing_faults).values(name=name, sentence=sentence, since=LONG_AGO)
            for name, sentence in (("activity_type", "no type"), ("deal_stage", "no stage 'New'"))
        ),
        (publishing_faults.delete(),),
        ("deal_stage: no stage 'New'. New deals wait", "gitpip publishing settings"),
        count=2,
    ),
    Case(
        ProblemKind.PUBLISHING_SETTINGS_REFUSED,
        Severity.WARNING,
        Remedy.CHANGE_SETTINGS,
        (insert(publishing_faults).values(name="activity_type", sentence="no", since=LONG_AGO),),
        (publishing_faults.delete(),),
        ("activity_type: no. Change it under Settings",),
    ),
    Case(
        ProblemKind.PUBLISHING_SETTINGS_UNUSABLE,
        Severity.ERROR,
        Remedy.CHANGE_SETTINGS,
        (
            insert(publishing_settings).values(
                name="subject_template", value="{{ gone }}", set_at=LONG_AGO, set_by="ada"
            ),
        ),
        (publishing_settings.delete(),),
        ("subject_template can't be used: line 1: there is no variable gone", "Its default is"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.ERROR,
        Remedy.DECIDE_HELD,
        (queued(state="held", queued_at=LONG_AGO, reason="one of 412 files"),),
        (SENT,),
        ("1 file of ada waits for a decision: ", "gitpip held ada"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_HELD,
        Severity.ERROR,
        Remedy.DECIDE_HELD,
        (publications.update().values(state="held", queued_at=LONG_AGO),),
        (SENT,),
        ("2 files of 2 people wait for a decision: ", " 1 of them is by ada. Approve"),
        count=2,
    ),
    Case(
        ProblemKind.PUBLICATIONS_FAILED,
        Severity.ERROR,
        Remedy.RETRY_FAILED,
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
        ("2026-05-04 11:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.UNDO_STOPPED,
        Severity.ERROR,
        Remedy.RESUME_UNDO,
        (an_undo(stopped_at=NOW, stopped_because="Pipedrive answered 403: no"),),
        (undos.update().values(ended_at=NOW, stopped_at=None),),
        ("Undo 3 of check 5 has stopped: Pipedrive answered 403: no.", "gitpip undos resume 3"),
    ),
    Case(
        ProblemKind.UNDO_FAILED,
        Severity.ERROR,
        Remedy.RESUME_UNDO,
        (
            an_undo(ended_at=NOW, failed_at=LONG_AGO),
            an_undone("failed", activity_id=1, reason="Pipedrive answered 403: no"),
        ),
        # Another undo has deleted it since.
        (queued(state="withdrawn", activity_id=None),),
        (
            "1 activity of undo 3 of check 5 could not be deleted in Pipedrive: Pipedrive answered "
            "403: no.",
            "gitpip undos resume 3",
            "gitpip undos acknowledge",
        ),
    ),
    Case(
        ProblemKind.UNDO_UNDER_WAY,
        Severity.WARNING,
        None,
        (an_undo(), an_undone("waiting", reason="Pipedrive answered 429")),
        (undone.delete(), undos.delete()),
        ("1 file is being undone. An attempt failed: Pipedrive answered 429. gitpip tries again",),
    ),
    Case(
        ProblemKind.UNDO_UNDER_WAY,
        Severity.INFO,
        None,
        (
            an_undo(),
            an_undone("waiting"),
        ),
        (undone.delete(), undos.delete()),
        ("1 file is being undone.",),
    ),
    Case(
        ProblemKind.REPAIR_INTERRUPTED,
        Severity.WARNING,
        Remedy.RESUME_REPAIR,
        (
            insert(repairs).values(
                act="retry",
                wanted="failed",
                begun_by="eve",
                begun_via="command",
                total=1_000,
                done=499,
                changed=1,
                started_at=LONG_AGO,
                moved_at=LONG_AGO,
            ),
        ),
        (repairs.update().values(moved_at=JUST_NOW),),
        ("Repair 1 (retry) was interrupted: 500 of 1,000 files are done.", "--resume 1"),
    ),
    Case(
        ProblemKind.IMPORT_INTERRUPTED,
        Severity.WARNING,
        Remedy.UPLOAD_AGAIN,
        (an_import(added=11_990, known=9, faulty=1),),
        (an_import(ended_at=NOW),),
        ("Import 1 was interrupted by a restart: 12,000 rows were done, 40% of the file.",),
    ),
    Case(
        ProblemKind.IMPORT_FAILED,
        Severity.WARNING,
        Remedy.UPLOAD_AGAIN,
        (an_import(ended_at=JUST_NOW, failure="gitpip had an internal error; see the log"),),
        (an_import(ended_at=NOW),),
        ("Import 1 failed: gitpip had an internal error; see the log. Upload the file again",),
    ),
    Case(
        ProblemKind.AUDITS_FAILED,
        Severity.WARNING,
        Remedy.REVIEW_AUDITS,
        (audit(ended_at=JUST_NOW, failure="Pipedrive answered 500"),),
        (audit(requested_at=NOW, ended_at=NOW),),
        ("Audit 1 failed: Pipedrive answered 500. Start another one under CRM audits",),
    ),
    Case(
        ProblemKind.AUDITS_WAITING,
        Severity.WARNING,
        Remedy.REVIEW_AUDITS,
        (audit(waits_until=NOW + HOUR, waits_because="answered 500", failures=1),),
        (surveys.delete(),),
        ("Audit 1 waits: answered 500. gitpip tries again: 2026-05-04 13:00 UTC.",),
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
        ("two deals", "ada: gitpip uses deal 8 and leaves deal 9", "Merge them, or"),
    ),
    Case(
        ProblemKind.DEALS_GONE,
        Severity.ERROR,
        Remedy.CHANGE_TARGETS,
        (deal(state="published", deal_id=8), drifted("lost", "wait")),
        (deal_drifts.update().values(drift=None, answer=None),),
        ("1 person has a deal", "ada: deal 8 was lost. New files of theirs wait."),
    ),
    Case(
        ProblemKind.DEALS_DRIFTED,
        Severity.INFO,
        None,
        (deal(state="published", deal_id=8), drifted("won", "keep")),
        (deal_drifts.update().values(drifted_at=NOW - 25 * HOUR),),
        ("1 person has a deal", "ada: deal 8 was won.", "shown for a day"),
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
        ("2026-05-04 11:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.PUBLICATIONS_WAITING,
        Severity.INFO,
        None,
        (queued(state="pending", due_at=NOW),),
        (SENT,),
        ("1 file is queued for Pipedrive.",),
    ),
    Case(
        ProblemKind.PUBLICATIONS_WAITING,
        Severity.INFO,
        None,
        (queued(state="pending", due_at=NOW, reason="Pipedrive answered 500"),),
        (SENT,),
        ("1 file is queued for Pipedrive: Pipedrive answered 500.",),
    ),
    Case(
        ProblemKind.DEALS_FAILED,
        Severity.ERROR,
        Remedy.RETRY_FAILED,
        (deal(state="failed", reason="a cap"),),
        (deals.update().values(state="published", deal_id=1),),
        ("ada", "a cap."),
    ),
    Case(
        ProblemKind.DEALS_DELAYED,
        Severity.WARNING,
        Remedy.TRY_NOW,
        (
            queued(state="pending", due_at=NOW + HOUR),
            insert(deals).values(
                user_key=1, state="pending", due_at=NOW + HOUR, sent_at=JUST_NOW, reason="a cap"
            ),
        ),
        (SENT, deals.update().values(state="published", deal_id=1)),
        (
            "Deals can't be found or created for 1 person",
            "ada: a cap.",
            "next try is at 2026-05-04 13:00 UTC",
        ),
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
        Remedy.RETRY_NOTES,
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
        ("since 2026-05-04 11:00 UTC", "ada.txt (Pipedrive answered 500)"),
    ),
    Case(
        ProblemKind.NOTES_OVERDUE,
        Severity.WARNING,
        None,
        (asked(NOW, attempts=3, reason="Pipedrive answered 500"),),
        (amendments.delete(),),
        ("since 2026-05-04 12:00 UTC", "ada.txt"),
    ),
    Case(
        ProblemKind.NOTES_WAITING,
        Severity.INFO,
        None,
        (asked(NOW, attempts=1, reason="Pipedrive answered 500"),),
        (amendments.delete(),),
        ("is being brought up to date", "ada.txt (Pipedrive answered 500)."),
    ),
)
