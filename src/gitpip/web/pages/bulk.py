"""Acts on the users selected in the table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.users import UserAct, act_on_selected
from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.model import Role, UserState
from gitpip.store import user_listing
from gitpip.store.users import bulk
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, number_of_people, read_field
from gitpip.web.pages.removal import asked_before_removing
from gitpip.web.pages.router import page_router
from gitpip.web.pages.selection import MAX_SELECTED, SelectedUsers, order_of
from gitpip.web.pages.users import Asked, Listing, show_users
from gitpip.web.render.faults import fault_words

PLACE = "#selection"
"""The anchor on the page where the result is shown."""

router = page_router()


@router.post("/people/selected")
@needs(Role.OPERATOR)
async def act_on_selected_users(
    *,
    request: Request,
    context: Context,
    acting: CurrentActing,
    asked: Asked,
    login: Annotated[list[str] | None, Form()] = None,
    act: Field = "",
    tags: Field = "",
    confirmed: Field = "",
    matching: Field = "",
) -> Response:
    """Do one thing to all who are selected, or to none; ask first before they are removed.

    `matching` is the number that the page showed, if all matching users were selected.
    """
    selection = SelectedUsers(login or (), tags)
    try:
        if asked.select:
            shown = read_field("matching", number_of_people, matching)
            selection = replace(selection, logins=await _matching(context, asked, shown))
        order = order_of(selection, act)
        if order.act is UserAct.REMOVE and not confirmed:
            async with context.database.read() as transaction:
                page = await asked_before_removing(
                    transaction,
                    await bulk.find_each(transaction, order.logins),
                    action=asked.address("/people/selected") + PLACE,
                    matching=len(order.logins) if asked.select else None,
                    keep=asked.address() + PLACE,
                )
            return HTMLResponse(page)
        chosen = await act_on_selected(acting, order)
    except InvalidInput as error:
        wrong = replace(selection, field=error.field, fault=fault_words(error))
        return await show_users(request, context, asked, selection=wrong)
    except UserNotTracked as error:
        wrong = replace(selection, field="login", fault=str(error), gone=error.logins)
        return await show_users(request, context, asked, selection=wrong)
    paused = sum(user.state is UserState.PAUSED for user in chosen)
    told = asked.address(
        select="",
        done=order.act,
        number=len(chosen),
        paused=paused if order.act is UserAct.CHECK else 0,
        tags=" ".join(order.tags),
    )
    return RedirectResponse(told + PLACE, status_code=303)


async def _matching(context: AppContext, asked: Listing, shown: int | None) -> Sequence[str]:
    """All matching users; raises InvalidInput if the page had shown another number of them."""
    async with context.database.read() as transaction:
        logins = await user_listing.logins(transaction, asked.wanted, limit=MAX_SELECTED + 1)
    if len(logins) > MAX_SELECTED:
        raise InvalidInput(
            "login",
            f"more than {MAX_SELECTED} people match. Filter the list to at most {MAX_SELECTED}",
        )
    if len(logins) != shown:
        raise InvalidInput(
            "login", f"{len(logins)} people match now. Review the list and select them again"
        )
    return logins
