"""The set-up page tests both tokens, says what to do, and goes on once a token is there."""

from pathlib import Path

from tests.support.pages import on_one_line
from tests.support.tokens import TOKEN
from tests.web.conftest import Served, serving


def step(served: Served, name: str) -> str:
    """What a step of the page says once the tokens are tested."""
    answer = served.gitpip.post("/setup")
    assert answer.status_code == 303
    page = on_one_line(served.gitpip.get("/setup").text)
    found = page.split(f'id="step-{name}"')[1].split('id="step-')[0]
    assert TOKEN not in page
    return found


def test_a_token_in_a_file_is_found_without_a_restart(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    database_url = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    given = {"GITPIP_SECRETS_DIR": str(secrets), "PIPEDRIVE_TOKEN": ""}
    with serving(tmp_path, database_url, **given) as served:
        missing = step(served, "pipedrive")
        assert "PIPEDRIVE_TOKEN is not set" in missing
        assert "(done)" not in step(served, "activity")
        for way in (f"<code>{secrets}/pipedrive-token</code>", "PIPEDRIVE_TOKEN=…", "Helm"):
            assert way in missing, way
        assert 'href="/setup">Connect Pipedrive</a>' in served.gitpip.get("/status-page").text
        assert 'href="/setup"' in served.gitpip.get("/").text

        (secrets / "pipedrive-token").write_text(TOKEN)
        served.gitpip.wait_for(
            lambda: "belongs to Petra Pipe" in step(served, "pipedrive"), "the test of the token"
        )
        page = on_one_line(served.gitpip.get("/setup").text)
        assert "hx-trigger" not in page.split('id="steps"')[1].split(">")[0]  # nothing is awaited
        assert "greeting.py" in step(served, "activity")
        assert page.count('<li class="step done"') == 3
        assert "(done)" not in step(served, "people")
        served.track("ada", {"a.txt": "a"})
        assert "(done)" in step(served, "people")


def test_what_is_wrong_with_a_token_is_said_and_asked_once_a_minute(tmp_path: Path) -> None:
    database_url = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with serving(tmp_path, database_url, GITHUB_TOKEN="wrong-token") as served:
        said = step(served, "github")

        assert 'class="failure"' in said
        assert "https://github.com/settings/tokens/new" in said
        assert "wrong-token" not in said
        assert step(served, "github") == said
        assert [one.path for one in served.github.requests].count("/user") == 1
