"""`serve --only web` and `--only work`: two processes that make one service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import World
from tests.support.running import Installation


@pytest.fixture
def web(world: World, tmp_path: Path) -> Iterator[Installation]:
    """Another process on the same database, that only shows."""
    folder = tmp_path / "web"
    folder.mkdir()
    web = Installation(folder, world.gitpip.environment)
    web.start("--only", "web")
    yield web
    web.stop()


def test_a_worker_does_what_the_web_process_was_asked_for(world: World, web: Installation) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    world.gitpip.environment = {**world.gitpip.environment, "GITPIP_CHECK_INTERVAL": "1h"}
    world.gitpip.start("--only", "work")

    assert web.post("/users/octocat/1").status_code == 201
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 1)
    world.github.add_gist("octocat", {"b.txt": "b"})
    assert web.post("/api/v1/checks").status_code == 202
    world.pipedrive.wait_until(lambda: len(world.pipedrive.activities) == 2)

    status = web.get("/status").json()
    assert status["running_services"] == 2
    assert status["engine_is_alive"]
    assert status["watching"]["state"] == "running"
    assert [event["event"] for event in web.events()].count("publication.published") == 0
    for process in (web, world.gitpip):
        assert process.get("/health").text == "Alive"
        assert process.get("/ready").status_code == 200
        assert "gitpip_build_info" in process.get("/metrics").text
    for path in ("/", "/users", "/status", "/docs", "/openapi.json", "/static/gitpip.css"):
        assert web.get(path).status_code == 200
        assert world.gitpip.get(path).status_code == 404


def test_without_anybody_who_works_the_reason_is_said(world: World, web: Installation) -> None:
    assert web.get("/ready").json() == {
        "ready": True,
        "database": True,
        "migrations": True,
        "engine": None,
    }
    status = web.get("/status").json()
    assert status["engine_is_alive"] is False
    assert "Start one with gitpip serve" in status["sentence"]
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    web.post("/users/octocat/1")
    # A process that only shows is nobody to hand the work to.
    assert world.gitpip.command("check").returncode == 0
    assert world.gitpip.command("publish").returncode == 0
    assert len(world.pipedrive.activities) == 1


def test_a_web_process_does_not_warn_of_work_in_others(world: World, tmp_path: Path) -> None:
    environment = dict(world.gitpip.environment)
    del environment["GITHUB_TOKEN"], environment["PIPEDRIVE_TOKEN"]
    folder = tmp_path / "web"
    folder.mkdir()
    web = Installation(folder, environment)
    web.start("--only", "web")
    assert web.stop() == 0
    told = [event["event"] for event in web.events()]
    assert "service.started" in told
    assert not {"watching.is_slow", "publishing.waits"} & set(told)
