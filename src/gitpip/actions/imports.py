"""What a person does with a list of users: import it, piece by piece."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import BinaryIO

from gitpip.actions.acting import Acting
from gitpip.actions.import_file import ImportRow, RowError, read_import_file
from gitpip.clock import utc_now
from gitpip.errors import GitpipError, ImportFailed
from gitpip.model import Backfill
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.users import imports
from gitpip.store.users.bulk import NewUser, add_many
from gitpip.store.users.imports import Imported, ImportId

AT_A_TIME = 1000
NAME_LIMIT = 100

log = get_logger()


async def begin(acting: Acting, *, name: str, size: int) -> ImportId:
    """Note that the import of a file begins; `carry_out` is to follow.

    `size` is in bytes, 0 where it is not known.
    """
    shown = "".join(mark if mark.isprintable() else "?" for mark in name)[:NAME_LIMIT]
    async with acting.begin() as act:
        import_id = await imports.begin(act.transaction, name=shown, size=size, now=act.now)
        await act.record("users.imported", shown)
    return import_id


async def carry_out(
    acting: Acting,
    import_id: ImportId,
    file: BinaryIO,
    *,
    backfill: Backfill,
    follow: Callable[[Imported], None] = lambda imported: None,
) -> Imported:
    """Track every user of a file (CSV, JSON or a login a line), and note how far that is.

    Good lines are taken even where others are bad. GitHub is asked by the next check. `backfill`
    is for those who have none of their own. `follow` is told what was done so far. Raises
    InvalidInput when the file's header is wrong, ImportFailed when something went wrong here.
    """
    done = Imported(0, 0, ())
    try:
        entries = read_import_file(file)
        while piece := await asyncio.to_thread(list, islice(entries, AT_A_TIME)):
            done += await _add(acting.database, piece, backfill, import_id)
            await _advance(acting, import_id, file, done)
            follow(done)
    except GitpipError as error:
        await _end(acting, import_id, done, failure=str(error))
        raise
    except Exception as error:
        log.exception("users.import_failed", import_id=import_id)
        failed = ImportFailed("something went wrong here; the log says what")
        await _end(acting, import_id, done, failure=str(failed))
        raise failed from error
    await _end(acting, import_id, done, failure=None)
    return done


async def _advance(acting: Acting, import_id: ImportId, file: BinaryIO, done: Imported) -> None:
    async with acting.database.begin() as transaction:
        await imports.advance(
            transaction,
            import_id,
            done,
            read=file.tell() if file.seekable() else 0,
            now=acting.clock(),
        )


async def _end(acting: Acting, import_id: ImportId, done: Imported, *, failure: str | None) -> None:
    async with acting.begin() as act:
        await imports.end(act.transaction, import_id, failure=failure, now=act.now)
        if done.added:
            act.wake("check")
    log.info("users.imported", added=done.added, known=done.known, faults=len(done.faults))


async def _add(
    database: Database,
    piece: Sequence[ImportRow | RowError],
    backfill: Backfill,
    import_id: ImportId,
) -> Imported:
    wanted = [
        NewUser(
            login=entry.login,
            external_id=entry.external_id or entry.login.lower(),
            backfill=entry.backfill or backfill,
            tags=entry.tags,
            interval=entry.interval,
            mode=entry.mode,
            deal_id=entry.deal_id,
            any_id=entry.external_id is None,
        )
        for entry in piece
        if isinstance(entry, ImportRow)
    ]
    async with database.begin() as transaction:
        outcomes = await add_many(transaction, wanted, utc_now(), import_id=import_id)
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
