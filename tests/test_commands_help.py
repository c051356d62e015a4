"""What `gitpip --help` shows: every command, in the order in which people need them."""

from collections.abc import Iterator
from itertools import chain

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from gitpip.cli.main import PANELS, app


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


def test_h_asks_for_help_everywhere() -> None:
    for path in ([], ["users"], ["users", "add"], ["publishing", "settings", "set"], ["status"]):
        asked = CliRunner().invoke(app, [*path, "-h"], prog_name="gitpip")
        assert (asked.exit_code, "Usage: " in asked.output) == (0, True), asked.output
