"""The way of a gist through the whole house, as a user would walk it."""

import json
from datetime import timedelta

import pytest

from gitpip_standins import Fault
from tests.journeys.conftest import World
from tests.support.tokens import TOKEN


def test_a_gist_becomes_one_activity_under_the_users_deal(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist(
        "octocat", {"hello.py": "print('<hello>')\n", "notes.md": "# Notes\n"}, description="Two"
    )
    world.gitpip.start()

    tracked = world.gitpip.post("/users/octocat/customer-1")
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 2)

    assert tracked.status_code == 201
    assert tracked.json() == {"login": "octocat", "id": "customer-1"}
    assert [deal["title"] for deal in world.pipedrive.deals] == ["octocat"]
    notes = {
        str(activity["subject"]): str(activity["note"]) for activity in world.pipedrive.activities
    }
    hello = next(
        note for subject, note in notes.items() if subject.startswith("hello.py · octocat")
    )
    assert "<pre>print(&#x27;&lt;hello&gt;&#x27;)\n</pre>" in hello
    shown = world.gitpip.wait_for(
        lambda: _new_if_published(world), "both files to be shown as published"
    )
    assert [file["filename"] for file in shown] == ["hello.py", "notes.md"]
    visit = world.gitpip.post("/latestgists/octocat").json()
    assert [file["filename"] for file in visit] == ["hello.py", "notes.md"]
    assert world.gitpip.post("/latestgists/octocat").json() == []
    assert world.gitpip.stop() == 0
    assert TOKEN not in world.gitpip.log_file.read_text()


def _new_if_published(world: World) -> list[dict[str, object]] | None:
    rows = world.gitpip.command("latest", "octocat", "--no-record", "--json")
    assert rows.returncode == 0, rows.stderr
    files: list[dict[str, object]] = json.loads(rows.stdout)
    return files if all(file["published"] for file in files) else None


def test_a_user_with_250_gists_is_published_whole_and_a_restart_publishes_nothing(
    world: World,
) -> None:
    world.pipedrive.limits.burst = 1000
    world.github.add_user("busy")
    for number in range(250):
        world.github.add_gist("busy", {f"file{number}.txt": f"text {number}\n"})
    world.gitpip.start()
    world.gitpip.post("/users/busy/1")
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) >= 250, timeout=120)
    world.gitpip.wait_for(lambda: _published(world) == 250, "all to be recorded as published")
    assert world.gitpip.stop() == 0

    asked = len(world.github.requests)
    world.gitpip.start()
    world.github.wait_until(lambda: len(world.github.requests) >= asked + 3)
    world.gitpip.stop()

    subjects = {str(activity["subject"]) for activity in world.pipedrive.activities}
    assert len(world.pipedrive.activities) == len(subjects) == 250
    assert {
        (request.path, request.status)
        for request in world.github.requests[asked:]
        if request.path != "/graphql" and request.status != 304
    } <= {("/gists/public", 200)}
    assert world.github.abuse == []
    assert world.pipedrive.abuse == []


def _published(world: World) -> int:
    published: int = world.gitpip.get("/status").json()["publications"]["published"]
    return published


def test_without_a_pipedrive_token_nothing_is_lost(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    with_token = world.gitpip.environment
    world.gitpip.environment = {
        name: value for name, value in with_token.items() if name != "PIPEDRIVE_TOKEN"
    }
    world.gitpip.start()
    world.gitpip.post("/users/octocat/1")
    world.gitpip.wait_for(
        lambda: any(event["event"] == "gist.found" for event in world.gitpip.events()), "a gist"
    )
    assert "PIPEDRIVE_TOKEN" in world.gitpip.get("/status").text
    world.gitpip.stop()
    assert world.pipedrive.requests == []

    world.gitpip.environment = with_token
    world.gitpip.start()
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)


def test_commands_hand_the_work_to_the_running_service(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    world.gitpip.environment = {**world.gitpip.environment, "GITPIP_CHECK_INTERVAL": "1h"}
    world.gitpip.start()

    added = world.gitpip.command("users", "add", "octocat", "--json")
    checked = world.gitpip.command("check", "--json")
    published = world.gitpip.command("publish", "--json")

    assert json.loads(added.stdout)["login"] == "octocat"
    assert json.loads(checked.stdout)["users"] >= 0, checked.stderr
    assert json.loads(published.stdout)["waiting"] == 0, published.stderr
    assert len(world.pipedrive.activities) == 1


def test_commands_work_without_a_service(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})

    world.gitpip.command("users", "add", "OctoCat", "--id", "x")
    checked = world.gitpip.command("check", "--json")
    published = world.gitpip.command("publish", "--json")
    listed = world.gitpip.command("users", "list", "--json")

    assert json.loads(checked.stdout)["files"] == 1, checked.stderr
    assert json.loads(published.stdout)["waiting"] == 0, published.stderr
    assert len(world.pipedrive.activities) == 1
    assert [(user["login"], user["id"]) for user in json.loads(listed.stdout)] == [("octocat", "x")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_github_token_it_says_how_many_users_it_can_keep_fresh(world: World) -> None:
    world.gitpip.environment = {
        **{
            name: value
            for name, value in world.gitpip.environment.items()
            if "GITHUB_T" not in name
        },
        "GITPIP_CHECK_INTERVAL": "1h",
    }
    # GitHub is more generous than it says, so that no pause comes before what is looked for.
    world.github.limits.without_token = 1_000
    world.gitpip.start()
    started = world.gitpip.wait_for(
        lambda: [e for e in world.gitpip.events() if e["event"] == "watching.is_slow"], "a warning"
    )
    assert "48 users can be checked every 1h" in str(started[0]["reason"])
    assert world.gitpip.get("/status").json()["capacity"] == 48
    for number in range(49):
        world.github.add_user(f"user-{number}")
    listed = world.gitpip.folder / "users.txt"
    listed.write_text("".join(f"user-{number}\n" for number in range(49)))
    world.gitpip.command("users", "import", str(listed))
    assert (
        "49 are tracked, and 48 can be checked every"
        in world.gitpip.get("/status").json()["sentence"]
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_large_backfill_goes_behind_what_is_fresh(world: World) -> None:
    world.pipedrive.limits.burst = 40
    for login in ("archive", "octocat"):
        world.github.add_user(login)
    for number in range(120):
        world.github.add_gist("archive", {f"old-{number}.txt": "old"})
    world.gitpip.start()
    world.gitpip.post("/users/octocat/1")
    world.gitpip.post("/users/archive/2")
    # Slow enough that all of it is not through before anybody could look at octocat.
    world.pipedrive.faults.script(
        Fault.slow(timedelta(seconds=0.5)), method="POST", path="activities$", times=None
    )
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) >= 5)
    world.github.add_gist("octocat", {"fresh.txt": "fresh"})
    world.gitpip.wait_for(lambda: "fresh.txt" in str(world.gitpip.logged("gist.found")), "it")
    world.pipedrive.faults.clear()
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 121, timeout=120)
    subjects = [str(activity["subject"]) for activity in world.pipedrive.activities]
    fresh = next(n for n, subject in enumerate(subjects) if subject.startswith("fresh.txt"))
    assert fresh < 110
    assert world.pipedrive.abuse == []
