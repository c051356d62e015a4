"""Repairs that were cut short go on, as the process that did them went away."""

from datetime import timedelta

from gitpip.actions import repairs as actions
from gitpip.actions.acting import Acting, Wake
from gitpip.clock import utc_now
from gitpip.observability.logging import get_logger
from gitpip.store.access.audit import Actor
from gitpip.store.database import Database
from gitpip.store.publications import repairs

EVERY = timedelta(seconds=5)
"""How often it is looked whether one was cut short."""

log = get_logger()


async def go_on(database: Database, wake: Wake) -> int:
    """Carry out what was cut short, for those who began it; gives the number of repairs."""
    async with database.read() as transaction:
        found = await repairs.cut_short(transaction, utc_now())
    for repair in found:
        log.info("repair.resumed", repair_id=repair.id, left=repair.total - repair.done)
        acting = Acting(database, Actor(repair.begun_by, repair.begun_via), wake)
        await actions.carry_out(acting, repair.id)
    return len(found)
