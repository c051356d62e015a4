"""The accounts and tokens set at present: those of the running service, or of a command."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.errors import DestinationUnavailable, GitpipError
from gitpip.publish.account_guard import company_of
from gitpip.publish.destination import Destination, LookFailed
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.database import Database, Transaction
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import instances


async def is_served(database: Database) -> bool:
    """Return whether a service runs that does the work on this database."""
    async with database.read() as transaction:
        return await is_served_now(transaction)


async def is_served_now(transaction: Transaction) -> bool:
    """Return the same as `is_served`, within a transaction."""
    return any(service.works for service in await instances.running(transaction, utc_now()))


def tokens_of(settings: Settings) -> instances.Tokens:
    """Return the vendors that these settings have a token of."""
    return instances.Tokens(
        github=settings.github_token is not None,
        destination=settings.pipedrive_token is not None,
    )


async def tokens_of_service(transaction: Transaction) -> instances.Tokens | None:
    """Return the vendors that the running service has a token of, or None if none runs."""
    return instances.tokens_at_work(await instances.running(transaction, utc_now()))


def client_of(
    settings: Settings, *, rest: timedelta = timedelta(0)
) -> AbstractAsyncContextManager[Destination]:
    """Return a client for Pipedrive under the token of these settings. Enter it before use.

    `rest` is for a service: the requests of the one before it count in the same window.
    """
    return Pipedrive(
        api_url=settings.pipedrive_api_url,
        token=settings.pipedrive_token,
        timeout=settings.http_timeout,
        rest=rest,
    )


def check_token(settings: Settings) -> None:
    """Raise DestinationUnavailable where these settings have no token of Pipedrive."""
    if settings.pipedrive_token is None:
        raise DestinationUnavailable("set PIPEDRIVE_TOKEN: without it Pipedrive can't be asked")


async def note_company(settings: Settings, database: Database) -> VendorAccount:
    """Note that the company of the token is set, for two tokens if it is not known yet.

    Raises GitpipError if Pipedrive can't be asked.
    """
    async with client_of(settings) as destination:
        credential = destination.fingerprint
        async with database.begin() as transaction:
            known = await accounts.of_credential(transaction, Vendor.DESTINATION, credential)
            if known is not None:
                now = utc_now()
                await accounts.set_at_present(transaction, Vendor.DESTINATION, known.key, now)
                return known
        try:
            named = company_of(await destination.owner())
        except LookFailed as failure:
            raise GitpipError(f"{failure}; try again later") from failure
        async with database.begin() as transaction:
            return await accounts.meet(transaction, named, credential=credential, now=utc_now())
