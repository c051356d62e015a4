"""`/api/v1/feeds`: secret addresses, by which feed readers get at the feeds without a key."""

from http import HTTPStatus

from fastapi import Request

from gitpip.actions import feeds as actions
from gitpip.actions.feeds import FeedOwner
from gitpip.bodies.feeds import FeedAddressBody, IssuedAddressBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.store.access import feed_tokens
from gitpip.store.access.feed_tokens import FeedAddressId, Parent
from gitpip.web.api.parameters import Number, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.authentication import Authentication
from gitpip.web.auth.identity import CurrentIdentity, Identity
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing
from gitpip.web.public_address import public_base

router = api_router("feeds")


class NewFeedAddress(RequestBody):
    """A new feed address. `name` is that of the feed reader, e.g. Feedly."""

    name: str


@router.get("/feeds")
@needs(Role.VIEWER)
async def list_addresses(
    request: Request, context: Context, identity: CurrentIdentity
) -> list[FeedAddressBody]:
    """List your feed links, newest first. An admin sees all."""
    authentication: Authentication = request.app.state.authentication
    parents = await authentication.valid_parents(request)
    async with context.database.read() as transaction:
        listed = await feed_tokens.of_viewer(
            transaction, _whose(identity), parents=parents, now=utc_now()
        )
    return [FeedAddressBody.of(address) for address in listed]


@router.post("/feeds", status_code=HTTPStatus.CREATED)
@needs(Role.VIEWER)
async def create_address(
    new: NewFeedAddress, request: Request, acting: CurrentActing, identity: CurrentIdentity
) -> IssuedAddressBody:
    """Create a feed link. Only this answer shows it. It ends with the key that made it."""
    owner = FeedOwner(identity.viewer_for(None), Parent(identity.parent, identity.key_id))
    issued = await actions.create(acting, new.name, owner)
    return IssuedAddressBody.of(issued, public_base(request))


@router.delete("/feeds/{address_id}")
@needs(Role.VIEWER)
async def revoke_address(
    address_id: Number, acting: CurrentActing, identity: CurrentIdentity
) -> FeedAddressBody:
    """Revoke a feed link immediately."""
    viewer = _whose(identity)
    return FeedAddressBody.of(
        await actions.revoke(acting, FeedAddressId(address_id), viewer=viewer)
    )


def _whose(identity: Identity) -> str | None:
    """The viewer whose addresses a caller may see and revoke; None for those of all callers."""
    return None if identity.role.includes(Role.ADMIN) else identity.viewer_for(None)
