"""The status page: what is wrong and what helps, then the numbers behind it."""

import asyncio
import shutil
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.accounts import switch
from gitpip.actions.adoption import Acknowledgeable, acknowledge, request_comparison
from gitpip.actions.publications import settle_failed_notes
from gitpip.bodies.status import NotesAct, StatusBody
from gitpip.clock import utc_now
from gitpip.model import PublicationState, Role
from gitpip.status.problem import ProblemKind
from gitpip.status.reading import STOPS
from gitpip.status.summary import read_summary
from gitpip.store.publications import bounded_counts, publications
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import freshness, pauses, samples
from gitpip.store.status.pauses import Pausable
from gitpip.store.status.today import database_size
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import NEW_PAUSE, PauseForm
from gitpip.web.pages.router import page_router
from gitpip.web.pages.status_cards import marked
from gitpip.web.reader_zone import reader_zone
from gitpip.web.render.charts import over_a_day, per_hour, top_of_axis
from gitpip.web.render.jinja import duration, render

LABELS = (*(f"< {duration(step)}" for step in freshness.AGES), "older", "never")

PLACES: Mapping[ProblemKind, tuple[str, str]] = {
    ProblemKind.PUBLISHING_SETTINGS_REFUSED: ("/settings/publishing", "Change the settings"),
    ProblemKind.PUBLISHING_SETTINGS_UNUSABLE: ("/settings/publishing", "Change the settings"),
    ProblemKind.RULES_UNREADABLE: ("/rules", "Change the rules"),
    ProblemKind.PUBLICATIONS_HELD: ("/publications?state=held", "Review held files"),
    ProblemKind.CREDENTIALS_HELD: ("/publications?state=held", "Review held files"),
    ProblemKind.PUBLICATIONS_FAILED: ("/publications?state=failed", "Review failures"),
    ProblemKind.DEALS_FAILED: ("/publications?state=failed", "Review failures"),
    ProblemKind.PUBLICATIONS_UNCERTAIN: ("/publications?state=uncertain", "Show files"),
    ProblemKind.PUBLICATIONS_OVERDUE: ("/publications?state=pending", "Show files"),
    ProblemKind.PUBLICATIONS_RETRIED: ("/publications?state=pending", "Show files"),
    ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR: ("/publications?state=pending", "Show files"),
    ProblemKind.PUBLICATIONS_WAITING: ("/publications", "Show files"),
    ProblemKind.TARGETS_UNUSABLE: ("/publications?state=pending", "Show files"),
    ProblemKind.DEALS_GONE: ("/publications?state=pending", "Show files"),
    ProblemKind.DEALS_UNCERTAIN: ("/publications?state=pending", "Show files"),
    ProblemKind.OVER_CAPACITY: ("/capacity", "Estimate capacity"),
    ProblemKind.CONTENTS_UNREADABLE: ("/people", "Review people"),
    ProblemKind.PUBLICATIONS_OF_PAUSED_USERS: ("/people?state=paused", "Resume people"),
    ProblemKind.DRY_RUN: ("/publications?state=pending", "Show files"),
    ProblemKind.USERS_UNAVAILABLE: ("/people?state=unavailable", "Review these people"),
    ProblemKind.USERS_FAILING: ("/people", "Review people"),
    ProblemKind.USERS_LATE: ("/people", "Review people"),
    ProblemKind.USERS_UNREAD: ("/people", "Review people"),
    ProblemKind.USERS_PAUSED: ("/people?state=paused", "Resume people"),
    ProblemKind.DESTINATION_TOKEN_MISSING: ("/setup", "Connect Pipedrive"),
    ProblemKind.IMPORT_FAILED: ("/imports", "Show imports"),
    ProblemKind.IMPORT_INTERRUPTED: ("/imports", "Show imports"),
    ProblemKind.AUDITS_FAILED: ("/audits", "Show audits"),
    ProblemKind.AUDITS_WAITING: ("/audits", "Show audits"),
    ProblemKind.NO_USERS: ("/people", "Add people"),
}
"""The page where a person can do something about a problem, and the text of the link."""

PERSONS_PAUSE = ProblemKind.PUBLISHING_PAUSED_BY_PERSON

router = page_router()


@router.get("/status-page")
@needs(Role.VIEWER)
async def show_status(
    request: Request, context: Context, tried: Pausable | Literal[""] = ""
) -> HTMLResponse:
    """Show the status, in words and numbers."""
    return await status_page(request, context, tried=tried)


async def status_page(
    request: Request,
    context: AppContext,
    *,
    tried: Pausable | Literal[""] = "",
    pausing: PauseForm = NEW_PAUSE,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    """Return the page.

    `tried` is the pause that the reader has just ended, and `pausing` the form that was refused.
    """
    async with context.database.read() as transaction:
        now = utc_now()
        summary = await read_summary(transaction, context.process, now, bounded_counts.count)
        taken = await samples.samples_of_a_day(transaction)
        size = await database_size(transaction)
        groups = await freshness.freshness_groups(transaction, now)
        trying = bool(tried) and await pauses.is_tried(transaction, tried, now)
    condition = StatusBody.of(summary, is_alive=context.scheduler_is_alive())
    work = pauses.PUBLISHING if tried in pauses.STOPS_PUBLISHING else pauses.WATCHING
    workers = sum(one.works for one in summary.condition.instances)
    waiting = sum(condition.publications[PublicationState(state)] for state in publications.WAITING)
    moments = [*((sample.at, sample.waiting) for sample in taken), (now, waiting)]
    queue = over_a_day(moments, now)
    page = render(
        "status.html",
        page="status",
        status=condition,
        tried=tried,
        trying=trying,
        stopped=any(one.kind in STOPS[work] for one in condition.problems),
        pausing=pausing,
        persons_pause=any(one.kind is PERSONS_PAUSE for one in condition.problems),
        counted_to=bounded_counts.MAX_COUNTED,
        places=PLACES,
        cards=marked(condition.problems),
        # A worker that has shown no sign of life for some seconds answers this very request.
        workers=max(workers, int(condition.engine_is_alive)),
        counted=bool(taken),
        queue=queue,
        top=top_of_axis(queue),
        hours=per_hour(queue),
        database="SQLite" if context.database.is_sqlite else "PostgreSQL",
        database_size=size,
        free=await asyncio.to_thread(_free, context.settings.sqlite_file),
        now_waiting=waiting,
        groups=list(zip(LABELS, groups, strict=True)),
        active=sum(groups),
        now=now,
        zone=str(reader_zone(request)),
    )
    return HTMLResponse(page, status_code=status)


@router.post("/status-page/notes/{act}")
@needs(Role.OPERATOR)
async def act_on_notes(act: NotesAct, acting: CurrentActing) -> Response:
    """Bring the notes that Pipedrive refused up to date once more, or leave them as they are."""
    await settle_failed_notes(acting, again=act == "retry")
    return RedirectResponse("/status-page", status_code=303)


@router.post("/status-page/accounts/{vendor}/switch")
@needs(Role.ADMIN)
async def switch_account(vendor: Vendor, acting: CurrentActing) -> Response:
    """Switch to the configured account."""
    await switch(acting, vendor)
    return RedirectResponse("/status-page", status_code=303)


@router.post("/status-page/adopt")
@needs(Role.OPERATOR)
async def adopt(acting: CurrentActing) -> Response:
    """Compare everything with what is in Pipedrive once more."""
    await request_comparison(acting)
    return RedirectResponse("/status-page", status_code=303)


@router.post("/status-page/acknowledge/{kind}")
@needs(Role.OPERATOR)
async def acknowledge_problem(kind: Acknowledgeable, acting: CurrentActing) -> Response:
    """Acknowledge a problem, so that it is shown no longer."""
    await acknowledge(acting, (kind,))
    return RedirectResponse("/status-page", status_code=303)


def _free(file: Path | None) -> int | None:
    """Free bytes on the disk of a database file; None where a server keeps the database."""
    return shutil.disk_usage(file.parent).free if file and file.parent.exists() else None
