"""Commands in a shell that has other settings than the service: no tokens, or another folder."""

import json
from pathlib import Path

import pytest

from tests.journeys.conftest import World


def changed(world: World, **environment: str) -> World:
    world.gitpip.environment = {**world.gitpip.environment, **environment}
    return world


def test_a_shell_without_tokens_does_not_judge_a_service_by_its_own(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    world.gitpip.command("users", "add", "octocat")
    world.gitpip.start()
    with_tokens = dict(world.gitpip.environment)
    changed(world, GITHUB_TOKEN="", PIPEDRIVE_TOKEN="")

    checked = world.gitpip.command("check")
    published = world.gitpip.command("publish")
    status = json.loads(world.gitpip.command("status", "--json").stdout)
    doctor = world.gitpip.command("doctor")

    assert (checked.returncode, published.returncode) == (0, 0), published.stderr
    assert len(world.pipedrive.activities) == 1
    assert status["publishing"] == "running"
    assert "pipedrive_token_missing" not in [problem["kind"] for problem in status["problems"]]
    for vendor in ("GitHub", "Pipedrive"):
        told = f"ok      {vendor}: the running service has a token; this shell has none"
        assert told in doctor.stdout.splitlines()

    world.gitpip.stop()
    assert "so nothing is sent; set it" in world.gitpip.command("publish").stderr
    world.gitpip.start()
    changed(world, **with_tokens)
    status = json.loads(world.gitpip.command("status", "--json").stdout)
    assert status["publishing"] == "waits for PIPEDRIVE_TOKEN"
    assert status["problems"] == world.gitpip.get("/api/v1/status").json()["problems"] != []
    assert "the running service has no PIPEDRIVE_TOKEN" in (
        changed(world, PIPEDRIVE_TOKEN="").gitpip.command("publish").stderr
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_command_that_only_reads_or_changes_makes_no_database(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    place = {"GITPIP_DATA_DIR": str(folder), "GITPIP_DATABASE_URL": ""}
    gitpip = changed(world, **place).gitpip

    for arguments in (("status",), ("users", "list"), ("users", "remove", "ada"), ("publish",)):
        answer = gitpip.command(*arguments)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.startswith(f"gitpip: there is no database at {folder}/gitpip.db; ")
    assert not folder.exists()

    assert gitpip.command("keys", "create", "ada", "--role", "admin").returncode == 0
    told = gitpip.command("status").stdout
    assert f"database: SQLite, {folder}/gitpip.db\n" in told
    # What is zero or unknown says nothing to a person; JSON has all of it.
    assert not [line for line in told.splitlines() if line.endswith(": none")]
    assert "lists not read for a week" not in told


def test_without_a_worker_the_command_and_the_api_both_say_that_nothing_runs(world: World) -> None:
    world.gitpip.start("--only", "web")

    told = json.loads(world.gitpip.command("status", "--json").stdout)
    served = world.gitpip.get("/api/v1/status").json()

    assert told["watching"] == told["publishing"] == "stopped: no worker is running"
    for activity in (served["watching"], served["publishing"]):
        assert activity["state"] == "paused"
        assert activity["reason"].startswith("No worker is running")
    assert told["problems"] == served["problems"]
