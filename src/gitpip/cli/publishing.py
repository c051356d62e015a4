"""The commands about publishing; those of its settings are a group of their own."""

import typer

from gitpip.cli.publishing_preview import preview
from gitpip.cli.publishing_settings import settings_app

publishing_app = typer.Typer(
    help="Say what is written to Pipedrive, where and when.", no_args_is_help=True
)
publishing_app.add_typer(settings_app, name="settings")
publishing_app.command("preview")(preview)
