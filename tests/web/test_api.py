"""`/api/v1`: users, gists, visits, publications, checks, status."""

import httpx2

from tests.web.conftest import Served


def test_users_are_listed_in_pages_changed_and_removed(served: Served) -> None:
    url = f"{served.gitpip.url}/api/v1/users"
    for login in ("carol", "alice", "bob"):
        served.github.add_user(login)
        added = httpx2.post(url, json={"login": login, "id": f"{login}-1", "backfill": "none"})
        assert added.status_code == 201, added.text

    page = httpx2.get(url, params={"offset": 1, "limit": 1}).json()
    filtered = httpx2.get(url, params={"q": "ARO"}).json()
    changed = httpx2.patch(f"{url}/bob", json={"id": "bob-2", "backfill": "latest:3"}).json()
    taken = httpx2.patch(f"{url}/bob", json={"id": "alice-1"})
    removed = httpx2.delete(f"{url}/alice")

    assert (page["total"], [user["login"] for user in page["items"]]) == (3, ["bob"])
    assert [user["login"] for user in filtered["items"]] == ["carol"]
    assert (changed["id"], changed["backfill"]) == ("bob-2", "latest:3")
    assert (taken.status_code, taken.json()["code"]) == (409, "user-conflict")
    assert removed.status_code == 204
    assert httpx2.get(f"{url}/alice").status_code == 404
    assert httpx2.get(f"{url}/bob").json()["id"] == "bob-2"
    assert served.gitpip.get("/users").json() == [
        {"login": "carol", "id": "carol-1"},
        {"login": "bob", "id": "bob-2"},
    ]


def test_looking_records_nothing_and_a_visit_shows_the_same_again(served: Served) -> None:
    served.track("octocat", {"a.txt": "a", "b.txt": "b"})
    url = f"{served.gitpip.url}/api/v1"
    of_user = f"{url}/users/octocat"

    looked = [httpx2.get(f"{of_user}/gists?since=visit").json() for _ in range(2)]
    visit = httpx2.post(f"{of_user}/visits").json()
    served.publish_another("octocat", {"c.txt": "c"})
    again = httpx2.get(f"{url}/visits/{visit['id']}").json()
    new = httpx2.get(f"{of_user}/gists?since=visit").json()
    for_another = httpx2.get(f"{of_user}/gists?since=visit&viewer=another").json()

    def names(body: dict[str, list[dict[str, object]]], field: str = "items") -> list[object]:
        return [file["filename"] for file in body[field]]

    assert names(looked[0]) == names(looked[1]) == names(visit, "files") == ["a.txt", "b.txt"]
    assert names(again, "files") == ["a.txt", "b.txt"]
    assert names(new) == ["c.txt"]
    assert names(for_another) == ["a.txt", "b.txt", "c.txt"]
    assert [v["id"] for v in httpx2.get(f"{of_user}/visits").json()] == [visit["id"]]


def test_a_gist_is_followed_from_its_file_to_its_activity(served: Served) -> None:
    served.track("octocat", {"a.txt": "what it holds"})
    url = f"{served.gitpip.url}/api/v1"
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    published = served.gitpip.wait_for(
        lambda: httpx2.get(f"{url}/publications?state=published").json()["items"],
        "the publication to be recorded",
    )

    gist = httpx2.get(f"{url}/gists").json()["items"][0]
    content = httpx2.get(f"{url}/gists/{gist['id']}").json()[0]["content"]
    one = httpx2.get(f"{url}/publications/{published[0]['id']}").json()
    retried = httpx2.post(f"{url}/publications/{one['id']}/retry")

    assert content == "what it holds"
    assert one["activity_id"] == gist["activity_id"] == served.pipedrive.activities[0]["id"]
    assert one["marker"] in str(served.pipedrive.activities[0]["subject"])
    assert (retried.status_code, retried.json()["code"]) == (409, "publication-state")
    assert httpx2.get(f"{url}/publications?state=failed").json()["total"] == 0


def test_status_checks_and_readiness(served: Served) -> None:
    served.track("octocat", {"a.txt": "a"})
    checks = served.gitpip.wait_for(
        lambda: [
            check
            for check in served.gitpip.get("/api/v1/checks").json()["items"]
            if check["ended_at"] and check["files"]
        ],
        "a check that found a file",
    )

    status = served.gitpip.get("/status").json()

    assert served.gitpip.get(f"/api/v1/checks/{checks[0]['id']}").json() == checks[0]
    assert status["users"]["active"] == 1
    assert (status["watching"]["state"], status["publishing"]["state"]) == ("running", "running")
    assert served.gitpip.get("/api/v1/status").json()["version"] == status["version"]
    assert served.gitpip.get("/ready").json() == {
        "ready": True,
        "database": True,
        "migrations": True,
        "engine": True,
    }


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head(
    served_to_all: Served,
) -> None:
    with httpx2.Client(base_url=served_to_all.gitpip.url) as client:
        # Where it waits, every answer but the first takes 40 ms; a busy machine delays some.
        client.get("/health")
        assert any(client.get("/health").elapsed.total_seconds() < 0.035 for _ in range(200))


def test_the_capacity_is_that_of_the_present_users_unless_others_are_given(served: Served) -> None:
    served.track("octocat", {"a.txt": "a", "b.txt": "b"})
    url = f"{served.gitpip.url}/api/v1/capacity"

    present = httpx2.get(url).json()
    given = httpx2.get(
        url, params={"users": 1000, "gists_per_day": 100, "check_interval": "1h"}
    ).json()
    more = httpx2.get(url, params={"users": 14}).json()
    by_rest = httpx2.get(url, params={"users": 1000, "github_token": "fine-grained"}).json()
    refused = httpx2.get(url, params={"pipedrive_plan": "gold"})

    assert (present["today"]["users"], present["today"]["gists_per_day"]) == (1, 1 / 7)
    assert present["plan"]["files_per_day"] == 1.5 / 7
    # Each of them creates as many gists as those of today.
    assert more["plan"]["files_per_day"] == 14 * 1.5 / 7
    assert present["plan"]["shortest_interval_seconds"] == 1
    assert by_rest["plan"]["shortest_interval_seconds"] > 3_600 * 1_000 / 4_000
    assert present["today"]["database_bytes"] > 0
    assert (given["plan"]["github_points_per_hour"], given["plan"]["files_per_day"]) == (10, 150)
    assert by_rest["plan"]["github_points_per_hour"] == 0
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [
            {
                "field": "pipedrive_plan",
                "message": "pipedrive_plan: must be lite, growth, premium or ultimate, not 'gold'",
            }
        ],
    )
