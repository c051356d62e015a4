"""The pages of audits, and of what other tools made of the same gists."""

from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import surveys as actions
from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.model import Role
from gitpip.store.schema_surveys import Confidence, SurveyKind, Verdict
from gitpip.store.surveys import lines, others, surveys
from gitpip.store.surveys.others import ORDER
from gitpip.validation import possible_login
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, read_field
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

LINES_PER_PAGE = 100

router = page_router()
Number = Annotated[int, Path(ge=1, le=2**53)]
Offset = Annotated[int, Query(ge=0, le=10**9)]


@router.get("/audits")
@needs(Role.VIEWER)
async def list_audits(context: Context) -> HTMLResponse:
    """The latest audits, and a form to request one."""
    return await _audits(context)


async def _audits(
    context: AppContext,
    fault: FormFault | None = None,
    written: str = "",
    *,
    without_github: bool = False,
) -> HTMLResponse:
    async with context.database.read() as transaction:
        listed = await surveys.listed(transaction, SurveyKind.AUDIT, offset=0, limit=20)
    page = render(
        "audits.html",
        page="audits",
        listed=listed,
        fault=fault,
        written=written,
        without_github=without_github,
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/audits")
@needs(Role.OPERATOR)
async def request_audit(
    context: Context, acting: CurrentActing, login: Field = "", without_github: Field = ""
) -> Response:
    """Compare GitHub, store and Pipedrive."""
    with_github = without_github != "true"
    try:
        wanted = read_field("login", possible_login, login.strip())
        made = await actions.request_audit(acting, login=wanted, with_github=with_github)
    except UserNotTracked as error:
        fault = form_fault(error, field="login")
        return await _audits(context, fault, login, without_github=not with_github)
    return RedirectResponse(f"/audits/{made.id}", status_code=303)


@router.get("/audits/{audit_id}")
@needs(Role.VIEWER)
async def one_audit(
    audit_id: Number,
    context: Context,
    verdict: Verdict = Verdict.UNEXPLAINED,
    offset: Offset = 0,
) -> HTMLResponse:
    """Show the progress of an audit, and its findings."""
    async with context.database.read() as transaction:
        audit = await surveys.get(transaction, audit_id, SurveyKind.AUDIT)
        counts = await lines.summary(transaction, audit_id)
        shown = await lines.page(
            transaction, audit_id, verdict=verdict, offset=offset, limit=LINES_PER_PAGE
        )
    page = render(
        "one_audit.html",
        page="audits",
        audit=audit,
        counts=counts,
        shown=shown,
        verdict=verdict,
        verdicts=list(Verdict),
        offset=offset,
        rows=LINES_PER_PAGE,
    )
    return HTMLResponse(page)


@router.get("/adoption")
@needs(Role.VIEWER)
async def show_others(context: Context, offset: Offset = 0) -> HTMLResponse:
    """Show the activities of other tools for the same gists, with the confidence of each match."""
    async with context.database.read() as transaction:
        search = await surveys.latest(transaction, SurveyKind.OTHERS)
        number = search.id if search else 0
        counts = await others.counts(transaction, number)
        shown = await others.page(transaction, number, offset=offset, limit=LINES_PER_PAGE)
    page = render(
        "adoption.html",
        page="audits",
        search=search,
        counts=counts,
        shown=shown,
        order=ORDER,
        offset=offset,
        rows=LINES_PER_PAGE,
    )
    return HTMLResponse(page)


@router.post("/adoption/search")
@needs(Role.OPERATOR)
async def search(acting: CurrentActing) -> Response:
    """Search for what other tools made; nothing is adopted yet."""
    await actions.request_search(acting)
    return RedirectResponse("/adoption", status_code=303)


@router.post("/adoption/adopt")
@needs(Role.OPERATOR)
async def adopt(acting: CurrentActing, min_confidence: Field = "certain") -> Response:
    """Adopt what the last search found."""
    try:
        least = Confidence(min_confidence)
    except ValueError:
        words = ", ".join(ORDER)
        raise InvalidInput("min_confidence", f"must be one of {words}") from None
    await actions.adopt_others(acting, least)
    return RedirectResponse("/adoption", status_code=303)
