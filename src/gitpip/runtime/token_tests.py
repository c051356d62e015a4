"""Tests of the tokens of a running service, for the page that sets it up."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pydantic import SecretStr

from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.runtime.vendors import NOTHING_KNOWN, VendorFacts, look_at_destination, look_at_github
from gitpip.status.findings import Finding
from gitpip.store.schema_accounts import Vendor

RESULT_KEPT_FOR = timedelta(minutes=1)
"""The time that a result is kept: a test costs Pipedrive tokens."""


class CachedTokenTests:
    """The vendors' answers about the tokens, each kept for a minute."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._known: dict[Vendor, tuple[SecretStr | None, datetime, tuple[Finding, ...]]] = {}

    def last(self, vendor: Vendor) -> tuple[Finding, ...] | None:
        """Return what a vendor said about the present token within the last minute, or None."""
        if known := self._known.get(vendor):
            of, at, findings = known
            if of == self._token(vendor) and timedelta(0) <= utc_now() - at < RESULT_KEPT_FOR:
                return findings
        return None

    async def test(self, vendor: Vendor, stored: Mapping[str, str]) -> tuple[Finding, ...]:
        """Return what a vendor says about its token, and Pipedrive about these settings."""
        async with self._turn:
            if (known := self.last(vendor)) is not None:
                return known
            look = look_at_github if vendor is Vendor.GITHUB else look_at_destination
            token = self._token(vendor)
            answers = await look(self._settings(), VendorFacts(NOTHING_KNOWN.tokens, stored))
            self._known[vendor] = token, utc_now(), answers.findings
            return answers.findings

    def _token(self, vendor: Vendor) -> SecretStr | None:
        settings = self._settings()
        return settings.github_token if vendor is Vendor.GITHUB else settings.pipedrive_token
