"""The instances: the processes that share one database, each with a heartbeat."""

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
"""An instance without a heartbeat for this long is considered gone."""


@dataclass(frozen=True)
class Instance:
    """A process that uses this database."""

    id: str
    version: str
    part: Part | str
    """A text if only a newer gitpip knows the part."""
    started_at: datetime
    health_problems: tuple[str, ...] = ()
    """The problems that its `/health` reports."""
    clock_ahead: timedelta = timedelta(0)
    """How far its clock is ahead of GitHub's; 0 if they agree, or nothing is known."""
    has_github_token: bool | None = None
    """None if its version is older and does not report it."""
    has_pipedrive_token: bool | None = None

    @property
    def works(self) -> bool:
        """Whether it watches and publishes."""
        return self.part is not Part.WEB


@dataclass(frozen=True)
class Tokens:
    """The vendors for which a process has a token."""

    github: bool
    destination: bool


def tokens_at_work(running: Sequence[Instance]) -> Tokens | None:
    """Return the tokens of the instances that watch and publish; None if no instance reports it."""
    told = [one for one in running if one.works and one.has_pipedrive_token is not None]
    if not told:
        return None
    return Tokens(
        github=any(one.has_github_token for one in told),
        destination=any(one.has_pipedrive_token for one in told),
    )


@dataclass(frozen=True)
class Beat:
    """The heartbeat of a process; see `Instance`."""

    instance_id: str
    version: str
    part: Part
    health_problems: Sequence[str] = ()
    clock_ahead: timedelta = timedelta(0)
    tokens: Tokens | None = None


_instance = reader(Instance)


async def record_heartbeat(transaction: Transaction, beat: Beat, now: datetime) -> None:
    """Renew this instance's row, and delete those of instances that are long gone."""
    shown = {
        "heartbeat_at": now,
        "health_problems": beat.health_problems or None,
        "clock_ahead": beat.clock_ahead,
        "has_github_token": beat.tokens and beat.tokens.github,
        "has_pipedrive_token": beat.tokens and beat.tokens.destination,
    }
    renewed = await transaction.execute(
        update(services).where(services.c.id == beat.instance_id).values(shown)
    )
    if renewed.rowcount == 0:
        await transaction.execute(
            insert(services).values(
                id=beat.instance_id,
                version=beat.version,
                part=beat.part,
                started_at=now,
                **shown,
            )
        )
        await transaction.execute(
            delete(services).where(services.c.heartbeat_at < now - HEARTBEAT_TIMEOUT * 10)
        )


async def end_heartbeat(transaction: Transaction, instance_id: str) -> None:
    """Delete this instance's row."""
    await transaction.execute(delete(services).where(services.c.id == instance_id))


async def running(transaction: Transaction, now: datetime) -> tuple[Instance, ...]:
    """Return the instances with a recent heartbeat."""
    rows = await transaction.execute(
        select(services)
        .where(services.c.heartbeat_at > now - HEARTBEAT_TIMEOUT)
        .order_by(func.lower(services.c.id))
    )
    return tuple(map(_instance, rows))
