"""What the commands share: settings, consoles, tables, JSON."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from gitpip.model import Backfill, Check
from gitpip.outgoing import proxy_passwords
from gitpip.settings import Settings, load_settings
from gitpip.telemetry import configure_logging

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Result = TypeVar("Result")

console = Console()
errors = Console(stderr=True)


def prepared_settings(*, quiet: bool = True) -> Settings:
    """The settings, with logging set up; `quiet` logs warnings alone, and to stderr."""
    settings = load_settings()
    level = "WARNING" if quiet and settings.log_level != "DEBUG" else settings.log_level
    configure_logging(
        level,
        settings.log_format,
        secrets=(*settings.secrets, *proxy_passwords()),
        stream=sys.stderr if quiet else None,
    )
    return settings


def run(work: Coroutine[object, object, Result]) -> Result:
    """Run a coroutine to its end."""
    return asyncio.run(work)


def parsed_backfill(text: str | None) -> Backfill | None:
    """A backfill rule as it was typed; a clear usage error where it is none."""
    if text is None:
        return None
    try:
        return Backfill.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--backfill") from None


def progress_bar(as_json: bool) -> Progress:
    """A progress bar on a terminal, and nothing elsewhere."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=as_json or not errors.is_terminal,
    )


def print_rows(rows: list[dict[str, object]], as_json: bool, none: str = "") -> None:
    """Print rows with the same names, as JSON or as a table; or a sentence where there are none."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print(Text(none), soft_wrap=True)
        return
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row.values()))
    console.print(table)


def shown(value: object) -> str:
    """A value as people read it; nothing in it can move the cursor."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def print_json(value: object) -> None:
    """Print a value as JSON."""

    def plain(unknown: object) -> object:
        if isinstance(unknown, Check):
            return asdict(unknown)
        return unknown.isoformat() if isinstance(unknown, datetime) else str(unknown)

    sys.stdout.write(json.dumps(value, default=plain, indent=2) + "\n")
