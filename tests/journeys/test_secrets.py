"""Secrets that change under a running service: no restart, no lost work, nothing shown."""

from functools import partial
from pathlib import Path

import pytest

from tests.journeys.conftest import World
from tests.journeys.mounted import Mounted
from tests.support.tokens import TOKEN

NEW = "another-token-of-the-journey"
WRONG = (
    ("can't be read", None),
    ("empty", ""),
    ("must be printable ASCII without spaces", f"{NEW} {NEW}"),
)


@pytest.fixture
def mounted(world: World, tmp_path: Path) -> Mounted:
    """The secrets of the world's gitpip lie in a folder, not in its environment."""
    environment = dict(world.gitpip.environment)
    del environment["GITHUB_TOKEN"], environment["PIPEDRIVE_TOKEN"]
    folder = tmp_path / "secrets"
    world.gitpip.environment = environment | {
        "GITPIP_SECRETS_DIR": str(folder),
        "GITPIP_CHECK_INTERVAL": "1h",
    }
    return Mounted(folder)


def is_published(world: World, number: int) -> bool:
    return len(world.pipedrive.activities) == number


def problems(world: World) -> str:
    """What the status says is wrong, all of it."""
    return " ".join(
        problem["sentence"] for problem in world.gitpip.get("/status").json()["problems"]
    )


def named(world: World, event: str) -> list[dict[str, object]]:
    return [told for told in world.gitpip.events() if told["event"] == event]


def wait_for_events(world: World, event: str, number: int) -> None:
    world.gitpip.wait_for(lambda: len(named(world, event)) == number, f"{number} {event}")


def test_new_tokens_are_used_without_a_restart_and_end_the_pauses_of_the_old(
    world: World, mounted: Mounted
) -> None:
    mounted.write(github_token="refused-by-github", pipedrive_token="refused-by-pipedrive")
    world.github.add_user("ada")
    world.github.add_gist("ada", {"engine.txt": "a note"})
    gitpip = world.gitpip
    gitpip.start()
    assert gitpip.post("/users/ada/1").status_code == 202
    gitpip.wait_for(lambda: named(world, "watching.paused"), "GitHub to refuse the token")
    assert "GITHUB_TOKEN" in problems(world)

    mounted.write(github_token=TOKEN, pipedrive_token="refused-by-pipedrive")
    gitpip.wait_for(lambda: named(world, "publishing.paused"), "Pipedrive to refuse the token")
    assert "PIPEDRIVE_TOKEN" in problems(world)
    wait_for_events(world, "secret.changed", 1)
    assert [told["name"] for told in named(world, "secret.changed")] == ["GITHUB_TOKEN"]

    mounted.write(github_token=TOKEN, pipedrive_token=TOKEN)
    world.pipedrive.wait_until(partial(is_published, world, 1))
    gitpip.wait_for(lambda: world.gitpip.get("/status").json()["all_good"], "the status to be good")
    assert gitpip.stop() == 0
    log = gitpip.log_file.read_text()
    for secret in ("refused-by-github", "refused-by-pipedrive", TOKEN):
        assert secret not in log


def test_tokens_that_were_missing_start_the_work_when_they_appear(
    world: World, mounted: Mounted
) -> None:
    mounted.write()
    for number in range(3):
        world.github.add_user(f"user-{number}")
        world.github.add_gist(f"user-{number}", {"a.txt": "b"})
    gitpip = world.gitpip
    gitpip.start()
    for number in range(3):
        assert gitpip.post(f"/users/user-{number}/{number}").status_code == 201
    gitpip.wait_for(
        lambda: gitpip.get("/status").json()["publications"]["pending"] == 3, "three gists"
    )
    assert gitpip.get("/status").json()["publishing"]["state"] == "waiting-for-token"
    few = gitpip.get("/status").json()["capacity"]

    mounted.write(github_token=TOKEN, pipedrive_token=TOKEN)
    world.pipedrive.wait_until(partial(is_published, world, 3))
    assert gitpip.get("/status").json()["publishing"]["state"] == "running"
    assert gitpip.get("/status").json()["capacity"] > few
    assert gitpip.post("/api/v1/checks").status_code == 202
    world.github.wait_until(
        lambda: any(request.path == "/graphql" for request in world.github.requests)
    )
    assert gitpip.stop() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_vanishes_is_empty_or_wrong_for_a_while_leaves_the_last_good_value(
    world: World, mounted: Mounted
) -> None:
    mounted.write(github_token=TOKEN, pipedrive_token=TOKEN)
    world.github.add_user("ada")
    gitpip = world.gitpip
    gitpip.start()
    assert gitpip.post("/users/ada/1").status_code == 201
    for number, (told, text) in enumerate(WRONG, start=1):
        if text is None:
            (mounted.folder / "pipedrive-token").unlink()
            mounted.write(github_token=TOKEN)
        else:
            mounted.write(github_token=TOKEN, pipedrive_token=text)
        wait_for_events(world, "secret.unreadable", number)
        assert told in problems(world)
        world.github.add_gist("ada", {f"{number}.txt": "still published"})
        assert gitpip.post("/api/v1/checks").status_code == 202
        world.pipedrive.wait_until(partial(is_published, world, number))

        mounted.write(github_token=TOKEN, pipedrive_token=TOKEN)
        wait_for_events(world, "secret.readable", number)
        assert told not in problems(world)
    assert gitpip.stop() == 0
    assert len(named(world, "secret.unreadable")) == 3
    assert named(world, "secret.changed") == []
    assert NEW not in gitpip.log_file.read_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_single_file_is_followed_too_and_another_database_waits_for_the_next_start(
    world: World, tmp_path: Path
) -> None:
    token, address = tmp_path / "token", tmp_path / "address"
    token.write_text("refused-by-github")
    environment = dict(world.gitpip.environment)
    address.write_text(environment.pop("GITPIP_DATABASE_URL"))
    del environment["GITHUB_TOKEN"]
    gitpip = world.gitpip
    gitpip.environment = environment | {
        "GITHUB_TOKEN_FILE": str(token),
        "GITPIP_DATABASE_URL_FILE": str(address),
    }
    world.github.add_user("ada")
    world.github.add_gist("ada", {"a.txt": "b"})
    gitpip.start()
    assert gitpip.post("/users/ada/1").status_code == 202
    gitpip.wait_for(lambda: named(world, "watching.paused"), "GitHub to refuse the token")
    replaced = tmp_path / "replaced"
    replaced.write_text(TOKEN)
    replaced.replace(token)
    world.pipedrive.wait_until(partial(is_published, world, 1))
    address.write_text("postgresql://gitpip:a-database-password@database/gitpip")
    (told,) = gitpip.wait_for(lambda: named(world, "secret.waits_for_restart"), "a warning")
    assert told["name"] == "GITPIP_DATABASE_URL"
    assert gitpip.get("/ready").status_code == 200
    assert gitpip.stop() == 0
    assert "a-database-password" not in gitpip.log_file.read_text()
