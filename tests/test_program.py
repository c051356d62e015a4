"""How gitpip names itself, so that a person can type it."""

import sys
from pathlib import Path

import pytest

from gitpip.program import as_called, program


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in a virtual environment below the working directory, which is not activated."""
    called = tmp_path / ".venv" / "bin" / "gitpip"
    called.parent.mkdir(parents=True)
    called.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(called)])
    return called


def test_it_is_named_by_its_path_where_no_shell_finds_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program() == ".venv/bin/gitpip"
    monkeypatch.setattr(sys, "argv", [".venv/bin/gitpip"])
    assert program() == ".venv/bin/gitpip"
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "argv", [str(installed)])
    assert program() == str(installed)


def test_it_is_named_by_its_name_where_a_shell_finds_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "gitpip"


def test_a_text_names_commands_as_they_can_be_called(installed: Path) -> None:
    assert installed.exists()
    text = "Run gitpip doctor. gitpip checks it, publishes it, and /bin/gitpip status is another."
    assert as_called(text) == text.replace("Run gitpip", "Run .venv/bin/gitpip")
    assert as_called("see gitpip opt-outs remove LOGIN") == (
        "see .venv/bin/gitpip opt-outs remove LOGIN"
    )


def test_another_program_does_not_give_its_name(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installed.exists()
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python3/pytest/__main__.py"])
    assert program() == "gitpip"
