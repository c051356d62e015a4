"""The rows that every act begins with; nothing of them is due."""

from datetime import UTC, datetime

from sqlalchemy import insert, update

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, Pause, PauseCause, PublicationId, Role, User
from gitpip.modes import HeldBecause
from gitpip.store import ledger
from gitpip.store.access import feed_tokens, keys
from gitpip.store.access.audit_log import Actor
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import NamedAccount
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.inbox import marks, saved
from gitpip.store.inbox.filters import InboxFilter
from gitpip.store.publications import (
    opt_outs,
    publications,
    publishing_settings,
    repairs,
    rules,
    undo_choice,
    undos,
)
from gitpip.store.publications.rules import NewRule
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema import publications as publication_rows
from gitpip.store.schema import users as user_rows
from gitpip.store.schema_access import Via
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_publishing import RepairAct
from gitpip.store.schema_rules import RuleAction
from gitpip.store.schema_surveys import Confidence, Step, SurveyKind, other_activities, surveys
from gitpip.store.schema_undo import undos as undo_rows
from gitpip.store.status import pauses, publishing_pause
from gitpip.store.status.publishing_pause import PersonsPause
from gitpip.store.users import users
from gitpip.store.users.users import Changes
from tests.support.rows import gist_of_one_file

LONG_AGO = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2090, 1, 1, tzinfo=UTC)
FAILED, WAITING, HELD, PUBLISHED, NOTE_FAILED, UNDOING, LEAK = 1, 2, 3, 4, 5, 6, 7
"""The ids of ada's publications."""
STATES: dict[int, dict[str, object]] = {
    FAILED: {"state": "failed", "reason": "refused"},
    WAITING: {"state": "pending"},
    HELD: {"state": "held", "reason": "a flood", "queued_at": LONG_AGO},
    PUBLISHED: {"state": "published", "activity_id": 4, "deal_id": 1},
    NOTE_FAILED: {"state": "published", "activity_id": 5, "deal_id": 1, "reason": "note refused"},
    UNDOING: {"state": "published", "activity_id": 6, "deal_id": 1},
    LEAK: {
        "state": "held",
        "held_because": HeldBecause.CREDENTIALS,
        "reason": "looks like a token",
        "queued_at": LONG_AGO,
    },
}


async def furnish(transaction: Transaction) -> None:
    """Put all of it into an empty database."""
    for identity, name in (("1", "Acme"), ("2", "Next Ltd")):
        named = NamedAccount(Vendor.DESTINATION, identity, name)
        await accounts.meet(transaction, named, credential=None, now=LONG_AGO)
    await ledger.lock(transaction)
    await ledger.note(transaction, compared_at=LONG_AGO, missing=2, missing_since=LONG_AGO)
    await pauses.pause(transaction, "publishing", Pause(LATER, "refused"), now=LONG_AGO)
    await pauses.pause(
        transaction,
        "sweeping",
        Pause(LATER, "GitHub asks to wait", PauseCause.RATE_LIMIT),
        now=LONG_AGO,
    )
    by_person = PersonsPause("eve", LONG_AGO, LATER, "a fair")
    await publishing_pause.begin(transaction, by_person, LONG_AGO)
    await publishing_settings.change(
        transaction, {"activity_due_date": "today"}, by="ada", now=LONG_AGO
    )
    parent = feed_tokens.Parent(feed_tokens.ANONYMOUS, None)
    await feed_tokens.create(
        transaction, name="reader", viewer="everyone", parent=parent, now=LONG_AGO
    )
    await keys.create(transaction, name="ops", role=Role.VIEWER, lifetime=None, now=LONG_AGO)
    ada = await _add(transaction, "ada", 1, Changes(tags=("vip",)))
    await _add(transaction, "bob", 2, Changes(paused=True, backfill=Backfill.parse("latest:2")))
    found = [gist_of_one_file(GistId(f"{number:020}"), number, LONG_AGO) for number in STATES]
    stored = await gists.store(transaction, ada, found, check_id=None, now=LONG_AGO)
    new = [
        publications.NewPublication(file.key, file.gist_id, file.filename) for file in stored.new
    ]
    await publications.add(transaction, ada.key, new, LONG_AGO)
    for number, values in STATES.items():
        await transaction.execute(
            update(publication_rows)
            .where(publication_rows.c.id == number)
            .values(due_at=LATER, **values)
        )
    two = {gist.id: None for gist in found[1:3]}
    await marks.mark(transaction, "everyone", two, LONG_AGO, read=True)
    await saved.save(transaction, "everyone", "python", InboxFilter(language="Python"), LONG_AGO)
    begun = await undos.begin(
        transaction, undo_choice.of_ids([PublicationId(UNDOING)]), by="eve", now=LONG_AGO
    )
    await transaction.execute(
        update(undo_rows)
        .where(undo_rows.c.id == begun.id)
        .values(stopped_at=LONG_AGO, stopped_because="Pipedrive answered 403")
    )
    which = PublicationFilter(ids=(PublicationId(FAILED),))
    someone = Actor("eve", Via.COMMAND)
    await repairs.begin(transaction, RepairAct.RETRY, which, by=someone, now=LONG_AGO)
    for name, conditions, action in (
        ("First", "{}", RuleAction.HOLD),
        ("Second", '{"languages":["Text"]}', RuleAction.SKIP),
    ):
        await rules.add(transaction, NewRule(name, conditions, action), None, someone, LONG_AGO)
    await opt_outs.add(transaction, "zoe", None, someone, LONG_AGO)
    await _searched(transaction, ada)
    await transaction.execute(
        update(user_rows).values(next_check_at=LATER, hinted_at=None, checked_at=LONG_AGO)
    )


async def _searched(transaction: Transaction, user: User) -> None:
    """A search has found an activity that another tool made of what waits."""
    await transaction.execute(
        insert(surveys).values(
            kind=SurveyKind.OTHERS,
            requested_at=LONG_AGO,
            requested_by="eve",
            account_key=1,
            step=Step.END,
            ended_at=LONG_AGO,
        )
    )
    await transaction.execute(
        insert(other_activities).values(
            survey_id=1,
            activity_id=77,
            publication_id=WAITING,
            user_key=user.key,
            confidence=Confidence.CERTAIN,
            because="it links to the file",
            deal_id=1,
            added_at=LONG_AGO,
        )
    )


async def _add(transaction: Transaction, login: str, number: int, changes: Changes) -> User:
    added = await users.add(
        transaction,
        login,
        external_id=f"id-of-{login}",
        account=Account(login, GitHubId(number)),
        backfill=Backfill.parse("all"),
        now=LONG_AGO,
    )
    return await users.change(transaction, added.user.key, changes, LONG_AGO)
