"""`/api/v1/keys` and `/api/v1/audit`: who may ask, and who did what. For admins."""

from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator

from gitpip.actions import keys as actions
from gitpip.bodies.keys import AuditEntryBody, IssuedKeyBody, KeyBody
from gitpip.bodies.noun import ListBody
from gitpip.clock import utc_now
from gitpip.config import parse_duration
from gitpip.model import Role
from gitpip.store.access import audit_log, keys
from gitpip.web.api.parameters import Limit, Offset, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router()


def _duration_text(text: str) -> str:
    parse_duration(text)
    return text


Lifetime = Annotated[str, AfterValidator(_duration_text)]


class NewKey(RequestBody):
    """A new access key. It expires after `expires`, e.g. `90d`, or never.

    The first key, created without showing one, needs the `code` that gitpip printed at its start.
    """

    name: str
    role: Role
    expires: Lifetime | None = None
    code: str | None = None


class Rotation(RequestBody):
    """The new secret expires after `expires`, e.g. `90d`, or after as long as the old one did.

    With `force`, the last admin key may also expire within a day.
    """

    expires: Lifetime | None = None
    force: bool = False


@router.get("/keys", tags=["keys"])
@needs(Role.ADMIN)
async def list_keys(context: Context) -> list[KeyBody]:
    """List the access keys, revoked ones last."""
    now = utc_now()
    async with context.database.read() as transaction:
        return [KeyBody.of(key, now) for key in await keys.everyone(transaction)]


@router.post("/keys", tags=["keys"], status_code=HTTPStatus.CREATED)
@needs(Role.ADMIN, asks_for_code=True)
async def create_key(
    new: NewKey, context: Context, acting: CurrentActing, identity: CurrentIdentity
) -> IssuedKeyBody:
    """Create an access key. Only this answer shows it."""
    first_key = context.first_key
    lifetime = parse_duration(new.expires) if new.expires else None
    issued = await actions.create(
        acting,
        new.name,
        role=new.role,
        lifetime=lifetime,
        check=lambda transaction: first_key.check(
            transaction, identity, new.role, lifetime, new.code
        ),
    )
    return IssuedKeyBody.of(issued)


@router.post("/keys/{name}/rotate", tags=["keys"])
@needs(Role.ADMIN)
async def rotate_key(
    name: str, context: Context, acting: CurrentActing, rotation: Rotation | None = None
) -> IssuedKeyBody:
    """Replace a key's secret. Only this answer shows it. The old one stops working immediately.

    Answers 409 if the last admin key would expire within a day, unless `force` is true.
    """
    asked = rotation or Rotation()
    issued = await actions.rotate(
        acting,
        name,
        lifetime=parse_duration(asked.expires) if asked.expires else None,
        settings=context.settings,
        force=asked.force,
    )
    return IssuedKeyBody.of(issued)


@router.delete("/keys/{name}", tags=["keys"])
@needs(Role.ADMIN)
async def revoke_key(
    name: str, context: Context, acting: CurrentActing, force: bool = False
) -> KeyBody:
    """Revoke a key immediately. Answers 409 for the last admin key, unless `force` is true."""
    key = await actions.revoke(acting, name, settings=context.settings, force=force)
    return KeyBody.of(key, utc_now())


@router.get("/audit", tags=["keys"])
@needs(Role.ADMIN)
async def list_audit(
    context: Context, offset: Offset = 0, limit: Limit = 100
) -> ListBody[AuditEntryBody]:
    """List who did what, newest first."""
    async with context.database.read() as transaction:
        page = await audit_log.page(transaction, offset=offset, limit=limit)
    items = [AuditEntryBody.of(entry) for entry in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)
