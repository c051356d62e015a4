"""The context of every endpoint: the store, the settings, the clients and the scheduler."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Protocol

from fastapi import Depends, Request

from gitpip.actions.acting import Acting, Wake
from gitpip.actions.adding import MakeForecast
from gitpip.actions.import_preview import LookUp
from gitpip.actions.publishing_settings import Check as CheckSettings
from gitpip.actions.users import FindAccount
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.config.reload import Credentials
from gitpip.errors import DatabaseUnavailable, TooManyTrials
from gitpip.model import FileKey
from gitpip.modes import FoundCredentials
from gitpip.publish.activity import Rendered
from gitpip.publish.chosen_targets import CheckTarget, SearchTargets
from gitpip.share import Share
from gitpip.status.findings import Finding
from gitpip.status.readiness import Readiness
from gitpip.status.reading import ProcessFacts, ServiceCondition, read, read_stops
from gitpip.status.stats import StatsReader
from gitpip.status.timed_cache import TimedCache
from gitpip.store import listing
from gitpip.store.accounts import accounts
from gitpip.store.database import Database, Transaction
from gitpip.store.schema_accounts import Vendor
from gitpip.web.auth.first_key import FirstKey
from gitpip.web.auth.identity import identity_of
from gitpip.web.render.links import Links

SchedulerIsAlive = Callable[[], bool | None]
"""Answers for `/ready`; None in a process that only shows."""
HealthProblems = Callable[[], Sequence[str]]
"""Return what has not happened in this process for too long, a sentence for each; for
`/health`."""
CONDITION_KEPT_FOR = timedelta(seconds=2)
"""The time for which the status is not read again for the inbox. It takes 58 queries, more than a
page of the inbox: 72 ms with 100,000 users and a million gists on PostgreSQL."""
CONDITION_SHOWN_FOR = timedelta(seconds=30)
"""The time for which the inbox shows an older status at once, and reads it again afterwards. What
someone does in this process shows at once, apart from work that goes on after the answer."""
LANGUAGES_KEPT_FOR = timedelta(minutes=1)
"""The time for which the inbox offers the same languages, which take 5 ms to read in the same
place. A new language is rare, and after an act in this process, as a removal, they are read again.
"""

TRIALS = 2
TRIALS_WAIT = timedelta(seconds=5)
"""The number of trials of the rules that run at a time, and how long further ones wait."""


class Preview(Protocol):
    """The activity of a file's revision, as it would be sent now.

    A file that is held for credentials is shown as an approval with these `credentials` sends it.
    """

    def __call__(
        self,
        transaction: Transaction,
        key: FileKey,
        revision: int,
        /,
        *,
        credentials: FoundCredentials = ...,
    ) -> Awaitable[Rendered]: ...


class TokenTests(Protocol):
    """Ask the vendors about the tokens of this service."""

    def last(self, vendor: Vendor) -> Sequence[Finding] | None:
        """Return what a vendor said about the present token within the last minute, or None."""

    async def test(self, vendor: Vendor, stored: Mapping[str, str]) -> Sequence[Finding]:
        """Return what a vendor says about its token, and Pipedrive about these stored settings."""


@dataclass(frozen=True)
class AppContext:
    """The database, the settings, and the functions of the process that requests use."""

    whole_database: Database
    """The database with all connections, for what is asked at most once at a time; `database` is
    for the rest."""
    credentials: Credentials
    find_account: FindAccount
    wake: Wake
    scheduler_is_alive: SchedulerIsAlive
    health_problems: HealthProblems
    instance_id: str
    """The id of this process among the instances."""
    forecast: MakeForecast
    look_up: LookUp
    preview: Preview
    check_settings: CheckSettings
    check_target: CheckTarget
    search_targets: SearchTargets
    token_tests: TokenTests
    first_key: FirstKey = field(default_factory=FirstKey)

    @property
    def settings(self) -> Settings:
        """The settings, with the secrets as they are now."""
        return self.credentials.settings

    @cached_property
    def database(self) -> Database:
        """The database for requests: at most half of the connections, however many people ask.

        The others are left for watching, publishing and the scheduler.
        """
        return self.whole_database.shared(max(1, self.whole_database.pool.limit // 2))

    @cached_property
    def database_of_keys(self) -> Database:
        """The database for recognising callers, which must not wait until slow reads have ended."""
        return self.whole_database.shared(max(1, self.whole_database.pool.limit // 4))

    @cached_property
    def trials(self) -> Share:
        """Places for trials of the rules: each keeps a thread and a processor busy for seconds."""
        return Share(TRIALS, TRIALS_WAIT, TooManyTrials)

    @cached_property
    def stats(self) -> StatsReader:
        """Return the numbers of the rows, kept for a while for all requests."""
        return StatsReader(self.whole_database, lambda: self.process)

    @cached_property
    def recent_condition(self) -> TimedCache[ServiceCondition]:
        """The status, kept for a moment for all pages."""
        return TimedCache(self._condition, CONDITION_KEPT_FOR)

    @cached_property
    def recent_languages(self) -> TimedCache[tuple[str, ...]]:
        """The languages of all files, kept for a while for all pages."""
        return TimedCache(self._languages, LANGUAGES_KEPT_FOR)

    async def _languages(self) -> tuple[str, ...]:
        async with self.database.read() as transaction:
            return await listing.languages(transaction)

    async def condition_shown(self) -> ServiceCondition:
        """Return the status for a page that is opened often; `renew_condition` follows its answer.

        Raises `DatabaseUnavailable`.
        """
        last = self.recent_condition.last(CONDITION_SHOWN_FOR)
        return last or await self.recent_condition.read()

    async def renew_condition(self) -> None:
        """Read the status again if it is old; without an answer, the next page asks and says so."""
        with suppress(DatabaseUnavailable):
            await self.recent_condition.read()

    async def _condition(self) -> ServiceCondition:
        async with self.whole_database.read() as transaction:
            return await read(transaction, self.process, utc_now())

    async def stops(self, transaction: Transaction) -> ServiceCondition:
        """Return only what stops watching or publishing: cheap, however many files wait."""
        return await read_stops(transaction, self.process, utc_now())

    @property
    def process(self) -> ProcessFacts:
        """Return the facts for the status that the rows do not hold."""
        return ProcessFacts(
            settings=self.settings,
            secret_faults=self.credentials.faults,
            health_problems=self.health_problems(),
            instance_id=self.instance_id,
            scheduler_is_alive=self.scheduler_is_alive(),
        )

    @cached_property
    def readiness(self) -> Readiness:
        """Return the last answer of the database about being ready, for all probes."""
        return Readiness(self.whole_database)

    async def links(self, transaction: Transaction) -> Links:
        """Return the sites that the pages may lead to."""
        return Links.of(self.settings, await accounts.domain(transaction))


def _context(request: Request) -> AppContext:
    context = request.app.state.context
    if not isinstance(context, AppContext):
        raise TypeError("the application was not made by create_app")
    return context


Context = Annotated[AppContext, Depends(_context)]


def _acting(request: Request) -> Acting:
    context = _context(request)
    return Acting(context.database, identity_of(request).actor, context.wake)


ReaderActing = Annotated[Acting, Depends(_acting)]
"""The caller of a request, as one who marks, visits or saves a filter. The status tells nothing of
these acts."""


async def _acting_on_service(acting: ReaderActing, context: Context) -> AsyncIterator[Acting]:
    yield acting
    context.recent_condition.forget()
    context.recent_languages.forget()


CurrentActing = Annotated[Acting, Depends(_acting_on_service, scope="function")]
"""The caller of a request, as one who acts. The next page tells what the act changed."""
