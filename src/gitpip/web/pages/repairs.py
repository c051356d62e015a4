"""The pages of repairs: causes as groups, the question before an act on many, its progress."""

from dataclasses import dataclass
from datetime import date, tzinfo
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import BackgroundTasks, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from gitpip.actions import repairs as actions
from gitpip.actions.words_of_log import ACTED
from gitpip.clock import utc_now
from gitpip.errors import RepairChanged
from gitpip.model import PublicationId, PublicationState, Role
from gitpip.store.publications import causes, repairs
from gitpip.store.publications.repairs import RepairId
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_publishing import RepairAct
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.pages import forms
from gitpip.web.pages.router import page_router
from gitpip.web.reader_zone import reader_zone
from gitpip.web.render.jinja import render

router = page_router()
Number = Annotated[int, Path(ge=1, le=2**53)]
Word = Annotated[str, Query(max_length=100)]
Id = Annotated[int, Query(ge=1, le=2**53)]
Empty = Literal[""]
Numbers = Annotated[list[Annotated[int, Field(ge=1, le=2**53)]] | None, Form()]


@dataclass(frozen=True)
class RepairFilter:
    """The publications that an address means; a form sends empty fields, too."""

    state: Annotated[PublicationState | Empty, Query()] = ""
    cause: Word = ""
    login: Word = ""
    tag: Word = ""
    check: Annotated[Id | Empty, Query()] = ""
    found_on: Annotated[date | Empty, Query()] = ""
    published_on: Annotated[date | Empty, Query()] = ""

    def selection(self, zone: tzinfo) -> PublicationFilter:
        """Return the same for the store; its days are in this time zone."""
        return PublicationFilter(
            states=(PublicationState(self.state),) if self.state else (),
            cause=self.cause.strip(),
            login=self.login.strip(),
            tag=self.tag.strip(),
            check_id=self.check or None,
            found_on=self.found_on or None,
            published_on=self.published_on or None,
            zone=zone,
        )

    def address(self, path: str = "/publications", /, **others: object) -> str:
        """Return the address of the page that shows these, or others, where `others` say so."""
        values = vars(self) | others
        query = urlencode({name: one for name, one in values.items() if one != ""}, doseq=True)
        return f"{path}?{query}" if query else path


Asked = Annotated[RepairFilter, Depends()]


@router.get("/publications/causes")
@needs(Role.VIEWER)
async def list_causes(request: Request, context: Context, asked: Asked) -> HTMLResponse:
    """Show the causes of publications' states, a line for each."""
    async with context.database.read() as transaction:
        wanted = asked.selection(reader_zone(request))
        found = await causes.of(transaction, wanted, newest=causes.MOST_GROUPED)
        latest = await repairs.latest(transaction, limit=10)
    page = render(
        "causes.html",
        page="publications",
        found=found,
        grouped_all=sum(one.publications for one in found) < causes.MOST_GROUPED,
        most=causes.MOST_GROUPED,
        asked=asked,
        latest=latest,
        now=utc_now(),
        states=list(PublicationState),
    )
    return HTMLResponse(page)


@router.post("/repairs")
@needs(Role.OPERATOR)
async def repair(
    *,
    request: Request,
    context: Context,
    acting: CurrentActing,
    work: BackgroundTasks,
    asked: Asked,
    act: Annotated[RepairAct, Form()],
    number: Numbers = None,
    everything: Annotated[bool, Form()] = False,
    shown: forms.Field = "",
) -> Response:
    """Say how many an act would change, and ask; once that is confirmed, do it after the answer."""
    # The filter says where the chosen files were listed; their states may have changed since.
    selection = asked.selection(reader_zone(request))
    if number:
        selection = PublicationFilter(ids=tuple(map(PublicationId, number)))
    if everything and not selection.narrows:
        selection = PublicationFilter(everything=True)
    order = actions.RepairAction(
        act, selection, forms.read_field("shown", forms.number_of_files, shown)
    )
    if order.shown is None:
        return await ask(context, order, asked)
    try:
        begun = await actions.begin(acting, order)
    except RepairChanged as error:
        return await ask(context, order, asked, fault=str(error))
    work.add_task(actions.carry_out, acting, begun.id)
    return RedirectResponse(asked.address(f"/repairs/{begun.id}"), status_code=303)


async def ask(
    context: Context, order: actions.RepairAction, asked: RepairFilter, *, fault: str = ""
) -> HTMLResponse:
    """The page that asks before an act on many, or asks again, with the reason why."""
    async with context.database.read() as transaction:
        counted = await actions.counted(transaction, order)
    page = render(
        "repair_ask.html",
        page="publications",
        order=order,
        asked=asked,
        counted=counted,
        left_words=repairs.LEFT,
        filtered="" if order.wanted.ids else order.wanted.in_words,
        fault=fault,
    )
    return HTMLResponse(page, status_code=HTTPStatus.CONFLICT if fault else HTTPStatus.OK)


@router.get("/repairs/{repair_id}")
@needs(Role.VIEWER)
async def one_repair(repair_id: Number, context: Context, asked: Asked) -> HTMLResponse:
    """Show the progress of a repair; `asked` is the list where a person began it."""
    async with context.database.read() as transaction:
        found = await repairs.get(transaction, RepairId(repair_id))
    page = render(
        "repair.html", page="publications", work=found, asked=asked, acted=ACTED, now=utc_now()
    )
    return HTMLResponse(page)


@router.post("/repairs/{repair_id}/resume")
@needs(Role.OPERATOR)
async def resume(
    repair_id: Number, acting: CurrentActing, work: BackgroundTasks, asked: Asked
) -> Response:
    """Go on with a repair that was cut short, after the answer."""
    found = await actions.resume(acting, RepairId(repair_id))
    work.add_task(actions.carry_out, acting, found.id)
    return RedirectResponse(asked.address(f"/repairs/{found.id}"), status_code=303)
