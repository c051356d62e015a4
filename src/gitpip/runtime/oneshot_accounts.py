"""The commands about accounts: switching to another one, and adopting what is in Pipedrive."""

from dataclasses import dataclass, replace

from gitpip.actions import accounts as actions
from gitpip.actions import adoption
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.errors import AccountChanged, AccountUnchanged, GitpipError
from gitpip.publish.account_guard import company_of
from gitpip.publish.comparison import Comparison
from gitpip.publish.destination import Destination, LookFailed
from gitpip.runtime.account_access import (
    check_token,
    client_of,
    is_served,
    is_served_now,
    note_company,
)
from gitpip.runtime.acting import acting_on
from gitpip.runtime.opening import opened
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import AccountChange, VendorAccount
from gitpip.store.database import Database
from gitpip.store.publications.markers import Adopted
from gitpip.store.schema_accounts import Vendor
from gitpip.watch.account_guard import GitHubAccountGuard


@dataclass(frozen=True)
class Adoption:
    """The activities that were adopted, or would be."""

    account: str
    read: int
    """The number of activities listed."""
    adopted: int
    files: tuple[Adopted, ...]
    """The files of tracked users."""
    kept: int
    """The activities whose file is not stored yet: it will be stored as published."""
    known: int
    duplicates: int


async def switch(settings: Settings, vendor: Vendor, *, same: bool) -> AccountChange:
    """Switch to the configured account. Raises AccountUnchanged.

    If no service runs, it is the one that this command has set. Raises GitpipError if Pipedrive
    can't be asked for the owner of the token.
    """
    async with opened(settings) as database:
        try:
            return await actions.switch(acting_on(database), vendor, same=same)
        except AccountUnchanged:
            if await is_served(database):
                raise
        if vendor is Vendor.GITHUB:
            await GitHubAccountGuard(database, settings.github_api_url).permits()
        elif settings.pipedrive_token is not None:
            await note_company(settings, database)
        return await actions.switch(acting_on(database), vendor, same=same)


async def adopt(settings: Settings, *, write: bool) -> Adoption:
    """Compare everything with Pipedrive and adopt it, or only return what would be adopted.

    Raises DestinationUnavailable without a token, GitpipError if Pipedrive fails, AccountChanged.
    """
    check_token(settings)
    async with opened(settings) as database, client_of(settings) as destination:
        try:
            account = await _account(database, destination, write=write)
            comparison = Comparison(
                database, destination, now=utc_now, on_edit=settings.on_edit, write=write
            )
            if write:
                compared = await adoption.adopt(acting_on(database), comparison, account)
            else:
                compared = await comparison.whole(account)
        except LookFailed as failure:
            raise GitpipError(f"{failure}; try again later") from failure
        told = compared.told
        return Adoption(
            account=account.name,
            read=compared.read,
            adopted=len(told.adopted),
            files=tuple(one for one in told.adopted if not one.removed),
            kept=told.kept,
            known=told.known,
            duplicates=told.duplicates,
        )


async def _account(database: Database, destination: Destination, *, write: bool) -> VendorAccount:
    """Return the account that the rows belong to. Without `write`, it is not bound here."""
    named = company_of(await destination.owner())
    now = utc_now()
    async with database.begin() as transaction:
        bound = await accounts.bound(transaction, Vendor.DESTINATION)
        ours = bound is None or bound.identity == named.identity
        # A service may run with another token: then this command does not say which one is set.
        if write and (ours or not await is_served_now(transaction)):
            known = await accounts.meet(
                transaction, named, credential=destination.fingerprint, now=now
            )
            if known.bound:
                return known
    if bound is not None and not ours:
        raise AccountChanged(
            f"the token belongs to {named.name}, and the data to {bound.name}: set a token of "
            f"{bound.name}, or run gitpip accounts switch pipedrive"
        )
    known = accounts.unbound(named, now)
    return replace(bound, creators=bound.creators | known.creators) if bound else known
