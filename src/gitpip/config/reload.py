"""The secrets of a running service: those in their files now or, on failure, the last ones."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import SecretStr

from gitpip.background import in_background
from gitpip.config import Settings, fields, read_secret
from gitpip.observability.logging import get_logger
from gitpip.observability.redaction import hide

REREAD_EVERY = timedelta(seconds=2)

log = get_logger()


class Credentials:
    """The settings of a running service, whose secrets follow their files.

    The login at the database does so as well. A change to another database needs a restart.
    """

    def __init__(self, settings: Settings) -> None:
        hide(settings.secrets)
        self._settings = settings
        self._known: dict[str, SecretStr | None] = {
            name: getattr(settings, fields()[name].attribute) for name in settings.secret_files
        }
        self._faults: dict[str, str] = {}

    @property
    def settings(self) -> Settings:
        """The settings with the secrets as they are now."""
        return self._settings

    @property
    def faults(self) -> tuple[str, ...]:
        """A sentence for each secret whose file can't be used, so that its last value is used."""
        return tuple(self._faults.values())

    def reread(self) -> bool:
        """Read every file; return whether a secret changed. Later logs hide the new one."""
        before = self._settings
        for name in [name for name in self._known if self._changes(name)]:
            self._follow(name)
        return self._settings is not before

    def _follow(self, name: str) -> None:
        update = {fields()[name].attribute: self._known[name]}
        changed = self._settings.model_copy(update=update)
        hide(changed.secrets)
        file = str(self._settings.secret_files[name])
        if changed.has_database_of(self._settings):
            self._settings = changed
            log.info("secret.changed", name=name, file=file)
        else:
            log.warning("secret.waits_for_restart", name=name, file=file)

    def _changes(self, name: str) -> bool:
        file, known = self._settings.secret_files[name], self._known[name]
        try:
            secret = read_secret(name, file)
        except ValueError as error:
            if known is None and not os.access(file, os.F_OK):
                return False  # there was never one
            if name not in self._faults:
                stays = "the last value stays in use" if known else "it stays unset"
                reason = f"{name} in {file}: {error}; {stays}"
                self._faults[name] = reason
                log.warning("secret.unreadable", name=name, reason=reason)
            return False
        if self._faults.pop(name, None):
            log.info("secret.readable", name=name, file=str(file))
        self._known[name] = secret
        return secret != known


@asynccontextmanager
async def following(
    credentials: Credentials, changed: Callable[[Settings], Awaitable[None]]
) -> AsyncIterator[None]:
    """Read the files every few seconds until the block ends; call `changed` after a change."""
    async with in_background(_follow(credentials, changed)):
        yield


async def _follow(credentials: Credentials, changed: Callable[[Settings], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(REREAD_EVERY.total_seconds())
        try:
            if await asyncio.to_thread(credentials.reread):
                await changed(credentials.settings)
        except Exception:  # whatever the error is, the files are read again
            log.exception("secrets.not_followed")
