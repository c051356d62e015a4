"""At every moment, whatever is older than the time that status tells is stored.

Where that time stays behind, status names who holds it back.
"""

import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.config import load_settings
from gitpip.model import User, UserKey
from gitpip.status.reading import ProcessFacts, ServiceCondition, read
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.status import checks
from gitpip.store.users import users
from gitpip.watch import decide
from gitpip.watch.check import Watcher
from gitpip.watch.decide import LONGEST_LAG
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from gitpip_standins.github import objects
from gitpip_standins.github.troubles import GistTroubles
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.test_check import run, track

LOGINS = ("ada", "bob", "cy")
STEPS = 16
SECONDS = (1, 7, 7, 40, 110, 11_000, 90_000)
ASKED_BELOW = 1_000
"""After fewer seconds a check is asked for; after more, users are due."""
TROUBLES = (
    *("lists behind", "gists behind", "cut", "our clock", "pages", "a page", "dates"),
    *("vanished", "vanished", "not found", "raw files", "renamed"),
)
LAGS = (0, 9, 100, 120)
PAGES = (2, 3, 100)
DATELESS = ("/graphql$", "/gists$", "/gists/", "nothing")
CLOCKS = (-86_400, -600, 0, 600, 86_400)
RESTARTS = 0.1
"""How likely the process is another one at the next check."""
ANSWERS = (1, 2, 6, 9)
"""Of a user who vanishes: after some, a user is unavailable."""
FEW_FILES, MOST_FILES = 3, 300
"""With more of them GitHub calls a gist truncated; few of them, so that some are."""
SETTINGS = load_settings({"GITHUB_TOKEN": TOKEN, "GITPIP_FEED": "off"}, env_file=None)


@dataclass
class Heartbeat:
    """A few users, what they publish, and a watcher whose clock may be wrong."""

    database: Database
    monkeypatch: pytest.MonkeyPatch
    by_graphql: bool
    clock: Clock = field(default_factory=Clock)
    ours: Clock = field(default_factory=Clock)
    pushed: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    """When each file was pushed first: login at the beginning, gist, name."""
    ids: dict[str, int] = field(default_factory=dict)
    """At GitHub, by the logins at the beginning."""
    keys: dict[str, UserKey] = field(default_factory=dict)
    """In the database, by the logins at the beginning."""
    number: int = 0
    looked_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """When there was a check last, by GitHub's clock."""

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
            case "delete":
                gist = gists[choice % len(gists)]
                # GraphQL that is cut shows none of one gist, as of none before: then only REST's
                # list of the week tells.
                if sum(one.owner_id == gist.owner_id for one in gists) > 1:
                    self.world.delete_gist(gist.id)

    def trouble(self, what: str, chance: random.Random) -> None:
        if what in ("vanished", "renamed"):
            self.trouble_a_user(what, chance)
            return
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
                self.ours.now = self.clock() + timedelta(seconds=chance.choice(CLOCKS))
            case _:
                self.trouble_a_gist(what, chance)

    def trouble_a_user(self, what: str, chance: random.Random) -> None:
        user = chance.choice(list(self.ids.values()))
        if what == "vanished":
            self.world.hide_user(user, chance.choice(ANSWERS))
        else:
            self.number += 1
            self.world.rename(user, f"renamed-{self.number}")

    def trouble_a_gist(self, what: str, chance: random.Random) -> None:
        gist = chance.choice(self.world.all_gists())
        if gist.troubles != GistTroubles():
            troubles = GistTroubles()
        elif what == "raw files":
            troubles = GistTroubles(missing_raw=set(gist.files))
        else:
            troubles = GistTroubles(failing="404")
        self.world.trouble_gist(gist.id, troubles)

    def publish(self, choice: int, *, in_old_gist: bool) -> None:
        self.number += 1
        name = f"{self.number}.txt"
        gists = self.world.all_gists()
        if in_old_gist:
            gist = gists[choice % len(gists)]
            gist_id = gist.id
            login = next(login for login, number in self.ids.items() if number == gist.owner_id)
            self.world.edit_gist(gist_id, {name: name})
        else:
            login = LOGINS[choice % len(LOGINS)]
            user = self.world.user(self.ids[login])
            assert user
            gist_id = self.world.add_gist(user.login, {name: name})
        self.pushed[login, gist_id, name] = self.clock()

    def heal(self) -> None:
        self.world.lists.behind = self.world.lists.gists_behind = timedelta(0)
        self.world.graphql.cut_above = None
        self.world.lists.failing_pages.clear()
        self.truncate_above(MOST_FILES)
        for number in self.ids.values():
            self.world.hide_user(number, 0)
        for gist in self.world.all_gists():
            self.world.trouble_gist(gist.id, GistTroubles())
        self.ours.now = self.clock()

    def truncate_above(self, most: int) -> None:
        self.monkeypatch.setattr(objects, "MOST_FILES", most)
        self.monkeypatch.setattr(decide, "MOST_FILES_LISTED", most)

    def pass_time(self, seconds: int) -> None:
        for clock in (self.clock, self.ours):
            clock.advance(timedelta(seconds=seconds))

    @asynccontextmanager
    async def watcher(self, server: Server) -> AsyncIterator[Watcher]:
        """A process that knows nothing but what is in the database."""
        alone = GitHub(
            api_url=server.url, token=TOKEN, timeout=timedelta(seconds=60), now=self.ours
        )
        async with sweeping(server, self.ours) if self.by_graphql else alone as github:
            yield Watcher(self.database, github, rules=Rules(interval=INTERVAL), now=self.ours)

    async def check(self, watcher: Watcher, *, asked: bool) -> None:
        if asked:
            async with self.database.begin() as transaction:
                await checks.request(transaction, self.ours())
        if await watcher.due():
            await run(watcher)
            self.looked_at = self.clock()

    async def agree(self) -> None:
        """Whatever is still there and older than status tells is stored, of all and of each."""
        process = ProcessFacts(SETTINGS, scheduler_is_alive=True)
        async with self.database.read() as transaction:
            told = await read(transaction, process, self.ours())
            known = {login: await users.get(transaction, key) for login, key in self.keys.items()}
        assert told.complete_until is None or told.complete_until <= self.clock()
        for login, user in known.items():
            until = user.complete_until
            assert told.complete_until is None or until is None or told.complete_until <= until
            assert await self.missing(login, before=until) == []
        await self.names_who_is_in_doubt(told, known)

    async def names_who_is_in_doubt(
        self, told: ServiceCondition, known: Mapping[str, User]
    ) -> None:
        """A file that a check did not find is told, unless it is as young as GitHub's lists lag."""
        before = self.looked_at - LONGEST_LAG
        doubtful = [
            user for login, user in known.items() if await self.missing(login, before=before)
        ]
        if doubtful:
            behind = told.furthest_behind
            text = " ".join([*(problem.sentence for problem in told.problems)])
            named = {user.login for user in known.values() if names(text, user.login)}
            if behind:
                named.add(behind.login)
            assert not told.all_good
            assert named & {user.login for user in doubtful}, (text, behind, doubtful)

    async def missing(self, login: str, *, before: datetime | None) -> list[str]:
        """What was pushed before, is still there, and is not stored."""
        async with self.database.read() as transaction:
            rows = await gists.between(transaction, self.keys[login], after=0, up_to=10**6)
        found = {(file.gist_id, file.filename) for file in rows}
        return [
            f"{gist_id}/{name}"
            for (owner, gist_id, name), at in self.pushed.items()
            if owner == login
            and before is not None
            and at < before
            and self.world.gist(gist_id)
            and (gist_id, name) not in found
        ]


def names(text: str, login: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(login)}(?![\w-])", text) is not None


@pytest.mark.long
@pytest.mark.parametrize(
    ("database_url", "seed"),
    [("sqlite", 10), ("postgres", 19)],
    indirect=["database_url"],
)
@pytest.mark.parametrize("by_graphql", [True, False])
async def test_no_gist_older_than_the_shown_time_is_missing(
    database: Database, monkeypatch: pytest.MonkeyPatch, by_graphql: bool, seed: int
) -> None:
    life, chance = Heartbeat(database, monkeypatch, by_graphql), random.Random(seed)
    life.truncate_above(chance.choice((FEW_FILES, MOST_FILES)))
    with Server(life.world.app) as server:
        for number, login in enumerate(LOGINS):
            life.ids[login] = life.world.add_user(login)
            life.publish(number, in_old_gist=False)
            life.keys[login] = (await track(database, life.ours, login)).key
        async with AsyncExitStack() as processes:
            watcher = await processes.enter_async_context(life.watcher(server))
            await life.check(watcher, asked=False)
            for _ in range(STEPS):
                life.happen(chance)
                seconds = chance.choice(SECONDS)
                life.pass_time(seconds)
                if chance.random() < RESTARTS:
                    await processes.aclose()
                    watcher = await processes.enter_async_context(life.watcher(server))
                await life.check(watcher, asked=seconds < ASKED_BELOW)
                await life.agree()
            life.heal()
            for _ in range(3):
                life.pass_time(90_000)
                await life.check(watcher, asked=False)
            await life.agree()
            for login in LOGINS:
                assert await life.missing(login, before=life.clock()) == []
