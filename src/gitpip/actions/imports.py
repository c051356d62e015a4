"""The acts on a list of users: importing it, piece by piece."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from io import SEEK_END
from itertools import count, islice
from typing import BinaryIO

from gitpip.actions.acting import Acting
from gitpip.actions.import_preview import LookUp, new_user, preview
from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.errors import (
    OWN_FAULT,
    AccountChanged,
    GitHubError,
    GitpipError,
    ImportFailed,
    ImportNotWaiting,
)
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.users import imports
from gitpip.store.users.bulk import add_many
from gitpip.store.users.imports import Imported, ImportId
from gitpip.user_lists import columns
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import check_list, read_list
from gitpip.user_lists.rows import ImportRow, RowError

USERS_PER_TRANSACTION = 1000
IMPORT_NAME_LIMIT = 100
LOOK_UP_LIMIT = timedelta(seconds=10)
"""The longest wait of an upload's answer for what GitHub says about its usernames."""
FILE_PIECE_BYTES = 1024 * 1024
"""The bytes of each piece in which the database keeps a file."""

log = get_logger()


async def begin(
    acting: Acting, file: BinaryIO, choice: Choice | None = None, *, name: str, size: int
) -> ImportId:
    """Note that the import of a file begins. Call `carry_out` next.

    `size` is in bytes, 0 if unknown. Raises InvalidInput if the file is not a list, or if its
    columns would have to be guessed.
    """
    await asyncio.to_thread(check_list, file, choice)
    shown = _shown(name)
    async with acting.begin() as act:
        import_id = await imports.begin(
            act.transaction, name=shown, size=size, now=act.now, confirmed=True
        )
        await act.record("users.imported", shown)
    return import_id


async def upload(acting: Acting, file: BinaryIO, *, name: str, look_up: LookUp) -> ImportId:
    """Keep a file until a person has seen what would be imported, and confirms it.

    GitHub is asked which of the first usernames it does not show, and how many gists the others
    have. Raises InvalidInput if the file is not a list; then it is not kept.
    """
    looked = await preview(acting.database, file)
    shown, size = _shown(name), file.seek(0, SEEK_END)
    file.seek(0)
    async with acting.begin() as act:
        await imports.drop_old_files(act.transaction, act.now)
        import_id = await imports.begin(
            act.transaction, name=shown, size=size, now=act.now, confirmed=False
        )
        await act.record("users.import_uploaded", shown)
        for number in count():
            if not (data := await asyncio.to_thread(file.read, FILE_PIECE_BYTES)):
                break
            await imports.keep_piece(act.transaction, import_id, number, data)
    try:
        async with asyncio.timeout(LOOK_UP_LIMIT.total_seconds()):
            answer = await look_up(looked.logins)
    except (GitHubError, AccountChanged, TimeoutError) as error:
        log.info("users.import_not_looked_up", import_id=import_id, reason=str(error))
        return import_id
    async with acting.database.begin() as transaction:
        absent = [row.login for row in looked.new if row.login in answer.unknown]
        counts = {row.login: answer.gist_counts.get(row.login) for row in looked.new}
        await imports.note_looked_up(
            transaction, import_id, absent, counts, asked=len(looked.logins)
        )
    return import_id


async def confirm(acting: Acting, import_id: ImportId, choice: Choice | None) -> None:
    """Begin the import of a kept file; call `carry_out` next.

    The choice is proposed for the next file with the same headings. Raises ImportNotFound,
    InvalidInput if the choice is invalid or its columns would have to be guessed, and
    ImportNotWaiting.
    """
    async with kept_file(acting.database, import_id) as file:
        told = await asyncio.to_thread(check_list, file, choice)
    async with acting.begin() as act:
        await imports.confirm(act.transaction, import_id, act.now)
        if choice and told.first:
            kept = {"columns": dict(choice.columns), "header": choice.header}
            signature = columns.signature(told.first)
            await imports.remember_columns(act.transaction, signature, kept, act.now)
        one = await imports.get(act.transaction, import_id)
        await act.record("users.imported", one.name)


@asynccontextmanager
async def kept_file(database: Database, import_id: ImportId) -> AsyncIterator[BinaryIO]:
    """Yield the file of an import that is not done; raises ImportNotFound and ImportNotWaiting."""
    with tempfile.TemporaryFile() as file:
        for number in count():
            async with database.read() as transaction:
                data = await imports.piece(transaction, import_id, number)
                if number == 0 and data is None:
                    one = await imports.get(transaction, import_id)
                    if one.size or not one.waits:
                        raise ImportNotWaiting(f"the file of import {import_id} is no longer kept")
            if data is None:
                break
            await asyncio.to_thread(file.write, data)
        file.seek(0)
        yield file


async def carry_out(
    acting: Acting,
    import_id: ImportId,
    file: BinaryIO,
    *,
    backfill: Backfill,
    choice: Choice | None = None,
    follow: Callable[[Imported], None] = lambda imported: None,
) -> Imported:
    """Track every user of a list in a file, and note the progress.

    Good rows are imported even if others are bad. A user that GitHub did not show when the file was
    uploaded is left out; the next check asks about the others. `backfill` is for users without a
    rule of their own; `choice` says which column holds what. `follow` receives the progress. Raises
    InvalidInput if the file is not a list, or if its columns would have to be guessed, and
    ImportFailed after an internal error.
    """
    done = Imported(0, 0, ())
    async with acting.database.read() as transaction:
        looked_up = await imports.get(transaction, import_id)
    absent = {login.lower() for login in looked_up.not_on_github}
    try:
        entries = read_list(file, choice)
        while piece := await asyncio.to_thread(list, islice(entries, USERS_PER_TRANSACTION)):
            shown = [_if_shown(entry, absent) for entry in piece]
            done += await _add(acting.database, shown, backfill, import_id)
            await _advance(acting, import_id, file, done)
            follow(done)
    except GitpipError as error:
        await _end(acting, import_id, done, failure=str(error))
        raise
    except Exception as error:
        log.exception("users.import_failed", import_id=import_id)
        failed = ImportFailed(OWN_FAULT)
        await _end(acting, import_id, done, failure=str(failed))
        raise failed from error
    await _end(acting, import_id, done, failure=None)
    return done


def _if_shown(entry: ImportRow | RowError, absent: Collection[str]) -> ImportRow | RowError:
    """Return the same entry, or an error for a user that GitHub does not show."""
    if isinstance(entry, ImportRow) and entry.login.lower() in absent:
        return RowError(entry.place, f"GitHub has no user {entry.login!r}")
    return entry


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
        await imports.drop_file(act.transaction, import_id)
        if done.added:
            act.wake("check")
    log.info("users.imported", added=done.added, known=done.known, faults=len(done.faults))


async def _add(
    database: Database,
    piece: Sequence[ImportRow | RowError],
    backfill: Backfill,
    import_id: ImportId,
) -> Imported:
    wanted = [new_user(entry, backfill) for entry in piece if isinstance(entry, ImportRow)]
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


def _shown(name: str) -> str:
    """Return the name of a file for pages and the audit."""
    return "".join(mark if mark.isprintable() else "?" for mark in name)[:IMPORT_NAME_LIMIT]
