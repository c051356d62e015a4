"""`/api/v1/repairs`: acts on many publications, with a count before and progress during."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Query
from pydantic import Field

from gitpip.actions import repairs as actions
from gitpip.bodies.noun import ListBody
from gitpip.bodies.repairs import CountedBody, RepairBody
from gitpip.model import PublicationId, PublicationState, Role
from gitpip.store.publications import repairs
from gitpip.store.publications.repairs import RepairId
from gitpip.store.publications.selection import MAX_IDS_CHOSEN, PublicationFilter
from gitpip.store.schema_publishing import RepairAct
from gitpip.web.api.parameters import Id, Number, RequestBody, WholeNumber
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publications", prefix="/api/v1/repairs")
Word = Annotated[str, Field(max_length=100)]


def selection_of(
    *,
    state: Annotated[
        list[PublicationState] | None, Query(description="Give it again for more.")
    ] = None,
    cause: Annotated[Word, Query(description="The key of a cause.")] = "",
    login: Annotated[Word, Query(description="Of this user.")] = "",
    tag: Annotated[Word, Query(description="Of users with this tag.")] = "",
    check: Annotated[Id | None, Query(description="Found by this check.")] = None,
    found_on: Annotated[date | None, Query(description="The day in UTC.")] = None,
    published_on: Annotated[date | None, Query(description="The day in UTC.")] = None,
) -> PublicationFilter:
    """The filter that a query gives."""
    return PublicationFilter(
        states=tuple(state or ()),
        cause=cause,
        login=login,
        tag=tag,
        check_id=check,
        found_on=found_on,
        published_on=published_on,
    )


Wanted = Annotated[PublicationFilter, Depends(selection_of)]


class RepairOrder(RequestBody):
    """The act, and the publications to apply it to: name them, give a filter, or say `all`."""

    act: RepairAct
    ids: list[Id] = Field([], max_length=MAX_IDS_CHOSEN)
    states: list[PublicationState] = Field([], max_length=len(PublicationState))
    """Without: those that the act is for. Skipped publications are retried only if this says so."""
    cause: Word = ""
    """The key of a cause."""
    login: Word = ""
    tag: Word = ""
    check: Id | None = None
    found_on: date | None = None
    """The day in UTC."""
    published_on: date | None = None
    """The day in UTC."""
    all: bool = False
    shown: Annotated[WholeNumber, Field(ge=0, le=2**53)] | None = None
    """The number that the preview gave; if it is another one by now, nothing is done (409)."""

    @property
    def order(self) -> actions.RepairAction:
        """The same for an act."""
        wanted = PublicationFilter(
            ids=tuple(dict.fromkeys(map(PublicationId, self.ids))),
            states=tuple(self.states),
            cause=self.cause,
            login=self.login,
            tag=self.tag,
            check_id=self.check,
            found_on=self.found_on,
            published_on=self.published_on,
            everything=self.all,
        )
        return actions.RepairAction(self.act, wanted, self.shown)


@router.post("/preview")
@needs(Role.OPERATOR)
async def preview_repair(wanted: RepairOrder, context: Context) -> CountedBody:
    """Count the publications that a repair would change, by state and cause.

    Nothing is changed.
    """
    async with context.database.read() as transaction:
        return CountedBody.of(await actions.counted(transaction, wanted.order))


@router.post("", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def begin_repair(
    wanted: RepairOrder, acting: CurrentActing, work: BackgroundTasks
) -> RepairBody:
    """Start a repair: one act on many publications. It runs after the answer.

    `GET` shows its progress. It changes the publications that match now, not those that match
    later. A publication that changes before its turn, for example because it is sent, is left.
    """
    begun = await actions.begin(acting, wanted.order)
    work.add_task(actions.carry_out, acting, begun.id)
    return RepairBody.of(begun)


@router.get("")
@needs(Role.VIEWER)
async def list_repairs(context: Context) -> ListBody[RepairBody]:
    """List the last 100 repairs, newest first."""
    async with context.database.read() as transaction:
        found = await repairs.latest(transaction, limit=repairs.MAX_REPAIRS_LISTED)
    items = [RepairBody.of(one) for one in found]
    return ListBody(items=items, total=len(items), offset=0, limit=repairs.MAX_REPAIRS_LISTED)


@router.get("/{repair_id}")
@needs(Role.VIEWER)
async def get_repair(repair_id: Number, context: Context) -> RepairBody:
    """Get the progress of a repair."""
    async with context.database.read() as transaction:
        return RepairBody.of(await repairs.get(transaction, RepairId(repair_id)))


@router.post("/{repair_id}/resume", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def resume_repair(
    repair_id: Number, acting: CurrentActing, work: BackgroundTasks
) -> RepairBody:
    """Continue an interrupted repair after the answer. A finished repair stays finished."""
    found = await actions.resume(acting, RepairId(repair_id))
    work.add_task(actions.carry_out, acting, found.id)
    return RepairBody.of(found)
