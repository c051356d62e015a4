"""Whatever goes wrong, "all good" is said only when both stand-ins agree that it is.

GitHub's stand-in knows what is public, and Pipedrive's what arrived; neither asks gitpip's rows.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gitpip.backfill import Backfill
from gitpip.clock import Clocks
from gitpip.config import load_settings
from gitpip.errors import GitHubError
from gitpip.model import OnEdit, PublicationState
from gitpip.publish.delivery import Waits
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.publisher import Publisher
from gitpip.publish.sender import SendRules
from gitpip.status.reading import ProcessFacts, ServiceCondition, read
from gitpip.store.database import Database, open_database
from gitpip.store.gists import unreadable
from gitpip.store.publications import note_updates, publications
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.public_feed import PublicFeed
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import GitHub as GitHubStandIn
from gitpip_standins import Pipedrive as PipedriveStandIn
from gitpip_standins.github.troubles import GistTroubles, UserTrouble
from gitpip_standins.github.world import GistFile
from tests.status.conftest import empty
from tests.support.tokens import TOKEN
from tests.support.trials import trials

INTERVAL = timedelta(hours=1)
LOGINS = ("ada", "bob", "cy")
STRETCHES = tuple(timedelta(minutes=minutes) for minutes in (1, 7, 31, 70, 300, 1500))
OLDEST = 2 * INTERVAL + INTERVAL / 4
"""How old "all is known before" may be at the most."""

FAULTS = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.cut(),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.error(502),
    Fault.html(403),
    Fault.html(200, processed=True),
    Fault.limited({"retry-after": "90", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
    # Where a hanging request ends for its sender, too: it may have been processed by then, or is
    # later. It lands before gitpip takes it for lost, and so it is not sent again.
    Fault.lands(timedelta(minutes=1)),
    Fault.lands(timedelta(minutes=4)),
    Fault.broken_json(),
    Fault.empty(),
    Fault(FaultKind.ERROR, processed=False, status=400),
    Fault(FaultKind.ERROR, processed=False, status=401),
    Fault(FaultKind.ERROR, processed=False, status=403),
)
GIST_TROUBLES = (
    GistTroubles(blocked=403),
    GistTroubles(blocked=451),
    GistTroubles(failing="404"),
    GistTroubles(failing="502"),
    GistTroubles(failing="broken"),
    GistTroubles(odd="null"),
    GistTroubles(odd="no-id"),
    GistTroubles(odd="null-file", odd_alone=True),
    GistTroubles(odd="bad-time", odd_alone=True),
    GistTroubles(odd="no-owner"),
)
USER_TROUBLES: tuple[UserTrouble, ...] = get_args(UserTrouble)
PLACES = {
    "github": ("/user", "/gists", "/graphql"),
    "pipedrive": ("/activities$", "/activities/[0-9]+$", "/deals$", "/deals/[0-9]+$"),
}


@dataclass(frozen=True)
class Step:
    """One thing that happens; the other fields say which user, where and how often."""

    act: str
    login: str = LOGINS[0]
    fault: Fault | None = None
    side: str = "github"
    place: str = ""
    times: int = 1
    length: timedelta = INTERVAL
    gist_troubles: GistTroubles | None = None
    user_trouble: UserTrouble = "502"


def step_of(act: str) -> st.SearchStrategy[Step]:
    """Steps of one kind, with whatever matters for it."""
    logins, times = st.sampled_from(LOGINS), st.integers(1, 4)
    match act:
        case "wait":
            return st.builds(Step, st.just(act), length=st.sampled_from(STRETCHES))
        case "spoil":
            places = [(side, place) for side, found in PLACES.items() for place in found]
            return st.builds(
                lambda where, fault, times: Step(
                    "spoil", side=where[0], place=where[1], fault=fault, times=times
                ),
                st.sampled_from(places),
                st.sampled_from(FAULTS),
                times,
            )
        case "trouble-gist":
            troubles = st.sampled_from(GIST_TROUBLES)
            return st.builds(Step, st.just(act), login=logins, times=times, gist_troubles=troubles)
        case "trouble-user":
            trouble = st.sampled_from(USER_TROUBLES)
            return st.builds(Step, st.just(act), login=logins, user_trouble=trouble)
        case _:
            return st.builds(Step, st.just(act), login=logins, times=times)


ACTS = (
    *("gist", "gist", "edit", "rewrite", "hide", "pause", "refuse-graphql"),
    *("spoil", "spoil", "wait", "wait"),
    *("trouble-gist", "trouble-gist", "trouble-user"),
)
WORK = ("check", "publish", "both", "both", "feed", "hours", "hours")
steps = st.lists(
    st.sampled_from((*ACTS, *WORK)).flatmap(step_of),
    min_size=4,
    max_size=14,
)


LATE_WRITES = [
    Step("gist"),
    Step("gist", LOGINS[1]),
    Step("spoil", side="pipedrive", place="/deals$", fault=Fault.lands(timedelta(minutes=1))),
    Step("spoil", side="pipedrive", place="/activities$", fault=Fault.lands(timedelta(minutes=4))),
    Step("both"),
    *(Step(act, length=timedelta(minutes=1)) for act in ("wait", "publish") * 6),
    Step("hours", times=2),
]
"""Writes that arrive after their senders gave them up."""


@dataclass
class World:
    """Both vendors, and a gitpip between them that does what it is told to, by one clock."""

    database: Database
    github: GitHubStandIn
    pipedrive: PipedriveStandIn
    watcher: Watcher
    publisher: Publisher
    feed: PublicFeed
    now: datetime
    files: int = 0
    gists: list[str] = field(default_factory=list)

    async def track(self, login: str) -> None:
        self.github.add_user(login)
        async with self.database.begin() as transaction:
            await users.add(
                transaction,
                login,
                external_id=login,
                account=None,
                backfill=Backfill.parse("all"),
                now=self.now,
            )

    async def do(self, step: Step) -> None:
        match step.act:
            case "pause":
                await self._pause(step.login, step.times % 2 == 0)
            case "wait":
                self.now += step.length
            case "hours":
                for _ in range(step.times):
                    self.now += timedelta(minutes=70)
                    await self.work("both")
                    await self.agree()
            case act if act in WORK:
                await self.work(act)
            case _:
                self._change(step)

    def _change(self, step: Step) -> None:
        """Let something happen at the vendors."""
        match step.act:
            case "gist":
                self.gists.append(self.github.add_gist(step.login, self._fresh(step.times % 2 + 1)))
            case "trouble-gist" if step.gist_troubles:  # one that is new, or was read before
                if step.times > 1 or not self.gists:
                    self.gists.append(self.github.add_gist(step.login, self._fresh(step.times)))
                self.github.trouble_gist(self.gists[-1], replace(step.gist_troubles))
            case "trouble-user":
                user = self.github.user_of(step.login)
                assert user
                self.github.graphql.users[user.id] = step.user_trouble
            case "edit" if self.gists:
                self.github.edit_gist(self.gists[step.times % len(self.gists)], self._fresh(1))
            case "rewrite" if self.gists:
                gist_id = self.gists[step.times % len(self.gists)]
                gist = self.github.gist(gist_id)
                assert gist
                self.files += 1
                text = f"text {self.files}, written anew"
                self.github.edit_gist(gist_id, {next(iter(gist.files)): text})
            case "hide":
                user = self.github.user_of(step.login)
                assert user
                self.github.hide_user(user.id, 10 * step.times)
            case "refuse-graphql":
                self.github.graphql.fail_above = step.times - 2
            case "spoil" if step.fault:
                side = self.github if step.side == "github" else self.pipedrive
                side.faults.script(step.fault, path=step.place, times=step.times)

    def _fresh(self, number: int) -> dict[str, str]:
        """Files with names that no other file has."""
        self.files += number
        return {
            f"f{self.files - index}.txt": f"text {self.files - index}" for index in range(number)
        }

    async def _pause(self, login: str, paused: bool) -> None:
        async with self.database.begin() as transaction:
            user = await users.find(transaction, login)
            await users.change(transaction, user.key, users.Changes(paused=paused), self.now)

    async def work(self, what: str) -> None:
        """One turn of the scheduler; what it raises, the scheduler would log and try again."""
        if what in {"check", "both"}:
            with suppress(GitHubError):
                await self.watcher.run()
        if what in {"publish", "both"}:
            await self.publisher.run()
        if what == "feed":
            await self.feed.read()

    async def condition(self) -> ServiceCondition:
        process = ProcessFacts(SETTINGS, scheduler_is_alive=True)
        async with self.database.read() as transaction:
            return await read(transaction, process, self.now)

    async def agree(self) -> ServiceCondition:
        """The condition. Fails if all is called good, and the stand-ins know better."""
        condition = await self.condition()
        if not condition.all_good:
            assert not condition.sentence.startswith("All systems normal")
            return condition
        assert condition.complete_until is not None
        assert self.now - condition.complete_until <= OLDEST
        arrived = Counter(
            name
            for activity in self.pipedrive.activities
            for name in re.findall(r"\bf[0-9]+\.txt\b", str(activity["subject"]))
        )
        notes = {
            name: str(activity["note"])
            for activity in self.pipedrive.activities
            for name in re.findall(r"\bf[0-9]+\.txt\b", str(activity["subject"]))
        }
        for login, file, pushed_at in await self._public():
            if pushed_at < condition.complete_until:
                assert arrived[file.name] == 1, (
                    f"all good, with {file.name} of {login} there {arrived[file.name]}x"
                )
                assert f"<pre>{file.content.decode()}</pre>" in notes[file.name], (
                    f"all good, with another text of {file.name} of {login}"
                )
        assert set(arrived.values()) <= {1}
        return condition

    async def _public(self) -> list[tuple[str, GistFile, datetime]]:
        """Each public file of the users that are not paused: login, file, time pushed."""
        async with self.database.read() as transaction:
            paused = {
                user.login for user in await users.everyone(transaction) if user.state == "paused"
            }
        return [
            (user.login, file, gist.pushed_at)
            for gist in self.github.all_gists()
            if (user := self.github.user(gist.owner_id)) and user.login not in paused
            for file in gist.files.values()
        ]

    async def mend(self) -> None:
        """Nothing goes wrong any more, and people do what the problems say."""
        self.github.faults.clear()
        self.pipedrive.faults.clear()
        self.github.graphql.fail_above = None
        self.github.graphql.users.clear()
        for gist_id in self.gists:
            self.github.trouble_gist(gist_id, GistTroubles())
        for login in LOGINS:
            user = self.github.user_of(login)
            assert user
            self.github.hide_user(user.id, 0)
            await self._pause(login, paused=False)
        for _ in range(40):
            self.now += timedelta(minutes=31)
            await self.work("feed")
            await self.work("both")
            condition = await self.agree()
            if condition.all_good:
                return
            await self._retry()
        raise AssertionError(f"never good again: {condition.problems}")

    async def _retry(self) -> None:
        async with self.database.begin() as transaction:
            failed = PublicationFilter(states=(PublicationState.FAILED,))
            for row in await publications.listed(transaction, failed, offset=0, limit=100):
                await publications.retry(transaction, row.id, self.now)
            await note_updates.settle_failed(transaction, again=True, now=self.now)
            await unreadable.make_due(transaction, self.now)


SETTINGS = load_settings(
    {"GITHUB_TOKEN": TOKEN, "PIPEDRIVE_TOKEN": TOKEN, "GITPIP_CHECK_INTERVAL": "1h"}, env_file=None
)


@asynccontextmanager
async def a_world(database: Database, *, polls_batches: bool) -> AsyncIterator[World]:
    await empty(database)

    def clock() -> datetime:
        return world.now if world else begun

    world: World | None = None
    begun = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    github = GitHubStandIn(tokens={TOKEN}, clock=clock, points_a_minute=None)
    # By this clock a burst never ends, so its limit has to be out of reach.
    pipedrive = PipedriveStandIn(token=TOKEN, clock=clock, daily_tokens=None, burst=100_000)
    timeout = timedelta(seconds=30)
    with Server(github.app) as there, Server(pipedrive.app) as elsewhere:
        async with (
            GitHub(
                api_url=there.url,
                graphql_url=f"{there.url}/graphql" if polls_batches else None,
                token=TOKEN,
                timeout=timeout,
                now=clock,
            ) as asks,
            Pipedrive(
                api_url=f"{elsewhere.url}/api",
                token=SecretStr(TOKEN),
                timeout=timeout,
                rest=timedelta(0),
            ) as tells,
        ):
            rules = Rules(interval=INTERVAL, on_edit=OnEdit.UPDATE)
            world = World(
                database,
                github,
                pipedrive,
                Watcher(database, asks, rules=rules, now=clock),
                # By this clock no pause ever ends while a run waits for that.
                Publisher(
                    database,
                    tells,
                    waits=Waits(timeout),
                    clocks=Clocks(wall=clock),
                    short_pause=timedelta(0),
                    rules=SendRules(on_edit=OnEdit.UPDATE),
                ),
                PublicFeed(database, asks, now=clock),
                begun,
            )
            yield world


def test_all_good_is_said_only_when_the_stand_ins_agree(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = open_database(database_url)

        # The examples take seconds each, so there are few, and none is made smaller.
        @settings(
            max_examples=trials(15),
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
            deadline=None,
        )
        @example(plan=LATE_WRITES, polls_batches=True)
        @given(plan=steps, polls_batches=st.booleans())
        def follow(plan: list[Step], polls_batches: bool) -> None:
            runner.run(_follow(database, plan, polls_batches=polls_batches))

        try:
            follow()
        finally:
            runner.run(database.close())


async def _follow(database: Database, plan: list[Step], *, polls_batches: bool) -> None:
    async with a_world(database, polls_batches=polls_batches) as world:
        for login in LOGINS:
            await world.track(login)
        for step in plan:
            await world.do(step)
            await world.agree()
        await world.mend()
