"""The commands about publishing as a whole: what is written, where and when; pauses."""

from dataclasses import asdict
from typing import Annotated

import typer

from gitpip.actions import publishing as actions
from gitpip.cli.output import Json, act, console, prepared_settings, print_json, shown
from gitpip.cli.publishing_settings import settings_app

publishing_app = typer.Typer(
    help="Say what is written to Pipedrive, where and when; pause it, and resume it.",
    no_args_is_help=True,
)
publishing_app.add_typer(settings_app, name="settings")


@publishing_app.command("pause")
def pause_publishing(
    until: Annotated[
        str, typer.Option(help="When it ends, like 2026-01-31T08:00 (UTC); never if not given.")
    ] = "",
    lasts: Annotated[str, typer.Option("--for", help="How long it lasts, like 90m or 12h.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for those who read the status.")] = "",
    as_json: Json = False,
) -> None:
    """Let nothing be sent to Pipedrive, by any process, until it ends or somebody resumes."""
    pause = act(
        prepared_settings(),
        lambda acting: actions.pause_publishing(acting, until=until, lasts=lasts, reason=reason),
    )
    if as_json:
        print_json(asdict(pause))
    else:
        end = f"until {shown(pause.until)}" if pause.until else "until somebody resumes it"
        console.say(f"Publishing is paused {end}. gitpip publishing resume ends that.")


@publishing_app.command("resume")
def resume_publishing(as_json: Json = False) -> None:
    """End a person's pause; pauses that gitpip made end by gitpip try-now."""
    ended = act(prepared_settings(), actions.resume_publishing)
    if as_json:
        print_json({"resumed": ended is not None})
    elif ended is None:
        console.say("Nobody had paused publishing, so nothing was changed.")
    else:
        console.say(f"Publishing goes on; {ended.paused_by} had paused it.")
