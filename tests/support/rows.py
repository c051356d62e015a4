"""Rows that tests put into a database as the service does."""

from datetime import datetime

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store.database import Database
from gitpip.store.users import users


async def track(database: Database, login: str, now: datetime) -> UserKey:
    """Track a user whose id is the login."""
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=login,
            account=Account(login, GitHubId(int.from_bytes(login.encode()))),
            backfill=Backfill.parse("all"),
            now=now,
        )
    return added.user.key


def gist_of_one_file(gist_id: GistId, number: int, at: datetime) -> SeenGist:
    """A gist as GitHub shows it, with the file `{number}.txt`."""
    return SeenGist(
        id=gist_id,
        owner_id=GitHubId(1),
        description=None,
        html_url="https://gist.github.com/x",
        created_at=at,
        updated_at=at,
        files=(
            SeenFile(
                filename=f"{number}.txt",
                blob_hash=f"{number:040}",
                size=1,
                language=None,
                raw_url="https://gist.githubusercontent.com/x",
                content="x",
            ),
        ),
    )
