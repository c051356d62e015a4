"""Samples: the length of the queue every few minutes of the last day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from gitpip.store.database import Transaction
from gitpip.store.publications.publications import WAITING
from gitpip.store.rows import reader
from gitpip.store.schema import publications
from gitpip.store.schema_status import samples
from gitpip.store.visibility import of_tracked

SAMPLE_EVERY = timedelta(minutes=5)
SAMPLES_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class QueueSample:
    """The number of publications that waited at a time."""

    at: datetime
    waiting: int


_sample = reader(QueueSample)


async def sample_is_due(transaction: Transaction, now: datetime) -> bool:
    """Return whether the next sample of the queue's length is due."""
    last = await transaction.scalar(select(func.max(samples.c.at, type_=samples.c.at.type)))
    return last is None or now - last >= SAMPLE_EVERY


async def take_sample(transaction: Transaction, now: datetime) -> None:
    """Record the length of the queue, and delete samples older than a day."""
    waiting = await transaction.scalar(
        select(func.count()).where(
            publications.c.state.in_(WAITING), of_tracked(publications.c.user_key)
        )
    )
    try:
        async with transaction.begin_nested():
            await transaction.execute(insert(samples).values(at=now, waiting=waiting or 0))
    except IntegrityError:
        return
    await transaction.execute(delete(samples).where(samples.c.at < now - SAMPLES_KEPT_FOR))


async def samples_of_a_day(transaction: Transaction) -> tuple[QueueSample, ...]:
    """Return the samples that are kept, oldest first."""
    found = await transaction.execute(select(samples).order_by(samples.c.at))
    return tuple(map(_sample, found))
