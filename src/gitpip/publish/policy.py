"""The current publishing settings, read again whenever something is claimed."""

from collections.abc import Mapping

from gitpip.config.publishing.policy import PublishingPolicy, effective, policy_of
from gitpip.store.database import Transaction
from gitpip.store.publications import publishing_settings


class Policies:
    """The policy of one process. `given` holds the texts that the environment sets, by name."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._given = given or {}
        self._stored: Mapping[str, str] = {}
        self.current = self._made()
        """The policy as it was last read."""

    async def read(self, transaction: Transaction) -> PublishingPolicy:
        """Return the current policy: a change by any process counts once it is committed."""
        stored = await publishing_settings.values(transaction)
        if stored != self._stored:
            self._stored = stored
            self.current = self._made()
        return self.current

    def _made(self) -> PublishingPolicy:
        return policy_of(effective(self._given, self._stored))
