"""Values that a database or Python can't hold, anywhere in GitHub's answers, stop no other user."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from gitpip.config import load_settings
from gitpip.status.reading import ProcessFacts, read
from gitpip.store.database import Database
from gitpip.store.gists import unreadable
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.public_feed import READ_EVERY, PublicFeed
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from gitpip_standins.exchange import JsonObject, Request
from tests.support.clocks import Clock
from tests.support.odd_values import COUNTS, DATES, TEXTS, TIMES
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, files_of, track_identified

pytestmark = pytest.mark.long

GIST_FIELDS = ("id", "node_id", "html_url", "public", "created_at", "updated_at", "description")
OWNER_FIELDS = ("id", "login", "node_id")
FILE_FIELDS = ("filename", "language", "raw_url", "size")
FEW = (TEXTS[2], TEXTS[1], 2**70, TEXTS[3], TIMES[0], -1, float("inf"), TIMES[2])
Change = tuple[str, str, object]
"""Of what, which field, and its value instead."""
CHANGES: tuple[Change, ...] = tuple(
    (what, field, value)
    for what, fields in (("gist", GIST_FIELDS), ("owner", OWNER_FIELDS), ("file", FILE_FIELDS))
    for field in fields
    for value in FEW
)


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


def changed(gist: JsonObject, change: Change) -> JsonObject:
    what, field, value = change
    if what == "gist":
        return gist | {field: value}
    if what == "owner":
        return gist | {"owner": cast("JsonObject", gist["owner"]) | {field: value}}
    name, file = next(iter(cast("dict[str, JsonObject]", gist["files"]).items()))
    return gist | {"files": {value if field == "filename" else name: file | {field: value}}}


class Oddity:
    """One user whose gists are odd, each in another way, but the last one; and one who is not."""

    def __init__(self, world: StandIn) -> None:
        self.world = world
        self.logins = ("ada", "odd")
        for login in self.logins:
            world.add_user(login)
        ids = [world.add_gist("odd", {"f.txt": f"{number}"}) for number in range(len(CHANGES))]
        self.changes = dict(zip(ids, CHANGES, strict=True))
        for login in self.logins:
            world.add_gist(login, {f"{login}.txt": "good"})
        world.odd = self.make_odd

    def make_odd(self, request: Request, body: object) -> object:
        if isinstance(body, list):
            return [self._entry(each) for each in body]
        is_gist = request.path.startswith("/gists/") and isinstance(body, dict)
        return self._entry(cast("JsonObject", body)) if is_gist else body

    def _entry(self, gist: JsonObject) -> JsonObject:
        change = self.changes.get(str(gist["id"]))
        return changed(gist, change) if change else gist


async def names_of(database: Database, login: str) -> set[str]:
    return {path.partition("/")[2] for path in await files_of(database, login)}


async def all_good(database: Database, clock: Clock) -> bool:
    settings = load_settings({"GITHUB_TOKEN": TOKEN, "PIPEDRIVE_TOKEN": TOKEN}, env_file=None)
    process = ProcessFacts(settings, scheduler_is_alive=True)
    async with database.read() as transaction:
        return (await read(transaction, process, clock())).all_good


async def test_odd_values_in_lists_and_gists_are_those_gists_trouble(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    oddity = Oddity(world)
    await track_identified(database, world, clock, oddity.logins)
    feed = PublicFeed(database, github, now=clock)
    await watcher.run()
    assert await names_of(database, "ada") == {"ada.txt"}
    assert "odd.txt" in await names_of(database, "odd")
    async with database.read() as transaction:
        assert (await unreadable.summary(transaction)).gists
    assert not await all_good(database, clock)
    await feed.read()
    clock.advance(READ_EVERY)
    world.add_gist("ada", {"new.txt": "good"})
    assert await feed.read() >= 1
    await watcher.run()
    assert await names_of(database, "ada") == {"ada.txt", "new.txt"}


async def test_odd_values_in_an_answer_of_graphql_are_that_users_trouble(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    fields = ("id", "databaseId", "login", "totalCount", "name", "updatedAt")
    cases = [(field, value) for field in fields for value in FEW[::2]]
    logins = [f"odd-{number}" for number in range(len(cases))]
    for login in (*logins, "ada"):
        world.add_user(login)
        world.add_gist(login, {"a.txt": login})
    await track_identified(database, world, clock, (*logins, "ada"))
    found = [world.user_of(login) for login in logins]
    odd_ids = {user.node_id: case for user, case in zip(found, cases, strict=True) if user}

    def odd(request: Request, body: object) -> object:
        data = cast("JsonObject", body).get("data") if request.path == "/graphql" else None
        nodes = cast("JsonObject", data).get("nodes") if data else None
        for node in cast("list[JsonObject]", nodes or []):
            if node["id"] not in odd_ids:
                continue
            field, value = odd_ids[str(node["id"])]
            listed = cast("JsonObject", node["gists"])
            newest = cast("list[JsonObject]", listed["nodes"])[0]
            where = newest if field in newest else listed if field in listed else node
            where[field] = value
        return body

    world.odd = odd
    await watcher.run()
    for login in (*logins, "ada"):
        assert await names_of(database, login) == {"a.txt"}


@pytest.mark.parametrize(
    ("status", "words"), [(200, TEXTS[2]), (403, "".join(TEXTS))], ids=["200", "403"]
)
async def test_trouble_of_graphql_in_odd_words_is_told(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, status: int, words: str
) -> None:
    logins = add_users(world, 5, with_gists=1)
    await track_identified(database, world, clock, logins)
    says = {"data": None, "message": words, "errors": [{"type": words, "message": words}]}
    world.faults.script(Fault.says(status, says), path="^/graphql", times=None)
    await watcher.run()
    for login in logins:
        assert await names_of(database, login) == {"0.txt"}
    async with database.read() as transaction:
        pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
    assert pause
    assert len(pause.reason) < 1_000
    assert not await all_good(database, clock)


async def test_odd_headers_stop_nobody(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track_identified(database, world, clock, ["ada"])
    feed = PublicFeed(database, github, now=clock)
    for number, (date, count) in enumerate(zip(DATES, COUNTS, strict=True)):
        limits = {f"x-ratelimit-{name}": count for name in ("limit", "remaining", "reset")}
        etag = '"\xe9"' if number % 2 else f'"{"e" * 5_000}"'
        link = '<\xe9/first>; rel="first", <//[>; rel="last"'
        world.app.odd_headers = {"date": date, "etag": etag, "link": link, **limits}
        world.faults.script(Fault.says(403, {}, {"retry-after": count}), path="/user/")
        world.faults.script(Fault.says(403, {}, {"retry-after": date}), path="^/graphql")
        world.add_gist("ada", {f"{number}.txt": "good"})
        for _ in range(4):
            await watcher.run()
            await feed.read()
            clock.advance(INTERVAL * 10)
        assert f"{number}.txt" in await names_of(database, "ada")


@pytest.mark.parametrize("link", ["<//[>", "<https://\xe9.example/>"])
async def test_a_next_page_that_can_not_be_asked_for_is_told(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, link: str
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "good"})
    await track_identified(database, world, clock, ["ada"])
    world.app.odd_headers = {"link": f'{link}; rel="next"'}
    await watcher.run()
    async with database.read() as transaction:
        (user,) = await users.everyone(transaction)
    assert user.failures or not await all_good(database, clock)
