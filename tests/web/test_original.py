"""The original's endpoints answer as they always did."""

from gitpip_standins import Fault
from tests.web.conftest import Files, Served


def test_nobody_is_tracked_at_first(served: Served) -> None:
    assert served.gitpip.get("/users").json() == []
    assert served.gitpip.get("/health").text == "Alive"


def test_a_pair_is_tracked_once(served: Served) -> None:
    served.github.add_user("octocat")
    served.github.add_user("hubot")
    post = served.gitpip.post

    first = post("/users/octocat/7")
    again = post("/users/OctoCat/7")
    other_id = post("/users/octocat/8")
    other_login = post("/users/hubot/7")

    assert (first.status_code, first.json()) == (201, {"login": "octocat", "id": "7"})
    assert (again.status_code, again.json()) == (200, {"login": "octocat", "id": "7"})
    assert (other_id.status_code, other_id.json()["code"]) == (409, "user-conflict")
    assert (other_login.status_code, other_login.json()["code"]) == (409, "user-conflict")
    assert served.gitpip.get("/users").json() == [{"login": "octocat", "id": "7"}]


def test_a_login_that_github_does_not_know_is_not_tracked(served: Served) -> None:
    answer = served.gitpip.post("/users/nobody-at-all/7")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "github-user-not-found"
    assert served.gitpip.get("/users").json() == []


def test_while_github_can_not_be_asked_a_user_is_accepted_and_looked_up_later(
    served: Served,
) -> None:
    served.github.add_user("octocat")
    served.github.add_gist("octocat", {"a.txt": "a"})
    served.github.faults.script(Fault.error(), times=1000)

    accepted = served.gitpip.post("/users/octocat/7")
    served.github.faults.clear()

    assert (accepted.status_code, accepted.json()) == (202, {"login": "octocat", "id": "7"})
    served.gitpip.wait_for(
        lambda: served.gitpip.post("/api/v1/checks") and served.total("octocat") == 1,
        "the user's gist once GitHub answers again",
    )


def test_the_latest_gists_are_shown_once_and_oldest_first(served: Served) -> None:
    served.track("octocat", {"one.py": "1\n"}, {"two.md": "# 2\n", "three.txt": "3\n"})

    first: Files = served.gitpip.post("/latestgists/octocat").json()
    second: Files = served.gitpip.post("/latestgists/octocat").json()
    served.publish_another("octocat", {"four.txt": "4\n"})
    third: Files = served.gitpip.post("/latestgists/OCTOCAT").json()

    assert [file["filename"] for file in first] == ["one.py", "two.md", "three.txt"]
    assert second == []
    assert [file["filename"] for file in third] == ["four.txt"]
    assert {
        "id",
        "owner",
        "filename",
        "raw_url",
        "html_url",
        "description",
        "created_at",
        "published",
    } <= set(third[0])
    assert third[0]["owner"] == "octocat"
    assert [file["sequence"] for file in first + third] == [1, 2, 3, 4]


def test_the_latest_gists_of_a_stranger_are_not_found(served: Served) -> None:
    answer = served.gitpip.post("/latestgists/octocat")

    assert (answer.status_code, answer.json()["code"]) == (404, "user-not-tracked")
