"""At every moment, whatever is older than the time up to which all is known is stored."""

import random
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from gitpip.store.database import Database
from gitpip.store.status import checks
from gitpip.store.users.schedule import completeness
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.watch.conftest import INTERVAL, TOKEN, Clock, sweeping
from tests.watch.crowd import files_of
from tests.watch.test_check import run, track

LOGINS = ("ada", "bob", "cy")
STEPS = 20
SECONDS = (1, 7, 7, 40, 110, 11_000, 90_000)
ASKED_BELOW = 1_000
"""After fewer seconds a check is asked for; after more, users are due."""
TROUBLES = ("lists behind", "gists behind", "cut", "our clock", "pages", "a page", "dates")
LAGS = (0, 9, 100, 120)
PAGES = (2, 3, 100)
DATELESS = ("/graphql$", "/gists$", "/gists/", "nothing")
CLOCKS = (-86_400, -600, 0, 600, 86_400)


@dataclass
class Heartbeat:
    """A few users, what they publish, and a watcher whose clock may be wrong."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    ours: Clock = field(default_factory=Clock)
    pushed: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    """When each file was pushed first: login, gist, name."""
    number: int = 0

    def __post_init__(self) -> None:
        self.world = StandIn(
            tokens={TOKEN}, clock=self.clock, points_a_minute=None, limit_with_token=None
        )
        self.world.lists.largest_page = PAGES[0]

    def happen(self, chance: random.Random) -> None:
        """Let something go wrong, or end, now and then; and people publish."""
        if chance.random() < 0.5:
            self.trouble(chance.choice(TROUBLES), chance)
            self.pass_time(1)
        for _ in range(chance.randrange(3)):
            self.act(chance.choice(("gist", "file", "file", "edit", "star", "delete")), chance)
            self.pass_time(1)

    def act(self, what: str, chance: random.Random) -> None:
        gists = self.world.all_gists()
        choice = chance.randrange(100)
        match what:
            case "gist" | "file":
                self.publish(choice, in_old_gist=what == "file")
            case "edit":
                gist = gists[choice % len(gists)]
                self.number += 1
                self.world.edit_gist(gist.id, {next(iter(gist.files)): str(self.number)})
            case "star":
                self.world.star(gists[choice % len(gists)].id)
            case "delete" if len(gists) > len(LOGINS):
                self.world.delete_gist(gists[choice % len(gists)].id)

    def trouble(self, what: str, chance: random.Random) -> None:
        match what:
            case "lists behind":
                self.world.lists.behind = timedelta(seconds=chance.choice(LAGS))
            case "gists behind":
                self.world.lists.gists_behind = timedelta(seconds=chance.choice(LAGS))
            case "cut":
                self.world.graphql.cut_above = chance.randrange(4)
            case "pages":
                self.world.lists.largest_page = chance.choice(PAGES)
            case "a page":
                self.world.lists.failing_pages ^= {2}
            case "dates":
                self.world.app.dateless = re.compile(chance.choice(DATELESS)).search
            case "our clock":
                self.ours.time = self.clock() + timedelta(seconds=chance.choice(CLOCKS))

    def publish(self, choice: int, *, in_old_gist: bool) -> None:
        self.number += 1
        name = f"{self.number}.txt"
        gists = self.world.all_gists()
        if in_old_gist:
            gist = gists[choice % len(gists)]
            gist_id = gist.id
            owner = self.world.user(gist.owner_id)
            assert owner
            login = owner.login
            self.world.edit_gist(gist_id, {name: name})
        else:
            login = LOGINS[choice % len(LOGINS)]
            gist_id = self.world.add_gist(login, {name: name})
        self.pushed[login, gist_id, name] = self.clock()

    def heal(self) -> None:
        self.world.lists.behind = self.world.lists.gists_behind = timedelta(0)
        self.world.graphql.cut_above = None
        self.world.lists.failing_pages.clear()
        self.ours.time = self.clock()

    def pass_time(self, seconds: int) -> None:
        for clock in (self.clock, self.ours):
            clock.advance(timedelta(seconds=seconds))

    async def agree(self) -> None:
        """Whatever is still there and older than is said to be complete is stored."""
        async with self.database.read() as transaction:
            until = (await completeness(transaction)).complete_until
        assert until is not None
        assert until <= self.clock()
        await self.expect_stored(before=until)

    async def expect_stored(self, *, before: datetime) -> None:
        found = {login: set(await files_of(self.database, login)) for login in LOGINS}
        for (login, gist_id, name), at in self.pushed.items():
            if at < before and self.world.gist(gist_id):
                assert f"{gist_id}/{name}" in found[login], (login, name, at, before)


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("by_graphql", [True, False])
async def test_nothing_older_than_the_time_that_is_told_is_missing(
    database: Database, by_graphql: bool, seed: int
) -> None:
    life, chance = Heartbeat(database), random.Random(seed)
    with Server(life.world.app) as server:
        client = (
            sweeping(server, life.ours)
            if by_graphql
            else GitHub(
                api_url=server.url,
                token=TOKEN,
                timeout=timedelta(seconds=60),
                now=life.ours,
            )
        )
        async with client as github:
            watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=life.ours)
            for number, login in enumerate(LOGINS):
                life.world.add_user(login)
                life.publish(number, in_old_gist=False)
                await track(database, life.ours, login)
            await run(watcher)
            for _ in range(STEPS):
                life.happen(chance)
                seconds = chance.choice(SECONDS)
                life.pass_time(seconds)
                if seconds < ASKED_BELOW:
                    async with database.begin() as transaction:
                        await checks.request(transaction, life.ours())
                if await watcher.due():
                    await run(watcher)
                await life.agree()
            life.heal()
            for _ in range(3):
                life.pass_time(90_000)
                if await watcher.due():
                    await run(watcher)
            await life.agree()
            await life.expect_stored(before=life.clock())
