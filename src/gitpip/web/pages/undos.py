"""The pages of undoing: what it would do, to be confirmed, and how far it is."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from gitpip.actions import undo as actions
from gitpip.model import CheckId, PublicationId, Role
from gitpip.store.publications import undone_deals, undos
from gitpip.store.publications.selection import MAX_IDS_CHOSEN
from gitpip.store.publications.undos import UndoId
from gitpip.store.schema_undo import UndoneState, UndoScope
from gitpip.store.status import pauses
from gitpip.store.users.imports import ImportId
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.pages.router import page_router
from gitpip.web.pages.status import PLACES
from gitpip.web.render.jinja import render

MAX_PUBLICATIONS_SHOWN = 200
"""The most publications that are not simply done and that the page shows."""
MAX_UNDOS_LISTED = 20
"""The number of undos that the page without a choice lists."""

router = page_router()
Id = Annotated[int, Field(ge=1, le=2**53)]
UndoPath = Annotated[int, Path(ge=1, le=2**53)]
Ids = Annotated[list[Id] | None, Query(max_length=MAX_IDS_CHOSEN)]
GivenIds = Annotated[list[Id] | None, Form(max_length=MAX_IDS_CHOSEN)]


@dataclass(frozen=True)
class UndoForm:
    """The choice that an address or a form makes."""

    check: int | None
    import_: int | None
    user: str
    numbers: list[int] | None
    which: UndoScope
    with_deals: bool

    @property
    def what(self) -> actions.What:
        """The same for an act."""
        return actions.What(
            None if self.check is None else CheckId(self.check),
            None if self.import_ is None else ImportId(self.import_),
            self.user,
            [PublicationId(each) for each in self.numbers or ()],
            self.which,
            self.with_deals,
        )


@router.get("/undo")
@needs(Role.OPERATOR)
async def confirm_undo(
    *,
    check: Annotated[Id | None, Query()] = None,
    import_: Annotated[Id | None, Query(alias="import")] = None,
    user: Annotated[str, Query(max_length=2_000)] = "",
    number: Ids = None,
    which: Annotated[UndoScope, Query()] = UndoScope.ALL,
    with_deals: Annotated[bool, Query()] = False,
    context: Context,
) -> HTMLResponse:
    """Show what an undo would do, and its button; without a choice, what can be chosen."""
    if check is None and import_ is None and not user and not number:
        async with context.database.read() as transaction:
            latest = await undos.page(transaction, offset=0, limit=MAX_UNDOS_LISTED)
        return HTMLResponse(render("undo_choice.html", page="publications", latest=latest.items))
    async with context.database.read() as transaction:
        asked = UndoForm(check, import_, user, number, which, with_deals)
        plan = await actions.plan(transaction, asked.what)
    fields = [("check", check), ("import", import_), ("user", user or None)]
    fields += [("number", each) for each in number or ()]
    given = [(name, value) for name, value in fields if value is not None]
    others = {
        each: "/undo?" + urlencode([*given, ("which", each.value)])
        for each in UndoScope
        if each is not which
    }
    page = render("undo_plan.html", page="publications", plan=plan, fields=given, others=others)
    return HTMLResponse(page)


@router.post("/undos")
@needs(Role.OPERATOR)
async def begin_undo(
    *,
    check: Annotated[Id | None, Form()] = None,
    import_: Annotated[Id | None, Form(alias="import")] = None,
    user: Annotated[str, Form(max_length=2_000)] = "",
    number: GivenIds = None,
    which: Annotated[UndoScope, Form()] = UndoScope.ALL,
    with_deals: Annotated[bool, Form()] = False,
    acting: CurrentActing,
) -> Response:
    """Undo it; the next page shows how far that is."""
    asked = UndoForm(check, import_, user, number, which, with_deals)
    begun = await actions.undo(acting, asked.what)
    return RedirectResponse(f"/undos/{begun.id}", status_code=303)


@router.get("/undos/{undo_id}")
@needs(Role.VIEWER)
async def one_undo(undo_id: UndoPath, context: Context) -> HTMLResponse:
    """Show the progress of an undo, and what is kept, and why."""
    async with context.database.read() as transaction:
        one = await undos.get(transaction, UndoId(undo_id))
        left = [
            each
            for state in (UndoneState.FAILED, UndoneState.KEPT)
            for each in await undos.files(
                transaction, one.id, offset=0, limit=MAX_PUBLICATIONS_SHOWN, state=state
            )
        ]
        deals = await undone_deals.of_undo(
            transaction, one.id, offset=0, limit=MAX_PUBLICATIONS_SHOWN
        )
        stops = None if one.ended_at else await context.stops(transaction)
    page = render(
        "undo.html",
        page="publications",
        undo=one,
        left=left,
        deals=deals,
        paused=stops and stops.held_up(pauses.PUBLISHING),
        places=PLACES,
    )
    return HTMLResponse(page)


@router.post("/undos/{undo_id}/resume")
@needs(Role.OPERATOR)
async def resume_undo(undo_id: UndoPath, acting: CurrentActing) -> Response:
    """Let an undo go on, and try again what failed in it."""
    resumed = await actions.resume_undo(acting, UndoId(undo_id))
    return RedirectResponse(f"/undos/{resumed.id}", status_code=303)
