"""The inbox: what a reader has read, what comes back as unread, and what an undo brings back."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gitpip.errors import MarkedSince
from gitpip.model import GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store import commit_order, read_state
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.inbox import entries, marks, pages
from gitpip.store.inbox.filters import InboxFilter, wanted
from gitpip.store.listing import FileWanted
from gitpip.store.schema_visits import home_visits
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.store.visits.home import HomeVisit
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANNA, BEN = "key:anna", "browser:ben"
UNREAD = pages.GistsWanted(unread=True)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


class Inbox:
    """A database with two users, and what is done in its inbox."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.numbers = itertools.count(1)

    async def find(
        self, login: str, gist: str, *names: str, content: str = "x", age: int = 0
    ) -> None:
        """A gist of a user is found with these files; known files get the content."""
        key = await track(self.database, login, NOW)
        files = tuple(
            SeenFile(name, f"{next(self.numbers):040x}", 1, "Text", "", content=content)
            for name in names
        )
        at = NOW - timedelta(days=age)
        seen = SeenGist(GistId(gist), GitHubId(1), f"about {gist}", "", at, at, files)
        async with self.database.begin() as transaction:
            user = await users.lock(transaction, key)
            assert user
            await gists.store(transaction, user, [seen], check_id=None, now=NOW)

    async def shows(self, viewer: str, asked: pages.GistsWanted = UNREAD) -> list[str]:
        """All gists of all pages, two at a time."""
        shown: list[str] = []
        before: pages.Position | None = None
        async with self.database.read() as transaction:
            for _ in range(20):
                page = await pages.page(transaction, viewer, asked, before=before, limit=2)
                shown += page.ids
                before = page.next
                if before is None:
                    return shown
        raise AssertionError("the pages have no end")

    async def mark(
        self, viewer: str, *ids: str, read: bool = True, seen: int | None = None
    ) -> HomeVisit:
        """Mark these gists, each as it was seen with the key `seen`, or as it is now."""
        async with self.database.begin() as transaction:
            chosen = {GistId(gist_id): seen for gist_id in ids}
            return await marks.mark(transaction, viewer, chosen, NOW, read=read)

    async def mark_all(self, viewer: str, up_to: int | None = None) -> HomeVisit:
        newest = await commit_order.settled(self.database)
        async with self.database.begin() as transaction:
            return await marks.mark_all(transaction, viewer, NOW, up_to=up_to or newest)

    async def undo(self, viewer: str, visit: HomeVisit) -> None:
        async with self.database.begin() as transaction:
            await marks.undo(transaction, viewer, visit.id, NOW)

    async def count(self, viewer: str) -> read_state.Amount:
        async with self.database.read() as transaction:
            return await read_state.unread(transaction, viewer)


@pytest.fixture
async def inbox(database: Database) -> Inbox:
    inbox = Inbox(database)
    for number, login in enumerate(["ada", "bob", "ada", "bob", "ada"], start=1):
        await inbox.find(login, f"g{number}", "a.py")
    return inbox


async def test_each_reader_has_marks_of_their_own(inbox: Inbox) -> None:
    await inbox.mark(ANNA, "g2", "g4", "none")

    assert await inbox.shows(ANNA) == ["g5", "g3", "g1"]
    assert await inbox.shows(BEN) == ["g5", "g4", "g3", "g2", "g1"]
    assert await inbox.count(ANNA) == read_state.Amount(3, 1, more=False)
    assert await inbox.shows(ANNA, pages.GistsWanted()) == ["g5", "g4", "g3", "g2", "g1"]


@pytest.mark.parametrize("everything", [True, False])
async def test_a_new_file_and_an_edit_make_a_gist_unread(inbox: Inbox, everything: bool) -> None:
    await (inbox.mark_all(ANNA) if everything else inbox.mark(ANNA, "g1", "g2", "g3", "g4", "g5"))
    assert await inbox.shows(ANNA) == []

    await inbox.find("ada", "g1", "a.py", content="edited")
    await inbox.find("bob", "g2", "b.py")

    assert await inbox.shows(ANNA) == ["g2", "g1"]
    async with inbox.database.read() as transaction:
        second, first = await entries.entries(transaction, ANNA, [GistId("g2"), GistId("g1")])
    assert first.edit is not None
    assert (first.edit.before, first.edit.after, first.unread) == ("x", "edited", True)
    assert [file.filename for file in second.files] == ["a.py", "b.py"]


async def test_what_came_after_the_page_stays_unread(inbox: Inbox) -> None:
    shown_up_to = await commit_order.settled(inbox.database)
    await inbox.find("ada", "g6", "a.py")
    await inbox.find("bob", "g2", "a.py", content="edited")

    visit = await inbox.mark_all(ANNA, up_to=shown_up_to)

    assert await inbox.shows(ANNA) == ["g2", "g6"]
    # A visit says up to which file, and bob's first one is unread again.
    assert (visit.gists, visit.users) == (4, 1)


async def test_the_last_mark_can_be_undone(inbox: Inbox) -> None:
    everything = ["g5", "g4", "g3", "g2", "g1"]
    one = await inbox.mark(ANNA, "g3")
    await inbox.undo(ANNA, one)
    assert await inbox.shows(ANNA) == everything
    await inbox.mark(ANNA, "g1", "g3")
    kept = await inbox.mark(ANNA, "g3", read=False)
    await inbox.undo(ANNA, kept)
    assert await inbox.shows(ANNA) == ["g5", "g4", "g2"]
    await inbox.mark(ANNA, "g3", read=False)
    former = await inbox.mark_all(ANNA)
    assert await inbox.shows(ANNA) == []
    await inbox.undo(ANNA, former)
    await inbox.undo(ANNA, former)
    assert await inbox.shows(ANNA) == ["g5", "g4", "g3", "g2"]
    async with inbox.database.read() as transaction:
        ada = await users.find(transaction, "ada")
        assert await visits.last_seen(transaction, ada.key, viewer=ANNA) == 0
    earlier = await inbox.mark(ANNA, "g5")
    await inbox.mark(ANNA, "g4")
    with pytest.raises(MarkedSince):
        await inbox.undo(ANNA, earlier)


@pytest.mark.parametrize("everything", [True, False])
async def test_a_mark_that_changed_nothing_leaves_the_undo_of_the_one_before(
    inbox: Inbox, everything: bool
) -> None:
    await inbox.mark(ANNA, "g2")
    gists = ("g1", "g3", "g4", "g5")
    last = await (inbox.mark_all(ANNA) if everything else inbox.mark(ANNA, *gists))
    for _ in range(2):
        await inbox.mark(ANNA, "g3", "g4")
        await inbox.mark(ANNA, "none", read=False)
        again = await inbox.mark_all(ANNA)

    assert (again.gists, again.users, again.files) == (0, 0, 0)
    await inbox.undo(ANNA, again)
    await inbox.undo(ANNA, last)
    assert await inbox.shows(ANNA) == ["g5", "g4", "g3", "g1"]
    async with inbox.database.read() as transaction:
        kept = await transaction.scalars(select(home_visits.c.gists).order_by(home_visits.c.id))
        assert list(kept) == [1, 4, 0]


async def test_a_stale_page_makes_nothing_unread_that_was_marked_since(inbox: Inbox) -> None:
    async with inbox.database.read() as transaction:
        (shown,) = await entries.entries(transaction, ANNA, [GistId("g1")])
    await inbox.find("ada", "g1", "a.py", content="edited")
    await inbox.mark(ANNA, "g1")

    stale = await inbox.mark(ANNA, "g1", "g2", seen=shown.key)

    assert await inbox.shows(ANNA) == ["g5", "g4", "g3", "g2"]
    await inbox.undo(ANNA, stale)
    assert await inbox.shows(ANNA) == ["g5", "g4", "g3", "g2"]
    await inbox.mark(ANNA, "g1", read=False)
    await inbox.mark(ANNA, "g1", seen=shown.key)
    assert "g1" in await inbox.shows(ANNA)  # the edit was not on that page


async def test_a_mark_counts_only_what_it_changed(inbox: Inbox) -> None:
    shown_up_to = await commit_order.settled(inbox.database)
    await inbox.mark(ANNA, "g1")
    await inbox.find("bob", "g2", "a.py", content="edited")

    # g1 was marked by another tab, and g2 stays unread.
    page = await inbox.mark(ANNA, "g1", "g2", "g3", "g4", "none", seen=shown_up_to)
    again = await inbox.mark(ANNA, "g3", "g4")
    unread = await inbox.mark(ANNA, "g1", "g2", read=False)

    assert [visit.gists for visit in (page, again, unread)] == [2, 0, 1]
    assert await inbox.shows(ANNA) == ["g2", "g5", "g1"]


async def test_one_can_stay_unread_below_the_line(inbox: Inbox) -> None:
    await inbox.mark_all(ANNA)
    await inbox.mark(ANNA, "g2", read=False)
    await inbox.find("bob", "g6", "a.py")

    assert await inbox.shows(ANNA) == ["g6", "g2"]
    await inbox.mark_all(ANNA)
    assert await inbox.shows(ANNA) == []


async def test_a_visit_by_a_program_counts_as_read(inbox: Inbox) -> None:
    async with inbox.database.begin() as transaction:
        ada = await users.find(transaction, "ada")
        await visits.record(transaction, ada.key, viewer=ANNA, now=NOW)
    assert await inbox.shows(ANNA) == ["g4", "g2"]
    await inbox.find("ada", "g1", "a.py", content="edited")
    assert await inbox.shows(ANNA) == ["g1", "g4", "g2"]


async def test_nothing_unread_is_lost_while_its_user_is_removed(inbox: Inbox) -> None:
    await inbox.mark(ANNA, "g1")
    async with inbox.database.begin() as transaction:
        ada: UserKey = (await users.find(transaction, "ada")).key
        await users.remove(transaction, ada, NOW)
    assert await inbox.shows(ANNA) == ["g4", "g2"]
    await inbox.mark_all(ANNA)

    assert await track(inbox.database, "ada", NOW) == ada

    assert await inbox.shows(ANNA) == ["g5", "g3"]
    await inbox.mark_all(ANNA)
    assert await inbox.shows(ANNA) == []


async def test_marks_are_bounded_and_say_the_same(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MARKS_KEPT", 2)
    for gist in ("g5", "g4", "g2"):
        await inbox.mark(ANNA, gist)
    await inbox.mark(ANNA, "none")
    assert await inbox.shows(ANNA) == ["g3", "g1"]
    async with inbox.database.read() as transaction:
        assert await read_state.line_of(transaction, ANNA) > 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "edited"}, ["g1"]),
        ({"tag": "none"}, []),
        ({"user": "bob"}, ["g4", "g2"]),
        ({"user": "bob", "show": "unread"}, ["g4"]),
        ({"language": "Text", "show": "unread"}, ["g1", "g5", "g4", "g3"]),
        ({"q": "about", "show": "unread"}, ["g5", "g4", "g3", "g1"]),
        ({"since": "2025-12-01", "until": "2026-01-01"}, ["g1", "g5", "g4", "g3", "g2"]),
        ({"q": "about", "since": "2025-12-01", "show": "all"}, ["g5", "g4", "g3", "g2", "g1"]),
        ({"q": "edited", "since": "2025-12-01", "show": "unread"}, ["g1"]),
        ({"q": "about", "until": "2025-12-01", "show": "all"}, ["old"]),
        ({"until": "2025-12-01"}, ["old"]),
        ({"until": "2025-12-01", "by": "found"}, []),
        ({"show": "today"}, ["g1", "g5", "g4", "g3", "g2"]),
    ],
)
@pytest.mark.parametrize("most", [pages.MAX_CHECKED_GISTS, 0], ids=["few gists", "many gists"])
async def test_filters_find_gists_once(
    inbox: Inbox,
    query: dict[str, str],
    found: list[str],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "MAX_CHECKED_GISTS", most)
    await inbox.find("ada", "old", "o.py", "p.py", age=90)
    await inbox.mark(ANNA, "g2", "old")
    await inbox.find("ada", "g1", "a.py", content="edited")
    async with inbox.database.read() as transaction:
        asked = await wanted(transaction, InboxFilter.of(query), NOW + timedelta(hours=1))
    shown = [gist for gist in await inbox.shows(ANNA, asked) if gist != "old" or found == ["old"]]
    assert shown == found


async def test_arrivals_are_counted_by_the_filter(inbox: Inbox) -> None:
    newest = await commit_order.settled(inbox.database)
    await inbox.find("ada", "g6", "a.py", content="special")
    await inbox.find("bob", "g7", "a.py")
    async with inbox.database.read() as transaction:
        for asked, number in [
            (UNREAD, 2),
            (pages.GistsWanted(FileWanted(text="special")), 1),
            (pages.GistsWanted(FileWanted(language="Go")), 0),
        ]:
            counted = await pages.count_after(transaction, ANNA, asked, newest, at_most=9)
            assert counted == number
