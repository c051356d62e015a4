"""An account with many published files, put into the database and into the stand-in as rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from gitpip.marking import content_tag_of
from gitpip.model import PublicationState
from gitpip.publish.verdicts import FileName, ListedFile
from gitpip.store.database import Database
from gitpip.store.schema import deals, gist_files, gists, publications, users
from gitpip_standins import Pipedrive as Crm

Planted = set[tuple[str | None, str | None, int | None]]
"""Differences that an audit is to find: why, of which file, and which activity."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BLOB = hashlib.sha1(b"x").hexdigest()  # noqa: S324 - as git does


@dataclass
class WholeAccount:
    """What was published, by login and file: activities, and the files as GitHub lists them."""

    crm: Crm
    database: Database
    now: datetime
    activities: dict[tuple[str, str], int] = field(default_factory=dict)
    markers: dict[tuple[str, str], str] = field(default_factory=dict)
    deals: dict[str, int] = field(default_factory=dict)
    listed: dict[str, dict[FileName, ListedFile]] = field(default_factory=dict)

    async def fill(self, users_: int, files: int) -> None:
        """Track users who have so many files each, all of them published."""
        for number in range(users_):
            await self._user(f"user-{number}", number + 1, files)

    async def _user(self, login: str, number: int, files: int) -> None:
        gist_id = hashlib.md5(login.encode()).hexdigest()  # noqa: S324 - an id
        deal_id = self.deals[login] = self.crm.add_deal(login)
        self.listed[login] = {}
        async with self.database.begin() as transaction:
            await transaction.execute(
                insert(users).values(
                    key=number,
                    login=login,
                    external_id=login,
                    github_id=number,
                    backfill="all",
                    state="active",
                    created_at=self.now,
                    next_check_at=self.now,
                    complete_until=self.now,
                )
            )
            await transaction.execute(
                insert(deals).values(
                    user_key=number, state="published", deal_id=deal_id, due_at=self.now
                )
            )
            await transaction.execute(
                insert(gists).values(
                    id=gist_id,
                    user_key=number,
                    html_url=f"https://gist.github.com/{login}/{gist_id}",
                    created_at=self.now,
                    updated_at=self.now,
                    found_at=self.now,
                )
            )
            names = [f"file-{each}.py" for each in range(files)]
            first = (number - 1) * files + 1
            await transaction.execute(
                insert(gist_files),
                [
                    {
                        "key": first + each,
                        "gist_id": gist_id,
                        "user_key": number,
                        "filename": name,
                        "sequence": each + 1,
                        "blob_hash": BLOB,
                        "size": 1,
                        "content": f"{login} wrote {name}",
                        "truncated": False,
                        "raw_url": "https://gist.githubusercontent.com/",
                        "found_at": self.now,
                    }
                    for each, name in enumerate(names)
                ],
            )
            await transaction.execute(
                insert(publications),
                [
                    self._published(login, gist_id, name, first + each, number)
                    for each, name in enumerate(names)
                ],
            )

    def _published(
        self, login: str, gist_id: str, name: str, key: int, user_key: int
    ) -> dict[str, object]:
        activity = self.add_ours(marker_for(key), login, name)
        self.activities[login, name] = activity
        self.markers[login, name] = marker_for(key)
        self.listed[login][gist_id, name] = ListedFile(BLOB, LONG_AGO)
        return {
            "id": key,
            "file_key": key,
            "user_key": user_key,
            "marker": marker_for(key),
            "state": PublicationState.PUBLISHED,
            "due_at": self.now,
            "activity_id": activity,
            "deal_id": self.deals[login],
            "published_at": LONG_AGO,
            "queued_at": LONG_AGO,
        }

    def add_ours(self, marker: str, login: str, name: str) -> int:
        """An activity as gitpip writes it."""
        return self.crm.add_activity(
            f"{name} · {login} [{marker}]",
            note=f"<pre>x</pre><p>content {content_tag_of(BLOB)} gitpip {marker}</p>",
            deal_id=self.deals[login],
            creator_user_id=1,
        )

    async def change(self, login: str, name: str, **values: object) -> None:
        """Let the store say something else of a file's publication."""
        wanted = (
            select(publications.c.id)
            .join(gist_files, gist_files.c.key == publications.c.file_key)
            .join(users, users.c.key == gist_files.c.user_key)
            .where(users.c.login == login, gist_files.c.filename == name)
        )
        async with self.database.begin() as transaction:
            number = await transaction.scalar(wanted)
            await transaction.execute(
                update(publications).where(publications.c.id == number).values(**values)
            )

    def as_github(self) -> Mapping[str, Mapping[FileName, ListedFile]]:
        return self.listed


def marker_for(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text = ""
    for _ in range(12):
        number, rest = divmod(number, 32)
        text = letters[rest] + text
    return f"gp-{text}"


async def plant(account: WholeAccount) -> Planted:
    """Fifty differences of six kinds, in an account of at least 11 users with 40 files each.

    The six files that the store does not have can be found only if GitHub is asked.
    """
    crm = account.crm
    planted: Planted = set()
    for number in range(10):
        login, name = f"user-{number}", f"file-{number}.py"
        activity = account.activities[login, name]
        crm.delete_activity(activity)
        planted.add(("missing", f"{login}/{name}", activity))
        login, name = f"user-{number}", f"file-{number + 10}.py"
        activity = account.activities[login, name]
        account.add_ours(account.markers[login, name], login, name)
        planted.add(("twice", f"{login}/{name}", activity))
        login, name = f"user-{number}", f"file-{number + 20}.py"
        activity = account.activities[login, name]
        crm.edit_activity(activity, deal_id=account.deals[f"user-{number + 1}"])
        planted.add(("moved", f"{login}/{name}", activity))
    for number in range(7):
        activity = account.add_ours(marker_for(10**9 + number), f"user-{number}", "strange.py")
        planted.add(("unknown-marker", None, activity))
        login, name = f"user-{number}", f"file-{number + 30}.py"
        await account.change(login, name, state="pending", activity_id=None, published_at=None)
        activity = account.activities[login, name]
        planted.add(("not-known-as-published", f"{login}/{name}", activity))
    for number in range(6):
        login, name = f"user-{number}", "never-stored.py"
        account.listed[login]["f" * 32, name] = ListedFile("0" * 40, LONG_AGO)
        planted.add(("not-in-store", f"{login}/{name}", None))
    return planted
