"""Completion in real shells: commands, options, and the values of both."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gitpip.cli.main import app

ASK = {
    "bash": 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gitpip; '
    'printf "%s\\n" "${COMPREPLY[@]}"',
    # What zsh would draw, and how it takes the function, stands in for its line editor.
    "zsh": 'compdef() {}; _files() {}; _describe() { print -rl -- ${(P)2} }; source "$0"; '
    'words=("$@"); CURRENT=$#; _gitpip',
    "fish": 'source "$argv[1]"; complete -C "$argv[2..]"',
}
CASES = [
    (["gitpip", "us"], {"users"}, {"status"}),
    (["gitpip", ""], {"users", "completion"}, {"add"}),
    (["gitpip", "users", ""], {"add", "list"}, {"status"}),
    (["gitpip", "users", "add", "octocat", "--"], {"--tag", "--json"}, {"--resume"}),
    (["gitpip", "publishing", "settings", "s"], {"set", "show"}, {"pause"}),
    (["gitpip", "try-now", ""], {"watching", "publishing"}, {"status"}),
    (["gitpip", "keys", "create", "ada", "--role", ""], {"viewer", "admin"}, {"--expires"}),
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The script of each shell."""
    made = {}
    for shell in ASK:
        made[shell] = tmp_path_factory.mktemp(shell) / "script"
        printed = CliRunner().invoke(app, ["completion", shell], prog_name="gitpip")
        assert printed.exit_code == 0, printed.output
        made[shell].write_text(printed.output)
    return made


@pytest.mark.parametrize(("words", "there", "not_there"), CASES)
@pytest.mark.parametrize("shell", ASK)
def test_a_shell_completes(
    scripts: dict[str, Path], shell: str, words: list[str], there: set[str], not_there: set[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    line = [" ".join(words)] if shell == "fish" else words
    done = subprocess.run(
        [shell, *options, "-c", ASK[shell], str(scripts[shell]), *line],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    separator = ":" if shell == "zsh" else "\t"
    told = {each.partition(separator)[0] for each in done.stdout.splitlines()}
    if shell == "zsh":  # whose line editor chooses from all that it is told
        told = {each for each in told if each.startswith(words[-1])}
    assert there <= told
    assert not not_there & told


def test_a_shell_that_is_not_known_is_told_which_are() -> None:
    asked = CliRunner().invoke(app, ["completion", "tcsh"], prog_name="gitpip")
    assert asked.exit_code == 2
    assert "fish" in asked.output
