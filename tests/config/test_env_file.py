"""The `.env` file of the current folder: what counts, and the lines that stop the start."""

import logging
import re
from pathlib import Path

import pytest

from gitpip.config import describe, load_settings
from gitpip.errors import SettingsError

OPEN_QUOTE = "the quote is not closed at the end of the value"
NO_PAIR = "not NAME=VALUE"


def test_the_env_file_of_the_current_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("GITPIP_PORT=1234\n")
    monkeypatch.chdir(tmp_path)
    [row] = [row for row in describe(load_settings({})) if row.name == "GITPIP_PORT"]
    assert (row.value, row.source) == ("1234", ".env")


def test_a_broken_env_file_is_a_fault(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"GITPIP_PORT=\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings({}, env_file=env_file)


def test_usual_lines_of_an_env_file_are_read(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(
        '\ufeff# a comment\n\n  export GITPIP_PORT = 1234 # another\nPIPEDRIVE_TOKEN="a$b"\n'
        "GITHUB_TOKEN='c'\nGITPIP_HOST=\nOTHER='two\nlines'\n\n"
    )
    settings = load_settings({}, env_file=env_file)
    assert (settings.port, settings.secrets) == (1234, ("a$b", "c"))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('PIPEDRIVE_TOKEN="hunter22\n', 1, OPEN_QUOTE),
        ("GITPIP_PORT=1\n\n\nexport PIPEDRIVE_TOKEN = 'hunter22", 4, OPEN_QUOTE),
        ('PIPEDRIVE_TOKEN="hunter22\nGITHUB_TOKEN="hunter22"\n', 1, OPEN_QUOTE),
        ('PIPEDRIVE_TOKEN="hunter22" hunter22\n', 1, OPEN_QUOTE),
        ("# a comment\n\nthis hunter22 is bad\nGITPIP_PORT=1\n", 3, NO_PAIR),
        ("\nhunter22\n", 2, NO_PAIR),
        ("PIPEDRIVE_TOKEN: hunter22\n", 1, NO_PAIR),
        ("=hunter22\n", 1, NO_PAIR),
    ],
)
def test_a_line_that_can_not_be_read_is_a_fault_that_shows_nothing_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, line: int, problem: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(text)
    with caplog.at_level(logging.DEBUG), pytest.raises(SettingsError) as raised:
        load_settings({}, env_file=env_file)
    [fault] = raised.value.faults
    assert fault.startswith(f"{env_file}, line {line}: {problem}")
    assert "hunter22" not in fault
    assert caplog.records == []


def test_every_unreadable_line_is_told(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("one\nGITPIP_PORT=x\ntwo words\n")
    with pytest.raises(SettingsError) as raised:
        load_settings({}, env_file=env_file)
    told = "\n".join(raised.value.faults)
    assert re.findall(r"line \d", told) == ["line 1", "line 3"]
    assert "GITPIP_PORT=x" in told


def test_quotes_within_quotes_are_no_part_of_a_token(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("GITHUB_TOKEN='\"hunter22\"'\n")
    with pytest.raises(SettingsError) as raised:
        load_settings({}, env_file=env_file)
    [fault] = raised.value.faults
    assert fault.startswith(f"GITHUB_TOKEN=[secret] ({env_file}): ")
    assert "without quotes" in fault
