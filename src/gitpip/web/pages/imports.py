"""The pages of imports of users, with how far each is."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, File, Path, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.store.users import imports
from gitpip.web.api.imports import take_in
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.render.jinja import render

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Number = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/imports")
@needs(Role.OPERATOR)
async def ask_for_file(context: Context) -> HTMLResponse:
    """A form for a file of users, and what became of the last ones."""
    return await _ask(context)


async def _ask(context: AppContext, fault: str = "") -> HTMLResponse:
    async with context.database.read() as transaction:
        latest = await imports.latest(transaction, limit=10)
    page = render("imports.html", page="people", latest=latest, fault=fault, now=utc_now())
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/imports")
@needs(Role.OPERATOR)
async def import_file(
    context: Context,
    acting: CurrentActing,
    work: BackgroundTasks,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Take a file of users; they are added after the answer, and the next page shows how far."""
    if file is None or not file.filename:
        return await _ask(context, "file: choose one with the users first")
    import_id = await take_in(file, work, context, acting)
    return RedirectResponse(f"/imports/{import_id}", status_code=303)


@router.get("/imports/{import_id}")
@needs(Role.VIEWER)
async def one_import(import_id: Number, context: Context) -> HTMLResponse:
    """How far an import is, and which lines were wrong."""
    async with context.database.read() as transaction:
        found = await imports.get(transaction, imports.ImportId(import_id))
    return HTMLResponse(render("import.html", page="people", work=found, now=utc_now()))
