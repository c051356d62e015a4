"""The page of secret addresses, by which feed readers get at the feeds without signing in."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import feeds as actions
from gitpip.actions.feeds import FeedOwner
from gitpip.clock import utc_now
from gitpip.errors import FeedAddressConflict, InvalidInput
from gitpip.model import Role
from gitpip.store.access import feed_tokens
from gitpip.store.access.feed_tokens import FeedAddressId, Parent
from gitpip.store.inbox.filters import InboxFilter
from gitpip.web.auth.authentication import Authentication
from gitpip.web.auth.identity import CurrentIdentity, Identity
from gitpip.web.auth.roles import needs
from gitpip.web.auth.viewer import viewer_of
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.feeds import AskedFilter, in_words
from gitpip.web.pages.router import page_router
from gitpip.web.public_address import public_base
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

router = page_router()


@dataclass(frozen=True)
class _Creation:
    """The result of creating an address: its secret, or the fault and the name that was written."""

    name: str = ""
    fault: FormFault | None = None
    secret: str = ""


@router.get("/feeds")
@needs(Role.VIEWER)
async def list_addresses(
    request: Request, context: Context, identity: CurrentIdentity, asked: AskedFilter
) -> HTMLResponse:
    """The viewer's addresses (an admin sees all), and a form for another one.

    The filter is that of the inbox for which an address is wanted.
    """
    return await _feeds(request, context, identity, asked)


@router.post("/feeds")
@needs(Role.VIEWER)
async def create_address(
    request: Request,
    context: Context,
    acting: CurrentActing,
    identity: CurrentIdentity,
    asked: AskedFilter,
    name: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse:
    """Create an address, and show it once."""
    try:
        owner = FeedOwner(viewer_of(request), Parent(identity.parent, identity.key_id))
        issued = await actions.create(acting, name, owner)
    except (InvalidInput, FeedAddressConflict) as error:
        refused = _Creation(name, form_fault(error))
        return await _feeds(request, context, identity, asked, refused)
    return await _feeds(request, context, identity, asked, _Creation(secret=issued.secret))


@router.post("/feeds/{address_id}/revoke")
@needs(Role.VIEWER)
async def revoke_address(
    address_id: Annotated[int, Path(ge=1, le=2**53)],
    request: Request,
    acting: CurrentActing,
    identity: CurrentIdentity,
) -> Response:
    """Let an address lead nowhere any more."""
    viewer = _whose(request, identity)
    await actions.revoke(acting, FeedAddressId(address_id), viewer=viewer)
    return RedirectResponse("/feeds", status_code=303)


async def _feeds(
    request: Request,
    context: AppContext,
    identity: Identity,
    asked: InboxFilter,
    creation: _Creation | None = None,
) -> HTMLResponse:
    creation = creation or _Creation()
    authentication: Authentication = request.app.state.authentication
    parents = await authentication.valid_parents(request)
    async with context.database.read() as transaction:
        listed = await feed_tokens.of_viewer(
            transaction, _whose(request, identity), parents=parents, now=utc_now()
        )
    page = render(
        "feeds.html",
        page="feeds",
        listed=listed,
        own=viewer_of(request),
        fault=creation.fault,
        written=creation.name,
        base=public_base(request),
        secret=creation.secret,
        query=asked.query,
        filtered=in_words(asked),
        needs_link=bool(identity.name),
    )
    headers = {"cache-control": "no-store"} if creation.secret else None
    return HTMLResponse(page, status_code=422 if creation.fault else 200, headers=headers)


def _whose(request: Request, identity: Identity) -> str | None:
    """The owner whose addresses a caller may see and revoke; None for all."""
    return None if identity.role.includes(Role.ADMIN) else viewer_of(request)
