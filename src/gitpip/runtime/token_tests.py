"""Tests of the tokens that a running service has, for the page that sets it up."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pydantic import SecretStr

from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.runtime.vendors import NOTHING_KNOWN, Known, look_at_github, look_at_pipedrive
from gitpip.status.findings import Finding
from gitpip.store.accounts.accounts import Vendor

LASTS = timedelta(minutes=1)
"""The page updates itself, and a test costs Pipedrive tokens."""


class TokenTests:
    """What the vendors say of the tokens; each answer is kept for a minute."""

    def __init__(
        self, settings: Callable[[], Settings], now: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._now = now
        self._turn = asyncio.Lock()
        self._known: dict[Vendor, tuple[SecretStr | None, datetime, tuple[Finding, ...]]] = {}

    async def test(self, vendor: Vendor, stored: Mapping[str, str]) -> tuple[Finding, ...]:
        """What a vendor says of its token now, and Pipedrive of these publishing settings."""
        settings = self._settings()
        is_github = vendor is Vendor.GITHUB
        token = settings.github_token if is_github else settings.pipedrive_token
        async with self._turn:
            if known := self._known.get(vendor):
                of, at, findings = known
                if of == token and timedelta(0) <= self._now() - at < LASTS:
                    return findings
            look = look_at_github if is_github else look_at_pipedrive
            answers = await look(settings, Known(NOTHING_KNOWN.tokens, stored))
            self._known[vendor] = token, self._now(), answers.findings
            return answers.findings
