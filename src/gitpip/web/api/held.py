"""`/api/v1/held` and `/api/v1/users/{login}/held`: what waits for a decision, and the answer."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from gitpip.actions import publications as actions
from gitpip.bodies.held import AnsweredBody, HeldBody
from gitpip.model import Role
from gitpip.store.publications import held
from gitpip.web.api.parameters import Login, RequestBody, WholeNumber
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publications")


class HeldAnswer(RequestBody):
    """The part of a user's held files to publish; the rest is skipped."""

    approve: str
    """`all`, `latest:N` or `none`; N counts gists."""
    shown: Annotated[WholeNumber | None, Field(ge=0, le=2**53)] = None
    """The number of files you decide about; refused where another number is held now."""


@router.get("/held")
@needs(Role.VIEWER)
async def list_held(
    context: Context,
    limit: Annotated[int, Query(ge=1, le=500, description="How many users at most.")] = 100,
) -> list[HeldBody]:
    """List the users with files that wait for a decision, longest wait first."""
    async with context.database.read() as transaction:
        return [HeldBody.of(one) for one in await held.with_credentials(transaction, limit=limit)]


@router.post("/held")
@needs(Role.OPERATOR)
async def decide_held_of_all(answer: HeldAnswer, acting: CurrentActing) -> AnsweredBody:
    """Publish the held files of all users: all, the latest N gists, or none. The rest is skipped.

    Files that are held for credentials stay held: approve or skip each.
    """
    approved = held.parse_answer(answer.approve)
    return AnsweredBody.of(await actions.decide_held_of_all(acting, approved, shown=answer.shown))


@router.post("/users/{login}/held")
@needs(Role.OPERATOR)
async def decide_held(login: Login, answer: HeldAnswer, acting: CurrentActing) -> AnsweredBody:
    """Publish the held files of a user: all, the latest N gists, or none. The rest is skipped.

    Repeating the request changes nothing.
    """
    approved = held.parse_answer(answer.approve)
    return AnsweredBody.of(await actions.decide_held(acting, login, approved, shown=answer.shown))
