"""A row is read as the dataclass says: each field has its type, on both databases."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Dialect,
    Select,
    Table,
    TypeDecorator,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from gitpip.backfill import Backfill
from gitpip.model import (
    ActivityId,
    Check,
    FailureKind,
    GistFile,
    Part,
    Pause,
    PauseCause,
    Publication,
    PublicationId,
    PublicationState,
    Role,
    Unreadable,
    User,
    UserState,
)
from gitpip.modes import ActivityLeftBecause
from gitpip.store import (
    schema,
    schema_access,
    schema_accounts,
    schema_publishing,
    schema_status,
    schema_visits,
)
from gitpip.store.access.audit_log import AuditEntry
from gitpip.store.access.feed_tokens import FeedAddress
from gitpip.store.access.keys import AccessKey
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.column_types import Lines, NumberSet, Rule, Seconds, Times
from gitpip.store.database import Database, open_database
from gitpip.store.gists.gists import select_files
from gitpip.store.gists.public_feed import PublicFeedState
from gitpip.store.ledger import LedgerState
from gitpip.store.publications import second_sends
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.publications.second_sends import Double, LeftActivity
from gitpip.store.rows import reader
from gitpip.store.schema_access import Via
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status.budgets import StoredBudget
from gitpip.store.status.instances import Instance
from gitpip.store.status.samples import QueueSample
from gitpip.store.users import user_rows
from gitpip.store.users.imports import Import
from gitpip.store.visits.home import HomeVisit
from tests.support.trials import trials

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class _Counted:
    login: str
    files: int
    reasons: tuple[str, ...] = ()


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DIALECT: Dialect = sqlite.dialect()
FILLED = (
    insert(schema.users).values(
        key=1,
        login="ada",
        external_id="7",
        github_id=7,
        backfill=Backfill.parse("latest:3"),
        state=UserState.UNAVAILABLE,
        created_at=NOW,
        added_by_our_clock=True,
        check_interval=timedelta(hours=6),
        next_check_at=NOW,
        failure="GitHub has no user ada",
        failure_kind=FailureKind.NOT_SHOWN,
    ),
    insert(schema.user_tags).values([{"user_key": 1, "tag": tag} for tag in ("b", "a")]),
    insert(schema.checks).values(id=1, requested_at=NOW, failures=["ada: no answer", "bob: none"]),
    insert(schema.gists).values(
        id="aa", user_key=1, html_url="https://", created_at=NOW, updated_at=NOW, found_at=NOW
    ),
    insert(schema.gist_files).values(
        key=1,
        gist_id="aa",
        user_key=1,
        filename="a.txt",
        sequence=1,
        blob_hash="0",
        size=1,
        truncated=True,
        raw_url="https://",
        found_at=NOW,
    ),
    insert(schema.publications).values(
        id=1,
        file_key=1,
        user_key=1,
        marker="gp-1",
        state=PublicationState.PUBLISHED,
        activity_id=5,
        due_at=NOW,
    ),
    insert(schema.unreadable).values(
        user_key=1,
        gist_id="bb",
        filename="",
        reason="too large",
        failures=1,
        first_failed_at=NOW,
        next_try_at=NOW,
    ),
    insert(schema_visits.home_visits).values(id=1, viewer="ada", at=NOW),
    insert(schema_access.access_keys).values(
        id=1,
        name="ada",
        role=Role.OPERATOR,
        label="1",
        hash="1",
        created_at=NOW,
        issued_at=NOW,
    ),
    insert(schema_access.feed_addresses).values(
        id=1, hash="1", name="reader", viewer="ada", created_at=NOW
    ),
    insert(schema_access.audit).values(
        id=1, at=NOW, actor="ada", via=Via.PAGE, action="user.added", subject="bob"
    ),
    insert(schema_accounts.accounts).values(
        key=1,
        vendor=Vendor.DESTINATION,
        identity="1",
        name="Ltd",
        bound=True,
        creators={2, 1},
        met_at=NOW,
    ),
    update(schema_accounts.ledger).values(read=3),
    insert(schema_status.pauses).values(
        name="publishing", until=NOW, reason="no", cause=PauseCause.CREDENTIAL
    ),
    insert(schema_status.public_feed).values(id=1, seen={"aa": NOW}, read_at=NOW),
    insert(schema_status.services).values(
        id="one",
        version="1",
        part=Part.WEB,
        started_at=NOW,
        heartbeat_at=NOW,
        clock_ahead=timedelta(days=36_525),
        health_problems=["check hangs"],
    ),
    insert(schema_status.imports).values(
        id=1, name="list.csv", size=1, faults=["line 1: no login"], started_at=NOW, moved_at=NOW
    ),
    insert(schema_status.budgets).values(name="requests", total=5, remaining=1, seen_at=NOW),
    insert(schema_status.samples).values(at=NOW, waiting=1),
)
TABLES: Mapping[type["DataclassInstance"], Table] = {
    Check: schema.checks,
    Unreadable: schema.unreadable,
    HomeVisit: schema_visits.home_visits,
    AccessKey: schema_access.access_keys,
    FeedAddress: schema_access.feed_addresses,
    AuditEntry: schema_access.audit,
    VendorAccount: schema_accounts.accounts,
    LedgerState: schema_accounts.ledger,
    Pause: schema_status.pauses,
    PublicFeedState: schema_status.public_feed,
    Instance: schema_status.services,
    Import: schema_status.imports,
    StoredBudget: schema_status.budgets,
    QueueSample: schema_status.samples,
}
QUERIES: Mapping[type["DataclassInstance"], Select[Any]] = {
    User: user_rows.rows(),
    GistFile: select_files(),
    Publication: selected(),
    **{noun: select(table) for noun, table in TABLES.items()},
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    async with database.begin() as transaction:
        for statement in FILLED:
            await transaction.execute(statement)
    yield database
    await database.close()


async def test_each_field_has_the_type_that_the_dataclass_declares(database: Database) -> None:
    async with database.read() as transaction:
        for noun, query in QUERIES.items():
            one = reader(noun)((await transaction.execute(query)).one())
            types = get_type_hints(noun)
            for name in (field.name for field in fields(noun)):
                TypeAdapter(types[name]).validate_python(getattr(one, name), strict=True)


async def test_only_fields_that_are_said_to_be_no_columns_are_given_beside_the_row(
    database: Database,
) -> None:
    query = select(schema.users.c.login, literal(7).label("files"))
    async with database.read() as transaction:
        row = (await transaction.execute(query.limit(1))).one()
    beside = reader(_Counted, besides=("reasons",))
    assert beside(row, reasons=("flood",)) == _Counted("ada", 7, ("flood",))
    assert beside(row) == _Counted("ada", 7)
    with pytest.raises(AttributeError):
        reader(_Counted)(row)


async def test_what_is_written_is_read(database: Database) -> None:
    async with database.read() as transaction:
        read = {
            noun: reader(noun)((await transaction.execute(query)).one())
            for noun, query in QUERIES.items()
        }
    user, check, service = read[User], read[Check], read[Instance]
    account, feed, pause = read[VendorAccount], read[PublicFeedState], read[Pause]
    assert isinstance(user, User)
    assert (str(user.backfill), user.state, user.tags) == ("latest:3", "unavailable", ("a", "b"))
    assert (user.check_interval, user.added_by_our_clock) == (timedelta(hours=6), True)
    assert user.unreadable == 1
    assert isinstance(check, Check)
    assert check.failures == ("ada: no answer", "bob: none")
    assert isinstance(service, Instance)
    assert (service.health_problems, service.clock_ahead) == (
        ("check hangs",),
        timedelta(days=36_525),
    )
    assert isinstance(account, VendorAccount)
    assert (account.creators, account.bound) == (frozenset({1, 2}), True)
    assert isinstance(feed, PublicFeedState)
    assert feed.seen == {"aa": NOW}
    assert isinstance(pause, Pause)
    assert pause.cause is PauseCause.CREDENTIAL


async def test_a_value_that_only_a_newer_gitpip_knows_fails_no_list(database: Database) -> None:
    newer: ColumnElement[str] = literal_column("'newer'")
    statements = (
        update(schema.users).values(failure_kind=newer),
        update(schema.publications).values(held_because=newer),
        update(schema_access.audit).values(via=newer),
        update(schema_status.pauses).values(cause=newer),
        update(schema_status.services).values(part=newer),
    )
    async with database.begin() as transaction:
        for statement in statements:
            await transaction.execute(statement)
        read: dict[object, Any] = {
            noun: reader(noun)((await transaction.execute(query)).one())
            for noun, query in QUERIES.items()
        }
    assert read[User].failure_kind is FailureKind.OTHER
    assert read[Publication].held_because is None
    assert read[AuditEntry].via == "newer"
    assert read[Pause].cause is PauseCause.VENDOR
    assert (read[Instance].part, read[Instance].works) == ("newer", True)


async def test_a_double_left_for_a_reason_that_only_a_newer_gitpip_knows_is_known(
    database: Database,
) -> None:
    touched = LeftActivity(ActivityLeftBecause.TOUCHED, "changed")
    double = Double(PublicationId(1), "gp-1", ActivityId(6), touched)
    async with database.begin() as transaction:
        assert await second_sends.note(transaction, double, NOW)
        newer: ColumnElement[str] = literal_column("'newer'")
        await transaction.execute(update(schema_publishing.doubles).values(left_because=newer))
        row = (await transaction.execute(QUERIES[Publication])).one()
        known = await second_sends.known(transaction, publication_of(row))
    # The kind for which nothing is deleted.
    left = LeftActivity(ActivityLeftBecause.TOO_MANY, "changed")
    assert known == replace(double, left=left)


async def test_a_query_that_forgets_a_field_fails(database: Database) -> None:
    async with database.read() as transaction:
        row = (await transaction.execute(select(schema.users))).one()
    with pytest.raises(AttributeError, match="deal_id"):
        user_rows.user_of(row)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (schema.users, {"state": "gone"}),
        (schema.users, {"failure_kind": "newer"}),
        (schema_access.audit, {"via": "newer"}),
        (schema.users, {"check_interval": 60}),
    ],
    ids=[
        "no member of the enum",
        "one that may be newer",
        "one whose text would be read",
        "a number in the place of a duration",
    ],
)
async def test_what_the_column_can_not_hold_is_not_written(
    database: Database, table: Table, values: dict[str, object]
) -> None:
    async with database.begin() as transaction:
        with pytest.raises((StatementError, AttributeError)):
            await transaction.execute(update(table).values(values))


async def test_one_text_is_no_list_of_lines(database: Database) -> None:
    async with database.begin() as transaction:
        with pytest.raises((StatementError, TypeError), match="one text"):
            await transaction.execute(update(schema.checks).values(failures="ada: no answer"))


def _there_and_back(kind: TypeDecorator[Any], value: object) -> object:
    dialect: Dialect = sqlite.dialect()
    return kind.process_result_value(kind.process_bind_param(value, dialect), dialect)


WORDS = st.text("aZ09é\U0001f600", min_size=1)
RULES = st.one_of(
    st.sampled_from(["all", "none"]),
    st.integers(1, 999_999).map(lambda count: f"latest:{count}"),
    st.dates().map(lambda day: f"since:{day}"),
)


@given(
    st.integers(-(10**6), 10**6).map(lambda number: timedelta(seconds=number)),
    st.lists(WORDS).map(tuple),
    st.frozensets(st.integers(1)),
    st.dictionaries(WORDS, st.datetimes(timezones=st.just(UTC))),
    RULES.map(Backfill.parse),
)
@settings(max_examples=trials(30), deadline=None)
def test_every_value_comes_back(
    duration: timedelta,
    lines: Collection[str],
    numbers: Collection[int],
    times: Mapping[str, datetime],
    rule: Backfill,
) -> None:
    assert _there_and_back(Seconds(), duration) == duration
    assert _there_and_back(Lines(), lines) == lines
    assert _there_and_back(NumberSet(), numbers) == numbers
    assert _there_and_back(Times(), times) == times
    assert _there_and_back(Rule(60), rule) == rule
