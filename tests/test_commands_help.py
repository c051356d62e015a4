"""What `gitpip --help` shows: every command, in the order in which people need them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import typer.testing
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from gitpip.cli.examples import EXAMPLES
from gitpip.cli.main import app
from gitpip.program import PANELS


def test_each_command_stands_in_one_panel() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert sorted(chain(*PANELS.values())) == sorted(group.commands)


def test_help_shows_the_panels_in_order_with_daily_use_first() -> None:
    text = CliRunner().invoke(app, ["--help"], prog_name="gitpip").output
    found = [text.index(f" {title} ─") for title in PANELS]
    assert found == sorted(found)
    assert text.index("│ status ") < text.index("│ users ") < text.index("│ serve ")


def test_no_option_without_a_value_shows_a_type() -> None:
    def options(command: TyperCommand | TyperGroup) -> Iterator[tuple[str, str | None]]:
        context = typer.Context(command)
        for option in command.get_params(context):
            if isinstance(option, TyperOption) and option.is_flag:
                yield f"{command.name} {option.name}", option.display_type_rich(context)
        if isinstance(command, TyperGroup):
            for each in command.commands.values():
                assert isinstance(each, TyperCommand | TyperGroup)
                yield from options(each)

    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    shown = dict(options(command))
    assert len(shown) > 50
    assert not [name for name, kind in shown.items() if kind]


def test_the_help_says_in_words_what_options_and_arguments_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Otherwise all commands are made anew for the help of each.
    monkeypatch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
    texts = {
        path: CliRunner()
        .invoke(app, [*path.split(), "--help"], prog_name="gitpip", env={"COLUMNS": "120"})
        .output
        for path, _ in _commands(typer.main.get_command(app), "")
    }
    assert len(texts) > 60
    for path, text in texts.items():
        assert not re.search(r"<|>=|%Y|\bNone\b|\bstr\b|\bint\b|list\[", text), (path, text)
    assert "NUMBER [1 to 1,000]" in texts["log"]
    assert "YYYY-MM-DD" in texts["publications list"]
    assert "retry|skip|approve|hold|send-again" in texts["publications repair"]


def test_h_asks_for_help_everywhere() -> None:
    for path in ([], ["users"], ["users", "add"], ["publishing", "settings", "set"], ["status"]):
        asked = CliRunner().invoke(app, [*path, "-h"], prog_name="gitpip")
        assert (asked.exit_code, "Usage: " in asked.output) == (0, True), asked.output


def test_each_command_has_examples_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.xlsx").touch()
    with_examples = set()
    for path, command in _commands(typer.main.get_command(app), ""):
        for example in EXAMPLES.get(path, ()):
            assert example.startswith(path)
            # The fields of --json are taken out before a command is asked.
            words = [word for word in shlex.split(example.removeprefix(path)) if "," not in word]
            command.make_context(path, words)  # raises what is wrong
            with_examples.add(path)
        assert path in with_examples, path
    assert with_examples == set(EXAMPLES)


def test_an_option_with_one_value_is_refused_if_it_is_given_twice() -> None:
    group, tried = typer.main.get_command(app), 0
    for path, command in _commands(group, ""):
        for option in command.get_params(typer.Context(command)):
            if not isinstance(option, TyperOption) or option.multiple:
                continue
            if option.is_flag and not option.secondary_opts:
                continue
            name = option.opts[0]
            second = [option.secondary_opts[0]] if option.is_flag else [name, "1"]
            first = [name] if option.is_flag else [name, "1"]
            with pytest.raises(typer.BadParameter, match="given twice; give it once") as refused:
                command.make_context(path, [*first, *second])
            assert refused.value.param is option, (path, name)
            tried += 1
    assert tried > 80


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("rules add skip --name a --when names=*.env --when names=*.py", "--when"),
        ("users change ada --tag vip --no-tags", "--no-tags"),
        ("events --user ada --user bob", "--user"),
        ("users import people.csv --column GitHub=login --column GitHub=id", "--column"),
        ("publishing settings set activity_type=call activity_type=task", "activity_type"),
    ],
)
def test_what_is_given_twice_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("GitHub\nada\n")
    asked = CliRunner().invoke(app, words.split(), prog_name="gitpip")
    assert asked.exit_code == 2, asked.output
    assert option in asked.output


def test_examples_stand_below_the_options() -> None:
    text = CliRunner().invoke(app, ["users", "list", "--help"], prog_name="gitpip").output
    assert text.rstrip().endswith("$ gitpip users list --json login,tags")


def _commands(command: object, path: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _commands(each, f"{path} {name}".strip())
    elif isinstance(command, TyperCommand):
        yield path, command
