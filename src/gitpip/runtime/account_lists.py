"""The comparison of publishing settings with the lists of the Pipedrive account, for a person."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from gitpip.actions.publishing_settings import CheckedSettings
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.config.publishing.declaration import Group
from gitpip.config.publishing.policy import PublishingPolicy, registry
from gitpip.errors import EnvironmentUnusable
from gitpip.publish.catalog import Catalog, Listed
from gitpip.publish.destination import LookFailed
from gitpip.publish.resolution import About, needed, resolve
from gitpip.runtime.account_access import client_of

LISTS_KEPT_FOR = timedelta(minutes=10)
"""The time that lists are kept. Each costs 10 or 20 tokens, and a person saves a form several
times."""
LASTS_FOR_A_REFUSAL = timedelta(seconds=5)
"""The same after a refusal: a person adds what is missing in Pipedrive and saves the value
again."""
ABOUT_OF_GROUP = {Group.ACTIVITY: About.ACTIVITY, Group.DEAL: About.DEAL}


class AccountLists:
    """The lists of the account that is set, kept for some time."""

    def __init__(
        self, settings: Callable[[], Settings], now: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._now = now
        self._catalog = Catalog()
        self._read: tuple[str, datetime, frozenset[Listed]] | None = None
        """The token, the time and the names of the lists that were read."""

    async def check(self, policy: PublishingPolicy, names: Collection[str]) -> CheckedSettings:
        """Return what the account lacks of these settings of a policy."""
        groups = {registry()[name].declaration.group for name in names}
        about = [ABOUT_OF_GROUP[group] for group in groups if group in ABOUT_OF_GROUP]
        wanted = frozenset[Listed]().union(*(needed(policy, each) for each in about))
        if not wanted:
            return CheckedSettings()
        settings = self._settings()
        if settings.pipedrive_token is None:
            return CheckedSettings(unchecked="PIPEDRIVE_TOKEN is not set here")
        try:
            faults = resolve(
                policy, await self._lists(settings, wanted, LISTS_KEPT_FOR), chosen=names
            ).faults
            if not faults.keys().isdisjoint(names):
                catalog = await self._lists(settings, wanted, LASTS_FOR_A_REFUSAL)
                faults = resolve(policy, catalog, chosen=names).faults
        except (LookFailed, EnvironmentUnusable) as error:
            return CheckedSettings(unchecked=str(error))
        return CheckedSettings(faults)

    async def _lists(
        self, settings: Settings, wanted: frozenset[Listed], lasts: timedelta
    ) -> Catalog:
        """Return the lists as last read, or read them now if that is longer ago than `lasts`."""
        async with client_of(settings) as destination:
            if not self._holds(wanted, destination.fingerprint, lasts):
                self._catalog = await destination.catalog(wanted)
                self._read = destination.fingerprint, self._now(), wanted
        return self._catalog

    def _holds(self, wanted: frozenset[Listed], fingerprint: str, lasts: timedelta) -> bool:
        if self._read is None:
            return False
        under, at, listed = self._read
        fresh = timedelta(0) <= self._now() - at < lasts
        return fresh and under == fingerprint and wanted <= listed
