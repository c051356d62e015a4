"""The check that GitHub is the one that the rows belong to: another one has other ids of users."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from gitpip.clock import utc_now
from gitpip.errors import AccountChanged
from gitpip.observability.logging import get_logger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import NamedAccount
from gitpip.store.database import Database
from gitpip.store.schema_accounts import Vendor

log = get_logger()


class GitHubAccountGuard:
    """The address of GitHub's API as an account: its host and port."""

    def __init__(
        self, database: Database, api_url: str, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self.host = urlsplit(api_url).netloc.rpartition("@")[2].lower()
        self._now = now
        self._met = False

    async def permits(self) -> bool:
        """Return whether users may be checked here. The first address used is bound to the rows.

        Raises DatabaseUnavailable.
        """
        if not self._met:
            named = NamedAccount(Vendor.GITHUB, self.host, self.host)
            async with self._database.begin() as transaction:
                account = await accounts.meet(transaction, named, credential=None, now=self._now())
            self._met = True
            if not account.bound:
                log.error("watching.stopped", host=self.host)
            return account.bound
        return await self._is_bound(note=True)

    async def check(self) -> None:
        """Raise AccountChanged if the rows belong to another GitHub."""
        if not await self._is_bound():
            raise AccountChanged(
                f"GITHUB_API_URL is {self.host}, and the users are of another GitHub; "
                "see gitpip accounts list"
            )

    async def _is_bound(self, *, note: bool = False) -> bool:
        """Return whether the users belong to this GitHub. `note` records it if they do not."""
        now = self._now()
        async with self._database.read() as transaction:
            account = await accounts.of_identity(transaction, Vendor.GITHUB, self.host)
            if account is None:
                return await accounts.bound(transaction, Vendor.GITHUB) is None
            note = note and await accounts.is_to_be_noted(
                transaction, Vendor.GITHUB, account.key, now
            )
        if note:
            async with self._database.begin() as transaction:
                await accounts.note_present(transaction, Vendor.GITHUB, account.key, now)
        return account.bound
