"""Rows are found by many values of a column, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from gitpip.store.among import among
from gitpip.store.database import Database
from gitpip.store.schema import users
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOGINS = [f"user-{number}" for number in range(6)]
OTHERS = ["", "it's", '"}', "{user-1,user-2}", "user-1,user-2", "%", "ü\\", "NULL"]


@pytest.mark.parametrize("others", [OTHERS, [f"other-{number}" for number in range(3_000)]])
async def test_the_rows_with_one_of_the_values_are_found(
    databases: list[Database], others: list[str]
) -> None:
    key_of = {login: await track(databases[0], login, NOW) for login in LOGINS}
    login, key = select(users.c.login), users.c.key
    for wanted in ([], LOGINS[:1], LOGINS[2:5], LOGINS[1:2] * 2, LOGINS):
        keys = [key_of[one] for one in wanted] + list(range(10**6, 10**6 + len(others)))
        async with databases[0].read() as transaction:
            by_text = await transaction.execute(
                login.where(among(users.c.login, [*wanted, *others]))
            )
            by_number = await transaction.execute(login.where(among(key, keys)))
            assert set(by_text.scalars()) == set(by_number.scalars()) == set(wanted)
