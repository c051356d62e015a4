"""The commands about the publishing settings."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from gitpip.actions import publishing_settings as actions
from gitpip.actions.publishing_settings import ShownSetting
from gitpip.bodies.publishing_settings import PublishingSettingBody
from gitpip.cli.named_values import by_name
from gitpip.cli.output import Json, act, console, prepared_settings, print_json, print_rows, read
from gitpip.config import Settings
from gitpip.runtime.account_lists import AccountLists

settings_app = typer.Typer(
    help="Show and change the publishing settings.", invoke_without_command=True
)


@settings_app.callback()
def _show_without_command(context: typer.Context, as_json: Json = False) -> None:
    """Show and change the publishing settings."""
    if context.invoked_subcommand is None:
        _show(as_json=as_json)


@settings_app.command("show")
def show_settings(as_json: Json = False) -> None:
    """Show every publishing setting, its value and its source."""
    _show(as_json=as_json)


@settings_app.command("set")
def set_settings(
    changes: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="Settings to change.")],
    as_json: Json = False,
) -> None:
    """Change one or more settings. They apply to everything sent from now on."""
    pairs = [one.partition("=") for one in changes]
    if missing := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(
            f"must be NAME=VALUE, e.g. activity_type=meeting, not {missing[0]!r}"
        )
    _change(by_name((name.strip(), value) for name, _, value in pairs), as_json=as_json)


@settings_app.command("unset")
def unset_settings(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Settings to reset.")],
    as_json: Json = False,
) -> None:
    """Reset settings to their defaults."""
    _change(dict.fromkeys(names), as_json=as_json)


def _show(*, as_json: bool) -> None:
    settings = prepared_settings()
    _print(
        read(settings, lambda transaction: actions.shown(transaction, settings.publishing)),
        as_json=as_json,
    )


def _change(texts: Mapping[str, str | None], *, as_json: bool) -> None:
    settings: Settings = prepared_settings()
    check = AccountLists(lambda: settings).check
    changed = act(
        settings, lambda acting: actions.change(acting, settings.publishing, texts, check)
    )
    if as_json:
        _print(changed.settings, as_json=True)
        return
    if changed.unchecked:
        console.say(f"Not checked against the Pipedrive account: {changed.unchecked}")
    for one in changed.settings:
        if one.now.setting.name in texts:
            console.say(f"{one.now.setting.name}: {one.now.text} ({one.now.source})")


def _print(found: Sequence[ShownSetting], *, as_json: bool) -> None:
    bodies = [PublishingSettingBody.of(one).model_dump() for one in found]
    if as_json:
        print_json(bodies)
        return
    print_rows(
        [
            {name: body[name] for name in ("name", "value", "source", "description", "fault")}
            for body in bodies
        ],
        as_json,
    )
