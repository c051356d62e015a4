"""Learns from Pipedrive which company the token belongs to, so that pages can link to its deals."""

from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip.clock import utc_now
from gitpip.publish.answers import LookFailed
from gitpip.publish.pipedrive import Pipedrive
from gitpip.store import pipedrive_company
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

PAUSE = timedelta(minutes=10)
"""How long nothing is asked after Pipedrive did not answer: links are worth no more requests."""

log = get_logger()


class Company:
    """Asks once for each token: two tokens of the daily budget."""

    def __init__(
        self, database: Database, pipedrive: Pipedrive, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._now = now
        self._not_before: datetime | None = None

    async def learn(self) -> None:
        """Ask for the company and keep it, unless it is known; a failure is only logged."""
        now, credential = self._now(), self._pipedrive.fingerprint
        if not self._pipedrive.has_token or (self._not_before and now < self._not_before):
            return
        async with self._database.read() as transaction:
            if await pipedrive_company.is_known(transaction, credential):
                return
        self._not_before = now + PAUSE
        try:
            domain = await self._pipedrive.company_domain()
        except LookFailed as error:
            log.info("pipedrive.company_unknown", reason=str(error))
            return
        if credential != self._pipedrive.fingerprint:
            return  # the token was changed meanwhile; the next run asks under the new one
        async with self._database.begin() as transaction:
            await pipedrive_company.store(
                transaction, domain=domain, credential=credential, now=now
            )
        self._not_before = None
