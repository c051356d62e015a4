"""Users of a list taken into the store, piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from gitpip.actions.import_file import ImportRow, RowError, read_import_file
from gitpip.clock import utc_now
from gitpip.model import Backfill
from gitpip.store.database import Database
from gitpip.store.users.bulk import NewUser, add_many

AT_A_TIME = 1000


@dataclass(frozen=True)
class Imported:
    """What an import did; `faults` holds one line for each bad line of the file."""

    added: int
    known: int
    faults: tuple[str, ...]

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(
            self.added + other.added, self.known + other.known, self.faults + other.faults
        )


async def import_users(
    database: Database, file: BinaryIO, *, backfill: Backfill
) -> AsyncIterator[Imported]:
    """Track every user of a file (CSV, JSON or a login a line); give what each piece did.

    Good lines are taken even where others are bad. GitHub is asked by the next check. `backfill`
    is for those who have none of their own. Raises InvalidInput when the file's header is wrong.
    """
    entries = read_import_file(file)
    while piece := await asyncio.to_thread(list, islice(entries, AT_A_TIME)):
        yield await _add(database, piece, backfill)


async def _add(
    database: Database, piece: Sequence[ImportRow | RowError], backfill: Backfill
) -> Imported:
    wanted = [
        NewUser(
            login=entry.login,
            external_id=entry.external_id or entry.login.lower(),
            backfill=entry.backfill or backfill,
            tags=entry.tags,
            interval=entry.interval,
            deal_id=entry.deal_id,
            any_id=entry.external_id is None,
        )
        for entry in piece
        if isinstance(entry, ImportRow)
    ]
    async with database.begin() as transaction:
        outcomes = await add_many(transaction, wanted, utc_now())
    fates = iter(outcomes)
    faults = []
    for entry in piece:
        reason = entry.reason if isinstance(entry, RowError) else next(fates).conflict
        if reason:
            faults.append(f"{entry.place}: {reason}")
    return Imported(
        added=sum(outcome.added for outcome in outcomes),
        known=sum(not outcome.added and not outcome.conflict for outcome in outcomes),
        faults=tuple(faults),
    )
