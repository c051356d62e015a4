"""Many tracked users at once, and what the tests ask about them."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import func, insert, select

from gitpip.model import GitHubId
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.schema import gist_files
from gitpip.store.schema import users as users_table
from gitpip.store.users import users
from gitpip_standins import GitHub as StandIn


def add_users(world: StandIn, number: int, *, with_gists: int = 0) -> list[str]:
    logins = [f"user-{index}" for index in range(number)]
    for login in logins:
        world.add_user(login)
        for gist in range(with_gists):
            world.add_gist(login, {f"{gist}.txt": f"{login} {gist}"})
    return logins


def id_of(world: StandIn, login: str) -> GitHubId:
    user = world.user_of(login)
    assert user
    return GitHubId(user.id)


def queries(world: StandIn) -> int:
    return sum(request.path == "/graphql" for request in world.requests)


async def track_identified(
    database: Database, world: StandIn, clock: Callable[[], datetime], logins: Sequence[str]
) -> None:
    """As if they had been looked up one by one when they were added."""
    known = [user for login in logins if (user := world.user_of(login))]
    async with database.begin() as transaction:
        await transaction.execute(
            insert(users_table),
            [
                {
                    "login": user.login,
                    "external_id": str(user.id),
                    "github_id": user.id,
                    "node_id": user.node_id,
                    "backfill": "all",
                    "state": "active",
                    "created_at": clock(),
                    "next_check_at": clock(),
                }
                for user in known
            ],
        )


async def files_of_each(database: Database) -> Counter[str]:
    """How many files are stored of each user, by login, in one statement."""
    both = users_table.join(gist_files, gist_files.c.user_key == users_table.c.key)
    counted = select(users_table.c.login, func.count().label("files")).select_from(both)
    counted = counted.group_by(users_table.c.login)
    async with database.read() as transaction:
        found = await transaction.execute(counted)
    return Counter({row.login: row.files for row in found})


async def files_of(database: Database, login: str) -> list[str]:
    async with database.read() as transaction:
        user = await users.find(transaction, login)
        found = await gists.between(transaction, user.key, after=0, up_to=10**6)
    return [f"{file.gist_id}/{file.filename}" for file in found]
