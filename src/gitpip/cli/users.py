"""The commands about tracked users."""

from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Annotated

import typer

from gitpip.actions.imports import Imported
from gitpip.cli.output import (
    Json,
    console,
    errors,
    parsed_backfill,
    prepared_settings,
    print_json,
    print_rows,
    progress_bar,
    run,
)
from gitpip.clock import utc_now
from gitpip.config import format_duration, parse_duration
from gitpip.model import Forecast, User
from gitpip.runtime import oneshot, serve
from gitpip.status.problem import count
from gitpip.store.users import users
from gitpip.validation import check_external_id, checked_tags

TWO_MINUTES = 120

users_app = typer.Typer(
    help="Add, list, change, remove and import tracked users.", no_args_is_help=True
)

OwnId = Annotated[str | None, typer.Option("--id", help="Your own unique id.")]
BackfillOption = Annotated[
    str | None, typer.Option("--backfill", help="all, none, latest:N or since:YYYY-MM-DD")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be given often.")]
IntervalOption = Annotated[
    str | None, typer.Option("--interval", help="Between looks, like 30m; general for the usual.")
]


@users_app.command("add")
def add_user(
    login: str,
    *,
    user_id: OwnId = None,
    backfill: BackfillOption = None,
    tag: Tags = None,
    interval: IntervalOption = None,
    as_json: Json = False,
) -> None:
    """Track a user."""
    settings = prepared_settings()
    chosen = parsed_backfill(backfill)
    details = users.Changes(tags=_tags(tag), interval=_interval(interval))
    added = run(
        oneshot.add_user(settings, login, external_id=user_id, backfill=chosen, details=details)
    )
    user, confirmed = added.user, added.user.github_id is not None
    if as_json:
        print_json(
            {
                "login": user.login,
                "external_id": user.external_id,
                "new": added.new,
                "confirmed": confirmed,
            }
        )
        return
    what = "Tracking" if added.new else "Already tracking"
    doubt = "" if confirmed else " (GitHub could not be asked yet)"
    console.say(f"{what} {user.login}, id {user.external_id}{doubt}.")


@users_app.command("list")
def list_users(as_json: Json = False) -> None:
    """List the tracked users."""

    async def read() -> list[dict[str, object]]:
        async with serve.opened(settings) as database, database.read() as transaction:
            return [
                {
                    "login": user.login,
                    "id": user.external_id,
                    "github_id": user.github_id,
                    "state": user.state,
                    "tags": " ".join(user.tags),
                    "files": user.last_sequence,
                    "checked_at": user.checked_at,
                    "failure": user.failure,
                }
                for user in await users.everyone(transaction)
            ]

    settings = prepared_settings()
    rows = run(read())
    none = "No users are tracked yet; add one with: gitpip users add LOGIN"
    print_rows(rows, as_json, none)


@users_app.command("change")
def change_user(
    login: str,
    *,
    user_id: OwnId = None,
    backfill: BackfillOption = None,
    tag: Tags = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take every tag away.")] = False,
    interval: IntervalOption = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Stop looking, or go on.")
    ] = None,
) -> None:
    """Change how a user is tracked; what is not named stays."""
    settings = prepared_settings()
    if user_id is not None:
        check_external_id(user_id)
    changes = users.Changes(
        external_id=user_id,
        backfill=parsed_backfill(backfill),
        tags=() if no_tags else _tags(tag),
        interval=_interval(interval),
        paused=paused,
    )

    async def change() -> User:
        async with serve.opened(settings) as database, database.begin() as transaction:
            user = await users.find(transaction, login)
            changed = await users.change(transaction, user.key, changes, utc_now())
            await oneshot.did(transaction, "user.changed", user.login)
            return changed

    user = run(change())
    every = format_duration(user.check_interval or settings.check_interval)
    console.say(
        f"{user.login}: {user.state}, id {user.external_id}, backfill {user.backfill}, "
        f"every {every}, tags {', '.join(user.tags) or 'none'}."
    )


@users_app.command("forecast")
def forecast_user(
    login: str,
    backfill: BackfillOption = None,
    as_json: Json = False,
) -> None:
    """Say what tracking a user would publish at once, and how long that would take."""
    settings = prepared_settings()
    forecast = run(oneshot.forecast_of(settings, login, parsed_backfill(backfill)))
    if as_json:
        print_json(asdict(forecast))
        return
    console.say(
        f"{forecast.account.login} has {count(forecast.gists, 'public gist')}; "
        f"{_activities(forecast)} on Pipedrive's smallest plan."
    )


@users_app.command("remove")
def remove_user(login: str) -> None:
    """Stop tracking a user; what was found stays, so nothing is ever published twice."""

    async def remove() -> str:
        async with serve.opened(settings) as database, database.begin() as transaction:
            user = await users.find(transaction, login)
            await users.remove(transaction, user.key, utc_now())
            await oneshot.did(transaction, "user.removed", user.login)
            return user.login

    settings = prepared_settings()
    console.say(f"No longer tracking {run(remove())}.")


@users_app.command("import")
def import_users(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    as_json: Json = False,
) -> None:
    """Track every user of a file: CSV, JSON, or a login a line. Bad lines are reported.

    CSV has a header with login and, where wanted, id, tags, interval, backfill, deal; JSON is a
    list of logins, or of objects with these names.
    """
    settings = prepared_settings()
    with progress_bar(as_json) as progress:
        task = progress.add_task("Importing", total=None)

        def follow(imported: Imported) -> None:
            progress.update(task, completed=imported.added + imported.known)

        imported = run(oneshot.import_users(settings, file, follow))
    if as_json:
        print_json(asdict(imported))
    else:
        console.say(f"Added {imported.added}, tracked already {imported.known}.")
        for fault in imported.faults:
            errors.say(fault)
    if imported.faults:
        raise typer.Exit(1)


def _activities(forecast: Forecast) -> str:
    files = forecast.activities
    became = "would become an activity" if files == 1 else "would become activities"
    seconds = ceil(forecast.duration.total_seconds())
    takes = f"{seconds} s" if seconds < TWO_MINUTES else f"{ceil(seconds / 60):,} min"
    return f"{count(files, 'file')} {became}; that takes {takes} or more"


def _tags(tags: list[str] | None) -> tuple[str, ...] | None:
    return checked_tags(tags) if tags else None


def _interval(text: str | None) -> users.Interval | None:
    if text is None:
        return None
    try:
        return users.GENERAL if text == users.GENERAL else parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--interval") from None
