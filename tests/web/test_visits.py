"""Visits against concurrent checks: nothing is shown twice, and nothing never."""

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from pathlib import Path
from typing import ClassVar

import httpx2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store import commit_order
from gitpip.store.database import Database, Transaction, open_database
from gitpip.store.gists import gists
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.store.visits.visits import Visit
from gitpip.web.pages.inbox import NEW_BROWSERS
from tests.support.pages import on_one_line
from tests.support.trials import trials
from tests.web.conftest import Served, serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPLICAS = 3

numbers = itertools.count(1)

# Clocks of several machines differ: any moment may come after any other.
moments = st.integers(-3600, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
viewers = st.sampled_from(["anna", "ben"])
replicas = st.integers(0, REPLICAS - 1)
actions = st.one_of(
    st.tuples(st.just("find"), replicas, st.integers(1, 3), moments),
    st.tuples(st.just("visit"), replicas, viewers, moments),
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@contextmanager
def closing_database(url: str, runner: asyncio.Runner) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        runner.run(database.close())


@pytest.fixture
def databases(database_url: str, runner: asyncio.Runner) -> Iterator[list[Database]]:
    """The same database, opened by several replicas."""
    opened = [open_database(database_url) for _ in range(REPLICAS)]
    runner.run(opened[0].migrate())
    yield opened
    for database in opened:
        runner.run(database.close())


def test_every_file_is_shown_exactly_once(
    databases: list[Database], runner: asyncio.Runner
) -> None:
    Visits.databases, Visits.runner = databases, runner

    run_state_machine_as_test(
        Visits, settings=settings(max_examples=trials(25), stateful_step_count=8, deadline=None)
    )


def test_what_is_marked_twice_is_one_visit(served: Served) -> None:
    served.track("ada", {"a.txt": "a"})
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=60) as browser:
        newest = re.findall('name="newest" value="([^"]+)"', browser.get("/").text)
        form = {"everything": "1", "newest": newest}
        first, again = (browser.post("/seen", data=form).text for _ in range(2))
        last = re.findall('formaction="(/seen/[0-9]+/undo)"', again)

        gist = re.findall('href="(/gist/[^"]+)"', browser.get("/?show=all").text)[0]
        page = browser.get(gist, headers={"referer": f"{served.gitpip.url}/?show=all&tag=x"}).text
        elsewhere = browser.get(gist, headers={"referer": "https://elsewhere.example/people"}).text
        unread = dict(re.findall('<button name="(unread)"[^>]* value="([^"]+)"', page))
        shown = re.findall('name="back" value="([^"]*)"', on_one_line(page))
        marked, twice = (
            browser.post("/seen", data={**unread, "back": unescape(shown[0])}) for _ in range(2)
        )
        row_alone = browser.post("/seen", data=unread, headers={"hx-request": "true"})
        undone = re.findall('formaction="(/seen/[0-9]+/undo)"', twice.text)
        browser.post(undone[0])
        read_again = browser.post("/seen", data=unread, headers={"hx-request": "true"})

    row = f"#gist-{gist.removeprefix('/gist/')}"
    assert f'<a href="/?show=all&amp;tag=x{row}" data-back>Back to inbox</a>' in page
    assert f'<a href="/{row}" data-back>Back to inbox</a>' in elsewhere
    assert "Marked 1 gist as unread." in on_one_line(marked.text)
    assert "Already marked as unread." in on_one_line(twice.text)
    assert (marked.url.params["tag"], marked.url.params["show"]) == ("x", "all")
    assert "Marked 1 gist as read." in first
    assert "Already marked as read. Your last change: marked 1 gist as read." in on_one_line(again)
    assert last == re.findall('formaction="(/seen/[0-9]+/undo)"', first)
    assert row_alone.headers["gitpip-unchanged"] == "true"
    assert "gitpip-unchanged" not in read_again.headers
    assert again.count('<a href="/seen/') == 1


def test_under_a_filter_only_what_it_shows_is_marked(served: Served) -> None:
    served.track("ada", {"a.txt": "quince"}, {"b.txt": "pear"})
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=60) as browser:
        found = browser.get("/?q=quince").text
        shown = re.findall('name="shown"\\s+value="([^"]+)"', found)
        marked = on_one_line(browser.post("/seen", data={"page": "1", "shown": shown}).text)
        this_week, none = (browser.get(each).text for each in ("/?show=week", "/?q=zzznothing"))

    assert "Mark all as read" not in found + this_week
    assert "Mark this page as read" in found
    assert "Mark this page as read" in this_week
    assert ">1 result<" in on_one_line(found)
    assert "Marked 1 gist as read." in marked
    assert "1 unread gist from 1 person" in marked
    assert "No matches. Try another word" in on_one_line(none)
    assert "inbox</a>. You don't track zzznothing yet." in on_one_line(none)


def test_the_unread_gists_of_a_person_stay_and_their_end_is_refreshed(served: Served) -> None:
    served.track("ada", {"a.txt": "1"})
    with httpx2.Client(base_url=served.gitpip.url) as browser:
        unread = on_one_line(browser.get("/people/ada?show=unread").text)
        browser.post("/seen", data={"everything": "1"})
        read = on_one_line(browser.get("/people/ada?show=unread").text)
    parts = "#unread,#attention,#paused,#head:morph,#progress:morph"
    assert f'hx-select-oob="{parts}" hx-swap="none"' in unread
    assert 'hx-swap="morph:outerHTML"' in read.partition('id="files"')[2]


def test_a_row_that_is_marked_keeps_the_lines_that_a_search_found(served: Served) -> None:
    served.track("ada", {"a.txt": "first\n" * 9 + "needle\n", "b.txt": "other"})
    with httpx2.Client(base_url=served.gitpip.url) as browser:
        listed = browser.get("/?q=needle&show=all").text
        [key] = re.findall('name="gist" value="([^"]+)"', listed)
        row = browser.post(
            "/seen",
            data={"gist": key, "back": "q=needle&show=all"},
            headers={"hx-request": "true"},
        ).text
    for page in (listed, row):
        assert '<span class="soft">10</span> <mark>needle</mark>' in page
    assert "Mark as unread" in on_one_line(row)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_what_the_page_shows_is_not_announced_as_new(
    served_from_any: Served, database_url: str, runner: asyncio.Runner
) -> None:
    """A gist that is shown while a smaller key may still appear is neither settled nor new."""
    with closing_database(database_url, runner) as database:
        changing = database.begin()
        transaction = runner.run(changing.__aenter__())
        runner.run(commit_order.about_to_appear(transaction))
        served_from_any.track("ada", {"a.txt": "a"})
        shown = httpx2.get(f"{served_from_any.gitpip.url}/", timeout=60).text
        runner.run(changing.__aexit__(None, None, None))
    served_from_any.track("bob", {"b.txt": "b"})
    asked = unescape(re.findall('hx-get="(/inbox/new[^"]+)"', shown)[0])
    answer = httpx2.get(served_from_any.gitpip.url + asked, timeout=60).text

    assert "a.txt" in shown
    assert ">1 new" in answer
    assert re.findall('hx-get="([^"]+)"', answer) == [escape(asked)]


def test_strangers_can_neither_fill_the_database_nor_evict_others(tmp_path: Path) -> None:
    """As anybody may read: nothing but its cookie tells one browser from another."""
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    settings = {"GITPIP_ALLOW_ANONYMOUS": "read", "GITPIP_TRUSTED_PROXIES": "127.0.0.1"}
    with (
        serving(tmp_path, database, GITPIP_ADMIN_KEY="k" * 40, **settings) as served,
        closing(sqlite3.connect(tmp_path / "gitpip.sqlite3")) as stored,
    ):

        def mark(cookie: str | None, address: str = "192.0.2.1") -> httpx2.Response:
            headers = {"x-forwarded-for": address, "accept": "text/html"}
            if cookie:
                headers["cookie"] = f"gitpip_viewer={cookie}"
            data = {"everything": "1"}
            return httpx2.post(f"{served.gitpip.url}/seen", data=data, headers=headers, timeout=60)

        def recorded() -> int:
            found: int = stored.execute("SELECT count(*) FROM home_visits").fetchone()[0]
            return found

        without = [mark(None), mark("invented")]
        assert [(one.status_code, one.headers["location"]) for one in without] == [(303, "/")] * 2
        assert all("gitpip_viewer=" in one.headers["set-cookie"] for one in without)
        assert recorded() == 0

        most = NEW_BROWSERS.amount
        statuses = [mark(f"{number:032x}").status_code for number in range(most + 5)]
        assert statuses == [303] * most + [429] * 5
        assert recorded() == most
        assert "sign in" in mark("f" * 32).text
        assert mark("f" * 32, "192.0.2.2").status_code == 303
        assert recorded() == most + 1
        # Of the marks of one browser that changed nothing, the last is kept.
        assert mark(f"{0:032x}").status_code == 303
        assert recorded() == most + 1


class Visits(RuleBasedStateMachine):
    """One user, whose files are found and seen by several replicas at the same time."""

    databases: ClassVar[list[Database]]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.shown: dict[str, list[tuple[Visit, list[tuple[int, str]]]]] = {}
        self.key = UserKey(0)
        self.owner = GitHubId(0)

    @initialize()
    def track(self) -> None:
        self.owner = GitHubId(next(numbers))
        self.key = self.runner.run(_track(self.databases[0], self.owner))

    @rule(together=st.lists(actions, min_size=1, max_size=5))
    def act(self, together: list[tuple[str, int, object, datetime]]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self._act(*action) for action in together))

        self.runner.run(all_at_once())

    def teardown(self) -> None:
        for viewer in self.shown:
            self.runner.run(self._visit(self.databases[0], viewer, NOW))
        for seen in self.shown.values():
            in_order = sorted(seen, key=lambda visit: (visit[0].up_to, visit[0].after))
            files = [file for _, shown in in_order for file in shown]
            assert [sequence for sequence, _ in files] == list(range(1, len(self.found) + 1))
            assert sorted(name for _, name in files) == sorted(self.found)
            for visit, shown in seen:
                assert self.runner.run(_shown(self.databases[1], visit)) == shown

    async def _act(self, kind: str, replica: int, detail: object, at: datetime) -> None:
        if kind == "visit":
            await self._visit(self.databases[replica], str(detail), at)
        else:
            assert isinstance(detail, int)
            await self._find(self.databases[replica], detail, at)

    async def _find(self, database: Database, count: int, at: datetime) -> None:
        names = [f"file{next(numbers)}" for _ in range(count)]
        files = tuple(
            SeenFile(name, "0" * 40, 1, None, f"https://gist.example/{name}", content="x")
            for name in names
        )
        gist = SeenGist(
            GistId(f"{next(numbers):032x}"),
            self.owner,
            None,
            "https://gist.example",
            NOW,
            NOW,
            files,
        )
        async with database.begin() as transaction:
            user = await users.lock(transaction, self.key)
            assert user
            await gists.store(transaction, user, [gist], check_id=None, now=at)
        self.found.update(names)

    async def _visit(self, database: Database, viewer: str, at: datetime) -> None:
        async with database.begin() as transaction:
            visit = await visits.record(transaction, self.key, viewer=viewer, now=at)
            shown = await _between(transaction, visit)
        self.shown.setdefault(viewer, []).append((visit, shown))


async def _track(database: Database, github_id: GitHubId) -> UserKey:
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            f"user-{github_id}",
            external_id=str(github_id),
            account=Account(f"user-{github_id}", github_id),
            backfill=Backfill.parse("all"),
            now=NOW,
        )
    return added.user.key


async def _shown(database: Database, visit: Visit) -> list[tuple[int, str]]:
    async with database.read() as transaction:
        return await _between(transaction, await visits.get(transaction, visit.id))


async def _between(transaction: Transaction, visit: Visit) -> list[tuple[int, str]]:
    files = await gists.between(transaction, visit.user_key, after=visit.after, up_to=visit.up_to)
    return [(file.sequence, file.filename) for file in files]
