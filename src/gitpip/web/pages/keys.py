"""The page of access keys, for admins."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Form, Path
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import keys as actions
from gitpip.clock import utc_now
from gitpip.config import parse_duration
from gitpip.errors import CodeRefused, InvalidInput, KeyConflict, LastAdminKey
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.access.keys import IssuedKey
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault, label
from gitpip.web.render.jinja import render

router = page_router()
Field = Annotated[str, Form(max_length=200)]
Name = Annotated[str, Path(max_length=60)]


@router.get("/keys")
@needs(Role.ADMIN)
async def list_keys(context: Context) -> HTMLResponse:
    """The access keys, and a form for another one."""
    return await _keys(context)


@router.post("/keys")
@needs(Role.ADMIN, asks_for_code=True)
async def create_key(
    *,
    context: Context,
    acting: CurrentActing,
    identity: CurrentIdentity,
    name: Field = "",
    role: Field = "",
    expires: Field = "",
    code: Field = "",
) -> HTMLResponse:
    """Make a key, and show it once."""
    new = {"name": name, "role": role, "expires": expires}
    try:
        lifetime = parse_duration(expires) if expires.strip() else None
        first_key = context.first_key
        issued = await actions.create(
            acting,
            name.strip(),
            role=Role(role),
            lifetime=lifetime,
            check=lambda transaction: first_key.check(
                transaction, identity, Role(role), lifetime, code
            ),
        )
    except (InvalidInput, KeyConflict) as error:
        return await _keys(context, new=new, fault=form_fault(error))
    except CodeRefused as error:
        return await _keys(context, new=new, fault=form_fault(error), status=HTTPStatus.FORBIDDEN)
    except ValueError as error:
        field = "expires" if role in list(Role) else "role"
        fault = FormFault(f"{label(field)}: {error}", field)
        return await _keys(context, new=new, fault=fault)
    return await _keys(context, issued=issued)


@router.post("/keys/{name}/{act}")
@needs(Role.ADMIN)
async def act_on_key(
    name: Name,
    act: Literal["rotate", "revoke"],
    context: Context,
    acting: CurrentActing,
    confirmed: Field = "",
) -> Response:
    """Replace the secret of a key and show it once, or revoke the key; ask if it is the last."""
    settings, force = context.settings, bool(confirmed)
    try:
        if act == "rotate":
            issued = await actions.rotate(
                acting, name, lifetime=None, settings=settings, force=force
            )
            return await _keys(context, issued=issued)
        await actions.revoke(acting, name, settings=settings, force=force)
    except LastAdminKey as error:
        question = {"name": name, "act": act}
        fault = form_fault(error)
        return await _keys(context, question=question, fault=fault, status=HTTPStatus.CONFLICT)
    return RedirectResponse("/keys", 303)


async def _keys(
    context: AppContext,
    *,
    new: dict[str, str] | None = None,
    fault: FormFault | None = None,
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
    issued: IssuedKey | None = None,
    question: dict[str, str] | None = None,
) -> HTMLResponse:
    async with context.database.read() as transaction:
        everyone = await keys.everyone(transaction)
    page = render(
        "keys.html",
        page="keys",
        keys=everyone,
        now=utc_now(),
        roles=list(Role),
        new=new or {"name": "", "role": Role.VIEWER if everyone else Role.ADMIN, "expires": ""},
        fault=fault,
        issued=issued,
        question=question,
        takes_code=context.first_key.takes_code,
    )
    headers = {"cache-control": "no-store"} if issued else None
    return HTMLResponse(page, status_code=status if fault else HTTPStatus.OK, headers=headers)
