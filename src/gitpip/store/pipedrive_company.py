"""The company that Pipedrive's token belongs to, as Pipedrive last said."""

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.store.schema import pipedrive_company

ROW = 1


async def domain(transaction: AsyncConnection) -> str | None:
    """The part before .pipedrive.com; None before it was learned, or if Pipedrive names none."""
    found: str | None = await transaction.scalar(
        select(pipedrive_company.c.domain).where(pipedrive_company.c.id == ROW)
    )
    return found


async def is_known(transaction: AsyncConnection, credential: str) -> bool:
    """Whether the company of the token with this fingerprint was learned."""
    known = await transaction.scalar(
        select(pipedrive_company.c.credential).where(pipedrive_company.c.id == ROW)
    )
    return known == credential


async def store(
    transaction: AsyncConnection, *, domain: str | None, credential: str, now: datetime
) -> None:
    """Keep what Pipedrive said under the token with this fingerprint."""
    values = {"domain": domain, "credential": credential, "learned_at": now}
    known = await transaction.execute(
        update(pipedrive_company).where(pipedrive_company.c.id == ROW).values(values)
    )
    if not known.rowcount:
        await transaction.execute(insert(pipedrive_company).values(id=ROW, **values))
