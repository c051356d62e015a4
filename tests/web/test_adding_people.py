"""The form that adds people: several at once, in any spelling, after a preview if wanted."""

import re
from collections.abc import Iterator
from html import unescape

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served


@pytest.fixture
def people(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        yield client


def _said(page: httpx2.Response) -> str:
    return on_one_line(unescape(re.sub("<[^>]+>", "", page.text)))


def _tracked(served: Served) -> list[str]:
    return [user["login"] for user in served.gitpip.get("/users").json()]


def test_several_are_previewed_and_added_however_they_are_written(
    served: Served, people: httpx2.Client
) -> None:
    for login in ("ada", "bob", "cleo"):
        served.github.add_user(login)
    served.github.add_gist("ada", {"one.py": "1", "two.py": "2"})
    served.github.add_gist("ada", {"three.py": "3"})
    served.github.add_gist("bob", {"four.py": "4"})
    written = "@ada, https://gist.github.com/bob/0123456789abcdef\nADA;cleo"
    form = {"login": written, "backfill": "latest", "latest": "1", "tags": "vip"}

    preview = people.post("/people", data={**form, "forecast": "1"})

    said = _said(preview)
    assert "3 people, 3 existing gists: 2 files will be sent now, in about 1 s." in said
    assert "“Send all” would send 4 files, in about 1 s. Nothing has been added yet." in said
    assert "ada: 2 public gists, 1 of 3 files will be sent" in said
    assert re.search("<button[^>]*>Add 3 people</button>", on_one_line(preview.text))
    assert re.search(r'value="latest" checked>.*\s.*name="latest"[^>]*value="1"', preview.text)
    assert _tracked(served) == []
    added = people.post("/people", data=form)

    assert "Added 3 people." in _said(added)
    assert _tracked(served) == ["ada", "bob", "cleo"]
    assert served.api("GET", "/users/cleo").json()["tags"] == ["vip"]
    assert served.api("GET", "/users/bob").json()["backfill"] == "latest:1"
    assert "All of them were already tracked." in _said(people.post("/people", data=form))


def test_people_who_can_not_be_added_stay_in_the_form_with_the_reason(
    served: Served, people: httpx2.Client
) -> None:
    served.track("bob", {"one.py": "1"})
    served.github.add_user("ada")
    form = {"login": "ada nobody bob", "backfill": "none"}

    preview = people.post("/people", data={**form, "forecast": "1"})
    assert "ada has 0 public gists (0 files)" in _said(preview)
    assert "bob is already tracked." in _said(preview)
    assert "GitHub has no user nobody; check the spelling." in _said(preview)
    assert re.search("<button[^>]*>Add ada</button>", on_one_line(preview.text))
    added = people.post("/people", data=form)

    assert added.status_code == 422
    (good,) = re.findall('<div class="sentence good"[^>]*>(.*?)</div>', added.text, re.DOTALL)
    (bad,) = re.findall('<div class="sentence bad"[^>]*>(.*?)</div>', added.text, re.DOTALL)
    assert "Added ada." in on_one_line(good)
    assert "Already tracked: bob." in on_one_line(good)
    assert "GitHub has no user nobody" in on_one_line(bad)
    assert "ada" not in bad
    assert ">nobody</textarea>" in added.text
    assert set(_tracked(served)) == {"ada", "bob"}


def test_a_bad_word_is_shown_and_the_others_can_be_added(
    served: Served, people: httpx2.Client
) -> None:
    for login in ("ada", "grace-hopper"):
        served.github.add_user(login)
    form = {"login": "ada, @nobody, https://github.com/grace-hopper, no!name", "backfill": "none"}

    for fields in ({"forecast": "1"}, {}):  # without a preview, too, nothing is added unseen
        preview = people.post("/people", data={**form, **fields})
        assert preview.status_code == (200 if fields else 422)
        assert "GitHub has no user nobody; check the spelling." in _said(preview)
        assert "'no!name' isn't a valid GitHub username" in _said(preview)
        assert '<button name="rest" value="1">Add 2 people</button>' in on_one_line(preview.text)
        assert _tracked(served) == []
    added = people.post("/people", data={**form, "rest": "1"})

    assert _tracked(served) == ["ada", "grace-hopper"]
    assert "Added ada, grace-hopper." in _said(added)
    assert "'no!name' isn't a valid GitHub username" in _said(added)
    assert ">nobody no!name</textarea>" in added.text


def test_a_list_that_is_too_long_goes_on_to_the_import(
    served: Served, people: httpx2.Client
) -> None:
    names = [f"name-{number}" for number in range(6_000)]
    written = ",\r\n".join(names)  # more than twice the 65,536 bytes of other forms
    refused = people.post("/people", data={"login": written})

    assert refused.status_code == 422
    assert "You named 6000 people. You can add at most 20 here at once." in _said(refused)
    assert "Import takes longer lists. Import this list" in _said(refused)
    (form,) = re.findall('<form[^>]*action="/imports"[^>]*>.*?</form>', refused.text, re.DOTALL)
    (text,) = re.findall('<textarea name="users"[^>]*>([^<]*)<', form)
    page = people.post("/imports", data={"users": text})
    assert "going by the first 1,000 rows. The file has more" in _said(page)


def test_a_preview_asks_no_more_once_github_does_not_answer(
    served: Served, people: httpx2.Client
) -> None:
    served.github.add_user("ada")
    served.github.tokens.clear()

    preview = people.post("/people", data={"login": "ada bob cleo", "forecast": "1"})

    assert "Can't preview ada, bob, cleo: GitHub does not accept the token" in _said(preview)
    assert "isn't responding" not in _said(preview)
    asked = [request.path for request in served.github.requests if "/users/" in request.path]
    assert asked == ["/users/ada"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"login": " , "}, "Enter at least one GitHub username"),
        ({"login": "ada no!name"}, "'no!name' isn't a valid GitHub username"),
        (
            {"login": " ".join(f"u{n}" for n in range(21))},
            "You named 21 people. You can add at most 20",
        ),
        ({"login": "ada bob", "id": "7"}, "Customer ID: a customer ID is for one person"),
        (
            {"login": "ada", "backfill": "latest", "latest": "0"},
            "Existing gists: must be all, none",
        ),
        ({"login": "ada", "backfill": "since", "since": ""}, "Existing gists: must be a date"),
        ({"login": "ada", "tags": "x" * 51}, "Tags: must be"),
    ],
)
def test_a_wrong_field_is_explained_and_adds_nobody(
    served_to_all: Served, fields: dict[str, str], says: str
) -> None:
    answer = httpx2.post(f"{served_to_all.gitpip.url}/people", data=fields, timeout=20)

    assert answer.status_code == 422
    assert says in _said(answer)
    assert unescape(re.findall("<textarea[^>]*>([^<]*)</textarea>", answer.text)[0]).strip() == (
        fields["login"].strip()
    )
    assert _tracked(served_to_all) == []


def test_a_link_writes_a_name_into_the_form(served_to_all: Served) -> None:
    page = served_to_all.gitpip.get("/people?add=ada%3Cb%3E")

    assert ">ada&lt;b&gt;</textarea>" in page.text
    assert re.search('<details id="add"[^>]* open>', page.text)


@pytest.mark.parametrize("path", ["/people?q=octocat", "/?q=octocat", "/people/octocat"])
def test_a_searched_person_who_is_not_tracked_can_be_added(
    served_to_all: Served, path: str
) -> None:
    url, accept = f"{served_to_all.gitpip.url}{path}", {"accept": "text/html"}
    answer = httpx2.get(url, headers=accept)
    other = httpx2.get(url.replace("octocat", "no+name%21"), headers=accept)

    assert "You don't track octocat yet." in _said(answer)
    assert 'href="/people?add=octocat#add">Add octocat</a>' in on_one_line(answer.text)
    assert "?add=" not in other.text
