"""The commands about all publishing: what is written, where and when; plans and pauses."""

from functools import partial
from typing import Annotated

import typer

from gitpip.actions import publishing as actions
from gitpip.bodies.publishing import PersonsPauseBody, PlanBody, ResumedBody
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
from gitpip.counts import count
from gitpip.modes import HELD_WORDS, PublishingMode
from gitpip.publish.plan import SendingPlan, plan
from gitpip.publish.policy import Policies
from gitpip.publish.preview import RenderOptions, previewed
from gitpip.status.reading import ProcessFacts, read_stops
from gitpip.store.database import Transaction
from gitpip.store.status import pauses

publishing_app = typer.Typer(
    help="Configure, preview, pause and resume what is sent to Pipedrive.",
    no_args_is_help=True,
)
publishing_app.add_typer(settings_app, name="settings")


MOST_PLANNED = 10_000


def show_plan(settings: Settings, limit: int, *, as_json: bool) -> None:
    """Print what would be sent, where, and what it costs; nothing is sent, and nothing asked."""
    policies = Policies(settings.publishing)
    render = partial(
        previewed, options=RenderOptions(settings.on_edit, settings.on_delete, policies)
    )

    async def planned(transaction: Transaction) -> tuple[SendingPlan, str | None]:
        policy = await policies.read(transaction)
        now = utc_now()
        stops = await read_stops(transaction, ProcessFacts(settings), now)
        found = await plan(transaction, render, policy, now, limit=limit)
        problem = stops.held_up(pauses.PUBLISHING)
        if problem is None and stops.mode is PublishingMode.DRY_RUN:
            return found, "The publishing mode is dry-run."
        return found, problem.sentence if problem else None

    found, stopped = read(settings, planned)
    if as_json:
        print_json(PlanBody.of(found).model_dump() | {"stopped": stopped})
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
    print_rows(rows, as_json=False, none="Nothing is queued.")
    if found.activities:
        activities = count(found.activities, "activity", "activities")
        shown_of = f" (shown: {len(rows):,})" if len(rows) < found.activities else ""
        console.say(
            f"Total: {activities}{shown_of}, {count(found.deals, 'deal')} to find or create, at "
            f"most {found.tokens:,} API tokens of Pipedrive's daily budget. Nothing was sent."
        )
    if found.held:
        reasons = ", ".join(
            f"{number:,} ({HELD_WORDS[because]})" for because, number in found.held.items()
        )
        console.say(f"Held for approval: {reasons}. See gitpip held.")
    if stopped:
        console.say(f"Sync is stopped: {stopped}")


@publishing_app.command("pause")
def pause_publishing(
    until: Annotated[
        str, typer.Option(help="End of the pause in UTC, e.g. 2026-01-31T08:00.")
    ] = "",
    lasts: Annotated[str, typer.Option("--for", help="Length of the pause, e.g. 90m or 12h.")] = "",
    reason: Annotated[str, typer.Option(help="Reason to show in the status.")] = "",
    as_json: Json = False,
) -> None:
    """Pause everything that is sent to Pipedrive."""
    pause = act(
        prepared_settings(),
        lambda acting: actions.pause_publishing(acting, until=until, lasts=lasts, reason=reason),
    )
    if as_json:
        print_json(PersonsPauseBody.of(pause).model_dump())
    else:
        end = f"until {shown(pause.until)}" if pause.until else "until someone resumes it"
        console.say(f"Publishing is paused {end}. To resume: gitpip publishing resume")


@publishing_app.command("resume")
def resume_publishing(as_json: Json = False) -> None:
    """Resume publishing after gitpip publishing pause.

    To end a pause that gitpip made on an error, use gitpip try-now.
    """
    ended = act(prepared_settings(), actions.resume_publishing)
    if as_json:
        print_json(ResumedBody(resumed=ended is not None).model_dump())
    elif ended is None:
        console.say("Publishing was not paused. Nothing changed.")
    else:
        console.say(f"Resumed publishing ({ended.paused_by} had paused it).")


publishing_app.command("preview")(preview)
