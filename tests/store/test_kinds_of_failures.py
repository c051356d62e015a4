"""Sentences of before 0040 get the kinds that gitpip read out of them, and keep their words."""

from sqlalchemy import Connection, insert, select

from gitpip.model import FailureKind
from gitpip.store.database import open_database
from gitpip.store.schema import deals, gist_files, gists, publications, users
from gitpip.store.schema_status import pauses
from tests.support.migrations import LONG_AGO, gist, gist_file, upgrade_to, user

BEFORE = "0039"
FAILURES = {
    "ada": (None, None, None, None),
    "bob_acme": (
        "not shown by GitHub: no user bob_acme",
        FailureKind.NOT_SHOWN,
        "GitHub shows no user bob_acme",
        None,
    ),
    "cyd": (
        "not shown by GitHub: cyd is blocked by GitHub (403): no user",
        FailureKind.NOT_SHOWN,
        "cyd is blocked by GitHub (403): no user",
        None,
    ),
    "countess": (
        "countess is the same account as Ada, tracked already",
        FailureKind.SAME_ACCOUNT,
        "countess is the same account as Ada, tracked already",
        "ada",
    ),
    "dee": (
        "dee is the same account as gone, tracked already",
        FailureKind.SAME_ACCOUNT,
        "dee is the same account as gone, tracked already",
        None,
    ),
    "eve": (
        "GitHub can't be reached: 100% lost",
        FailureKind.UNREACHABLE,
        "GitHub can't be reached: 100% lost",
        None,
    ),
    "fay": ("GitHub answered 502", FailureKind.OTHER, "GitHub answered 502", None),
}
"""By login: the sentence before; the kind, the sentence, and who has the account after."""
NOT_LOOKED_FOR = "could not look for it before sending it again: Pipedrive answered 500"
WAITING = {
    "looked for": ("pending", LONG_AGO, "Pipedrive answered 500", False),
    "not looked for": ("pending", LONG_AGO, NOT_LOOKED_FOR, True),
    "uncertain": ("uncertain", LONG_AGO, NOT_LOOKED_FOR, False),
    "waits": ("pending", None, None, False),
}
"""By marker: state, time of the last look and reason; and whether the flag is set after."""
PAUSED = {"publishing": "Pipedrive can't be reached: no route", "watching": "GitHub answered 502"}


def _before(connection: Connection) -> None:
    upgrade_to(connection, BEFORE)
    for key, (login, (failure, *_)) in enumerate(FAILURES.items(), start=1):
        connection.execute(insert(users).values(**user(key, login), failure=failure))
    connection.execute(insert(gists).values(**gist("aa")))
    for key, (marker, (state, looked_at, reason, _)) in enumerate(WAITING.items(), start=1):
        connection.execute(insert(gist_files).values(**gist_file(key, "aa", marker)))
        row = {"state": state, "due_at": LONG_AGO, "looked_at": looked_at, "reason": reason}
        connection.execute(
            insert(publications).values(file_key=key, user_key=1, marker=marker, **row)
        )
        connection.execute(insert(deals).values(user_key=key, title=marker, **row))

    for name, reason in PAUSED.items():
        row = {"name": name, "until": LONG_AGO, "reason": reason}
        connection.execute(insert(pauses).values(**row))


async def test_what_was_read_out_of_sentences_is_a_value_after(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(_before)

    await database.migrate()

    other = users.alias()
    of_users = select(
        users.c.login, users.c.failure_kind, users.c.failure, other.c.login.label("same")
    ).outerjoin(other, other.c.key == users.c.same_account_as)
    async with database.read() as transaction:
        failures = {row.login: tuple(row)[1:] for row in await transaction.execute(of_users)}
        flags = [
            {row[0]: row[1] for row in await transaction.execute(select(*columns))}
            for columns in (
                (publications.c.marker, publications.c.not_looked_for),
                (deals.c.title, deals.c.not_looked_for),
            )
        ]
        paused = {
            row.name: row.unreachable
            for row in await transaction.execute(select(pauses.c.name, pauses.c.unreachable))
        }
    await database.close()
    assert failures == {login: told[1:] for login, told in FAILURES.items()}
    assert flags == [{marker: row[-1] for marker, row in WAITING.items()}] * 2
    assert paused == {"publishing": True, "watching": False}
