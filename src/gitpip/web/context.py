"""What every endpoint stands on: the store, the settings, the ways to GitHub and the engine."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request

from gitpip.actions.imports import FindAccount, add_user
from gitpip.config import Settings
from gitpip.config.reload import Credentials
from gitpip.model import Backfill, FileKey, Forecast
from gitpip.observability.logging import get_logger
from gitpip.status.reading import Surroundings
from gitpip.store.accounts import pipedrive_company
from gitpip.store.database import Database, Transaction
from gitpip.store.users import users
from gitpip.web.auth.first_key import FirstKey
from gitpip.web.auth.identity import Identity
from gitpip.web.ops.readiness import Readiness
from gitpip.web.ops.stats import StatsReader
from gitpip.web.render.links import Links

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


Preview = Callable[[Transaction, FileKey, int], Awaitable[Activity]]
"""The activity of a file's revision, as it would be sent now."""

log = get_logger()


@dataclass(frozen=True)
class AppContext:
    """The surroundings of a request."""

    database: Database
    credentials: Credentials
    find_account: FindAccount
    wake: Wake
    engine_is_alive: EngineIsAlive
    ailments: Ailments
    forecast: MakeForecast
    preview: Preview
    first_key: FirstKey = field(default_factory=FirstKey)

    @property
    def settings(self) -> Settings:
        """The settings, with the secrets as they are now."""
        return self.credentials.settings

    @cached_property
    def stats(self) -> StatsReader:
        """What the rows say in figures, kept for a while for all requests."""
        return StatsReader(self.database, lambda: self.surroundings)

    @property
    def surroundings(self) -> Surroundings:
        """What the status must know that the rows do not say."""
        return Surroundings(
            settings=self.settings,
            secret_faults=self.credentials.faults,
            ailments=self.ailments(),
            engine_is_alive=self.engine_is_alive(),
        )

    @cached_property
    def readiness(self) -> Readiness:
        """What the database said last about being ready, for all probes."""
        return Readiness(self.database)

    async def links(self) -> Links:
        """Where the pages may lead."""
        async with self.database.read() as transaction:
            company = await pipedrive_company.domain(transaction)
        return Links.of(self.settings, company)

    async def add_user(
        self,
        login: str,
        external_id: str | None,
        backfill: Backfill | None = None,
        details: users.Changes = users.NOTHING,
        *,
        identity: Identity,
    ) -> users.Added:
        """Track a user, and have somebody look at once; see `gitpip.actions.imports.add_user`."""
        added = await add_user(
            self.database,
            login,
            external_id=external_id,
            backfill=backfill or self.settings.backfill,
            details=details,
            find_account=self.find_account,
            did=identity.did,
        )
        if added.new:
            log.info("user.added", login=added.user.login, id=added.user.external_id)
            await self.wake("check")
        return added


def _setting(request: Request) -> AppContext:
    context = request.app.state.context
    if not isinstance(context, AppContext):
        raise TypeError("the application was not made by create_app")
    return context


Context = Annotated[AppContext, Depends(_setting)]
