"""The pages of users: tags, forecasts, checks and removal, as forms send them."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served

SAVED = '<p class="sentence good" role="status">Saved.</p>'


@pytest.fixture
def people(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        yield client


def test_users_are_tagged_and_found_by_tag(served: Served, people: httpx2.Client) -> None:
    for login in ("ada", "bob"):
        served.github.add_user(login)
    people.post("/people", data={"login": "ada", "tags": "vip, c++"})
    people.post("/people", data={"login": "bob"})

    assert "ada" in people.get("/people?tag=vip").text
    assert "bob" not in people.get("/people?tag=c%2B%2B").text
    changed = people.post("/people/bob/change", data={"tags": "vip", "interval": "45m"})
    wrong = people.post("/people/bob/change", data={"tags": "x" * 51})
    strange = people.post("/people/bob/change", data={"tags": "vip", "interval": "soon"})

    assert 'value="45m"' in changed.text
    for act, data in (("target", {"target": "deal-by-title"}), ("hold", {}), ("unhold", {})):
        assert SAVED in people.post(f"/people/bob/{act}?show=week", data=data).text, act
    assert SAVED in changed.text
    assert SAVED not in people.get("/people/bob").text
    assert SAVED not in wrong.text
    assert "bob" in people.get("/people?tag=vip").text
    assert wrong.status_code == strange.status_code == 422
    assert "Tags: " in wrong.text
    assert "Check every: " in strange.text
    assert served.gitpip.get("/api/v1/users/bob").json()["tags"] == ["vip"]
    people.post("/people/bob/change", data={"tags": "", "interval": ""})
    assert served.gitpip.get("/api/v1/users/bob").json()["tags"] == []


def test_people_are_told_of_as_people_say_it(served: Served, people: httpx2.Client) -> None:
    for login in ("ada", "bob"):
        served.github.add_user(login)
    people.post("/people", data={"login": "ada", "id": "customer-7"})
    without = people.post("/people", data={"login": "bob"})

    listed = on_one_line(people.get("/people").text)
    assert 'data-label="Status">Active</td>' in listed
    assert ">Not found on GitHub</a>" in listed
    assert "Last checked: when gitpip last asked GitHub about the person." in listed
    # Without a customer ID, a program is told GitHub's number, and a person is told nothing.
    assert "customer ID" not in without.text
    assert people.get("/people/ada").text.count("<bdi>customer-7</bdi>") == 1
    number = served.api("GET", "/users/bob").json()
    assert number["id"] == str(number["github_id"])


def test_what_was_written_stays_in_the_form_that_is_refused(
    served: Served, people: httpx2.Client
) -> None:
    served.github.add_user("ada")
    people.post("/people", data={"login": "ada", "tags": "old"})

    user = people.post(
        "/people/ada/change",
        data={"tags": "vip, new", "interval": "soon", "publishing_mode": "dry-run"},
    )
    target = people.post("/people/ada/target", data={"target": "deal:many"})
    feed = people.post("/feeds", data={"name": "my\treader"})

    assert user.status_code == target.status_code == feed.status_code == 422
    assert 'value="vip, new"' in user.text
    assert 'value="soon"' in user.text
    assert '<option value="dry-run" selected>' in user.text
    assert 'value="deal:many"' in target.text
    assert 'value="old"' in target.text
    assert 'value="my\treader"' in feed.text
    assert served.gitpip.get("/api/v1/users/ada").json()["tags"] == ["old"]


@pytest.mark.parametrize("login", ["import", "check", "selected", "change", "remove"])
def test_a_user_who_is_called_like_a_page_has_one_too(
    served: Served, people: httpx2.Client, login: str
) -> None:
    served.github.add_user(login)

    added = people.post("/people", data={"login": login})
    asked = people.get(f"/people/{login}/remove")
    paused = people.post(f"/people/{login}/pause")
    removed = people.post(f"/people/{login}/remove")

    assert re.search(rf"<h1>.*</span> {login}</h1>", added.text)
    assert f"Stop tracking {login}" in asked.text
    assert "paused" in paused.text
    assert removed.status_code == 200
    assert served.gitpip.get("/users").json() == []


def test_a_forecast_adds_nobody(served: Served, people: httpx2.Client) -> None:
    served.github.add_user("ada")
    served.github.add_gist("ada", {"one.py": "1", "two.py": "2"})

    forecast = people.post("/people", data={"login": "ada", "backfill": "all", "forecast": "1"})
    none = people.post(
        "/people", data={"login": "https://github.com/ada", "backfill": "none", "forecast": "1"}
    )

    said = on_one_line(forecast.text)
    assert "ada has 1 public gist (2 files). Adding ada will create 2 activities in Pip" in said
    assert "Adding ada will create 0 activities in Pipedrive." in on_one_line(none.text)
    assert served.gitpip.get("/users").json() == []


def test_a_forecast_says_that_the_user_is_tracked_already(
    served: Served, people: httpx2.Client
) -> None:
    served.track("ada", {"one.py": "1"})

    page = people.post("/people", data={"login": "Ada", "backfill": "all", "forecast": "1"})
    body = served.api("POST", "/forecast", {"login": "ada", "backfill": "all"}).json()

    known = (
        "ada is already tracked. Adding the same person again changes nothing and sends nothing."
    )
    assert known in on_one_line(page.text)
    assert "will create" not in page.text
    assert (body["tracked_as"], body["activities"], body["seconds"]) == ("ada", 0, 0)


def test_a_forecast_says_when_github_cannot_be_asked(served: Served, people: httpx2.Client) -> None:
    served.github.tokens.clear()

    answer = people.post("/people", data={"login": "ada", "forecast": "1"})

    assert "Can't preview right now: GitHub does not accept the token." in on_one_line(answer.text)


def test_before_removal_it_is_said_what_happens(served: Served, people: httpx2.Client) -> None:
    served.track("ada", {"one.py": "1"})
    published = "/api/v1/publications?state=published"
    served.gitpip.wait_for(lambda: served.gitpip.get(published).json()["total"], "the activity")

    asked = people.get("/people/ada/remove").text
    assert "Their 1 gist (1 file) is hidden" in on_one_line(asked)
    assert "1 activity" in asked
    assert served.gitpip.get("/api/v1/users/ada").status_code == 200

    people.post("/people/ada/remove")
    assert served.gitpip.get("/api/v1/users/ada").status_code == 404


def test_a_check_of_everybody_shows_how_far_it_is(served: Served, people: httpx2.Client) -> None:
    served.track("ada", {"one.py": "1"})

    page = people.post("/people/check")
    served.gitpip.wait_for(lambda: "Finished" in people.get(page.url.path).text, "the check")

    assert "1 person checked" in on_one_line(people.get(page.url.path).text)


def test_unread_gists_of_a_user_survive_removing_and_adding_again(
    served: Served, people: httpx2.Client
) -> None:
    served.track("ada", {"one.py": "1"})
    served.track("bob", {"two.py": "2"})
    assert "one.py" in people.get("/").text

    people.post("/people/ada/remove")
    assert "one.py" not in people.get("/").text
    people.post("/seen", data={"everything": "1"})
    people.post("/people", data={"login": "ada"})

    home = people.get("/").text
    assert "one.py" in home
    assert "two.py" not in home


def test_a_person_has_a_row_for_each_gist_that_is_marked_in_its_place(
    served: Served, people: httpx2.Client
) -> None:
    served.track("ada", {"one.py": "1", "two.py": "2"}, {"three.py": "3"})

    def rows(page: str) -> list[tuple[str, str]]:
        return re.findall(r'<article class="item( read)?[^"]*" id="gist-(\w+)"', page)

    before = people.get("/people/ada")
    (_, first), (_, second) = rows(before.text)
    (marked,) = re.findall(rf'name="gist" value="([^"]+)"[^>]*id="mark-{first}"', before.text)
    elsewhere = people.post("/seen", data={"gist": marked, "person": "//evil.example"})
    still = people.get("/people/ada")
    after = people.post("/seen", data={"gist": marked, "person": "ada"})

    assert rows(before.text) == rows(still.text) == [("", first), ("", second)]
    assert after.url.path == "/people/ada"
    assert rows(after.text) == [(" read", first), ("", second)]
    assert (elsewhere.status_code, elsewhere.history) == (404, [])


def test_a_user_shows_how_much_is_published_and_why_the_rest_waits(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    served.gitpip.wait_for(
        lambda: "1 of 1 file in Pipedrive" in served.gitpip.get("/people/ada").text,
        "the activity",
    )
    assert "Syncing:" not in served.gitpip.get("/people/ada").text
    served.gitpip.stop()
    served.gitpip.environment = {**served.gitpip.environment, "PIPEDRIVE_TOKEN": ""}
    served.gitpip.start()

    served.publish_another("ada", {"two.py": "2", "three.py": "3"})

    waiting = served.gitpip.get("/people/ada").text
    assert "1 of 3 files in Pipedrive" in waiting
    assert "Waiting: 2 to go <progress" in on_one_line(waiting)
    assert "New gists are collected and sent once you connect it." in waiting
    listed = served.gitpip.get("/publications?state=pending").text
    assert "New gists are collected and sent once you connect it." in listed
    assert "Sync has stopped" in listed
