"""Real processes whose accounts change, and whose database is restored from a copy."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import httpx2

from gitpip.store.database import Database, open_database
from gitpip.store.schema import metadata
from gitpip_standins import GitHub, Pipedrive, Server
from tests.journeys.conftest import World
from tests.support.backups import Backups, backups
from tests.support.tokens import TOKEN
from tests.web.conftest import Served, serving

__all__ = ["backups"]

ADDRESS = ("PIPEDRIVE_TOKEN", "PIPEDRIVE_API_URL")


def problems(served: Served) -> list[str]:
    return [one["kind"] for one in served.api("GET", "/status").json()["problems"]]


def published(served: Served, number: int) -> None:
    served.gitpip.wait_for(
        lambda: served.api("GET", "/publications?state=published").json()["total"] == number,
        f"{number} files to be published",
    )


def restart(served: Served, **settings: str) -> None:
    served.gitpip.stop()
    served.gitpip.environment = {**served.gitpip.environment, **settings}
    served.gitpip.start()
    served.gitpip.wait_for(lambda: served.gitpip.get("/ready").status_code == 200, "readiness")


def test_restores_other_tokens_and_new_databases_double_nothing(
    tmp_path: Path, backups: Backups
) -> None:
    with serving(tmp_path, backups.url, GITPIP_FEED="off") as served:
        served.track("ada", {"old.py": "1\n"}, {"older.py": "2\n"})
        published(served, 2)
        served.gitpip.stop()
        backups.make()
        served.gitpip.start()
        served.publish_another("ada", {"new.py": "3\n", "newer.py": "4\n"})
        published(served, 4)
        served.gitpip.stop()
        backups.restore()
        # An hour later, by the CRM's clock: nothing is on its way any more.
        for activity in served.pipedrive.activities:
            number = int(str(activity["id"]))
            served.pipedrive.edit_activity(number, add_time="2026-01-01T00:00:00Z")

        told = served.gitpip.command("adopt", "--dry-run")
        assert told.returncode == 0, told.stderr
        assert "4 activities, 2 known; 0 would be adopted, 2 of files" in told.stdout
        served.gitpip.start()
        assert served.gitpip.post("/api/v1/checks").status_code == 202
        published(served, 4)

        _another_companys_token_sends_nothing(served)

        # A new, empty database.
        restart(served, GITPIP_DATABASE_URL=backups.empty())
        assert served.gitpip.post("/users/ada/1").status_code == 201
        published(served, 4)
        _compare_again(served)
        notes = [str(activity["note"])[-40:] for activity in served.pipedrive.activities]
        assert set(Counter(notes).values()) == {1}
        assert len(notes) == 4
        assert len(served.pipedrive.deals) == 1


def _another_companys_token_sends_nothing(served: Served) -> None:
    other = Pipedrive(token="others-token")
    other.company_id, other.company_name = 2, "Other Ltd"
    before = {name: served.gitpip.environment[name] for name in ADDRESS}
    with Server(other.app) as server:
        restart(served, PIPEDRIVE_TOKEN="others-token", PIPEDRIVE_API_URL=f"{server.url}/api")
        served.gitpip.wait_for(
            lambda: "pipedrive-account-changed" in problems(served), "the change to be told"
        )
        restart(served, **before)
        served.gitpip.wait_for(
            lambda: "pipedrive-account-changed" not in problems(served), "all to go on"
        )
        assert {request.path for request in other.requests} == {"/api/v1/users/me"}


def _compare_again(served: Served) -> None:
    """A person asks the running service, and then a command while it runs."""
    before = served.api("GET", "/adoption").json()
    assert before["adopted"] + before["waiting"] <= 4
    assert served.api("POST", "/adoption").status_code == 202

    def compared_anew() -> bool:
        # One that was under way before is no answer to the request.
        now = served.api("GET", "/adoption").json()
        is_new = now["compared_at"] not in (None, before["compared_at"])
        return is_new and now["requested_at"] is None

    served.gitpip.wait_for(compared_anew, "the comparison")
    told = served.gitpip.command("adopt", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "account": "Example",
        "read": 4,
        "adopted": 0,
        "files": [],
        "kept": 0,
        "known": 4,
        "duplicates": 0,
    }


async def test_a_look_at_what_would_be_adopted_writes_nothing(
    world: World, database_url: str
) -> None:
    """Not even whose the rows of a new database are."""
    world.pipedrive.add_activity("a.py", note="<p>gitpip gp-abcdefghijkl</p>", creator_user_id=1)
    database = open_database(database_url)
    await database.migrate()
    before = await _rows(database)
    told = await asyncio.to_thread(world.gitpip.command, "adopt", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "1 activities, 0 known; 0 would be adopted, 1 of files" in told.stdout
    assert await _rows(database) == before
    await database.close()


async def _rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    async with database.read() as transaction:
        return {
            table.name: [tuple(row) for row in await transaction.execute(table.select())]
            for table in metadata.sorted_tables
        }


def test_another_company_waits_for_a_person(tmp_path: Path, database_url: str) -> None:
    other = Pipedrive(token="others-token")
    other.company_id, other.company_name, other.company_domain = 2, "Other Ltd", "other"
    with (
        Server(other.app) as server,
        serving(tmp_path, database_url, GITPIP_FEED="off", GITPIP_ALLOW_ANONYMOUS="all") as served,
    ):
        served.track("ada", {"old.py": "1\n"})
        published(served, 1)
        restart(served, PIPEDRIVE_TOKEN="others-token", PIPEDRIVE_API_URL=f"{server.url}/api")
        # Nothing waits to be published: it is told all the same.
        served.gitpip.wait_for(
            lambda: "pipedrive-account-changed" in problems(served), "the change to be told"
        )
        served.publish_another("ada", {"new.py": "2\n"})
        page = served.gitpip.get("/status-page").text
        assert "the token belongs to Other Ltd" in page
        assert 'action="/status-page/accounts/pipedrive/switch"' in page
        assert served.gitpip.get("/health").status_code == 200
        publish = served.gitpip.command("publish")
        assert publish.returncode == 1
        assert "the token belongs to Other Ltd" in publish.stdout
        assert "gitpip accounts switch" in served.gitpip.command("doctor").stdout
        assert other.activities == []

        switched = httpx2.post(
            f"{served.gitpip.url}/status-page/accounts/pipedrive/switch",
            headers={"origin": served.gitpip.url},
        )
        assert switched.status_code == 303
        served.gitpip.wait_for(lambda: len(other.activities) == 1, "publishing to go on")
        assert "pipedrive-account-changed" not in problems(served)
        listed = {one["name"]: one["bound"] for one in served.api("GET", "/accounts").json()}
        assert listed["Other Ltd"] is True
        assert listed["Example"] is False
        again = served.api("POST", "/accounts/pipedrive/switch")
        assert again.status_code == 409
        audit = served.gitpip.get("/audit").text
        assert "Switched the account:" in audit


def test_another_github_is_no_rename(tmp_path: Path, database_url: str) -> None:
    """Its user of the same id is somebody else."""
    other = GitHub(tokens={TOKEN})
    with (
        Server(other.app) as server,
        serving(tmp_path, database_url, GITPIP_FEED="off", GITPIP_ALLOW_ANONYMOUS="all") as served,
    ):
        served.track("ada", {"old.py": "1\n"})
        published(served, 1)
        # GitHub's ids of gists are random; those of the stand-ins are counted.
        other.add_user("nobody", id=7)
        for number in range(5):
            other.add_gist("nobody", {f"{number}.py": "x\n"})
        other.add_user("mallory", id=served.api("GET", "/users/ada").json()["github_id"])
        for number in range(3):
            other.add_gist("mallory", {f"{number}.py": "x\n"})
        before = served.gitpip.environment["GITHUB_API_URL"]
        restart(served, GITHUB_API_URL=server.url)
        served.gitpip.wait_for(
            lambda: "github-account-changed" in problems(served), "the change to be told"
        )
        assert served.api("POST", "/users", {"login": "mallory"}).status_code == 409
        assert served.gitpip.command("check").returncode == 1
        assert [user["login"] for user in served.gitpip.get("/users").json()] == ["ada"]

        switched = served.gitpip.command("accounts", "switch", "github")
        assert switched.returncode == 0, switched.stderr
        assert served.gitpip.get("/users").json() == []
        assert served.api("POST", "/users", {"login": "mallory"}).status_code == 201
        served.wait_for_files("mallory", 3)
        served.gitpip.wait_for(
            lambda: {str(deal["title"]) for deal in served.pipedrive.deals} == {"ada", "mallory"},
            "a deal of each",
        )

        restart(served, GITHUB_API_URL=before)
        served.gitpip.wait_for(
            lambda: "github-account-changed" in problems(served), "the change to be told"
        )
        assert served.api("POST", "/accounts/github/switch").status_code == 200
        assert [user["login"] for user in served.gitpip.get("/users").json()] == ["ada"]
        served.publish_another("ada", {"new.py": "2\n"})
        served.gitpip.wait_for(
            lambda: served.api("GET", "/users/ada").json()["failure"] is None, "the check"
        )
        published(served, 2)
        assert [str(deal["title"]) for deal in served.pipedrive.deals] == ["ada", "mallory"]


def test_commands_after_a_change_of_token_agree(tmp_path: Path, database_url: str) -> None:
    """No service runs that could have noted the change."""
    other = Pipedrive(token="others-token")
    other.company_id, other.company_name, other.company_domain = 2, "Other Ltd", "other"
    other_github = GitHub(tokens={TOKEN})
    with (
        Server(other.app) as server,
        Server(other_github.app) as github,
        serving(tmp_path, database_url, GITPIP_FEED="off") as served,
    ):
        gitpip = served.gitpip
        served.track("ada", {"old.py": "1\n"})
        published(served, 1)
        gitpip.stop()
        before = gitpip.environment
        gitpip.environment = {
            **before,
            "PIPEDRIVE_TOKEN": "others-token",
            "PIPEDRIVE_API_URL": f"{server.url}/api",
            "GITHUB_API_URL": github.url,
        }
        dry = gitpip.command("adopt", "--dry-run")
        assert dry.returncode == 1
        assert "set a token of Example, or run gitpip accounts switch pipedrive" in dry.stderr
        assert gitpip.command("adopt").returncode == 1
        listed = json.loads(gitpip.command("accounts", "list", "--json").stdout)
        assert {one["name"]: one["state"] for one in listed if one["vendor"] == "pipedrive"} == {
            "Example": "in use",
            "Other Ltd": "waits",
        }
        for vendor in ("pipedrive", "github"):
            switched = gitpip.command("accounts", "switch", vendor)
            assert switched.returncode == 0, switched.stderr

        gitpip.environment = before
        assert gitpip.command("publish").returncode == 0
        assert "the token belongs to Example" in gitpip.command("status").stdout
        assert {request.path for request in other.requests} == {"/api/v1/users/me"}
