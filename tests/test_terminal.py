"""Tables for people on a terminal, and for programs that read lines; colours for those who want."""

import re
import sys

import pytest

from gitpip import colours
from gitpip.terminal import Terminal

LOGIN = "a-login-with-as-many-letters-as-allowed"
REASON = "GitHub shows no user like this; " * 20
ROWS = [
    {"login": LOGIN, "reason": REASON, "at": "2026-05-04 12:00 UTC"},
    {"login": "bob", "reason": "a\tb" * 20_000, "at": ""},
]
RED = "\x1b[31mred\x1b[0m"


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *, width: int) -> Terminal:
    """One that is so wide, and knows no colours."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", str(width))
    return Terminal()


def test_a_row_is_its_values_and_tabs_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Terminal().table(ROWS)

    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{LOGIN}\t{REASON}\t2026-05-04 12:00 UTC",
        "bob\t" + r"a\tb" * 20_000 + "\t",
    ]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_on_a_terminal_a_name_keeps_to_one_line_and_a_reason_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    short = {"login": "b", "reason": "no", "at": "2026-05-04 12:00 UTC"}
    at_a_terminal(monkeypatch, width=width).table([ROWS[0], short])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["LOGIN", "REASON", "AT"]
    assert max(map(len, lines)) <= width
    assert sum(LOGIN in line for line in lines) == 1
    assert len(lines) > len(ROWS) + 1


def test_a_name_too_long_for_a_terminal_is_shown_to_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, width=80).table([{"file": "f" * 255, "size": "12", "reason": "no"}])

    heading, shown = capsys.readouterr().out.split("\n", 1)
    assert heading.split() == ["FILE", "SIZE", "REASON"]
    assert shown.count("f") == 255
    assert "no" in shown


def test_short_values_are_never_broken_beside_a_long_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"id": "10000001", "github id": "10000001", "state": "active", "tags": "vip"}
    row = {"login": LOGIN, **values, "files": "12", "checked at": "2026-05-04 12:00 UTC"}
    at_a_terminal(monkeypatch, width=80).table([row])

    heading, *lines = capsys.readouterr().out.splitlines()
    assert re.sub(" +", " ", heading) == "LOGIN ID GITHUB ID STATE TAGS FILES CHECKED AT "
    assert max(map(len, (heading, *lines))) <= 80
    for value in [*values.values(), "12", "2026-05-04 12:00 UTC"]:
        assert value in lines[0]
    assert "".join(line.split()[0] for line in lines) == LOGIN


def test_a_terminal_too_narrow_for_a_table_gets_a_line_for_each_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"login": LOGIN, "state": "active", "tags": "", "checked at": "2026-05-04 12:00 UTC"}
    terminal = at_a_terminal(monkeypatch, width=40)
    monkeypatch.setenv("TERM", "xterm")  # Rich takes each dumb terminal for one of 80 letters
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.table([row])

    assert capsys.readouterr().out.splitlines() == [
        LOGIN,
        "  STATE active",
        "  CHECKED AT 2026-05-04 12:00 UTC",
    ]


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"CLICOLOR": "0"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        (False, {"FORCE_COLOR": "1", "CLICOLOR": "0"}, True),
        (False, {"CLICOLOR_FORCE": "0", "FORCE_COLOR": ""}, False),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_as_the_environment_wants(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    environment: dict[str, str],
    coloured: bool,
) -> None:
    for name in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    Terminal().say("", lead="red", style="red")

    assert capsys.readouterr().out == (f"{RED}\n" if coloured else "red\n")


def test_colours_in_a_pipe_make_no_table_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    Terminal().table([{"login": "ada", "files": "2"}])

    assert capsys.readouterr().out == "ada\t2\n"


def test_a_closed_stream_is_no_terminal() -> None:
    assert not colours.is_terminal(None)
