"""`/api/v1/undos`: what is taken back from Pipedrive."""

from http import HTTPStatus
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field

from gitpip.actions import undo as actions
from gitpip.bodies.noun import ListBody
from gitpip.bodies.undos import UndoBody, UndoneBody, UndoneDealBody, UndoPlanBody
from gitpip.model import CheckId, PublicationId, Role
from gitpip.store.publications import undone_deals, undos
from gitpip.store.publications.selection import MAX_IDS_CHOSEN
from gitpip.store.publications.undos import Undo, UndoId
from gitpip.store.schema_undo import UndoneState, UndoScope
from gitpip.store.users.imports import ImportId
from gitpip.web.api.parameters import Id, Limit, Number, Offset, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publications")


class UndoContent(RequestBody):
    """The files to undo: give one of the four."""

    model_config = ConfigDict(populate_by_name=True)

    check: Id | None = None
    import_: Annotated[Id | None, Field(alias="import")] = None
    ids: list[Id] = Field(
        [], max_length=MAX_IDS_CHOSEN, validation_alias=AliasChoices("ids", "publications")
    )
    """The IDs of publications. The former name `publications` is accepted, too."""
    login: str = Field("", validation_alias=AliasChoices("login", "user"))
    """A user. The former name `user` is accepted, too."""
    which: UndoScope = UndoScope.ALL
    """The activities to undo of a file that a person had sent again."""
    with_deals: bool = False
    """True if deals that gitpip made and that are empty after it are deleted, too."""

    @property
    def what(self) -> actions.What:
        """The same for an act."""
        return actions.What(
            None if self.check is None else CheckId(self.check),
            None if self.import_ is None else ImportId(self.import_),
            self.login,
            [PublicationId(each) for each in self.ids],
            self.which,
            self.with_deals,
        )


@router.post("/undos/plan")
@needs(Role.OPERATOR)
async def plan_undo(wanted: UndoContent, context: Context) -> UndoPlanBody:
    """Preview what an undo would do now. Nothing is changed."""
    async with context.database.read() as transaction:
        return UndoPlanBody.of(await actions.plan(transaction, wanted.what))


@router.post("/undos", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def begin_undo(wanted: UndoContent, acting: CurrentActing, context: Context) -> UndoBody:
    """Start an undo of a check, an import, a user or some publications.

    Their activities are deleted in Pipedrive one by one. What a person has changed is kept. Answers
    409 if nothing is left to undo.
    """
    return await _shown(await actions.undo(acting, wanted.what), context)


@router.get("/undos")
@needs(Role.VIEWER)
async def list_undos(
    context: Context, offset: Offset = 0, limit: Limit = 100
) -> ListBody[UndoBody]:
    """List undos, newest first."""
    async with context.database.read() as transaction:
        page = await undos.page(transaction, offset=offset, limit=limit)
        stops = await context.stops(transaction)
    items = [UndoBody.under(one, stops) for one in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/undos/{undo_id}")
@needs(Role.VIEWER)
async def get_undo(undo_id: Number, context: Context) -> UndoBody:
    """Get the progress of an undo."""
    async with context.database.read() as transaction:
        undo = await undos.get(transaction, UndoId(undo_id))
        return UndoBody.under(undo, await context.stops(transaction))


@router.get("/undos/{undo_id}/publications")
@needs(Role.VIEWER)
async def list_undone(
    undo_id: Number,
    context: Context,
    state: UndoneState | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[UndoneBody]:
    """List the publications of an undo, each with its result."""
    async with context.database.read() as transaction:
        one = await undos.get(transaction, UndoId(undo_id))
        found = await undos.files(transaction, one.id, offset=offset, limit=limit, state=state)
    return [UndoneBody.of(each) for each in found]


@router.get("/undos/{undo_id}/deals")
@needs(Role.VIEWER)
async def list_undone_deals(
    undo_id: Number, context: Context, offset: Offset = 0, limit: Limit = 100
) -> list[UndoneDealBody]:
    """List the deals of an undo, each with its result."""
    async with context.database.read() as transaction:
        one = await undos.get(transaction, UndoId(undo_id))
        found = await undone_deals.of_undo(transaction, one.id, offset=offset, limit=limit)
    return [UndoneDealBody.of(each) for each in found]


@router.post("/undos/{undo_id}/resume")
@needs(Role.OPERATOR)
async def resume_undo(undo_id: Number, acting: CurrentActing, context: Context) -> UndoBody:
    """Continue a stopped undo, and try again what failed."""
    return await _shown(await actions.resume_undo(acting, UndoId(undo_id)), context)


async def _shown(undo: Undo, context: Context) -> UndoBody:
    async with context.database.read() as transaction:
        return UndoBody.under(undo, await context.stops(transaction))
