"""No request holds up the others, however much there is to be shown.

What is measured is processor time of the event loop's own thread between two turns of a ticker: a
busy machine does not make it longer, and work that is done in another thread does not count.
"""

import asyncio
import contextlib
import gc
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from sqlalchemy import text

from gitpip.backfill import Backfill
from gitpip.config import Settings, load_settings
from gitpip.errors import DatabaseUnavailable
from gitpip.model import OnDelete, OnEdit
from gitpip.publish.policy import Policies
from gitpip.publish.preview import RenderOptions, previewed
from gitpip.store.database import Database, open_database
from gitpip.store.users import users
from gitpip.store.users.bulk import UserToAdd, add_many
from gitpip.web.api.legacy import TrackedUser
from gitpip.web.api.long_list import IN_MEMORY, json_array
from tests.web.routes import Route, application, every_route

LONGEST = 0.1
"""Seconds of processor time; made in one go, the longer answers here took up to ten times that."""
LONGEST_OF_REFERENCE = 0.4
"""The same as a share of what `reference` takes: slow machines need longer for both."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Backfill.parse("all")
VIEWER = "0" * 32

SIZES = {"users": 20_000, "files": 6_000, "large": 4, "checks": 500}
NUMBERS = (
    "(WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) "
    "SELECT i FROM numbers) AS numbers"
)
FILL = (
    "INSERT INTO users (key, login, external_id, github_id, backfill, state, created_at, "
    "next_check_at, checked_at, complete_until, gist_count, found_at, last_sequence, found_key) "
    "SELECT i, 'user-' || i, 'id-' || i, i, 'all', 'active', {now}, {now}, {now}, {now}, 1, {now}, "
    "CASE WHEN i = 1 THEN 6000 ELSE 10 END, i FROM {users}",
    "INSERT INTO user_tags (user_key, tag) SELECT i, 'tag-' || (i % 40) FROM {users}",
    "INSERT INTO gists (id, user_key, description, html_url, created_at, updated_at, found_at) "
    "SELECT 'gist' || i, 1, 'about ' || i, 'https://gist.github.com/' || i, {now}, {now}, {now} "
    "FROM {files}",
    "INSERT INTO gists (id, user_key, html_url, created_at, updated_at, found_at) "
    "VALUES ('large', 2, 'https://gist.github.com/large', {now}, {now}, {now})",
    "INSERT INTO gist_files (key, gist_id, user_key, filename, sequence, blob_hash, size, "
    "language, content, truncated, raw_url, found_at) "
    "SELECT i, 'gist' || i, 1, i || '.py', i, 'hash' || i, 300, 'Python', CAST(:small AS TEXT), 0, "
    "'https://gist.githubusercontent.com/' || i, {now} FROM {files}",
    "INSERT INTO gist_files (key, gist_id, user_key, filename, sequence, blob_hash, size, "
    "language, content, truncated, raw_url, found_at, revision) "
    "SELECT 100000 + i, 'large', 2, i || '.py', i, 'large' || i, 900000, 'Python', "
    "CAST(:large AS TEXT), 0, 'https://gist.githubusercontent.com/' || i, {now}, 2 FROM {large}",
    "INSERT INTO revisions (file_key, revision, blob_hash, size, content, truncated, raw_url, "
    "found_at) SELECT 100000 + i, 1, 'before' || i, 900000, CAST(:before AS TEXT), 0, "
    "'https://gist.githubusercontent.com/' || i, {now} FROM {large}",
    "INSERT INTO publications (id, file_key, user_key, marker, state, due_at, activity_id, "
    "published_at) SELECT i, i, 1, 'gp-' || i, 'published', {now}, i, {now} FROM {files}",
    "INSERT INTO publications (id, file_key, user_key, marker, state, due_at) "
    "SELECT 100000 + i, 100000 + i, 2, 'gp-large' || i, 'failed', {now} FROM {large}",
    "INSERT INTO home_visits (id, viewer, at, users, files) "
    "VALUES (1, 'browser:' || CAST(:viewer AS TEXT), {now}, 20000, 25990)",
    "INSERT INTO visits (user_key, viewer, after, up_to, at, home_visit_id) "
    "SELECT i, 'browser:' || CAST(:viewer AS TEXT), 0, "
    "CASE WHEN i = 1 THEN 6000 ELSE 5 END, {now}, 1 FROM {users}",
    "INSERT INTO checks (id, requested_at, started_at, ended_at, failures) "
    "SELECT i, {now}, {now}, {now}, CAST(:failures AS TEXT) FROM {checks}",
    "INSERT INTO imports (id, name, size, faulty, faults, started_at, moved_at, ended_at, "
    "confirmed_at) VALUES (1, 'list.csv', 1, 500, CAST(:faults AS TEXT), {now}, {now}, {now}, "
    "{now})",
    "INSERT INTO repairs (id, act, wanted, begun_by, begun_via, total, started_at, moved_at) "
    "VALUES (1, 'retry', 'failed', 'ada', 'page', 9, {now}, {now})",
    "INSERT INTO audit (at, actor, via, action, subject) "
    "SELECT {now}, 'ada', 'page', 'user.added', 'user-' || i FROM {users}",
    "INSERT INTO publishing_rules (id, position, name, conditions, action, created_at, created_by) "
    "VALUES (1, 1, 'a rule', CAST(:conditions AS TEXT), 'skip', {now}, 'ada')",
    "INSERT INTO surveys (id, kind, requested_at, requested_by, step, ended_at) "
    "VALUES (1, 'audit', {now}, 'ada', 'end', {now}), (2, 'others', {now}, 'ada', 'end', {now})",
    "INSERT INTO survey_lines (survey_id, user_key, gist_id, filename, github, stored, pipedrive, "
    "verdict, detail) SELECT 1, 1, 'gist' || i, i || '.py', 'public', 'published', 'there', "
    "'same', 'a detail' FROM {files}",
    "INSERT INTO other_activities (survey_id, activity_id, publication_id, user_key, confidence, "
    "because) SELECT 2, 900000 + i, i, 1, 'likely', 'it links to the gist' FROM {files}",
    "ANALYZE",
)
CODE = "def quince(a, b): return {'k': [a, b, 1, 2.5]}  # <b>\n"
TEXTS = {
    "small": CODE * 5,
    "large": CODE * 16_000,
    "before": "".join(f"{number} {CODE}" for number in range(12_000)),
    "viewer": VIEWER,
    "failures": "\n".join(f"user-{number}: it could not be asked" for number in range(20)),
    "conditions": '{"content":"(?i)zebra.*[0-9]{3}$"}',
    "faults": "\n".join(f"line {number}: user-{number} is tracked" for number in range(500)),
}
PLACES = {
    "login": ["user-1", "user-2"],
    "gist_id": ["large", "gist7"],
    "key": ["100001"],
    "publication_id": ["100001"],
    "visit_id": ["1"],
    "check_id": ["1"],
    "audit_id": ["1"],
    "import_id": ["1"],
    "filter_id": ["1"],
    "repair_id": ["1"],
    "undo_id": ["1"],
    "address": ["no-such-address"],
}
QUERIES = {
    "verdict": ["same"],
    "q": ["quince", "user"],
    "user": ["user-1", "user-2"],
    "tag": ["tag-1"],
    "language": ["Python"],
    "state": ["published", "active"],
    "show": ["unread", "week", "all", "edited", "failed"],
    "by": ["found"],
    "since": ["visit", "2020-01-01"],
    "gist": ["large", "gist7"],
    "until": ["2100-01-01"],
    "before": ["1", "5000"],
    "limit": ["500"],
    "credentials": ["mask"],
    "offset": ["5000"],
    "saved": ["true"],
    "edit": ["1"],
    "rule_id": ["1"],
    "check": ["1"],
    "import": ["1"],
    "sort": ["found"],
    "seen": ["1"],
    "name": ["a filter"],
    "kind": ["gist.found"],
    "cause": ["0123456789ab"],
    "found_on": ["2026-05-04"],
    "published_on": ["2026-05-04"],
    # These make no answer longer, or ask GitHub.
    "after": [],
    "shown": [],
    "viewer": [],
    "login": [],
    "backfill": [],
    "done": [],
    "number": [],
    "known": [],
    "view": ["unified"],
    "select": ["all"],
    "add": [],
    "which": [],
    "with_deals": [],
    "latest": ["3"],
    "approved": ["1"],
    "queued": ["1"],
    "retried": ["1"],
    "tried": ["publishing"],
    "skipped": ["1"],
    "left": ["1"],
    "unchanged": ["1"],
    "now": ["published"],
    "held": ["1"],
    "paused": [],
    "tags": [],
    "next": [],
    "users": [],
    "gists_per_day": [],
    "pipedrive_plan": [],
    "github_token": ["none"],
    "seats": [],
    "check_interval": [],
    "files_per_gist": [],
    "bytes_per_file": [],
    "backlog": [],
}
SHOWN_BY_POST = [
    Route("POST", "/latestgists/{login}", ()),
    Route("POST", "/api/v1/users/{login}/visits", ()),
]

SHOWN_OF_A_BODY = {"/api/v1/publishing/preview": {"of": "user-2", "limit": 20}}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let no garbage of other tests be collected meanwhile: that takes the loop's time, too."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class Ticker:
    """Measures the longest turn of the event loop, in seconds of its thread's processor time."""

    longest = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        self.longest = 0.0
        task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0.002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _tick(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now


def reference() -> float:
    """Seconds of processor time for much small memory, as pages need it; the least of three."""
    took = []
    for _ in range(3):
        began = time.thread_time()
        json.loads(json.dumps({str(number): {"a": [number]} for number in range(75_000)}))
        took.append(time.thread_time() - began)
    return min(took)


async def test_the_ticker_sees_what_holds_up_the_loop() -> None:
    ticker = Ticker()

    async with ticker.watching():
        until = time.thread_time() + LONGEST
        while time.thread_time() < until:
            pass

    assert ticker.longest >= LONGEST


@pytest.mark.long
@pytest.mark.usefixtures("no_collection")
async def test_no_answer_holds_up_the_others(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await _fill(database)
    app = application(database, settings)
    _let_preview(app)
    routes = [route for route in await every_route(tmp_path) if route.method == "GET"]
    ticker, held_up = Ticker(), {}
    longest = max(LONGEST, LONGEST_OF_REFERENCE * reference())

    async with _asking(app) as client:
        await client.get("/openapi.json")  # made once, and kept
        for route in (*routes, *SHOWN_BY_POST):
            for address in route.addresses(PLACES, QUERIES):
                async with ticker.watching():
                    answer = await client.request(route.method, address)
                assert answer.status_code < 500, f"{route.method} {address}: {answer.text}"
                if ticker.longest > longest:
                    held_up[address] = ticker.longest
        for address, body in SHOWN_OF_A_BODY.items():
            async with ticker.watching():
                answer = await client.post(address, json=body)
            assert answer.status_code == 200, f"{address}: {answer.text}"
            if ticker.longest > longest:
                held_up[address] = ticker.longest

    assert held_up == {}


async def _fill(database: Database) -> None:
    series = {name: NUMBERS.format(size) for name, size in SIZES.items()}
    for statement in FILL:
        filled = statement.format(now=f"'{NOW:%Y-%m-%d %H:%M:%S.%f}'", **series)
        values = {name: value for name, value in TEXTS.items() if f":{name} " in filled}
        async with database.begin() as transaction:
            await transaction.execute(text(filled), values)


def _let_preview(app: FastAPI) -> None:
    options = RenderOptions(OnEdit.IGNORE, OnDelete.IGNORE, Policies())
    app.state.context = replace(app.state.context, preview=partial(previewed, options=options))


def _asking(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://127.0.0.1",
        cookies={"gitpip_viewer": VIEWER},
        timeout=60,
    )


async def test_the_list_of_all_users_is_whole_while_others_come_and_go(
    database: Database, settings: Settings
) -> None:
    stay = [(f"stays-{number}", f'id "{number}" \N{SNOWMAN}\\') for number in range(2_500)]
    go = [(f"goes-{number}", f"leaving-{number}") for number in range(30)]
    together = [UserToAdd(*pair, backfill=ALL) for pair in [*stay[:900], *go, *stay[900:]]]
    async with database.begin() as transaction:
        await add_many(transaction, together, NOW)

    async def come_and_go() -> None:
        for number, (login, _) in enumerate(go):
            async with database.begin() as transaction:
                user = await users.find(transaction, login)
                await users.remove(transaction, user.key, NOW)
                new = UserToAdd(f"comes-{number}", f"coming-{number}", backfill=ALL)
                await add_many(transaction, [new], NOW)

    async with _asking(application(database, settings)) as client:
        moving = asyncio.create_task(come_and_go())
        seen = [(await client.get("/users")).json() for _ in range(5)]
        await moving
        last = await client.get("/users")

    for listed in seen:
        assert [(user["login"], user["id"]) for user in listed if user["login"][:2] == "st"] == stay
        logins = [user["login"] for user in listed]
        assert len(logins) == len(set(logins))
    async with database.read() as transaction:
        everyone = await users.everyone(transaction)
    models = [TrackedUser(login=user.login, id=user.external_id) for user in everyone]
    assert last.content == TypeAdapter(list[TrackedUser]).dump_json(models)
    assert last.headers["content-type"] == "application/json"
    assert last.headers["content-length"] == str(len(last.content))


LIST = TypeAdapter(list[TrackedUser])


async def _pages(number: int, *, fails: bool = False) -> AsyncIterator[list[TrackedUser]]:
    for page in range(number):
        yield [TrackedUser(login=f"user-{page}-{place}", id="x" * 20) for place in range(1_000)]
    if fails:
        raise DatabaseUnavailable("the database went away")


@pytest.mark.long
async def test_a_long_answer_does_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        answer = await json_array(_pages(100), LIST)
        size = 0
        async for piece in answer.body_iterator:
            size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == int(answer.headers["content-length"]) > 4 * IN_MEMORY
    assert peak < 3 * IN_MEMORY


async def test_no_half_of_a_list_is_answered() -> None:
    with pytest.raises(DatabaseUnavailable):
        await json_array(_pages(3, fails=True), LIST)


async def test_a_list_of_nothing_is_a_list() -> None:
    answer = await json_array(_pages(0), LIST)

    assert [piece async for piece in answer.body_iterator] == [b"[]"]
