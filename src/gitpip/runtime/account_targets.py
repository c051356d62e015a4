"""Questions to the Pipedrive account about targets, for a person who chooses one."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gitpip.config import Settings
from gitpip.errors import DestinationUnavailable, EnvironmentUnusable
from gitpip.publish.chosen_targets import CheckedTarget
from gitpip.publish.destination import Destination, LookFailed, SearchHit, Unusable
from gitpip.runtime.account_access import client_of
from gitpip.targets import Target


class AccountTargets:
    """The targets in the account that is set. Each question costs tokens of the daily budget."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    async def check(self, target: Target) -> CheckedTarget:
        """Return what a target is, for one or two tokens."""
        try:
            async with self._destination() as destination:
                seen = await destination.target(target)
        except (LookFailed, EnvironmentUnusable, DestinationUnavailable):
            return CheckedTarget()
        if isinstance(seen, Unusable):
            return CheckedTarget(fault=seen.reason)
        return CheckedTarget(seen)

    async def search(self, term: str) -> Sequence[SearchHit]:
        """Return the objects with a term in their names, for 20 tokens.

        Raises DestinationUnavailable.
        """
        try:
            async with self._destination() as destination:
                return await destination.search_targets(term)
        except (LookFailed, EnvironmentUnusable) as error:
            raise DestinationUnavailable(f"Pipedrive could not be asked: {error}") from error

    @asynccontextmanager
    async def _destination(self) -> AsyncIterator[Destination]:
        settings = self._settings()
        if settings.pipedrive_token is None:
            raise DestinationUnavailable(
                "PIPEDRIVE_TOKEN is not set here, so Pipedrive can't be asked"
            )
        async with client_of(settings) as destination:
            yield destination
