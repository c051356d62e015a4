"""Users, gists and faults by chance: what can be read is stored, and the rest once it can be."""

import random
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from gitpip.model import GistId, UserState
from gitpip.store.database import Database, open_database
from gitpip.store.publications import publications
from gitpip.watch.check import Watcher
from gitpip.watch.decide import known_until
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from gitpip_standins.github.troubles import GistTroubles
from gitpip_standins.github.world import Gist
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.test_check import run, stored, track, user_named
from tests.watch.test_unreadable import (
    IN_A_ROUNDABOUT_WAY,
    IN_PART,
    NOT_AT_ALL,
    readable_files,
    rows_of,
)

pytestmark = pytest.mark.long

EVERY_TROUBLE = [
    GistTroubles(),
    *NOT_AT_ALL.values(),
    *IN_PART.values(),
    *(troubles for name, troubles in IN_A_ROUNDABOUT_WAY.items() if name != "too large"),
]
LOGINS = ("ada", "bob", "eve")
ROUNDS = 3


@dataclass
class Scene:
    """A world in trouble, and what is expected of it."""

    world: StandIn
    database: Database
    clock: Clock
    logins: tuple[str, ...]

    def gists_of(self, login: str) -> list[Gist]:
        user = self.world.user_of(login)
        assert user
        return self.world.gists_of(user.id)

    async def expect(self, *, complete_before: dict[str, datetime | None]) -> None:
        """Everything readable is stored and queued, the rest noted; others stay complete."""
        for login in self.logins:
            readable, troubled = set(), set()
            for gist in self.gists_of(login):
                files = readable_files(gist.troubles, gist.files)
                readable |= {(gist.id, name) for name in files}
                if len(files) < len(gist.files):
                    troubled.add("" if gist.troubles.odd in ("null", "no-id") else gist.id)
            found = await stored(self.database, login)
            keys = {(file.gist_id, file.filename) for file in found}
            assert readable <= keys
            assert len(keys) == len(found)
            rows = await rows_of(self.database, login)
            assert {row.gist_id for row in rows} == troubled
            assert all(row.reason for row in rows)
            user = await user_named(self.database, login)
            assert user.state is UserState.ACTIVE
            assert user.failure is None
            held = complete_before.get(login)
            assert user.complete_until == (held if troubled else known_until(self.clock()))

    async def complete(self) -> dict[str, datetime | None]:
        return {
            login: (await user_named(self.database, login)).complete_until for login in self.logins
        }

    async def expect_all_published_once(self) -> None:
        async with self.database.read() as transaction:
            page = await publications.page(transaction, offset=0, limit=10**4)
        queued = sorted((item.gist_id, item.filename) for item in page.items)
        wanted = [
            (GistId(gist.id), name)
            for login in self.logins
            for gist in self.gists_of(login)
            for name in gist.files
        ]
        assert queued == sorted(wanted)


@pytest.mark.parametrize("by_graphql", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_fails_everything_else_is_stored_and_all_of_it_once_the_faults_end(
    database_url: str, seed: int, by_graphql: bool
) -> None:
    await _live(database_url, a_plan(random.Random(seed)), by_graphql)


def a_plan(chance: random.Random) -> list[list[tuple[int, GistTroubles]]]:
    """Every trouble for somebody's gist, in one of a few rounds; two of a round may be a user's."""
    troubles = chance.sample(EVERY_TROUBLE, len(EVERY_TROUBLE))
    rounds: list[list[tuple[int, GistTroubles]]] = [[] for _ in range(ROUNDS)]
    for number, trouble in enumerate(troubles):
        rounds[number % ROUNDS].append((chance.randrange(len(LOGINS)), trouble))
    return rounds


async def _live(url: str, plan: list[list[tuple[int, GistTroubles]]], by_graphql: bool) -> None:
    """Rounds of new gists, some in trouble, and then none in trouble."""
    clock = Clock()
    world = StandIn(tokens={TOKEN}, clock=clock, points_a_minute=None, limit_with_token=None)
    database = open_database(url)
    scene = Scene(world, database, clock, LOGINS)
    try:
        with Server(world.app) as server:
            async with _client(server, clock, by_graphql) as github:
                watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
                for login in scene.logins:
                    world.add_user(login)
                    await track(database, clock, login)
                for gists_of_round in plan:
                    before = await scene.complete()
                    for owner, troubles in gists_of_round:
                        gist_id = world.add_gist(
                            scene.logins[owner], {"1.txt": "one", "2.txt": "two"}
                        )
                        world.trouble_gist(gist_id, troubles)
                    # Two days: whatever waits is due again, and every list is read in full.
                    clock.advance(timedelta(days=2))
                    await run(watcher)
                    await scene.expect(complete_before=before)
                for gist in world.all_gists():
                    world.trouble_gist(gist.id, GistTroubles())
                clock.advance(timedelta(days=2))
                await run(watcher)
                await scene.expect(complete_before={})
                await scene.expect_all_published_once()
    finally:
        await database.close()
    assert world.abuse == []


def _client(server: Server, clock: Clock, by_graphql: bool) -> AbstractAsyncContextManager[GitHub]:
    if by_graphql:
        return sweeping(server, clock)
    return GitHub(api_url=server.url, token=TOKEN, timeout=timedelta(seconds=60), now=clock)
