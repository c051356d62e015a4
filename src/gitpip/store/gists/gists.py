"""Gists and their files: storing what was found, and reading what is stored."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    func,
    insert,
    null,
    select,
    type_coerce,
    update,
)

from gitpip.known_gists import KnownFile, KnownGist
from gitpip.model import (
    CheckId,
    FileKey,
    GistFile,
    GistId,
    Page,
    SeenFile,
    SeenGist,
    User,
    UserKey,
)
from gitpip.store import commit_order
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, revisions, users
from gitpip.store.schema_publishing import holder, shown
from gitpip.store.visibility import tracked

REVISION_FIELDS = ("blob_hash", "size", "language", "content", "truncated", "raw_url")
"""The fields that differ between the revisions of a file, in columns and attributes."""
FILES_READ_AT_ONCE = 500
PREVIEW_CHARACTERS = 6_000
"""The number of characters of a content that are read for a preview."""
file_of = reader(GistFile)
"""Reads the file from a whole row."""


@dataclass(frozen=True)
class StoredFile:
    """A file, and its revision, that were just stored."""

    key: FileKey
    gist_id: GistId
    filename: str
    revision: int
    blob_hash: str
    times: int = 0
    """The number of earlier times at which the file had the same content."""


@dataclass(frozen=True)
class StoredChanges:
    """The changes that `store` made."""

    new: tuple[StoredFile, ...]
    """Files that were not known before, in the order of their sequence."""
    edited: tuple[StoredFile, ...]
    """Known files with a new content."""
    back: tuple[FileKey, ...] = ()
    """Known files that GitHub shows again after a while, edited or not."""


async def known_files(
    transaction: Transaction, user_key: UserKey
) -> dict[tuple[GistId, str], KnownFile]:
    """Return every stored file of a user, by gist id and file name."""
    rows = await transaction.execute(
        select(
            gist_files.c.gist_id,
            gist_files.c.filename,
            gist_files.c.blob_hash,
            gist_files.c.removed_at,
        ).where(gist_files.c.user_key == user_key)
    )
    return {
        (GistId(gist_id), filename): KnownFile(blob_hash, removed_at is not None)
        for gist_id, filename, blob_hash, removed_at in rows
    }


async def known_gists(transaction: Transaction, user_key: UserKey) -> dict[GistId, KnownGist]:
    """Return every stored gist of a user, including those deleted from GitHub."""
    rows = await transaction.execute(
        select(gists.c.id, gists.c.updated_at, gists.c.deleted_at).where(
            gists.c.user_key == user_key
        )
    )
    return {GistId(row.id): KnownGist(row.updated_at, row.deleted_at is not None) for row in rows}


async def store(
    transaction: Transaction,
    user: User,
    found: Sequence[SeenGist],
    *,
    check_id: CheckId | None,
    now: datetime,
) -> StoredChanges:
    """Store new and changed files of the `found` gists, oldest gist first.

    New files are numbered; the old content of an edited file is kept as a revision. The caller
    holds the user's row lock (`users.lock`), so the sequence is in commit order. A gist that
    belongs to another user already is left unchanged: an id has one owner.
    """
    await commit_order.about_to_appear(transaction)
    owners = await _owners(transaction, [gist.id for gist in found])
    known = await _rows_of(transaction, [gist.id for gist in found])
    sequence = user.last_sequence
    new: list[StoredFile] = []
    edited: list[StoredFile] = []
    back: list[FileKey] = []
    for gist in sorted(found, key=lambda gist: (gist.created_at, gist.id)):
        owner = owners.get(gist.id)
        if owner is None:
            await _insert_gist(transaction, user.key, gist, check_id, now)
        elif owner != user.key:
            continue
        else:
            await touch(transaction, [gist])
        for file in gist.files:
            row = known.get((gist.id, file.filename))
            if row is None:
                sequence += 1
                key = await _insert_file(
                    transaction, user.key, gist.id, file, sequence=sequence, now=now
                )
                new.append(StoredFile(key, gist.id, file.filename, 1, file.blob_hash))
                continue
            if row.removed_at is not None:
                back.append(FileKey(row.key))
            if revised := await _revise(transaction, row, file, now):
                edited.append(revised)
    if new or edited:
        await transaction.execute(
            update(users)
            .where(users.c.key == user.key)
            .values(last_sequence=sequence, found_at=now, **_newest(new))
        )
    return StoredChanges(tuple(new), tuple(edited), tuple(back))


def _newest(new: Sequence[StoredFile]) -> dict[str, FileKey]:
    return {"found_key": max(file.key for file in new)} if new else {}


async def touch(transaction: Transaction, seen: Sequence[SeenGist]) -> None:
    """Update the rows of known gists from GitHub's answer; a deleted gist is restored."""
    for gist in seen:
        await transaction.execute(
            update(gists)
            .where(gists.c.id == gist.id)
            .values(deleted_at=None, **_said_of_itself(gist))
        )


async def between(
    transaction: Transaction,
    user_key: UserKey,
    *,
    after: int,
    up_to: int,
    content_limit: int | None = None,
) -> tuple[GistFile, ...]:
    """Return a user's files with `after` < sequence <= `up_to`, oldest first.

    `content_limit`, if given, is the number of characters that is read of each content; 0 leaves
    the contents out.
    """
    rows = await transaction.execute(
        select_files(content_limit)
        .where(
            gist_files.c.user_key == user_key,
            gist_files.c.sequence > after,
            gist_files.c.sequence <= up_to,
        )
        .order_by(gist_files.c.sequence)
    )
    return tuple(file_of(row) for row in rows)


async def in_pages(
    transaction: Transaction, user_key: UserKey, *, after: int, up_to: int
) -> AsyncIterator[tuple[GistFile, ...]]:
    """Yield a user's files with `after` < sequence <= `up_to`, in pages, without contents."""
    # A user's sequence has no gaps.
    for start in range(after, up_to, FILES_READ_AT_ONCE):
        end = min(start + FILES_READ_AT_ONCE, up_to)
        yield await between(transaction, user_key, after=start, up_to=end, content_limit=0)


async def page(
    transaction: Transaction,
    *,
    offset: int,
    limit: int,
    user_key: UserKey | None = None,
    content_limit: int | None = None,
) -> Page[GistFile]:
    """Return a page of the stored files of tracked users, newest found first.

    `content_limit`, if given, is the number of characters that is read of each content; 0 leaves
    the contents out.
    """
    wanted: list[ColumnElement[bool]] = [tracked]
    if user_key is not None:
        wanted.append(gist_files.c.user_key == user_key)
    total = await transaction.scalar(
        select(func.count())
        .select_from(gist_files.join(users, users.c.key == gist_files.c.user_key))
        .where(*wanted)
    )
    rows = await transaction.execute(
        select_files(content_limit)
        .where(*wanted)
        .order_by(gist_files.c.key.desc())
        .offset(offset)
        .limit(limit)
    )
    return Page(tuple(file_of(row) for row in rows), total or 0)


async def of_gist(transaction: Transaction, gist_id: GistId) -> tuple[GistFile, ...]:
    """Return the files of a tracked user's gist, in the order in which they were found.

    Empty if no tracked user has the gist.
    """
    rows = await transaction.execute(
        select_files().where(gist_files.c.gist_id == gist_id).order_by(gist_files.c.sequence)
    )
    return tuple(file_of(row) for row in rows)


async def keys_of_gist(transaction: Transaction, gist_id: GistId) -> tuple[FileKey, ...]:
    """Return the keys of the files of a tracked user's gist, in the same order.

    Empty if no tracked user has the gist.
    """
    found = await transaction.execute(
        select(gist_files.c.key)
        .join(users, users.c.key == gist_files.c.user_key)
        .where(tracked, gist_files.c.gist_id == gist_id)
        .order_by(gist_files.c.sequence)
    )
    return tuple(FileKey(key) for key in found.scalars())


async def keys_after(transaction: Transaction, after: FileKey, limit: int) -> tuple[FileKey, ...]:
    """Return the next keys of tracked users' files after this one, in ascending order."""
    found = await transaction.execute(
        select(gist_files.c.key)
        .join(users, users.c.key == gist_files.c.user_key)
        .where(tracked, gist_files.c.key > after)
        .order_by(gist_files.c.key)
        .limit(limit)
    )
    return tuple(FileKey(key) for key in found.scalars())


async def some(
    transaction: Transaction, keys: Sequence[FileKey], *, content_limit: int | None = None
) -> tuple[GistFile, ...]:
    """Return these files of tracked users, in the order of their keys; a few hundred at most."""
    rows = await transaction.execute(_some(content_limit), {"keys": keys})
    return tuple(file_of(row) for row in rows)


@lru_cache(maxsize=8)
def _some(content_limit: int | None) -> Select[Any]:
    chosen = gist_files.c.key.in_(bindparam("keys", expanding=True))
    return select_files(content_limit).where(chosen).order_by(gist_files.c.key)


async def file_of_gist(transaction: Transaction, gist_id: GistId, key: FileKey) -> GistFile | None:
    """Return one file of a tracked user's gist; None if there is none."""
    found = await transaction.execute(
        select_files().where(gist_files.c.gist_id == gist_id, gist_files.c.key == key)
    )
    row = found.one_or_none()
    return file_of(row) if row else None


async def file(transaction: Transaction, key: FileKey, revision: int | None = None) -> GistFile:
    """Return one stored file, at present or in a `revision`; also of a user who was removed.

    For what is sent: the user may be removed between the claim of a publication and its sending.
    """
    present = file_of(
        (await transaction.execute(_select_files().where(gist_files.c.key == key))).one()
    )
    if revision is None or revision == present.revision:
        return present
    past = {past.revision: past for past in await revisions_of(transaction, present)}
    return past[revision]


async def files_shown(
    transaction: Transaction, wanted: Collection[tuple[FileKey, int | None]]
) -> dict[tuple[FileKey, int | None], GistFile]:
    """Return several stored files, each at present or in a revision; see `file`.

    Files that are not stored are left out.
    """
    rows = await transaction.execute(
        _select_files().where(gist_files.c.key.in_({key for key, _ in wanted}))
    )
    present = {each.key: each for each in map(file_of, rows)}
    found = {}
    for key, revision in wanted:
        if key in present and revision in (None, present[key].revision):
            found[key, revision] = present[key]
        elif key in present:
            for past in await revisions_of(transaction, present[key]):
                if past.revision == revision:
                    found[key, revision] = past
    return found


async def revisions_of(transaction: Transaction, present: GistFile) -> tuple[GistFile, ...]:
    """Return the former revisions of a file, oldest first: the file with their contents."""
    rows = await transaction.execute(
        select(revisions).where(revisions.c.file_key == present.key).order_by(revisions.c.revision)
    )
    return tuple(
        replace(
            present,
            revision=row.revision,
            revised_at=row.found_at if row.revision > 1 else None,
            **{name: getattr(row, name) for name in REVISION_FIELDS},
        )
        for row in rows
    )


async def _owners(transaction: Transaction, ids: Sequence[GistId]) -> Mapping[GistId, UserKey]:
    owners: dict[GistId, UserKey] = {}
    for start in range(0, len(ids), 500):
        rows = await transaction.execute(
            select(gists.c.id, gists.c.user_key).where(gists.c.id.in_(ids[start : start + 500]))
        )
        owners |= {GistId(row.id): UserKey(row.user_key) for row in rows}
    return owners


async def _rows_of(
    transaction: Transaction, ids: Sequence[GistId]
) -> dict[tuple[GistId, str], Row[Any]]:
    found: dict[tuple[GistId, str], Row[Any]] = {}
    for start in range(0, len(ids), 500):
        rows = await transaction.execute(
            select(gist_files).where(gist_files.c.gist_id.in_(ids[start : start + 500]))
        )
        found |= {(GistId(row.gist_id), row.filename): row for row in rows}
    return found


async def _insert_gist(
    transaction: Transaction,
    user_key: UserKey,
    gist: SeenGist,
    check_id: CheckId | None,
    now: datetime,
) -> None:
    await transaction.execute(
        insert(gists).values(
            id=gist.id,
            user_key=user_key,
            check_id=check_id,
            created_at=gist.created_at,
            found_at=now,
            **_said_of_itself(gist),
        )
    )


async def _insert_file(
    transaction: Transaction,
    user_key: UserKey,
    gist_id: GistId,
    file: SeenFile,
    *,
    sequence: int,
    now: datetime,
) -> FileKey:
    result = await transaction.execute(
        insert(gist_files)
        .values(
            gist_id=gist_id,
            user_key=user_key,
            filename=file.filename,
            sequence=sequence,
            found_at=now,
            **_content_of(file),
        )
        .returning(gist_files.c.key)
    )
    return FileKey(result.scalar_one())


async def _revise(
    transaction: Transaction, row: Row[Any], file: SeenFile, now: datetime
) -> StoredFile | None:
    """Update a known file and keep its former content; return the revision if it is new."""
    if row.blob_hash == file.blob_hash:
        if row.removed_at is None:
            return None
        await transaction.execute(
            update(gist_files).where(gist_files.c.key == row.key).values(removed_at=None)
        )
        return None
    await transaction.execute(
        insert(revisions).values(
            file_key=row.key,
            revision=row.revision,
            found_at=row.revised_at or row.found_at,
            **{name: getattr(row, name) for name in REVISION_FIELDS},
        )
    )
    await transaction.execute(
        update(gist_files)
        .where(gist_files.c.key == row.key)
        .values(revision=row.revision + 1, revised_at=now, removed_at=None, **_content_of(file))
    )
    times = await transaction.scalar(
        select(func.count()).where(
            revisions.c.file_key == row.key, revisions.c.blob_hash == file.blob_hash
        )
    )
    key, gist_id = FileKey(row.key), GistId(row.gist_id)
    return StoredFile(key, gist_id, row.filename, row.revision + 1, file.blob_hash, times or 0)


def _said_of_itself(gist: SeenGist) -> dict[str, object]:
    # Lists do not say whether a gist is a fork: the stored value stays.
    told = {} if gist.is_fork is None else {"is_fork": gist.is_fork}
    return {
        "description": gist.description,
        "html_url": gist.html_url,
        "updated_at": gist.updated_at,
        **told,
    }


def _content_of(file: SeenFile) -> dict[str, object]:
    return {name: getattr(file, name) for name in REVISION_FIELDS}


def select_files(content_limit: int | None = None) -> Select[Any]:
    """Return the query of tracked users' files, to be narrowed down and read with `file_of`.

    `content_limit`, if given, is the number of characters that is read of each content; 0 leaves
    the contents out.
    """
    return _select_files(content_limit).where(tracked)


@lru_cache(maxsize=8)
def _select_files(content_limit: int | None = None) -> Select[Any]:
    content: ColumnElement[str | None] = gist_files.c.content
    if content_limit == 0:
        content = type_coerce(null(), gist_files.c.content.type).label("content")
    elif content_limit is not None:
        content = func.substr(content, 1, content_limit).label("content")
    return (
        select(
            *(column for column in gist_files.c if column is not gist_files.c.content),
            content,
            users.c.login,
            gists.c.html_url,
            gists.c.description,
            gists.c.is_fork,
            gists.c.created_at,
            gists.c.updated_at,
            publications.c.id.label("publication_id"),
            shown("state").label("publication"),
            shown("activity_id"),
        )
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == gist_files.c.user_key)
        .outerjoin(
            publications,
            and_(publications.c.file_key == gist_files.c.key, publications.c.revision == 1),
        )
        .outerjoin(holder, holder.c.id == publications.c.part_of)
    )
