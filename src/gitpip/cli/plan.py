"""`gitpip plan`: what more users and gists would cost, next to what there is."""

from typing import Annotated

import typer

from gitpip.bodies.capacity import SizingBody, TodayBody
from gitpip.cli.numbers import decimal
from gitpip.cli.output import Json, console, prepared_settings, print_json, read
from gitpip.clock import utc_now
from gitpip.errors import DatabaseMissing
from gitpip.status.planning import PlanOptions, wanted
from gitpip.status.sizing import Sizing, sizing
from gitpip.status.sizing_rows import sizing_rows
from gitpip.store.status import today

GistsPerDay = Annotated[
    float | None,
    typer.Option(
        parser=decimal,
        help="New gists a day, of all users together. Default: as many per user as in the last "
        "week.",
    ),
]
FilesPerGist = Annotated[float, typer.Option(parser=decimal, help="Files per gist, on average.")]
BytesPerFile = Annotated[int, typer.Option(help="Bytes per file, on average.")]


def plan(  # noqa: PLR0913 - each is an option
    *,
    users: Annotated[
        int | None, typer.Option(help="Number of tracked users. Default: the current number.")
    ] = None,
    gists_per_day: GistsPerDay = None,
    pipedrive_plan: Annotated[
        str, typer.Option(help="Pipedrive plan: lite, growth, premium or ultimate.")
    ] = PlanOptions.pipedrive_plan,
    seats: Annotated[int, typer.Option(help="Seats of the Pipedrive account.")] = PlanOptions.seats,
    check_interval: Annotated[
        str | None, typer.Option(help="Check interval, e.g. 30m. Default: the current setting.")
    ] = None,
    files_per_gist: FilesPerGist = PlanOptions.files_per_gist,
    bytes_per_file: BytesPerFile = PlanOptions.bytes_per_file,
    backlog: Annotated[int, typer.Option(help="Files in the queue already.")] = PlanOptions.backlog,
    github_token: Annotated[
        str, typer.Option(help="Kind of GitHub token: classic, fine-grained or none.")
    ] = PlanOptions.github_token,
    as_json: Json = False,
) -> None:
    """Estimate rate limits, API tokens and disk space for a number of users and gists.

    Shows your current numbers next to the estimate, if there is a database. Works offline.
    """
    settings = prepared_settings()
    asked = PlanOptions(
        users=users,
        gists_per_day=gists_per_day,
        pipedrive_plan=pipedrive_plan,
        seats=seats,
        check_interval=check_interval,
        files_per_gist=files_per_gist,
        bytes_per_file=bytes_per_file,
        backlog=backlog,
        github_token=github_token,
    )
    try:
        present = read(settings, lambda transaction: today.read(transaction, utc_now()))
    except DatabaseMissing:
        present = None
    planned = wanted(asked, present, settings)
    follows = sizing(planned)
    if as_json:
        print_json(_body(follows, present))
        return
    console.table(
        [
            {"estimate": row.name, "plan": row.planned, "today": row.today}
            for row in sizing_rows(planned, follows, present)
        ]
    )
    for warning in follows.warnings:
        console.say(warning, lead="warning ", style="yellow")


def _body(follows: Sizing, present: today.Today | None) -> dict[str, object]:
    of_today = present and TodayBody.of(present).model_dump()
    return {"plan": SizingBody.of(follows).model_dump(), "today": of_today}
