"""What every endpoint stands on: the store, the settings, the ways to GitHub and the engine."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.credentials import Credentials
from gitpip.errors import GitHubError, GitHubNotFound
from gitpip.model import (
    Account,
    Backfill,
    FileKey,
    Forecast,
    User,
    check_external_id,
    check_login,
)
from gitpip.settings import Settings
from gitpip.show.caller import Caller
from gitpip.show.figures import FigureReader
from gitpip.show.links import Links
from gitpip.show.times import utc_now
from gitpip.store import users
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

FindAccount = Callable[[str], Awaitable[Account]]
"""Asks GitHub who bears a login; raises GitHubError."""
Wake = Callable[[Literal["check", "publish"]], Awaitable[None]]
"""Is told, after the commit, that work waits."""
EngineIsAlive = Callable[[], bool | None]
"""Answers for `/ready`; None in a process that only shows."""
Ailments = Callable[[], Sequence[str]]
"""What has not happened in this process for too long, a sentence for each; for `/health`."""
MakeForecast = Callable[[str, Backfill], Awaitable[Forecast]]
"""What tracking a login would publish; raises GitHubError."""


class Activity(Protocol):
    """What Pipedrive gets: a plain subject, and a note in HTML."""

    @property
    def subject(self) -> str: ...

    @property
    def note(self) -> str: ...


Preview = Callable[[AsyncConnection, FileKey, int], Awaitable[Activity]]
"""The activity of a file's revision, as it would be sent now."""

log = get_logger()


@dataclass(frozen=True)
class Setting:
    """The surroundings of a request."""

    database: Database
    credentials: Credentials
    find_account: FindAccount
    wake: Wake
    engine_is_alive: EngineIsAlive
    ailments: Ailments
    forecast: MakeForecast
    preview: Preview

    @property
    def settings(self) -> Settings:
        """The settings, with the secrets as they are now."""
        return self.credentials.settings

    @cached_property
    def figures(self) -> FigureReader:
        """What the rows say in figures, kept for a while for all requests."""
        return FigureReader(self.database)

    @property
    def links(self) -> Links:
        """Where the pages may lead."""
        return Links.of(self.settings)

    async def track(
        self,
        login: str,
        external_id: str | None,
        backfill: Backfill | None = None,
        details: users.Changes = users.NOTHING,
        *,
        who: Caller,
    ) -> users.Added:
        """Track a user, asking GitHub only where the store does not know the answer.

        Raises InvalidInput, UserConflict, GitHubNotFound. When GitHub can't be asked now the user
        is tracked without a GitHub id, and the next check asks.
        """
        check_login(login)
        if external_id is not None:
            check_external_id(external_id)
            if known := await self._known(login, external_id):
                return users.Added(known, new=False)
        account = await self._account(login)
        async with self.database.begin() as transaction:
            added = await users.add(
                transaction,
                login=account.login if account else login,
                external_id=external_id or (str(account.github_id) if account else login.lower()),
                github_id=account.github_id if account else None,
                node_id=account.node_id if account else None,
                backfill=backfill or self.settings.backfill,
                now=utc_now(),
            )
            if added.new and details != users.NOTHING:
                now = utc_now()
                user = await users.change(transaction, added.user.key, details, now)
                added = users.Added(user, new=True)
            if added.new:
                await who.did(transaction, "user.added", added.user.login)
        if added.new:
            log.info("user.added", login=added.user.login, id=added.user.external_id)
            await self.wake("check")
        return added

    async def _known(self, login: str, external_id: str) -> User | None:
        async with self.database.read() as transaction:
            return await users.known_pair(transaction, login, external_id)

    async def _account(self, login: str) -> Account | None:
        try:
            return await self.find_account(login)
        except GitHubNotFound:
            raise
        except GitHubError as error:
            log.warning("user.unconfirmed", login=login, reason=str(error))
            return None


def _setting(request: Request) -> Setting:
    setting = request.app.state.setting
    if not isinstance(setting, Setting):
        raise TypeError("the application was not made by create_app")
    return setting


In = Annotated[Setting, Depends(_setting)]
