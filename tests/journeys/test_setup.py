"""`gitpip setup` at a terminal: tokens are asked for, tested, and written for their owner alone."""

from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.answering import answering
from tests.support.running import Installation

GOOD, BAD = "ghp_good", "ghp_bad"


@pytest.fixture
def vendors() -> Iterator[dict[str, str]]:
    github = GitHub(tokens={GOOD})
    pipedrive = Pipedrive(token="pipe-good")
    with Server(github.app) as one, Server(pipedrive.app) as other:
        yield {"GITHUB_API_URL": one.url, "PIPEDRIVE_API_URL": f"{other.url}/api"}


def set_up(folder: Path, environment: dict[str, str], *typed: str) -> tuple[int, str]:
    """Answer the questions of a setup one after the other; gives its exit code and what it said."""
    answers = list(typed)

    def next_answer(said: str) -> str | None:
        asked = said.count("Enter to skip): ") + said.count("? [y/N]: ")
        asked += said.count("? [Y/n]: ")
        due = answers and asked > len(typed) - len(answers) and said.endswith(": ")
        return answers.pop(0) if due else None

    return answering(["setup"], folder, environment, next_answer)


def test_tokens_are_tested_and_written_for_their_owner_alone(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text("# ours\nGITPIP_PORT=8123")
    (tmp_path / ".env").chmod(0o644)

    code, said = set_up(tmp_path, vendors, BAD, "no token at all", GOOD, "pipe-good")

    assert code == 0, said
    assert "failure GitHub: " in said
    assert "That isn't a token" in said
    assert "ok      Pipedrive: the token belongs to Petra Pipe of Example" in said
    assert not any(token in said for token in (BAD, GOOD, "pipe-good"))
    assert (tmp_path / ".env").read_text() == (
        "# ours\nGITPIP_PORT=8123\nGITHUB_TOKEN=ghp_good\nPIPEDRIVE_TOKEN=pipe-good\n"
    )
    assert S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert (
        f"Saved GITHUB_TOKEN and PIPEDRIVE_TOKEN in {tmp_path}/.env, readable only by you." in said
    )


def test_what_is_given_up_at_the_second_token_says_that_the_first_is_saved(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    code, said = set_up(tmp_path, vendors, GOOD, "\x04")  # as Ctrl-C does, it ends the question

    assert code != 0
    assert (tmp_path / ".env").read_text() == "GITHUB_TOKEN=ghp_good\n"
    assert f"Saved GITHUB_TOKEN in {tmp_path}/.env, readable only by you." in said
    assert "token (hidden; Enter to skip): " in said


def test_a_second_setup_keeps_what_is_accepted_and_replaces_what_is_not(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(
        f"GITHUB_TOKEN={GOOD}\nPIPEDRIVE_TOKEN=pipe-old\nGITPIP_PORT=1\n"
    )

    code, said = set_up(tmp_path, vendors, "", "n", "pipe-good")

    assert code == 0, said
    assert "GITHUB_TOKEN is set already, by .env." in said
    assert (tmp_path / ".env").read_text() == (
        f"GITHUB_TOKEN={GOOD}\nPIPEDRIVE_TOKEN=pipe-good\nGITPIP_PORT=1\n"
    )


def test_what_is_skipped_or_set_elsewhere_writes_nothing(
    tmp_path: Path, vendors: dict[str, str]
) -> None:
    code, said = set_up(tmp_path, {**vendors, "GITHUB_TOKEN": BAD}, "")

    assert code == 0, said
    assert "Change it in the environment, which wins over .env." in said
    assert "Skipped: add PIPEDRIVE_TOKEN to .env later." in said
    assert not (tmp_path / ".env").exists()


def test_a_token_is_saved_untested_where_the_vendor_can_not_be_reached(tmp_path: Path) -> None:
    nobody_listens = {"GITHUB_API_URL": "http://127.0.0.1:9", "PIPEDRIVE_TOKEN": "pipe-old"}

    code, said = set_up(
        tmp_path, nobody_listens | {"PIPEDRIVE_API_URL": "http://127.0.0.1:9"}, GOOD, "n", GOOD, "y"
    )

    assert (code, said.count("Save the token untested?")) == (0, 2), said
    assert said.count("Not saved. Enter the token again to repeat the test, or skip it.") == 1
    assert (tmp_path / ".env").read_text() == f"GITHUB_TOKEN={GOOD}\n"


def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    refused = Installation(tmp_path, {}).command("setup")

    assert refused.returncode == 1
    assert "write GITHUB_TOKEN and PIPEDRIVE_TOKEN into .env or the environment" in refused.stderr
