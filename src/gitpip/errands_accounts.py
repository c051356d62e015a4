"""Errands about accounts: switching to another one, and adopting what is in Pipedrive."""

from dataclasses import dataclass, replace
from datetime import timedelta

from gitpip.clock import utc_now
from gitpip.errands import did
from gitpip.errors import AccountChanged, GitpipError
from gitpip.publish.account import company_of
from gitpip.publish.adopt import Compared, Comparison
from gitpip.publish.answers import LookFailed
from gitpip.publish.pipedrive import Pipedrive
from gitpip.service import opened
from gitpip.settings import Settings
from gitpip.store import account_switch, accounts
from gitpip.store.accounts import AccountChange, Vendor, VendorAccount
from gitpip.store.database import Database
from gitpip.store.markers import Adopted


@dataclass(frozen=True)
class Adoption:
    """What was adopted, or would be."""

    account: str
    read: int
    """How many activities were listed."""
    adopted: int
    files: tuple[Adopted, ...]
    """Those of tracked users."""
    kept: int
    """Activities whose file is not known here yet: it will be stored as published."""
    known: int
    duplicates: int


async def switch(settings: Settings, vendor: Vendor, *, same: bool) -> AccountChange:
    """Let the rows belong to the account that is set. Raises AccountUnchanged."""
    async with opened(settings) as database, database.begin() as transaction:
        change = await account_switch.switch(transaction, vendor, utc_now(), same=same)
        await did(transaction, "account.switched", f"{vendor} {change.waiting.name}")
        return change


async def list_accounts(settings: Settings) -> tuple[VendorAccount, ...]:
    """Every account that was met."""
    async with opened(settings) as database, database.read() as transaction:
        return await accounts.everyone(transaction)


async def adopt(settings: Settings, *, write: bool) -> Adoption:
    """Compare everything with what is in Pipedrive, and adopt it; or only say what would be.

    Raises GitpipError where Pipedrive can't be asked, AccountChanged.
    """
    if settings.pipedrive_token is None:
        raise GitpipError("set PIPEDRIVE_TOKEN: without it Pipedrive can't be asked")
    async with (
        opened(settings) as database,
        Pipedrive(
            api_url=settings.pipedrive_api_url,
            token=settings.pipedrive_token,
            timeout=settings.http_timeout,
            rest=timedelta(0),
        ) as pipedrive,
    ):
        try:
            account = await _account(database, pipedrive, write=write)
            comparison = Comparison(
                database, pipedrive, now=utc_now, on_edit=settings.on_edit, write=write
            )
            compared = await _compared(comparison, account)
        except LookFailed as failure:
            raise GitpipError(f"{failure}; try again later") from failure
        told = compared.told
        if write:
            async with database.begin() as transaction:
                await did(transaction, "activities.adopted", str(len(told.adopted)))
        return Adoption(
            account=account.name,
            read=compared.read,
            adopted=len(told.adopted),
            files=tuple(one for one in told.adopted if not one.removed),
            kept=told.kept,
            known=told.known,
            duplicates=told.duplicates,
        )


async def _account(database: Database, pipedrive: Pipedrive, *, write: bool) -> VendorAccount:
    """The account that the rows belong to; without `write`, it stays unbound if none is yet."""
    met = company_of(await pipedrive.owner())
    now = utc_now()
    async with database.begin() as transaction:
        bound = await accounts.bound(transaction, Vendor.PIPEDRIVE)
        # The service may run with another token: this command does not say which one is set.
        if bound is not None and bound.identity != met.identity:
            raise AccountChanged(f"the token is of {met.name}; see gitpip accounts list")
        if write:
            return await accounts.meet(transaction, met, credential=pipedrive.fingerprint, now=now)
    known = accounts.unbound(met, now)
    return replace(bound, creators=bound.creators | known.creators) if bound else known


async def _compared(comparison: Comparison, account: VendorAccount) -> Compared:
    while True:
        if compared := await comparison.step(account, whole=True):
            return compared
