"""An address that alone makes GitHub ask to wait soon keeps no other user from being read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gitpip.errors import GitHubAskedToWait, GitHubUnavailable
from gitpip.store.database import Database
from gitpip.store.gists import unreadable
from gitpip.store.status import pauses
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, client
from tests.watch.script import ADA, Script
from tests.watch.test_check import run, stored, track, user_named

MINUTE = timedelta(minutes=1)
LIMITED = Fault.limited({"retry-after": "30"})


@pytest.mark.parametrize("polling", [False, True], ids=["by REST alone", "with GraphQL"])
@pytest.mark.parametrize("refused", ["list", "gist"])
async def test_a_user_that_always_makes_rest_ask_to_wait_holds_the_others_up_once(
    world: StandIn, server: Server, database: Database, clock: Clock, *, polling: bool, refused: str
) -> None:
    logins = ("bad", "ada", "bob")
    for login in logins:
        user_id = world.add_user(login)
        gist_id = world.add_gist(login, {"a.txt": login})
        if login == "bad":
            path = f"^/user/{user_id}/gists" if refused == "list" else f"^/gists/{gist_id}"
            world.faults.script(LIMITED, path=path, times=None)
        await track(database, clock, login)
    late: list[int] = []
    async with GitHub(
        api_url=server.url,
        graphql_url=f"{server.url}/graphql" if polling else None,
        token=TOKEN,
        timeout=MINUTE,
        now=clock,
    ) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        for number in range(4):
            await run(watcher)
            while not all([len(await stored(database, each)) > number for each in logins[1:]]):
                clock.advance(timedelta(seconds=5))
                if not late or late[-1] != number:
                    late.append(number)
                if await watcher.due():
                    await run(watcher)
            for login in logins:
                world.add_gist(login, {f"{number}.txt": login})
            clock.advance(INTERVAL)
    # Not even then if the others came before.
    assert set(late) <= {0}, "only what nothing was known of makes everybody wait"
    assert len(world.faults.injected) < 20
    bad = await user_named(database, "bad")
    async with database.read() as transaction:
        told = [row.reason for row in await unreadable.of_user(transaction, bad.key)]
        assert await pauses.pauses_now(transaction, clock()) == {}
    assert "asks gitpip to wait with" in str(bad.failure if refused == "list" else told)


@asynccontextmanager
async def _served(script: Script, clock: Clock) -> AsyncIterator[GitHub]:
    with Server(script) as api:
        async with client(api.url, clock) as github:
            yield github


async def test_an_address_is_refused_alone_only_if_others_are_answered_between(
    script: Script, clock: Clock
) -> None:
    script.say("/users/ada", {}, 429, x_ratelimit_remaining="9")
    script.say("/users/bob", {"login": "bob", "id": 8})
    async with _served(script, clock) as github:
        for wait in (1, 2):
            with pytest.raises(GitHubAskedToWait) as limited:
                await github.account("ada")
            assert limited.value.until == clock() + MINUTE * wait
            clock.advance(MINUTE * wait)
        await github.account("bob")
        for wait in (1, 2, 4):
            with pytest.raises(GitHubUnavailable, match="asks gitpip to wait with"):
                await github.account("ada")
            asked = len(script.requests)
            clock.advance(MINUTE * wait - timedelta(seconds=1))
            with pytest.raises(GitHubUnavailable, match="asks gitpip to wait with"):
                await github.account("ada")
            assert len(script.requests) == asked
            assert (await github.account("bob")).github_id == 8
            clock.advance(timedelta(seconds=1))
        # A limit of everybody's that begins meanwhile is told from it.
        script.say("/users/bob", {}, 429, x_ratelimit_remaining="9")
        with pytest.raises(GitHubAskedToWait):
            await github.account("bob")
        clock.advance(MINUTE)
        script.say("/users/ada", {"login": "ada", "id": ADA})
        assert (await github.account("ada")).github_id == ADA
