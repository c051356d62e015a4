"""Removals at GitHub: files that were taken out of a gist, and gists that were deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, update

from gitpip.model import FileKey, GistId, UserKey
from gitpip.store.database import Transaction
from gitpip.store.schema import gist_files, gists


@dataclass(frozen=True)
class Removed:
    """The newly recorded removals."""

    keys: tuple[FileKey, ...]
    """Every removed file, those of deleted gists included."""
    files: tuple[tuple[GistId, str], ...]
    """The files that were taken out of a gist."""
    gists: tuple[GistId, ...]


async def note(
    transaction: Transaction,
    user_key: UserKey,
    *,
    files: Sequence[tuple[GistId, str]],
    gone: Sequence[GistId],
    now: datetime,
) -> Removed:
    """Record which files and which gists GitHub no longer shows; their contents stay."""
    taken_out: list[tuple[GistId, str]] = []
    keys: list[FileKey] = []
    there = (gist_files.c.user_key == user_key, gist_files.c.removed_at.is_(None))
    change = update(gist_files).values(removed_at=now).returning(gist_files.c.key)
    for gist_id, filename in files:
        one = and_(gist_files.c.gist_id == gist_id, gist_files.c.filename == filename)
        marked = (await transaction.execute(change.where(one, *there))).scalars().all()
        keys += map(FileKey, marked)
        taken_out += [(gist_id, filename)] if marked else []
    deleted: list[GistId] = []
    for gist_id in gone:
        rows = await transaction.execute(change.where(gist_files.c.gist_id == gist_id, *there))
        keys += map(FileKey, rows.scalars())
        known = (gists.c.id == gist_id, gists.c.user_key == user_key, gists.c.deleted_at.is_(None))
        ids = await transaction.execute(
            update(gists).where(*known).values(deleted_at=now).returning(gists.c.id)
        )
        deleted += map(GistId, ids.scalars())
    return Removed(tuple(keys), tuple(taken_out), tuple(deleted))
