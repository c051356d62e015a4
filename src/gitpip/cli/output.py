"""Functions that the commands share: settings, consoles, tables, JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress

from gitpip.actions.acting import Acting
from gitpip.backfill import Backfill
from gitpip.cli import json_fields
from gitpip.clock import day_and_clock, in_json, utc_now
from gitpip.config import Settings, load_settings
from gitpip.counts import count
from gitpip.http_client import proxy_passwords
from gitpip.model import Check
from gitpip.observability.logging import configure_logging
from gitpip.observability.redaction import redacted
from gitpip.program import as_called
from gitpip.runtime.acting import acting
from gitpip.runtime.opening import opened
from gitpip.status.findings import Finding, FindingLevel
from gitpip.status.reading import ProcessFacts, ServiceCondition, read_stops
from gitpip.store.database import Transaction
from gitpip.terminal import Terminal

Json = Annotated[
    bool, typer.Option("--json", help="Output JSON. To choose fields: --json NAME,NAME")
]
Result = TypeVar("Result")

console = Terminal()
errors = Terminal(stderr=True)


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


def act(
    settings: Settings, what: Callable[[Acting], Awaitable[Result]], *, makes: bool = False
) -> Result:
    """Do an act as the user of this machine; gives what the act gives.

    With `makes`, an SQLite file is made if there is none, so it can be the first command.
    """

    async def inside() -> Result:
        async with acting(settings, makes=makes) as person:
            return await what(person)

    return run(inside())


def read(settings: Settings, what: Callable[[Transaction], Awaitable[Result]]) -> Result:
    """Read from the database of these settings."""

    async def inside() -> Result:
        async with opened(settings) as database, database.read() as transaction:
            return await what(transaction)

    return run(inside())


def read_stops_now(settings: Settings) -> ServiceCondition:
    """Return what holds up watching or publishing, for times that take pauses into account."""
    return read(
        settings, lambda transaction: read_stops(transaction, ProcessFacts(settings), utc_now())
    )


def parsed_backfill(text: str | None) -> Backfill | None:
    """A backfill rule as it was typed; a clear usage error where it is none."""
    if text is None:
        return None
    try:
        return Backfill.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--backfill") from None


def day(text: str | None, option: str) -> date | None:
    """A day as it was typed; a clear usage error where it is none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"must be a date, e.g. 2026-10-01, not {text[:40]!r}", param_hint=option
        ) from None


def progress_bar(as_json: bool) -> Progress:
    """A progress bar on a terminal, and nothing elsewhere."""
    return errors.progress(disable=as_json)


def print_rows(
    rows: list[dict[str, object]], as_json: bool, none: str = "", *, advice: str = ""
) -> None:
    """Print rows with the same names, as JSON or as a table; or a sentence where there are none.

    Programs read rows from a pipe, so the sentence goes to standard error. The column `advice`
    names commands, which a table shows as a person can call them.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        errors.say(none)
        return
    texts = [{name: shown(value) for name, value in row.items()} for row in rows]
    if advice:
        texts = [row | {advice: as_called(row[advice])} for row in texts]
    console.table([{name.replace("_", " "): text for name, text in row.items()} for row in texts])


def print_facts(facts: Mapping[str, object]) -> None:
    """Print what is known of one thing, a line each, without what is not."""
    for name, value in facts.items():
        if text := shown(value):
            console.quote(f"{name.replace('_', ' ')}: {text}")


def print_text(name: str, text: str, *, indent: str = "") -> None:
    """Print a text of several lines under its name.

    Its lines are indented, so that none of them looks like one of ours.
    """
    console.say(f"{indent}{name}:")
    for line in text.split("\n"):
        console.quote(f"{indent}  {line}")


def shown(value: object) -> str:
    """A value as people read it; of numbers by name, those that are not zero."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return day_and_clock(value.astimezone(UTC))
    if isinstance(value, Mapping):
        return ", ".join(f"{number:,} {name}" for name, number in value.items() if number)
    if isinstance(value, list | tuple):
        return ", ".join(shown(each) for each in value)
    return str(value)


def print_json(value: object) -> None:
    """Print a value as JSON."""

    def plain(unknown: object) -> object:
        return in_json(unknown) if isinstance(unknown, datetime) else str(unknown)

    plain_value = json.loads(json.dumps(value, default=plain))
    sys.stdout.write(json_fields.as_json(plain_value, indent=2) + "\n")


def tell_finding(finding: Finding) -> None:
    """Print what the doctor found about one thing, and its advice."""
    colour = {FindingLevel.OK: "green", FindingLevel.WARNING: "yellow", FindingLevel.FAILURE: "red"}
    console.say(
        f"{finding.about}: {redacted(finding.found)}",
        lead=f"{finding.verdict:<8}",
        style=colour[finding.verdict],
    )
    if finding.advice:
        console.say(f"        → {finding.advice}")


def summary_of(check: Check) -> str:
    """Return what a check did, in one line."""
    new = f"{count(check.gists, 'new gist')}, {count(check.files, 'new file')}"
    failed = f", {check.failed:,} failed" if check.failed else ""
    return f"checked {count(check.users, 'user')}: {new}{failed}"
