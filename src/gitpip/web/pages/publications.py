"""The pages of publications: what waits, what was refused, what exactly is or would be sent."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from gitpip.actions import publications as actions
from gitpip.clock import utc_now
from gitpip.model import PublicationId, PublicationState, Role
from gitpip.publish.policy import Policies
from gitpip.publish.preview import conditions
from gitpip.status.reading import Condition
from gitpip.store.publications import held, publications
from gitpip.store.status import pauses
from gitpip.web.api.status import stops_of
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.pages import forms
from gitpip.web.render.jinja import render

ROWS = 50
HELD_USERS = 10
"""How many users are asked about at once, those that wait longest."""

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Offset = Annotated[int, Query(ge=0, le=10**9)]
PublicationPath = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/publications")
@needs(Role.VIEWER)
async def list_publications(
    context: Context, state: PublicationState | Literal[""] = "", offset: Offset = 0
) -> HTMLResponse:
    """What waits, why and until when; what was refused, and why."""
    now = utc_now()
    async with context.database.read() as transaction:
        listed = await publications.listed(
            transaction, offset=offset, limit=ROWS, state=state or None
        )
        counts = await publications.count(transaction)
        waiting = sum(counts.get(PublicationState(name), 0) for name in publications.WAITING)
        left = await publications.time_left(transaction, waiting, now)
        waiting_for_decision = await held.everyone(transaction, limit=HELD_USERS)
        all_held = await held.summary(transaction)
        stops = await stops_of(transaction, context)
    page = await asyncio.to_thread(
        render,
        "publications.html",
        page="publications",
        listed=listed,
        held=waiting_for_decision,
        counts_held=all_held.files if all_held else 0,
        total=counts.get(state, 0) if state else sum(counts.values()),
        counts=counts,
        waiting=waiting,
        left=left,
        held_up=_sentence(stops),
        stops=stops,
        now=now,
        states=list(PublicationState),
        state=state,
        offset=offset,
        rows=ROWS,
    )
    return HTMLResponse(page)


@router.get("/publications/{publication_id}")
@needs(Role.VIEWER)
async def publication(
    publication_id: PublicationPath,
    context: Context,
    state: PublicationState | Literal[""] = "",
    offset: Offset = 0,
) -> HTMLResponse:
    """One publication, and what exactly is or would be sent."""
    async with context.database.read() as transaction:
        row = await publications.get(transaction, PublicationId(publication_id))
        activity = await context.preview(transaction, row.file_key, row.revision)
        policies = Policies(context.settings.publishing)
        sent = await conditions(transaction, activity.day, policies=policies, now=utc_now())
        stops = await stops_of(transaction, context)
    page = render(
        "publication.html",
        page="publications",
        row=row,
        stops=stops,
        now=utc_now(),
        activity=activity,
        sent=sent,
        links=await context.links(),
        came_from=_list(state, offset),
        state=state,
        offset=offset,
    )
    return HTMLResponse(page)


@router.post("/publications/held")
@needs(Role.OPERATOR)
async def decide_held_of_all(
    acting: CurrentActing,
    approve: forms.Field = "",
    latest: forms.Field = "",
    shown: forms.Field = "",
) -> Response:
    """Publish what is held of everybody: all, the latest gists, or none; the rest is skipped."""
    number = forms.read_field("shown", forms.number_of_files, shown)
    approved = forms.answer_of(approve, latest)
    await actions.decide_held_of_all(acting, approved, shown=number)
    return RedirectResponse("/publications", status_code=303)


@router.post("/publications/selected")
@needs(Role.OPERATOR)
async def act_on_selected(
    *,
    act: Annotated[Literal["approve", "hold"], Form()],
    acting: CurrentActing,
    number: Annotated[list[Annotated[int, Field(ge=1, le=2**53)]] | None, Form()] = None,
    login: Annotated[str, Form(max_length=2_000)] = "",
    everything: Annotated[bool, Form()] = False,
    state: PublicationState | Literal[""] = "",
    offset: Offset = 0,
) -> Response:
    """Approve or hold publications: those that are selected, those of a user, or all."""
    decide = actions.approve if act == "approve" else actions.hold
    which = actions.Which([PublicationId(each) for each in number or ()], login, everything)
    await decide(acting, which)
    return RedirectResponse(_list(state, offset), status_code=303)


@router.post("/publications/{publication_id}/{act}")
@needs(Role.OPERATOR)
async def act_on_publication(
    *,
    publication_id: PublicationPath,
    act: Literal["retry", "skip"],
    acting: CurrentActing,
    state: PublicationState | Literal[""] = "",
    offset: Offset = 0,
) -> Response:
    """Send a publication after all, or not at all; then back to the list one came from."""
    move = actions.retry if act == "retry" else actions.skip
    await move(acting, PublicationId(publication_id))
    return RedirectResponse(_list(state, offset), status_code=303)


def _sentence(stops: Condition) -> str | None:
    problem = stops.held_up(pauses.PUBLISHING)
    return problem.sentence if problem else None


def _list(state: str, offset: int) -> str:
    return "/publications?" + urlencode({"state": state, "offset": offset})
