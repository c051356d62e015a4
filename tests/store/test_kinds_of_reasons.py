"""Reasons of before 0051 get the kinds that gitpip read out of them, and keep their words."""

import pytest
from sqlalchemy import Connection, insert, select

from gitpip.model import PublicationId, PublicationState
from gitpip.modes import ActivityLeftBecause
from gitpip.store.database import Database, open_database
from gitpip.store.publications import publications as stored
from gitpip.store.publications import second_sends
from gitpip.store.schema import gist_files, gists, publications, users
from gitpip.store.schema_publishing import doubles
from tests.support.migrations import LONG_AGO, gist, gist_file, upgrade_to, user

BEFORE = "0049"
WHILE_HELD = "deleted or made secret while it was held"
BEFORE_SENT = "deleted or made secret before it was sent"
SKIPPED = {
    "held": ("skipped", WHILE_HELD, PublicationState.HELD),
    "waited": ("skipped", BEFORE_SENT, PublicationState.PENDING),
    "by a person": ("skipped", "skipped by a person", None),
    "not skipped": ("pending", BEFORE_SENT, None),
    "no reason": ("skipped", None, None),
}
"""By marker: state and reason before; the state that it goes back to, after."""
LEFT = {
    "held": ("there are more of them than gitpip sent", ActivityLeftBecause.TOO_MANY),
    "waited": (
        "gitpip could not delete it: Pipedrive answered 500",
        ActivityLeftBecause.NOT_DELETED,
    ),
    "by a person": ("another user made it", ActivityLeftBecause.TOUCHED),
    "not skipped": (None, None),
}
"""By marker: the reason before, and its kind after."""


def _before(connection: Connection) -> None:
    upgrade_to(connection, BEFORE)
    connection.execute(insert(users).values(**user(1, "ada")))
    connection.execute(insert(gists).values(**gist("aa")))
    for key, (marker, (state, reason, _)) in enumerate(SKIPPED.items(), start=1):
        connection.execute(insert(gist_files).values(**gist_file(key, "aa", marker)))
        row = {"state": state, "due_at": LONG_AGO, "reason": reason}
        connection.execute(
            insert(publications).values(id=key, file_key=key, user_key=1, marker=marker, **row)
        )
        if marker in LEFT:
            double = {"activity_id": key, "found_at": LONG_AGO, "reason": LEFT[marker][0]}
            connection.execute(insert(doubles).values(publication_id=key, **double))


@pytest.fixture
async def upgraded(unmigrated_url: str) -> Database:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(_before)
    await database.migrate()
    return database


async def test_what_was_read_out_of_reasons_is_a_value_after(upgraded: Database) -> None:
    of = publications.c
    async with upgraded.read() as transaction:
        states = {
            row.marker: (row.state, row.reason, row.deleted_from)
            for row in await transaction.execute(
                select(of.marker, of.state, of.reason, of.deleted_from)
            )
        }
        left = {
            row.marker: (row.reason, row.left_because)
            for row in await transaction.execute(
                select(of.marker, doubles.c.reason, doubles.c.left_because).join(
                    doubles, doubles.c.publication_id == of.id
                )
            )
        }
    await upgraded.close()
    assert states == SKIPPED
    assert left == LEFT


async def test_a_second_activity_that_a_former_version_left_may_be_a_persons(
    upgraded: Database,
) -> None:
    """A process of before may run alongside this one, and writes no kind."""
    mine = doubles.c.publication_id == 3
    async with upgraded.begin() as transaction:
        await transaction.execute(doubles.update().where(mine).values(left_because=None))
    async with upgraded.read() as transaction:
        one = await stored.get(transaction, PublicationId(3))
        known = await second_sends.known(transaction, one)
    await upgraded.close()
    assert known is not None
    assert known.left == second_sends.LeftActivity(
        ActivityLeftBecause.TOO_MANY, "another user made it"
    )
