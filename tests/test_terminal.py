"""Tables for people on a terminal, and for programs that read lines."""

import pytest

from gitpip.terminal import Terminal

LOGIN = "a-login-with-as-many-letters-as-allowed"
REASON = "GitHub shows no user like this; " * 20
ROWS = [
    {"login": LOGIN, "reason": REASON, "at": "2026-05-04 12:00 UTC"},
    {"login": "bob", "reason": "x" * 70_000, "at": ""},
]


def test_a_row_is_one_line_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(ROWS)

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if LOGIN in line and REASON.strip() in line]
    assert [line for line in lines if "bob" in line and "x" * 70_000 in line]
    assert len(lines) == len(ROWS) + 4


@pytest.mark.parametrize("width", [80, 100, 200])
def test_on_a_terminal_a_name_keeps_to_one_line_and_a_reason_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    Terminal().table([ROWS[0], {"login": "b", "reason": "no", "at": "2026-05-04 12:00 UTC"}])

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(LOGIN in line for line in lines) == 1
    assert len(lines) > len(ROWS) + 4


def test_a_name_too_long_for_a_terminal_is_shown_to_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    Terminal().table([{"file": "f" * 255, "size": "12", "reason": "none"}])

    shown = capsys.readouterr().out
    assert shown.count("f") == 255 + len("f")
    assert "none" in shown
