"""A GitHub that does everything its documents leave open: every public file is stored once."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from gitpip.backfill import Backfill
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.public_feed import PublicFeed
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping

pytestmark = pytest.mark.long

USERS = 60
ROUNDS = 8


class Mischief:
    """What people do on GitHub, and what GitHub does to its answers, by chance."""

    def __init__(self, world: StandIn, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.ids = [world.add_user(f"user-{number}") for number in range(USERS)]
        self.logins = 0
        self.published: set[tuple[str, str]] = set()

    def happen(self) -> None:
        world, chance = self.world, self.chance
        for _ in range(chance.randint(5, 40)):
            chance.choice(
                [
                    self.publish,
                    self.publish,
                    self.edit,
                    self.star,
                    self.flip,
                    self.rename,
                    self.hide,
                ]
            )()
        world.lists.order = chance.choice(["created", "updated", "shuffled"])
        world.lists.name_last_page = chance.random() < 0.5
        world.graphql.fail_above = chance.choice([None, 40, 7])
        world.graphql.failure = chance.choice(["resource-limits", 502, 504])
        world.graphql.cut_above = chance.choice([None, 3, 20])

    def publish(self) -> None:
        owner = self.world.user(self.chance.choice(self.ids))
        assert owner
        files = {f"{name}.txt": f"{owner.id} {name}" for name in range(self.chance.randint(1, 3))}
        self.world.add_gist(owner.login, files, public=self.chance.random() < 0.8)

    def edit(self) -> None:
        if found := self.world.all_gists():
            gist = self.chance.choice(found)
            name = f"{self.chance.randint(0, 4)}.txt"
            self.world.edit_gist(gist.id, {name: f"edited {self.chance.random()}"})

    def star(self) -> None:
        if found := self.world.all_gists():
            self.world.star(self.chance.choice(found).id)

    def flip(self) -> None:
        if secret := [gist for gist in self.world.all_gists() if not gist.public]:
            self.world.make_public(self.chance.choice(secret).id)

    def rename(self) -> None:
        """Somebody takes another name, and a stranger with a gist takes over the old one."""
        user = self.world.user(self.chance.choice(self.ids))
        assert user
        self.logins += 1
        former = user.login
        self.world.rename(user.id, f"renamed-{self.logins}")
        self.world.add_user(former)
        self.world.add_gist(former, {"stranger.txt": "not tracked"})

    def hide(self) -> None:
        self.world.hide_user(self.chance.choice(self.ids), self.chance.randint(1, 2))

    def calm(self) -> None:
        self.world.graphql.fail_above = self.world.graphql.cut_above = None
        for user_id in self.ids:
            self.world.hide_user(user_id, 0)

    def public_files(self) -> set[tuple[str, str]]:
        tracked = set(self.ids)
        return {
            (gist.id, name)
            for gist in self.world.all_gists()
            if gist.public and gist.owner_id in tracked
            for name in gist.files
        }


@pytest.mark.parametrize(
    ("database_url", "seed"),
    [("sqlite", 20260726), ("postgres", 3)],
    indirect=["database_url"],
)
async def test_every_public_file_is_stored_exactly_once(database_url: str, seed: int) -> None:
    await _live_through(database_url, seed)


async def _live_through(url: str, seed: int) -> None:
    clock = Clock()
    world = StandIn(tokens={TOKEN}, clock=clock, points_a_minute=None, limit_with_token=None)
    mischief = Mischief(world, random.Random(seed))
    database = open_database(url)
    try:
        with Server(world.app) as server:
            async with sweeping(server, clock) as github:
                await _track_everybody(database, mischief, clock)
                await _watch(database, github, mischief, clock)
    finally:
        await database.close()


async def _track_everybody(database: Database, mischief: Mischief, clock: Clock) -> None:
    async with database.begin() as transaction:
        for user_id in mischief.ids:
            user = mischief.world.user(user_id)
            assert user
            await users.add(
                transaction,
                user.login,
                external_id=str(user_id),
                account=None,
                backfill=Backfill.parse("all"),
                now=clock(),
            )


async def _watch(database: Database, github: GitHub, mischief: Mischief, clock: Clock) -> None:
    watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
    feed = PublicFeed(database, github, now=clock)
    await watcher.run()
    for _ in range(ROUNDS):
        mischief.happen()
        clock.advance(timedelta(minutes=1))
        # The feed would find most of it: what it does not see is the batch poll's to find.
        if mischief.chance.random() < 0.3:
            await feed.read()
        await watcher.run()
        clock.advance(INTERVAL)
        await watcher.run()
    mischief.calm()
    for _ in range(2):
        clock.advance(timedelta(days=1))
        await watcher.run()
    async with database.read() as transaction:
        page = await gists.page(transaction, offset=0, limit=10**6)
        everybody = await users.everyone(transaction)
    stored = Counter((str(file.gist_id), file.filename) for file in page.items)
    assert set(stored.values()) <= {1}
    assert mischief.public_files() <= stored.keys()
    owners = {user.github_id: user.login for user in everybody}
    for user_id in mischief.ids:
        user = mischief.world.user(user_id)
        assert user
        assert owners[user_id] == user.login  # type: ignore[index]  # GitHub's id
    assert not any(file.filename == "stranger.txt" for file in page.items)
    assert {file.content for file in page.items if not file.removed_at} >= {
        file.content.decode()
        for gist in mischief.world.all_gists()
        if gist.public and gist.owner_id in set(mischief.ids)
        for file in gist.files.values()
    }
