"""What is done at once to users selected in the table."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.model import Role, User, UserState
from gitpip.store.database import Transaction
from gitpip.store.users import bulk, users
from gitpip.validation import checked_tags
from gitpip.web.auth.identity import CurrentIdentity, Identity
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context
from gitpip.web.pages.forms import Field
from gitpip.web.pages.removal import asked_before_removing
from gitpip.web.pages.selection import Order, Selection, Tagging
from gitpip.web.pages.user_acts import Act, act_on, change
from gitpip.web.pages.users import Asked, show_users

PLACE = "#selection"
"""Where on the page it is said what was done."""

router = APIRouter(route_class=RoleRoute, include_in_schema=False)


@router.post("/people/selected")
@needs(Role.OPERATOR)
async def act_on_selected(
    *,
    request: Request,
    context: Context,
    identity: CurrentIdentity,
    asked: Asked,
    login: Annotated[list[str] | None, Form()] = None,
    act: Field = "",
    tags: Field = "",
    confirmed: Field = "",
) -> Response:
    """Do one thing to all who are selected, or to none; ask first before they are removed."""
    selection = Selection(login or (), tags)
    try:
        order = Order.read(selection, act)
        if order.act is Act.REMOVE and not confirmed:
            async with context.database.read() as transaction:
                page = await asked_before_removing(
                    transaction,
                    await bulk.find_each(transaction, order.logins),
                    action=asked.address("/people/selected") + PLACE,
                    keep=asked.address() + PLACE,
                )
            return HTMLResponse(page)
        async with context.database.begin() as transaction:
            chosen = await bulk.lock_each(transaction, order.logins)
            await _carry_out(transaction, order, chosen, identity)
    except InvalidInput as error:
        wrong = replace(selection, field=error.field, fault=str(error))
        return await show_users(request, context, asked, selection=wrong)
    except UserNotTracked as error:
        wrong = replace(selection, field="login", fault=f"login: {error}")
        return await show_users(request, context, asked, selection=wrong)
    if isinstance(order.act, Act) and order.act.makes_due:
        await context.wake("check")
    paused = sum(user.state is UserState.PAUSED for user in chosen)
    told = asked.address(
        done=order.act,
        number=len(chosen),
        paused=paused if order.act is Act.CHECK else 0,
        tags=" ".join(order.tags),
    )
    return RedirectResponse(told + PLACE, status_code=303)


async def _carry_out(
    transaction: Transaction, order: Order, chosen: tuple[User, ...], identity: Identity
) -> None:
    if order.act is Tagging.UNTAG:
        borne = {tag for user in chosen for tag in user.tags}
        if strange := [tag for tag in order.tags if tag not in borne]:
            raise InvalidInput("tags", f"none of the selected users has the tag {strange[0]!r}")
    for user in chosen:
        if isinstance(order.act, Act):
            await act_on(transaction, user, order.act, identity)
            continue
        tags = _other_tags(user, order)
        if tags != user.tags:
            await change(transaction, user, users.Changes(tags=tags), identity)


def _other_tags(user: User, order: Order) -> tuple[str, ...]:
    if order.act is Tagging.UNTAG:
        return tuple(tag for tag in user.tags if tag not in order.tags)
    try:
        return checked_tags((*user.tags, *order.tags))
    except InvalidInput as error:
        raise InvalidInput("tags", f"with these, {user.login} would have {error.message}") from None
