"""The commands about all publishing: what is written, where and when; plans and pauses."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from gitpip.actions import publishing as actions
from gitpip.cli.output import (
    Json,
    act,
    console,
    prepared_settings,
    print_json,
    print_rows,
    read,
    shown,
)
from gitpip.cli.publishing_preview import preview
from gitpip.cli.publishing_settings import settings_app
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.modes import PublishingMode
from gitpip.publish.plan import Plan, plan
from gitpip.publish.policy import Policies
from gitpip.publish.preview import rendered
from gitpip.status.problem import count
from gitpip.status.reading import Surroundings, read_stops
from gitpip.store.database import Transaction
from gitpip.store.status import pauses

publishing_app = typer.Typer(
    help="Say what is written to Pipedrive, where and when; pause it, and resume it.",
    no_args_is_help=True,
)
publishing_app.add_typer(settings_app, name="settings")


MOST_PLANNED = 10_000


def show_plan(settings: Settings, limit: int, *, as_json: bool) -> None:
    """Print what would be sent, where, and what it costs; nothing is sent, and nothing asked."""
    policies = Policies(settings.publishing)
    render = partial(
        rendered, on_edit=settings.on_edit, on_delete=settings.on_delete, policies=policies
    )

    async def planned(transaction: Transaction) -> tuple[Plan, str | None]:
        policy = await policies.read(transaction)
        now = utc_now()
        stops = await read_stops(transaction, Surroundings(settings), now)
        found = await plan(transaction, render, policy, now, limit=limit)
        problem = stops.held_up(pauses.PUBLISHING)
        if problem is None and stops.mode is PublishingMode.DRY_RUN:
            return found, "The publishing mode is dry-run."
        return found, problem.sentence if problem else None

    found, stopped = read(settings, planned)
    if as_json:
        print_json(asdict(found) | {"stopped": stopped})
        return
    rows: list[dict[str, object]] = [
        {
            "id": one.id,
            "login": one.login,
            "put to": one.target or (f"deal:{one.deal_id}" if one.deal_id else "deal to be made"),
            "subject": one.subject,
            "note": f"{one.note_bytes:,} bytes",
            "tokens": one.tokens,
            "not sent since": one.reason,
        }
        for one in found.items
    ]
    print_rows(rows, as_json=False, none="Nothing waits to be sent.")
    if found.activities:
        activities = count(found.activities, "activity", "activities")
        shown_of = f" (shown: {len(rows):,})" if len(rows) < found.activities else ""
        console.say(
            f"In all {activities}{shown_of}, {count(found.deals, 'deal')} to be found or made, at "
            f"most {found.tokens:,} tokens of Pipedrive's daily budget. Nothing was sent."
        )
    if found.held:
        reasons = ", ".join(f"{number:,} for {because}" for because, number in found.held.items())
        console.say(f"Held until somebody approves them: {reasons}. See gitpip held.")
    if stopped:
        console.say(f"Nothing is sent at present: {stopped}")


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


publishing_app.command("preview")(preview)
