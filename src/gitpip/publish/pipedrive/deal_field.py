"""The custom field of ours on deals. It holds the user's GitHub id, which survives a rename."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from gitpip.model import GitHubId
from gitpip.observability.logging import get_logger
from gitpip.publish.delivery import NotProcessed
from gitpip.publish.destination import Item, LookFailed
from gitpip.store.accounts import accounts
from gitpip.store.database import Database
from gitpip.store.schema_accounts import Vendor

NAME = "gitpip GitHub id"
FIELD_TRIED_AGAIN_AFTER = timedelta(days=1)
"""The wait before the field is tried again if the account does not let us make it: a person may
allow it later."""
FAILED_AGAIN_AFTER = timedelta(minutes=10)
WITHOUT_HOST = "api.github.com"
"""The GitHub whose ids stand alone. Those of another GitHub follow its host, as the same ids are
used again there."""

log = get_logger()


class FieldsApi(Protocol):
    """The part of the client that custom fields of deals need."""

    deal_field: str | None

    async def deal_field_code(self, name: str) -> str | None:
        """Return the code of the field with this name, or None if there can be none."""


class DealField:
    """Finds or makes the field once for each account, and continues without it if that fails."""

    def __init__(
        self, database: Database, pipedrive: FieldsApi, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._now = now
        self._github: str | None = None
        """The host of the GitHub that the users belong to."""
        self._used: str | None = None
        """The field with which deals were last sent."""

    def value(self, github_id: GitHubId | None) -> str | None:
        """Return the value of the field on the deal of a user."""
        if github_id is None:
            return None
        alone = self._github in (None, WITHOUT_HOST)
        return str(github_id) if alone else f"{self._github}:{github_id}"

    def holder(self, deal: Item) -> str | None:
        """Return the user named by our field of a deal: see `value`."""
        code = self._pipedrive.deal_field
        value = deal.custom_fields.get(code) if code else None
        return value.strip() if isinstance(value, str) and value.strip() else None

    def without_others(self, deal: Item) -> Item:
        """Return the deal with our custom field only: a company can have hundreds of others."""
        code = self._pipedrive.deal_field
        ours = {name: value for name, value in deal.custom_fields.items() if name == code}
        return replace(deal, custom_fields=ours)

    async def prepare(self) -> None:
        """Make the client use the field. Raises LookFailed if Pipedrive asked to wait."""
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.DESTINATION)
            github = await accounts.bound(transaction, Vendor.GITHUB)
        self._github = github.identity if github else None
        if account is None:
            return
        code = account.deal_field
        deleted = code is not None and self._used == code and self._pipedrive.deal_field is None
        if code is not None and not deleted:
            self._pipedrive.deal_field = self._used = code
            return
        if account.deal_field_due_at and self._now() < account.deal_field_due_at and not deleted:
            self._pipedrive.deal_field = self._used = None
            return
        wait = FIELD_TRIED_AGAIN_AFTER
        try:
            code = await self._pipedrive.deal_field_code(NAME)
        except LookFailed as failure:
            if isinstance(failure.outcome, NotProcessed):
                raise
            code, wait = None, FAILED_AGAIN_AFTER
        self._pipedrive.deal_field = self._used = code
        due_at = None if code else self._now() + wait
        async with self._database.begin() as transaction:
            await accounts.keep_deal_field(transaction, account.key, code, due_at)
        log.info("deal_field.found" if code else "deal_field.missing", account=account.identity)
