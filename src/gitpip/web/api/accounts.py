"""Vendor accounts, and the comparison with Pipedrive.

These are `/api/v1/accounts` and `/api/v1/adoption`, and `/api/v1/problems` to acknowledge what was
found.
"""

from http import HTTPStatus

from gitpip.actions.accounts import switch
from gitpip.actions.adoption import Acknowledgeable, acknowledge, request_comparison
from gitpip.bodies.accounts import AccountBody, AcknowledgedBody, AdoptionBody, DuplicateBody
from gitpip.model import Role
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.publications import duplicates, markers
from gitpip.store.schema_accounts import Vendor
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

MOST_DUPLICATES = 100

router = api_router("accounts")


class Switch(RequestBody):
    """The way to switch: `same` says that it is the same GitHub under another address."""

    same: bool = False


@router.get("/accounts")
@needs(Role.VIEWER)
async def list_accounts(context: Context) -> list[AccountBody]:
    """List the accounts that gitpip has used, and to which ones the rows belong."""
    async with context.database.read() as transaction:
        return [AccountBody.of(account) for account in await accounts.everyone(transaction)]


@router.post("/accounts/{vendor}/switch")
@needs(Role.ADMIN)
async def switch_account(
    vendor: Vendor, acting: CurrentActing, how: Switch | None = None
) -> AccountBody:
    """Switch to the configured account. The rows of the previous account are kept apart."""
    change = await switch(acting, vendor, same=how is not None and how.same)
    return AccountBody.of(change.switched)


@router.get("/adoption")
@needs(Role.VIEWER)
async def get_adoption(context: Context) -> AdoptionBody:
    """Get the result of the comparison with Pipedrive."""
    async with context.database.read() as transaction:
        state = await ledger.read(transaction)
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        key = account.key if account else 0
        found = await duplicates.listed(transaction, key, MOST_DUPLICATES)
        waiting = await markers.waiting(transaction, key)
    return AdoptionBody(
        compared_at=state.compared_at,
        requested_at=state.requested_at,
        adopted=state.adopted,
        waiting=waiting,
        missing=state.missing,
        duplicates=[DuplicateBody.of(one) for one in found],
    )


@router.post("/adoption", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def adopt(context: Context, acting: CurrentActing) -> AdoptionBody:
    """Compare everything with what is in Pipedrive before anything more is sent."""
    await request_comparison(acting)
    return await get_adoption(context)


@router.post("/problems/{kind}/acknowledge")
@needs(Role.OPERATOR)
async def acknowledge_problem(kind: Acknowledgeable, acting: CurrentActing) -> AcknowledgedBody:
    """Acknowledge what is missing, duplicated, interrupted, or left by an undo.

    The problem ends. It comes back if it happens again. Nothing is sent or deleted.
    """
    number = (await acknowledge(acting, (kind,))).get(kind, 0)
    if kind == "import-interrupted":
        return AcknowledgedBody(imports=number)
    return AcknowledgedBody(activities=number)
