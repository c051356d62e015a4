"""Many tracked users, put into a database as if each had been looked up when added."""

from datetime import UTC, datetime

from sqlalchemy import insert

from gitpip.store.database import Database
from gitpip.store.schema import users
from gitpip_standins.github.world import User

FIRST_ID = 1000


async def fill(database: Database, size: int) -> None:
    """Track `user-0`, `user-1` ...; their ids on GitHub start with FIRST_ID. All are due now."""
    now = datetime.now(UTC)
    for start in range(0, size, 5_000):
        async with database.begin() as transaction:
            await transaction.execute(
                insert(users),
                [
                    {
                        "key": 1 + number,
                        "login": f"user-{number}",
                        "external_id": str(number),
                        "github_id": FIRST_ID + number,
                        "node_id": User(FIRST_ID + number, "", now).node_id,
                        "backfill": "all",
                        "state": "active",
                        "created_at": now,
                        "next_check_at": now,
                    }
                    for number in range(start, min(start + 5_000, size))
                ],
            )
