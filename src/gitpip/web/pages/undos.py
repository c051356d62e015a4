"""The pages of undoing: what it would do, to be confirmed, and how far it is."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from gitpip.actions import undo as actions
from gitpip.model import CheckId, PublicationId, Role
from gitpip.store.publications import undos
from gitpip.store.publications.undos import UndoId
from gitpip.store.schema_undo import UndoneState
from gitpip.store.users.imports import ImportId
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.render.jinja import render

SHOWN = 200
"""So many publications that are not simply done stand on the page."""

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Id = Annotated[int, Field(ge=1, le=2**53)]
UndoPath = Annotated[int, Path(ge=1, le=2**53)]
Ids = Annotated[list[Id] | None, Query(max_length=actions.MOST_NAMED)]
GivenIds = Annotated[list[Id] | None, Form(max_length=actions.MOST_NAMED)]


def _what(
    check: int | None, import_: int | None, user: str, numbers: list[int] | None
) -> actions.What:
    return actions.What(
        None if check is None else CheckId(check),
        None if import_ is None else ImportId(import_),
        user,
        [PublicationId(each) for each in numbers or ()],
    )


@router.get("/undo")
@needs(Role.OPERATOR)
async def confirm_undo(
    *,
    check: Annotated[Id | None, Query()] = None,
    import_: Annotated[Id | None, Query(alias="import")] = None,
    user: Annotated[str, Query(max_length=2_000)] = "",
    number: Ids = None,
    context: Context,
) -> HTMLResponse:
    """What an undo would do, and a button that does it."""
    async with context.database.read() as transaction:
        plan = await actions.plan(transaction, _what(check, import_, user, number))
    fields = [("check", check), ("import", import_), ("user", user or None)]
    fields += [("number", each) for each in number or ()]
    given = [(name, value) for name, value in fields if value is not None]
    return HTMLResponse(render("undo_plan.html", page="publications", plan=plan, fields=given))


@router.post("/undos")
@needs(Role.OPERATOR)
async def begin_undo(
    *,
    check: Annotated[Id | None, Form()] = None,
    import_: Annotated[Id | None, Form(alias="import")] = None,
    user: Annotated[str, Form(max_length=2_000)] = "",
    number: GivenIds = None,
    acting: CurrentActing,
) -> Response:
    """Undo it; the next page shows how far that is."""
    begun = await actions.undo(acting, _what(check, import_, user, number))
    return RedirectResponse(f"/undos/{begun.id}", status_code=303)


@router.get("/undos/{undo_id}")
@needs(Role.VIEWER)
async def one_undo(undo_id: UndoPath, context: Context) -> HTMLResponse:
    """How far an undo is, and what is kept, and why."""
    async with context.database.read() as transaction:
        one = await undos.get(transaction, UndoId(undo_id))
        left = [
            each
            for state in (UndoneState.FAILED, UndoneState.KEPT)
            for each in await undos.files(transaction, one.id, offset=0, limit=SHOWN, state=state)
        ]
    return HTMLResponse(render("undo.html", page="publications", undo=one, left=left))


@router.post("/undos/{undo_id}/resume")
@needs(Role.OPERATOR)
async def resume_undo(undo_id: UndoPath, acting: CurrentActing) -> Response:
    """Let an undo go on, and try again what failed in it."""
    resumed = await actions.resume_undo(acting, UndoId(undo_id))
    return RedirectResponse(f"/undos/{resumed.id}", status_code=303)
