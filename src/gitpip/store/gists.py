"""Gists and their files: what is known, what was found, what is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.model import (
    ActivityId,
    CheckId,
    FileKey,
    GistFile,
    GistId,
    Page,
    PublicationState,
    SeenGist,
    User,
    UserKey,
)
from gitpip.store.schema import gist_files, gists, publications, users


@dataclass(frozen=True)
class NewFile:
    """A file that was just stored, and its gist."""

    key: FileKey
    gist_id: GistId
    filename: str
    sequence: int


async def known_files(
    transaction: AsyncConnection, user_key: UserKey
) -> dict[tuple[GistId, str], str]:
    """The blob hash of every stored file of a user, by gist id and file name."""
    rows = await transaction.execute(
        select(gist_files.c.gist_id, gist_files.c.filename, gist_files.c.blob_hash).where(
            gist_files.c.user_key == user_key
        )
    )
    return {(GistId(gist_id), filename): blob_hash for gist_id, filename, blob_hash in rows}


async def known_gists(transaction: AsyncConnection, user_key: UserKey) -> frozenset[GistId]:
    """The ids of a user's stored gists."""
    rows = await transaction.execute(select(gists.c.id).where(gists.c.user_key == user_key))
    return frozenset(GistId(row.id) for row in rows)


async def store(
    transaction: AsyncConnection,
    user: User,
    found: Sequence[SeenGist],
    *,
    check_id: CheckId | None,
    now: datetime,
) -> tuple[NewFile, ...]:
    """Store the files of `found` that are not known yet, oldest gist first, and number them.

    The caller holds the user's row lock (`users.lock`), so the sequence is in commit order. A gist
    that belongs to another user already is left alone: an id has one owner.
    """
    known = await known_files(transaction, user.key)
    owners = await _owners(transaction, [gist.id for gist in found])
    sequence = user.last_sequence
    new: list[NewFile] = []
    for gist in sorted(found, key=lambda gist: (gist.created_at, gist.id)):
        owner = owners.get(gist.id)
        if owner is None:
            await _insert_gist(transaction, user.key, gist, check_id, now)
        elif owner != user.key:
            continue
        else:
            await _update_gist(transaction, gist)
        for file in gist.files:
            if (gist.id, file.filename) in known:
                continue
            sequence += 1
            result = await transaction.execute(
                insert(gist_files)
                .values(
                    gist_id=gist.id,
                    user_key=user.key,
                    filename=file.filename,
                    sequence=sequence,
                    blob_hash=file.blob_hash,
                    size=file.size,
                    language=file.language,
                    content=file.content,
                    truncated=int(file.truncated),
                    raw_url=file.raw_url,
                    found_at=now,
                )
                .returning(gist_files.c.key)
            )
            new.append(NewFile(FileKey(result.scalar_one()), gist.id, file.filename, sequence))
    if new:
        await transaction.execute(
            update(users)
            .where(users.c.key == user.key)
            .values(last_sequence=sequence, found_at=now)
        )
    return tuple(new)


async def between(
    transaction: AsyncConnection,
    user_key: UserKey,
    *,
    after: int,
    up_to: int,
    content_limit: int | None = None,
) -> tuple[GistFile, ...]:
    """A user's files with `after` < sequence <= `up_to`, oldest first.

    `content_limit`, if given, cuts each content after so many characters.
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


async def page(
    transaction: AsyncConnection, *, offset: int, limit: int, user_key: UserKey | None = None
) -> Page[GistFile]:
    """A slice of the stored files of tracked users, newest found first."""
    wanted: list[ColumnElement[bool]] = [users.c.removed_at.is_(None)]
    if user_key is not None:
        wanted.append(gist_files.c.user_key == user_key)
    total = await transaction.scalar(
        select(func.count())
        .select_from(gist_files.join(users, users.c.key == gist_files.c.user_key))
        .where(*wanted)
    )
    rows = await transaction.execute(
        select_files().where(*wanted).order_by(gist_files.c.key.desc()).offset(offset).limit(limit)
    )
    return Page(tuple(file_of(row) for row in rows), total or 0)


async def of_gist(transaction: AsyncConnection, gist_id: GistId) -> tuple[GistFile, ...]:
    """The files of one gist, in the order in which they were found; empty when unknown."""
    rows = await transaction.execute(
        select_files().where(gist_files.c.gist_id == gist_id).order_by(gist_files.c.sequence)
    )
    return tuple(file_of(row) for row in rows)


async def file(transaction: AsyncConnection, key: FileKey) -> GistFile:
    """One stored file."""
    return file_of((await transaction.execute(select_files().where(gist_files.c.key == key))).one())


async def _owners(transaction: AsyncConnection, ids: Sequence[GistId]) -> Mapping[GistId, UserKey]:
    owners: dict[GistId, UserKey] = {}
    for start in range(0, len(ids), 500):
        rows = await transaction.execute(
            select(gists.c.id, gists.c.user_key).where(gists.c.id.in_(ids[start : start + 500]))
        )
        owners |= {GistId(row.id): UserKey(row.user_key) for row in rows}
    return owners


async def _insert_gist(
    transaction: AsyncConnection,
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
            description=gist.description,
            html_url=gist.html_url,
            created_at=gist.created_at,
            updated_at=gist.updated_at,
            found_at=now,
        )
    )


async def _update_gist(transaction: AsyncConnection, gist: SeenGist) -> None:
    await transaction.execute(
        update(gists)
        .where(gists.c.id == gist.id)
        .values(description=gist.description, html_url=gist.html_url, updated_at=gist.updated_at)
    )


def select_files(content_limit: int | None = None) -> Select[Any]:
    """Whole rows of files, to be narrowed down and given to `file_of`."""
    content: ColumnElement[str | None] = gist_files.c.content
    if content_limit is not None:
        content = func.substr(content, 1, content_limit).label("content")
    return (
        select(
            *(column for column in gist_files.c if column is not gist_files.c.content),
            content,
            users.c.login,
            gists.c.html_url,
            gists.c.description,
            gists.c.created_at,
            gists.c.updated_at,
            publications.c.state,
            publications.c.activity_id,
        )
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == gist_files.c.user_key)
        .outerjoin(publications, publications.c.file_key == gist_files.c.key)
    )


def file_of(row: Row[Any]) -> GistFile:
    """The file of a whole row."""
    return GistFile(
        key=FileKey(row.key),
        user_key=UserKey(row.user_key),
        login=row.login,
        gist_id=GistId(row.gist_id),
        filename=row.filename,
        sequence=row.sequence,
        blob_hash=row.blob_hash,
        size=row.size,
        language=row.language,
        content=row.content,
        truncated=bool(row.truncated),
        raw_url=row.raw_url,
        html_url=row.html_url,
        description=row.description,
        created_at=row.created_at,
        updated_at=row.updated_at,
        found_at=row.found_at,
        publication=None if row.state is None else PublicationState(row.state),
        activity_id=None if row.activity_id is None else ActivityId(row.activity_id),
    )
