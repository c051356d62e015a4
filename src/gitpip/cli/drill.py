"""`gitpip drill`: the whole service against faulty stand-ins."""

import asyncio
import signal
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gitpip.cli.numbers import decimal
from gitpip.cli.output import Json, console, errors, print_json, progress_bar
from gitpip.config import parse_duration
from gitpip.counts import count
from gitpip.drill.options import Orders, check
from gitpip.errors import InvalidInput

if TYPE_CHECKING:
    from gitpip.drill.report import Report

TOLD_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


def drill(  # noqa: PLR0913 - each is an option
    *,
    files: Annotated[int, typer.Option(help="Number of gist files.")] = 1_000,
    users: Annotated[int, typer.Option(help="Number of users.")] = 25,
    replicas: Annotated[
        int, typer.Option(help="Number of worker processes. More than one needs --database.")
    ] = 1,
    faults: Annotated[
        float, typer.Option(parser=decimal, help="Percentage of requests that fail.")
    ] = 30.0,
    kill_every: Annotated[
        str, typer.Option(help="How long processes work before one is killed, or never.")
    ] = "10s",
    seed: Annotated[int, typer.Option(help="Seed for the random faults.")] = 1,
    database: Annotated[
        str | None,
        typer.Option(
            help="Address of an empty PostgreSQL database. Default: a temporary SQLite file."
        ),
    ] = None,
    without_reconciliation: Annotated[
        bool,
        typer.Option(
            "--without-reconciliation",
            help="Turn off reconciliation, to prove that the drill finds duplicates.",
        ),
    ] = False,
    time_limit: Annotated[str, typer.Option(help="Maximum duration.")] = "30m",
    as_json: Json = False,
) -> None:
    """Stress-test gitpip with simulated failures, and count lost, duplicate and late files.

    Uses a simulated GitHub and Pipedrive and its own database, never your data. Exits 1 if a file
    was lost, duplicated or put on the wrong deal, or if the time ran out.
    """
    try:
        orders = Orders(
            files=files,
            users=users,
            replicas=replicas,
            faults=faults,
            kill_every=None if kill_every == "never" else _duration("--kill-every", kill_every),
            seed=seed,
            database=database,
            reconciles=not without_reconciliation,
            time_limit=_duration("--time-limit", time_limit),
        )
        check(orders)
        report = asyncio.run(_run(orders, as_json=as_json))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None
    _tell(report, as_json=as_json)
    if not report.passed:
        raise typer.Exit(1)


def _duration(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(option, str(error)) from None


async def _run(orders: Orders, *, as_json: bool) -> "Report":
    from gitpip.drill.run import (  # noqa: PLC0415 - no other command needs the stand-ins
        DrillProgress,
        run_drill,
    )

    task = asyncio.current_task()
    if task is not None:  # asyncio itself turns only SIGINT into an end in order
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with progress_bar(as_json) as bar:
        shown = bar.add_task("Files in Pipedrive", total=orders.files)
        told = time.monotonic()

        def follow(progress: DrillProgress) -> None:
            nonlocal told
            bar.update(shown, completed=progress.held)
            if not as_json and not sys.stderr.isatty() and time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                errors.say(
                    f"{progress.held:,} of {orders.files:,} files are in Pipedrive, "
                    f"{count(progress.kills, 'process', 'processes')} killed"
                )

        return await run_drill(orders, follow)


def _tell(report: "Report", *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report) | {"passed": report.passed})
        return
    for line in report.lines():
        console.say(line)
