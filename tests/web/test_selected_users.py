"""Users selected in the table: what is done to all of them or to none, as forms send it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served

SELECTED = "/people/selected"


class Table:
    """The page of users, as a browser without scripts uses it."""

    def __init__(self, served: Served, client: httpx2.Client) -> None:
        self._served = served
        self._client = client

    def order(
        self,
        act: str,
        *logins: str,
        tags: str = "",
        confirmed: str = "",
        within: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        form = {"act": act, "login": logins, "tags": tags, "confirmed": confirmed}
        return self._client.post(f"{SELECTED}?{within}", data=form, headers=headers)

    def users(self) -> dict[str, tuple[str, Sequence[str]]]:
        """The state and the tags of everybody."""
        listed = self._served.gitpip.get("/api/v1/users").json()["items"]
        return {user["login"]: (user["state"], user["tags"]) for user in listed}

    def audit(self) -> set[tuple[str, str]]:
        """What was done to which users, apart from adding."""
        listed = self._served.gitpip.get("/api/v1/audit?limit=500").json()["items"]
        did = {(entry["action"], entry["subject"]) for entry in listed}
        return {(action, subject) for action, subject in did if action != "user.added"}


def _table(served: Served, client: httpx2.Client, *logins: str) -> Table:
    for login in logins:
        served.github.add_user(login)
        client.post("/people", data={"login": login})
    return Table(served, client)


@pytest.fixture
def table(served_from_any: Served) -> Iterator[Table]:
    with httpx2.Client(
        base_url=served_from_any.gitpip.url, follow_redirects=True, timeout=20
    ) as client:
        yield _table(served_from_any, client, "ada", "bob", "cleo")


def _said(page: httpx2.Response) -> str:
    """What the page says was done, or was wrong."""
    found = re.search(r'role="(?:status|alert)">([^<]+)</p>', page.text)
    return unescape(found[1]).strip() if found else ""


def _ticked(page: httpx2.Response) -> list[str]:
    return re.findall(r'value="([^"]+)" form="selection"[^>]* checked>', page.text)


def test_some_are_paused_tagged_checked_and_resumed(table: Table) -> None:
    assert _said(table.order("pause", "ada", "cleo")) == "Paused 2 people."
    tagged = table.order("tag", "ada", "bob", tags="vip, new")
    assert _said(tagged) == "Added tags “vip”, “new” to 2 people."
    assert table.users() == {
        "ada": ("paused", ["new", "vip"]),
        "bob": ("active", ["new", "vip"]),
        "cleo": ("paused", []),
    }

    untagged = table.order("untag", "ada", "cleo", tags="new")
    assert _said(untagged) == "Removed tag “new” from 2 people."
    assert _said(table.order("check", "ada", "bob")) == (
        "Checking 1 person. 1 is paused and will be checked when resumed."
    )
    assert _said(table.order("resume", "ADA", "ada")) == "Resumed 1 person."

    assert table.users() == {
        "ada": ("active", ["vip"]),
        "bob": ("active", ["new", "vip"]),
        "cleo": ("paused", []),
    }
    assert table.audit() == {
        *(("user.paused", "ada"), ("user.paused", "cleo"), ("user.resumed", "ada")),
        *(
            ("user.changed", "ada: tags: none → new, vip"),
            ("user.changed", "ada: tags: new, vip → vip"),
        ),
        ("user.changed", "bob: tags: none → new, vip"),
        *(("user.check_requested", "ada"), ("user.check_requested", "bob")),
    }


def test_a_user_who_is_paused_already_keeps_that_and_the_audit_says_nothing(table: Table) -> None:
    table.order("pause", "ada")
    before = table.audit()

    assert _said(table.order("resume", "bob")) == "Resumed 1 person."
    assert _said(table.order("pause", "ada")) == "Paused 1 person."

    assert table.audit() == before
    assert table.users()["bob"] == ("active", [])


def test_files_of_some_are_held_until_that_ends(table: Table) -> None:
    held = table.order("hold", "ada", "bob")
    assert _said(held) == "New files of 2 people now need approval under CRM sync."
    assert on_one_line(held.text).count("Files need approval") == 2
    ended = table.order("unhold", "ada", "cleo")
    assert _said(ended).startswith("New files of 2 people now use the default mode.")
    assert on_one_line(ended.text).count("Files need approval") == 1
    modes = ("default → ask", "ask → default")
    assert table.audit() == {
        *(("user.changed", f"ada: new files: {mode}") for mode in modes),
        ("user.changed", f"bob: new files: {modes[0]}"),
    }


def test_tags_given_at_once_by_several_are_all_kept(table: Table) -> None:
    orders = [
        (("ada", "bob", "cleo")[:: 1 if number % 2 else -1], f"tag{number}") for number in range(8)
    ]

    with ThreadPoolExecutor(8) as several:
        pages = list(
            several.map(lambda order: table.order("tag", *order[0], tags=order[1]), orders)
        )

    assert [page.status_code for page in pages] == [200] * 8
    everything = ("active", [tag for _, tag in orders])
    assert table.users() == dict.fromkeys(("ada", "bob", "cleo"), everything)


def test_the_page_stays_as_it_was_filtered_and_sorted(table: Table) -> None:
    table.order("tag", "ada", "bob", tags="vip")
    within = "q=a&tag=vip&state=active&sort=checked"

    done = table.order("check", "ada", within=within)
    wrong = table.order("check", "nobody", "ada", within=within)

    assert done.url.params.items() >= dict(pair.split("=") for pair in within.split("&")).items()
    assert done.url.fragment == "selection"
    for page in (done, wrong):
        assert re.findall(r'id="user-(\w+)"', page.text) == ["ada"]
        assert f'action="{SELECTED}?{within.replace("&", "&amp;")}#selection"' in page.text


MANY = tuple(f"user{number}" for number in range(500))


@pytest.mark.parametrize(
    ("act", "logins", "tags", "says"),
    [
        ("pause", (), "", "select at least one person"),
        ("remove", (), "", "select at least one person"),
        ("pause", ("ada", "eve", "bob"), "", "eve is not tracked"),
        ("remove", ("ada", "eve", "mallory"), "", "eve, mallory are not tracked"),
        ("check", ("ada", "a\0b"), "", "'a\\x00b' isn't a GitHub username"),
        ("check", ("ada", "<b>"), "", "'<b>' isn't a GitHub username"),
        ("pause", ("ada", *MANY), "", "501 are selected. Select at most 500"),
        ("tag", ("ada",), " , ", "Tags: must be one or more tags"),
        ("tag", ("ada",), "x" * 51, "must be 1 to 50 printable characters"),
        ("tag", ("bob", "ada"), " ".join(map(str, range(20))), "for ada: must be at most 20 tags"),
        ("untag", ("ada", "bob"), "old vpi", "Tags: none of the selected people has the tag 'vpi'"),
        ("", ("ada",), "", "Act: must be check, pause, resume, hold, unhold, remove, tag or untag"),
        ("destroy", ("ada",), "", "Act: must be check, pause"),
    ],
)
def test_a_wrong_order_is_explained_and_changes_nothing(
    told_wrong: Table, act: str, logins: Sequence[str], tags: str, says: str
) -> None:
    before = told_wrong.users(), told_wrong.audit()

    page = told_wrong.order(act, *logins, tags=tags, confirmed="yes")

    assert page.status_code == 422
    assert says in _said(page)
    assert _said(page).startswith("Nothing changed: ")
    assert (told_wrong.users(), told_wrong.audit()) == before
    assert set(_ticked(page)) == {"ada", "bob"} & set(logins)


@pytest.fixture(scope="module")
def told_wrong(served_to_all: Served) -> Iterator[Table]:
    with httpx2.Client(
        base_url=served_to_all.gitpip.url, follow_redirects=True, timeout=20
    ) as client:
        table = _table(served_to_all, client, "ada", "bob")
        table.order("tag", "ada", tags="old")
        yield table


def test_a_form_that_no_page_sends_changes_nothing(told_wrong: Table) -> None:
    before = told_wrong.users(), told_wrong.audit()

    flooded = told_wrong.order("pause", *("ada" for _ in range(1_000)))
    elsewhere = told_wrong.order("pause", "ada", headers={"origin": "https://elsewhere.example"})
    misled = told_wrong.order("pause", "ada", within="offset=-1")

    assert [flooded.status_code, elsewhere.status_code, misled.status_code] == [400, 403, 422]
    assert (told_wrong.users(), told_wrong.audit()) == before


@pytest.mark.parametrize("said", ["done=destroy", "done=pause&number=501", "done=pause&number=-1"])
def test_the_page_says_nothing_that_can_not_have_been_done(
    served_to_all: Served, said: str
) -> None:
    assert served_to_all.gitpip.get(f"/people?{said}").status_code == 422


def test_before_several_are_removed_it_is_said_what_happens(served_from_any: Served) -> None:
    served = served_from_any
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        table = _table(served, client, "cleo")
        served.track("ada", {"one.py": "1"}, {"two.py": "2", "three.py": "3"})
        served.track("bob", {"four.py": "4"})
        published = "/api/v1/publications?state=published"
        served.gitpip.wait_for(
            lambda: served.gitpip.get(published).json()["total"] == 4, "the activities"
        )

        asked = table.order("remove", "bob", "ada", within="q=a")
        of_one = table.order("remove", "ada", within="q=a")
        lines = re.compile("<ul>.*</ul>", re.DOTALL)
        alone = client.get("/people/ada/remove")

        assert lines.findall(of_one.text) == lines.findall(alone.text) != []
        assert "Stop tracking 2 people?" in asked.text
        assert re.findall(r'href="/people/(\w+)"', asked.text) == ["ada", "bob"]
        assert "Their 3 gists (4 files) are hidden, not deleted." in on_one_line(asked.text)
        assert "4 activities and 2 deals remain" in asked.text
        assert "Nothing is queued for Pipedrive." in on_one_line(asked.text)
        assert set(table.users()) == {"ada", "bob", "cleo"}

        hidden = re.findall(r'type="hidden" name="login" value="(\w+)"', on_one_line(asked.text))
        done = table.order("remove", *hidden, confirmed="yes", within="q=a")

        assert _said(done) == "Stopped tracking 2 people. Their gists are hidden, not deleted."
        assert done.url.params["q"] == "a"
        assert set(table.users()) == {"cleo"}
        assert table.audit() >= {("user.removed", "ada"), ("user.removed", "bob")}
        again = table.order("remove", *hidden, confirmed="yes")
        assert _said(again) == "Nothing changed: ada, bob are not tracked."


def test_all_who_match_are_selected_across_pages_and_asked_about(served: Served) -> None:
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        names = [f"user-{number}" for number in range(60)]
        for name in names:
            served.github.add_user(name)
        many = "login\n" + "\n".join(names)
        page = client.post("/imports", files={"file": ("list.csv", many.encode())})
        client.post(f"{page.url.path}/confirm")
        table = Table(served, client)
        served.gitpip.wait_for(lambda: len(table.users()) == 60, "the import")

        offered = client.get("/people?q=user-1")
        link = re.findall('href="([^"]*select=all[^"]*)">Select all 11 that match', offered.text)[0]
        assert client.get("/people").text.count("Select all 60</a>") == 1
        selected = client.get(unescape(link).partition("#")[0])
        assert "All 11 people selected" in selected.text
        assert len(re.findall('form="selection"[^>]* checked\\s*disabled>', selected.text)) == 11

        form = {"act": "pause", "matching": "10"}
        wrong = client.post("/people/selected?q=user-1&select=all", data=form)
        assert _said(wrong).startswith("Nothing changed: 11 people match now")
        done = client.post("/people/selected?select=all", data={**form, "matching": "60"})
        assert _said(done) == "Paused 60 people."
        assert "select=all" not in str(done.url)
        assert {state for state, _ in table.users().values()} == {"paused"}

        asked = client.post(
            "/people/selected?select=all", data={"act": "remove", "matching": "60"}
        ).text
        assert "Stop tracking 60 people?" in asked
        assert "and 10 more" in on_one_line(asked)
        assert 'name="matching" value="60"' in on_one_line(asked)
        assert 'name="login"' not in asked
