"""Continuing repairs that were interrupted because their process ended."""

from datetime import timedelta

from gitpip.actions import repairs as actions
from gitpip.actions.acting import Acting, Wake
from gitpip.clock import utc_now
from gitpip.observability.logging import get_logger
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database
from gitpip.store.publications import repairs

REPAIRS_CHECKED_EVERY = timedelta(seconds=5)
"""The time between two checks for interrupted repairs."""

log = get_logger()


async def go_on(database: Database, wake: Wake) -> int:
    """Carry out interrupted repairs for the people who began them; return their number."""
    async with database.read() as transaction:
        found = await repairs.cut_short(transaction, utc_now())
    for repair in found:
        log.info("repair.resumed", repair_id=repair.id, left=repair.total - repair.done)
        acting = Acting(database, Actor(repair.begun_by, repair.begun_via), wake)
        await actions.carry_out(acting, repair.id)
    return len(found)
