"""`/api/v1/checks`: when users were checked, and a check now."""

from http import HTTPStatus

from gitpip.actions import checks as actions
from gitpip.bodies.checks import CheckBody
from gitpip.bodies.noun import ListBody
from gitpip.model import (
    CheckId,
    Role,
)
from gitpip.store.status import checks
from gitpip.web.api.parameters import Limit, Number, Offset
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router()


@router.get("/checks", tags=["checks"])
@needs(Role.VIEWER)
async def list_checks(
    context: Context, offset: Offset = 0, limit: Limit = 20
) -> ListBody[CheckBody]:
    """List checks, newest first."""
    async with context.database.read() as transaction:
        page = await checks.page(transaction, offset=offset, limit=limit)
    items = [CheckBody.of(check) for check in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("/checks", tags=["checks"], status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def request_check(acting: CurrentActing) -> CheckBody:
    """Check all tracked users now."""
    return CheckBody.of(await actions.request(acting))


@router.get("/checks/{check_id}", tags=["checks"])
@needs(Role.VIEWER)
async def get_check(check_id: Number, context: Context) -> CheckBody:
    """Get a check."""
    async with context.database.read() as transaction:
        return CheckBody.of(await checks.get(transaction, CheckId(check_id)))
