"""The pages of publications: what waits, what was refused, what exactly is or would be sent."""

import asyncio
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import publications as actions
from gitpip.actions import repairs as repair_actions
from gitpip.actions.repairs import Order
from gitpip.clock import utc_now
from gitpip.model import PublicationId, PublicationState, Role
from gitpip.publish.policy import Policies
from gitpip.publish.preview import conditions
from gitpip.status.reading import Condition
from gitpip.store.publications import held, progress, publications, sent_again
from gitpip.store.publications.selection import Selection
from gitpip.store.schema_publishing import RepairAct
from gitpip.store.status import pauses
from gitpip.web.api.status import stops_of
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.pages import forms
from gitpip.web.pages.repairs import Asked, Numbers, ask
from gitpip.web.render.jinja import render

ROWS = 50
HELD_USERS = 10
"""How many users are asked about at once, those that wait longest."""

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Offset = Annotated[int, Query(ge=0, le=10**9)]
PublicationPath = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/publications")
@needs(Role.VIEWER)
async def list_publications(context: Context, asked: Asked, offset: Offset = 0) -> HTMLResponse:
    """What waits, why and until when; what was refused, and why."""
    now = utc_now()
    async with context.database.read() as transaction:
        page = await publications.page(transaction, asked.selection, offset=offset, limit=ROWS)
        counts = await publications.count(transaction)
        waiting = sum(counts.get(PublicationState(name), 0) for name in publications.WAITING)
        left = await progress.time_left(transaction, waiting, now)
        waiting_for_decision = await held.everyone(transaction, limit=HELD_USERS)
        all_held = await held.summary(transaction)
        stops = await stops_of(transaction, context)
    shown = await asyncio.to_thread(
        render,
        "publications.html",
        page="publications",
        listed=page.items,
        held=waiting_for_decision,
        counts_held=all_held.files if all_held else 0,
        total=page.total,
        asked=asked,
        narrowed=bool(replace(asked, state="").address("")),
        counts=counts,
        waiting=waiting,
        left=left,
        held_up=_sentence(stops),
        stops=stops,
        now=now,
        states=list(PublicationState),
        state=asked.state,
        offset=offset,
        rows=ROWS,
    )
    return HTMLResponse(shown)


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
        earlier = await sent_again.earlier(transaction, row.id)
    page = render(
        "publication.html",
        earlier=earlier,
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
    act: Annotated[RepairAct, Form()],
    acting: CurrentActing,
    number: Numbers = None,
    context: Context,
    asked: Asked,
    login: Annotated[str, Form(max_length=2_000)] = "",
    everything: Annotated[bool, Form()] = False,
    state: PublicationState | Literal[""] = "",
    offset: Offset = 0,
) -> Response:
    """Approve, hold, retry or skip publications: those that are selected, of a user, or all.

    Before they are sent again, the next page asks.
    """
    ids = [PublicationId(each) for each in number or ()]
    wanted = Selection(ids=tuple(ids), login=login, everything=everything)
    if act is RepairAct.SEND_AGAIN:
        return await ask(context, Order(act, wanted), asked)
    if act in {RepairAct.RETRY, RepairAct.SKIP}:
        begun = await repair_actions.begin(acting, Order(act, wanted))
        await repair_actions.carry_out(acting, begun.id)
    else:
        decide = actions.approve if act is RepairAct.APPROVE else actions.hold
        await decide(acting, actions.Which(ids, login, everything))
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
