"""A few users in any trouble, slow ones too: the others are as fresh, for as much, as without."""

import asyncio
import random
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import select

from gitpip.store.database import Database, open_database
from gitpip.store.schema import gist_files
from gitpip.watch.check import Watcher
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from gitpip_standins.github.troubles import GistTroubles, UserTrouble
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, files_of, id_of, track_identified

pytestmark = pytest.mark.long

USERS = 100
IN_TROUBLE = 5
TROUBLED_GISTS = 4
"""So many of a victim's gists are in trouble after each round, one victim after the other."""
ROUNDS = 10
FOUND_AFTER = timedelta(seconds=15)
"""So long after the gists of a round were published a check begins."""
READING = timedelta(milliseconds=30)
"""Passes each time the stand-in reads the clock, which makes some 0.1 s for a request."""
TROUBLES: tuple[UserTrouble, ...] = tuple(
    kind for kind in get_args(UserTrouble) if kind not in {"429", "secondary-limit"}
)
"""Without those that announce a limit: everybody waits then. `test_graphql_faults.py` has them."""
GIST_TROUBLES = (
    GistTroubles(blocked=403),
    GistTroubles(blocked=451),
    GistTroubles(failing="404"),
    GistTroubles(failing="502"),
    GistTroubles(missing_raw={"troubled.txt"}),
    GistTroubles(odd="null-file", odd_alone=True),
    GistTroubles(odd="no-owner"),
)
REST_FAULTS = (Fault.error(502), Fault.html(403), Fault.html(451), Fault.broken_json())


class Passing(Clock):
    """The stand-in's clock, which everybody shares: requests take time."""

    def __init__(self, shared: Clock) -> None:
        self._shared = shared

    def __call__(self) -> datetime:
        self._shared.advance(READING)
        return self._shared.now


@dataclass
class Heartbeat:
    """One run through all rounds, with or without troubles; people do the same in both."""

    database: Database
    seed: int
    troubled: bool
    clock: Clock = field(default_factory=Clock)
    spent: int = 0
    late: list[str] = field(default_factory=list)
    """Users that were not in trouble with REST, and whose new gist was not found in its round."""
    took: list[timedelta] = field(default_factory=list)
    """How long after it was published each new gist of a user without troubles was stored."""

    def __post_init__(self) -> None:
        self.people = random.Random(self.seed)
        self.chance = random.Random(self.seed + 1)
        self.world = StandIn(
            tokens={TOKEN}, clock=Passing(self.clock), points_a_minute=None, limit_with_token=None
        )
        self.logins = add_users(self.world, USERS)
        self.victims = self.chance.sample(self.logins, IN_TROUBLE)
        self.refused_by_rest: set[str] = set()

    async def lead(self) -> None:
        for login in self.logins:
            self.world.add_gist(login, {"first.txt": login})
        self.clock.advance(timedelta(minutes=1))
        await track_identified(self.database, self.world, self.clock, self.logins)
        with Server(self.world.app) as server:
            await self.check(server)
            before = len(self.world.requests)
            async with sweeping(server, self.clock) as github:
                rules = Rules(interval=INTERVAL)
                watcher = Watcher(self.database, github, rules=rules, now=self.clock)
                for number in range(ROUNDS):
                    if number == ROUNDS // 2:  # as another process would
                        watcher = Watcher(self.database, github, rules=rules, now=self.clock)
                    await self.round(watcher, f"{number}.txt")
            self.spent = sum(request.spent for request in self.world.requests[before:])
            self.end_troubles()
            self.clock.advance(timedelta(days=2))
            await self.check(server)
        for login in self.logins:
            assert len(await files_of(self.database, login)) == self.published(login)

    async def check(self, server: Server) -> None:
        async with sweeping(server, self.clock) as github:
            rules = Rules(interval=INTERVAL)
            check = await Watcher(self.database, github, rules=rules, now=self.clock).run()
        assert check
        assert check.ended_at

    async def round(self, watcher: Watcher, filename: str) -> None:
        self.clock.advance(INTERVAL)
        if self.troubled:
            self.make_trouble()
        self.publish_troubled(self.victims[-1 - int(filename.removesuffix(".txt")) % 3])
        self.publish_slow(self.victims[1], filename)
        active = self.people.sample(self.logins, 10)
        published_at = self.clock()
        new = {login: self.world.add_gist(login, {filename: login}) for login in active}
        self.clock.advance(FOUND_AFTER)
        checking = asyncio.create_task(watcher.run())
        others = {login: gist for login, gist in new.items() if login not in self.victims}
        # Those that are slow are answered once everybody else's gists are stored.
        while True:
            if checking.done() or all(await self.stored(others)):
                break
            await asyncio.sleep(0.1)
        self.world.faults.let_go(filename)
        check = await checking
        assert check
        assert check.ended_at
        self.late += [
            login
            for login, at in zip(new, await self.stored(new), strict=True)
            if at is None and login not in self.refused_by_rest
        ]
        self.took += [at - published_at for at in await self.stored(others) if at is not None]

    async def stored(self, new: Mapping[str, str]) -> list[datetime | None]:
        """When the new gist of each of these users was stored."""
        # In one statement, as this is asked ten times a second while a check runs.
        found = select(gist_files.c.gist_id, gist_files.c.found_at)
        async with self.database.read() as transaction:
            rows = await transaction.execute(found.where(gist_files.c.gist_id.in_(new.values())))
        stored_at: dict[str, datetime] = {row.gist_id: row.found_at for row in rows}
        return [stored_at.get(gist_id) for gist_id in new.values()]

    @property
    def p95(self) -> float:
        """In seconds, of the users without troubles."""
        took = [each.total_seconds() for each in self.took]
        return statistics.quantiles(took, n=20, method="inclusive")[-1]

    def publish_troubled(self, login: str) -> None:
        """Gists that can't be read, or not all of them, for as long as the troubles last."""
        trouble = self.chance.choice(GIST_TROUBLES)
        for _ in range(TROUBLED_GISTS):
            gist = self.world.gist(self.world.add_gist(login, {"troubled.txt": login}))
            assert gist
            if self.troubled:
                gist.troubles = replace(trouble)

    def publish_slow(self, login: str, name: str) -> None:
        """A gist whose content is not shown before `name` is let go."""
        gist_id = self.world.add_gist(login, {f"slow {name}": login})
        if self.troubled:
            self.world.faults.script(Fault.held(name), path=f"^/gists/{gist_id}$", times=None)

    def make_trouble(self) -> None:
        """Now and then a victim's trouble is another one, or none; REST fails for some as well."""
        for login in self.victims:
            user_id = id_of(self.world, login)
            if user_id not in self.world.graphql.users or self.chance.random() < 0.1:
                self.world.graphql.users[user_id] = self.chance.choice(TROUBLES)
        self.world.faults.clear()
        self.refused_by_rest = set()
        for login in self.victims[:2]:
            if self.chance.random() < 0.5:
                path = f"^/user/{id_of(self.world, login)}/"
                self.world.faults.script(self.chance.choice(REST_FAULTS), path=path, times=None)
                self.refused_by_rest.add(login)

    def end_troubles(self) -> None:
        self.world.graphql.users.clear()
        self.world.faults.clear()
        for gist in self.world.all_gists():
            gist.troubles = GistTroubles()

    def published(self, login: str) -> int:
        return len(self.world.gists_of(id_of(self.world, login)))


@pytest.mark.parametrize(
    ("database_url", "seed"),
    [("sqlite", 1), ("postgres", 20260726)],
    indirect=["database_url"],
)
async def test_five_percent_of_the_users_in_any_trouble_leave_the_others_alone(
    database: Database, tmp_path: Path, migrated_file: Path, seed: int
) -> None:
    shutil.copy(migrated_file, tmp_path / "untroubled.sqlite3")
    untroubled = open_database(f"sqlite+aiosqlite:///{tmp_path}/untroubled.sqlite3")
    try:
        without = Heartbeat(untroubled, seed, troubled=False)
        await without.lead()
    finally:
        await untroubled.close()
    with_trouble = Heartbeat(database, seed, troubled=True)
    await with_trouble.lead()
    # Found in the round in which it was published: nobody is later than without troubles.
    assert without.late == with_trouble.late == []
    hung = [each for each in with_trouble.world.faults.injected if each.fault.name]
    assert len(hung) >= ROUNDS / 2
    assert with_trouble.p95 <= 1.2 * without.p95
    assert with_trouble.spent <= 1.5 * without.spent
