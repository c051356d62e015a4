"""The commands; each is a thin door to the service or to the store's reading side."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from gitpip import errands, service
from gitpip.demo import run_demo
from gitpip.errors import GitpipError, SettingsError
from gitpip.model import Backfill, Check, Pause, PublicationState, UserState
from gitpip.settings import Settings, describe, load_settings
from gitpip.store import checks, gists, operation, publications, schedule, users, visits
from gitpip.telemetry import configure_logging

app = typer.Typer(
    help="Watches GitHub users for new public gists and publishes each file to Pipedrive.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
users_app = typer.Typer(help="Add, list, remove and import tracked users.", no_args_is_help=True)
app.add_typer(users_app, name="users")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Result = TypeVar("Result")

console = Console()
errors = Console(stderr=True)


def main() -> None:
    """Run a command; errors that gitpip foresaw are one line each, and exit with 1."""
    try:
        app()
    except SettingsError as error:
        for fault in error.faults:
            errors.print(Text(f"gitpip: {fault}"), soft_wrap=True)
        sys.exit(2)
    except GitpipError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def serve() -> None:
    """Watch, publish and show, until Ctrl-C."""
    settings = _settings(quiet=False)
    asyncio.run(service.serve(settings))


@app.command()
def demo() -> None:
    """Run the whole loop against built-in stand-ins, without any account; data is temporary."""
    run_demo()


@app.command()
def check(as_json: Json = False) -> None:
    """Check every tracked user now; exits with 1 when a look failed."""
    settings = _settings()
    with _progress(as_json) as progress:
        task = progress.add_task("Checking", total=None)

        def follow(check: Check, tracked: int) -> None:
            progress.update(task, completed=check.users, total=tracked)

        result = _run(errands.check_now(settings, follow))
    if as_json:
        _print_json(asdict(result))
    else:
        console.print(_summary(result))
        for failure in result.failures:
            console.print(Text(f"  {failure}"), soft_wrap=True)
    if result.failed:
        raise typer.Exit(1)


@app.command()
def publish(as_json: Json = False) -> None:
    """Publish everything that is due, and wait until it is done; exits with 1 when some was not."""
    settings = _settings()
    with _progress(as_json) as progress:
        task = progress.add_task("Publishing", total=None)
        most = 0

        def follow(waiting: int) -> None:
            nonlocal most
            most = max(most, waiting)
            progress.update(task, completed=most - waiting, total=most)

        result = _run(errands.publish_now(settings, follow))
    if as_json:
        _print_json(asdict(result))
    else:
        console.print(
            f"published {result.published}, failed {result.failed}, still waiting {result.waiting}"
        )
        if result.reason:
            console.print(Text(f"  waiting: {result.reason}"), soft_wrap=True)
    if result.failed or result.reason:
        raise typer.Exit(1)


@users_app.command("add")
def add_user(
    login: str,
    user_id: Annotated[str | None, typer.Option("--id", help="Your own unique id.")] = None,
    backfill: Annotated[
        str | None, typer.Option(help="all, none, latest:N or since:YYYY-MM-DD")
    ] = None,
    as_json: Json = False,
) -> None:
    """Track a user."""
    settings = _settings()
    chosen = _backfill(backfill)
    added = _run(errands.add_user(settings, login, external_id=user_id, backfill=chosen))
    if as_json:
        _print_json(asdict(added))
        return
    what = "Tracking" if added.new else "Already tracking"
    doubt = "" if added.confirmed else " (GitHub could not be asked yet)"
    console.print(Text(f"{what} {added.login}, id {added.external_id}{doubt}."))


@users_app.command("list")
def list_users(as_json: Json = False) -> None:
    """List the tracked users."""

    async def read() -> list[dict[str, object]]:
        async with service.opened(settings) as database, database.read() as transaction:
            return [
                {
                    "login": user.login,
                    "id": user.external_id,
                    "github_id": user.github_id,
                    "state": user.state,
                    "files": user.last_sequence,
                    "checked_at": user.checked_at,
                    "failure": user.failure,
                }
                for user in await users.everyone(transaction)
            ]

    settings = _settings()
    rows = _run(read())
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        console.print("No users are tracked yet; add one with: gitpip users add LOGIN")


@users_app.command("remove")
def remove_user(login: str) -> None:
    """Stop tracking a user; what was found stays, so nothing is ever published twice."""

    async def remove() -> str:
        async with service.opened(settings) as database, database.begin() as transaction:
            user = await users.find(transaction, login)
            await users.remove(transaction, user.key, _now())
            return user.login

    settings = _settings()
    console.print(Text(f"No longer tracking {_run(remove())}."))


@users_app.command("import")
def import_users(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    as_json: Json = False,
) -> None:
    """Track every user of a file: CSV, JSON, or a login a line. Bad lines are reported.

    CSV has a header with login and, where wanted, id, tags, interval, backfill, deal; JSON is a
    list of logins, or of objects with these names.
    """
    settings = _settings()
    with _progress(as_json) as progress:
        task = progress.add_task("Importing", total=None)

        def follow(imported: errands.Imported) -> None:
            progress.update(task, completed=imported.added + imported.known)

        imported = _run(errands.import_users(settings, file, follow))
    if as_json:
        _print_json(asdict(imported))
    else:
        console.print(f"Added {imported.added}, tracked already {imported.known}.")
        for fault in imported.faults:
            errors.print(Text(fault), soft_wrap=True)
    if imported.faults:
        raise typer.Exit(1)


@app.command()
def latest(
    login: str,
    record: Annotated[
        bool, typer.Option(help="Record the visit, so that these are not shown again.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Show the gist files that a user added since the last visit."""

    async def read() -> list[dict[str, object]]:
        async with service.opened(settings) as database, database.begin() as transaction:
            user = await users.find(transaction, login)
            viewer, now = visits.SHARED_VIEWER, _now()
            if record:
                visit = await visits.record(transaction, user.key, viewer=viewer, now=now)
            else:
                visit = await visits.look(transaction, user, viewer=viewer, now=now)
            files = await gists.between(transaction, user.key, after=visit.after, up_to=visit.up_to)
            return [
                {
                    "filename": file.filename,
                    "language": file.language,
                    "size": file.size,
                    "created_at": file.created_at,
                    "published": file.publication is PublicationState.PUBLISHED,
                    "html_url": file.html_url,
                }
                for file in files
            ]

    settings = _settings()
    rows = _run(read())
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        console.print(Text(f"Nothing new from {login} since the last visit."))


@app.command()
def status(as_json: Json = False) -> None:
    """Say how the service is doing: what is tracked, what waits, and why."""

    async def read() -> dict[str, object]:
        now = _now()
        async with service.opened(settings) as database, database.read() as transaction:
            tracked = await users.count(transaction)
            counts = await publications.count(transaction)
            publishing = await operation.paused(transaction, operation.PUBLISHING, now)
            watching = await operation.paused(transaction, operation.WATCHING, now)
            last = (await checks.page(transaction, offset=0, limit=1)).items
            return {
                "running_services": len(await operation.running(transaction, now)),
                "users": {state.value: tracked.get(state, 0) for state in UserState},
                "publications": {state.value: counts.get(state, 0) for state in PublicationState},
                "publishing": (
                    _paused(publishing) if settings.pipedrive_token else "waits for PIPEDRIVE_TOKEN"
                ),
                "watching": _paused(watching),
                "next_publication_due": await publications.next_due(transaction),
                "nothing_missed_before": (await schedule.freshness(transaction)).complete_until,
                "last_check": last[0] if last else None,
            }

    settings = _settings()
    facts = _run(read())
    if as_json:
        _print_json(facts)
        return
    for name, value in facts.items():
        match value:
            case dict():
                shown = ", ".join(f"{key} {number}" for key, number in value.items() if number)
            case Check():
                shown = f"{_shown(value.ended_at) or 'under way'}; {_summary(value)}"
            case _:
                shown = _shown(value)
        console.print(Text(f"{name.replace('_', ' ')}: {shown or 'none'}"), soft_wrap=True)


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """Show every setting, where it came from and what it means; secrets are masked."""
    rows = [asdict(row) for row in describe(_settings())]
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


def _settings(*, quiet: bool = True) -> Settings:
    settings = load_settings()
    level = "WARNING" if quiet and settings.log_level != "DEBUG" else settings.log_level
    configure_logging(
        level,
        settings.log_format,
        secrets=settings.secrets,
        stream=sys.stderr if quiet else None,
    )
    return settings


def _run(work: Coroutine[object, object, Result]) -> Result:
    return asyncio.run(work)


def _backfill(text: str | None) -> Backfill | None:
    if text is None:
        return None
    try:
        return Backfill.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--backfill") from None


def _summary(check: Check) -> str:
    return (
        f"users looked at {check.users}, unchanged {check.unchanged}, failed {check.failed}; "
        f"new gists {check.gists}, new files {check.files}"
    )


def _paused(pause: Pause | None) -> str:
    return f"paused until {pause.until:%H:%M:%S} UTC: {pause.reason}" if pause else "running"


def _progress(as_json: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=as_json or not errors.is_terminal,
    )


def _print_table(rows: list[dict[str, object]]) -> None:
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    console.print(table)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = str(value)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def _print_json(value: object) -> None:
    def plain(unknown: object) -> object:
        if isinstance(unknown, Check):
            return asdict(unknown)
        return unknown.isoformat() if isinstance(unknown, datetime) else str(unknown)

    sys.stdout.write(json.dumps(value, default=plain, indent=2) + "\n")


def _fail(message: str) -> NoReturn:
    errors.print(Text(f"gitpip: {message}"), soft_wrap=True)
    sys.exit(1)


def _now() -> datetime:
    return datetime.now(UTC)
