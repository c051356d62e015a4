"""The service processes beside one database, each with a heartbeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from gitpip.model import Part
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import services

HEARTBEAT = timedelta(seconds=2)
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""A service that has not shown itself for so long is taken for gone."""


@dataclass(frozen=True)
class RunningService:
    """A service process beside this database."""

    id: str
    version: str
    part: Part
    started_at: datetime
    ailments: tuple[str, ...] = ()
    """What its `/health` says is wrong."""
    clock_ahead: timedelta = timedelta(0)
    """How far its clock is ahead of GitHub's; 0 where they agree, or nothing is known."""
    has_github_token: bool | None = None
    """None where an older version does not say so."""
    has_pipedrive_token: bool | None = None

    @property
    def works(self) -> bool:
        """Whether it watches and publishes."""
        return self.part is not Part.WEB


@dataclass(frozen=True)
class Tokens:
    """Of which vendors a process has a token."""

    github: bool
    pipedrive: bool


def tokens_at_work(services: Sequence[RunningService]) -> Tokens | None:
    """What the processes that watch and publish have; None where none of them says so."""
    told = [one for one in services if one.works and one.has_pipedrive_token is not None]
    if not told:
        return None
    return Tokens(
        github=any(one.has_github_token for one in told),
        pipedrive=any(one.has_pipedrive_token for one in told),
    )


@dataclass(frozen=True)
class Heartbeat:
    """What a service process shows of itself; see `RunningService`."""

    service_id: str
    version: str
    part: Part
    ailments: Sequence[str] = ()
    clock_ahead: timedelta = timedelta(0)
    tokens: Tokens | None = None


_service = reader(RunningService)


async def record_heartbeat(transaction: Transaction, beat: Heartbeat, now: datetime) -> None:
    """Renew this service's lease row, and clear those of services long gone."""
    shown = {
        "heartbeat_at": now,
        "ailments": beat.ailments or None,
        "clock_ahead": beat.clock_ahead,
        "has_github_token": beat.tokens and beat.tokens.github,
        "has_pipedrive_token": beat.tokens and beat.tokens.pipedrive,
    }
    renewed = await transaction.execute(
        update(services).where(services.c.id == beat.service_id).values(shown)
    )
    if renewed.rowcount == 0:
        await transaction.execute(
            insert(services).values(
                id=beat.service_id,
                version=beat.version,
                part=beat.part,
                started_at=now,
                **shown,
            )
        )
        await transaction.execute(
            delete(services).where(services.c.heartbeat_at < now - HEARTBEAT_TIMEOUT * 10)
        )


async def end_heartbeat(transaction: Transaction, service_id: str) -> None:
    """Give this service's lease back."""
    await transaction.execute(delete(services).where(services.c.id == service_id))


async def running(transaction: Transaction, now: datetime) -> tuple[RunningService, ...]:
    """The services that showed life lately."""
    rows = await transaction.execute(
        select(services)
        .where(services.c.heartbeat_at > now - HEARTBEAT_TIMEOUT)
        .order_by(func.lower(services.c.id))
    )
    return tuple(map(_service, rows))
