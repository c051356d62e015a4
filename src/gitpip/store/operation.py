"""How the service is doing: pauses, and which services run beside each other."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.model import Part, Pause
from gitpip.store.schema import pauses, services

HEARTBEAT = timedelta(seconds=2)
SILENCE = timedelta(seconds=10)
"""A service that has not shown itself for so long is taken for gone."""

PUBLISHING = "publishing"
WATCHING = "watching"
SWEEPING = "sweeping"
"""Asking about many users at once; those of whom it is known that there is news are read on."""
READING = "reading"
"""Reading what is new; telling the unchanged from the others goes on."""

PAUSABLE = (WATCHING, SWEEPING, READING, PUBLISHING)


@dataclass(frozen=True)
class RunningService:
    """A service process beside this database."""

    id: str
    version: str
    part: Part
    started_at: datetime

    @property
    def works(self) -> bool:
        """Whether it watches and publishes."""
        return self.part is not Part.WEB


async def pause(
    transaction: AsyncConnection,
    name: str,
    *,
    until: datetime,
    reason: str,
    credential: str | None = None,
) -> None:
    """Stop all publishing or watching until a time, saying why.

    `credential` is the fingerprint of the token that was refused or used up, if that is the reason.
    """
    values = {"until": until, "reason": reason, "credential": credential}
    try:
        async with transaction.begin_nested():
            await transaction.execute(insert(pauses).values(name=name, **values))
    except IntegrityError:
        await transaction.execute(update(pauses).where(pauses.c.name == name).values(values))


async def resume(transaction: AsyncConnection, name: str) -> None:
    """End a pause, if there is one."""
    await transaction.execute(delete(pauses).where(pauses.c.name == name))


async def resume_with(
    transaction: AsyncConnection, names: Collection[str], credential: str
) -> tuple[str, ...]:
    """End those of these pauses that another token than `credential` caused; give their names."""
    ended = await transaction.execute(
        delete(pauses)
        .where(pauses.c.name.in_(names), pauses.c.credential != credential)
        .returning(pauses.c.name)
    )
    return tuple(ended.scalars())


async def paused(
    transaction: AsyncConnection, name: str, now: datetime, *, credential: str | None = None
) -> Pause | None:
    """The pause that holds at `now`, if any; none that another token than `credential` caused."""
    wanted = [pauses.c.name == name, pauses.c.until > now]
    if credential is not None:
        wanted.append(or_(pauses.c.credential.is_(None), pauses.c.credential == credential))
    row = (
        await transaction.execute(select(pauses.c.until, pauses.c.reason).where(*wanted))
    ).one_or_none()
    return Pause(row.until, row.reason) if row else None


async def all_paused(transaction: AsyncConnection, now: datetime) -> frozenset[str]:
    """The names of all that is paused at `now`."""
    rows = await transaction.execute(select(pauses.c.name).where(pauses.c.until > now))
    return frozenset(rows.scalars())


async def watching_held_up(transaction: AsyncConnection, now: datetime) -> Pause | None:
    """The pause that holds up watching at `now`, as a whole or in a part, if any."""
    for name in (WATCHING, SWEEPING, READING):
        if pause := await paused(transaction, name, now):
            return pause
    return None


async def show_life(
    transaction: AsyncConnection, service_id: str, *, version: str, part: Part, now: datetime
) -> None:
    """Renew this service's lease row, and clear those of services long gone."""
    renewed = await transaction.execute(
        update(services).where(services.c.id == service_id).values(heartbeat_at=now)
    )
    if renewed.rowcount == 0:
        await transaction.execute(
            insert(services).values(
                id=service_id, version=version, part=part.value, started_at=now, heartbeat_at=now
            )
        )
        await transaction.execute(
            delete(services).where(services.c.heartbeat_at < now - SILENCE * 10)
        )


async def end_life(transaction: AsyncConnection, service_id: str) -> None:
    """Give this service's lease back."""
    await transaction.execute(delete(services).where(services.c.id == service_id))


async def running(transaction: AsyncConnection, now: datetime) -> tuple[RunningService, ...]:
    """The services that showed life lately."""
    rows = await transaction.execute(
        select(services)
        .where(services.c.heartbeat_at > now - SILENCE)
        .order_by(func.lower(services.c.id))
    )
    return tuple(
        RunningService(row.id, row.version, Part(row.part), row.started_at) for row in rows
    )
