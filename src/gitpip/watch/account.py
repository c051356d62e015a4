"""Whether GitHub is the one that the rows belong to: ids of users mean nothing at another one."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from gitpip.clock import utc_now
from gitpip.errors import AccountChanged
from gitpip.store import accounts
from gitpip.store.accounts import Met, Vendor
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

log = get_logger()


class GitHubAddress:
    """The address of GitHub's API as an account: its host and port."""

    def __init__(
        self, database: Database, api_url: str, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self.host = urlsplit(api_url).netloc.rpartition("@")[2].lower()
        self._now = now
        self._met = False

    async def permits(self) -> bool:
        """Whether users may be checked here; the first address that is met is bound to the rows.

        Raises DatabaseUnavailable.
        """
        if not self._met:
            met = Met(Vendor.GITHUB, self.host, self.host)
            async with self._database.begin() as transaction:
                account = await accounts.meet(transaction, met, credential=None, now=self._now())
            self._met = True
            if not account.bound:
                log.error("watching.stopped", host=self.host)
            return account.bound
        return await self._is_bound()

    async def check(self) -> None:
        """Raise AccountChanged where the rows belong to another GitHub."""
        if not await self._is_bound():
            raise AccountChanged(
                f"GITHUB_API_URL is {self.host}, and the users are of another GitHub; "
                "see gitpip accounts list"
            )

    async def _is_bound(self) -> bool:
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.GITHUB)
        return account is None or account.identity == self.host
