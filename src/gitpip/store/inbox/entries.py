"""The entries of the inbox: a gist's person, files, preview, state in the CRM, and edits."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import BindParameter, and_, bindparam, func, literal, select

from gitpip.model import (
    ActivityId,
    DealId,
    FileKey,
    GistFile,
    GistId,
    PublicationId,
    PublicationState,
    UserKey,
)
from gitpip.modes import HeldBecause
from gitpip.store.database import Transaction
from gitpip.store.gists import gists as gist_rows
from gitpip.store.read_state import LINE, VIEWER, is_unread, line_of, of_tracked_users
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, revisions, user_tags, users
from gitpip.store.schema_inbox import inbox
from gitpip.store.schema_publishing import holder, shown

MAX_FILES_NAMED = 5
"""The most files of a gist that an entry names."""
COUNTED_CHARACTERS = 20_000
"""The number of characters of two revisions that are read to count the changed lines."""
WORST_FIRST = (
    PublicationState.FAILED,
    PublicationState.HELD,
    PublicationState.UNCERTAIN,
    PublicationState.SENDING,
    PublicationState.PENDING,
    PublicationState.PUBLISHED,
    PublicationState.WITHDRAWN,
    PublicationState.SKIPPED,
)
"""The order in which the states of a gist's files count: a person acts on the first ones."""


@dataclass(frozen=True)
class Sync:
    """The publication of a gist that a person should see first, and the number of such files."""

    id: PublicationId
    state: PublicationState
    activity_id: ActivityId | None
    deal_id: DealId | None
    due_at: datetime
    reason: str | None
    files: int
    """The number of files of the gist in this state."""


_sync = reader(Sync)


@dataclass(frozen=True)
class Edit:
    """The last edit of a file, with the beginnings of its contents before and after."""

    file_key: FileKey
    filename: str
    at: datetime
    before: str | None
    after: str | None


@dataclass(frozen=True)
class InboxEntry:
    """One gist of the inbox, as one reader sees it."""

    gist_id: GistId
    key: int
    user_key: UserKey
    login: str
    tags: tuple[str, ...]
    description: str | None
    html_url: str
    created_at: datetime
    at: datetime
    """The time when its newest file or content was found."""
    unread: bool
    files: tuple[GistFile, ...]
    """The last changed files, without their contents; `MAX_FILES_NAMED` at most."""
    number: int
    """The number of files of the gist."""
    preview: GistFile | None
    """A file with the beginning of its content; the one that a search found, if there was one."""
    sync: Sync | None
    edit: Edit | None
    has_credentials: bool
    """Whether one of its files was held because it may contain credentials."""

    @property
    def title(self) -> str:
        """The subject of the gist: its description, or the name of a file."""
        return (self.description or "").strip() or self.files[0].filename


# Built once: to build them takes as long as to run them.
_ids: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_keys: BindParameter[Sequence[int]] = bindparam("keys", expanding=True)
_gists = (
    of_tracked_users(
        inbox.c.key,
        inbox.c.at,
        gists.c.id,
        gists.c.user_key,
        users.c.login,
        gists.c.description,
        gists.c.html_url,
        gists.c.created_at,
        is_unread(VIEWER, LINE).label("unread"),
    )
    .join(gists, gists.c.id == inbox.c.gist_id)
    .where(inbox.c.gist_id.in_(_ids))
)
_newest_first = (
    func.coalesce(gist_files.c.revised_at, gist_files.c.found_at).desc(),
    gist_files.c.sequence,
)
_numbered = (
    select(
        gist_files.c.key,
        gist_files.c.gist_id,
        func.row_number()
        .over(partition_by=gist_files.c.gist_id, order_by=_newest_first)
        .label("place"),
        func.count().over(partition_by=gist_files.c.gist_id).label("number"),
    )
    .where(gist_files.c.gist_id.in_(_ids))
    .subquery()
)
_last_changed = select(_numbered).where(_numbered.c.place <= MAX_FILES_NAMED)
_publications = (
    select(
        gist_files.c.gist_id,
        publications.c.id,
        shown("state"),
        shown("activity_id"),
        shown("deal_id"),
        shown("due_at"),
        shown("reason"),
        literal(1).label("files"),
    )
    .join(
        publications,
        and_(publications.c.file_key == gist_files.c.key, publications.c.revision == 1),
    )
    .outerjoin(holder, holder.c.id == publications.c.part_of)
    .where(gist_files.c.gist_id.in_(_ids))
    .order_by(publications.c.id)
)
_held_for_credentials = (
    select(gist_files.c.gist_id)
    .join(publications, publications.c.file_key == gist_files.c.key)
    .where(
        gist_files.c.gist_id.in_(_ids),
        publications.c.held_because == HeldBecause.CREDENTIALS,
    )
)
_former = select(func.substr(revisions.c.content, 1, COUNTED_CHARACTERS)).where(
    revisions.c.file_key == gist_files.c.key,
    revisions.c.revision == gist_files.c.revision - 1,
)
_last_edits = select(
    gist_files.c.key,
    func.substr(gist_files.c.content, 1, COUNTED_CHARACTERS).label("after"),
    _former.scalar_subquery().label("before"),
).where(gist_files.c.key.in_(_keys))
_tags_of_users = (
    select(user_tags.c.user_key, user_tags.c.tag)
    .where(user_tags.c.user_key.in_(_keys))
    .order_by(user_tags.c.tag)
)


async def entries(
    transaction: Transaction,
    viewer: str,
    ids: Sequence[GistId],
    *,
    searched: Mapping[GistId, FileKey] | None = None,
    content_limit: int = gist_rows.PREVIEW_CHARACTERS,
) -> tuple[InboxEntry, ...]:
    """Return these gists of tracked users in the given order, with previews of `content_limit`.

    `content_limit` counts characters. `searched` names the file of each gist that a search has
    found.
    """
    line = await line_of(transaction, viewer)
    found = await transaction.execute(_gists, {"viewer": viewer, "line": line, "ids": ids})
    rows = {GistId(row.id): row for row in found}
    files, numbers = await _files(transaction, list(rows))
    previews = await _previews(transaction, files, searched or {}, content_limit)
    syncs = await _syncs(transaction, list(rows))
    edits = await _edits(transaction, files)
    suspicious = await with_credentials(transaction, list(rows))
    tags = await _tags(transaction, {row.user_key for row in rows.values()})
    return tuple(
        InboxEntry(
            gist_id=gist_id,
            key=row.key,
            user_key=UserKey(row.user_key),
            login=row.login,
            tags=tuple(tags[row.user_key]),
            description=row.description,
            html_url=row.html_url,
            created_at=row.created_at,
            at=row.at,
            unread=bool(row.unread),
            files=tuple(files[gist_id]),
            number=numbers[gist_id],
            preview=previews.get(gist_id),
            sync=syncs.get(gist_id),
            edit=edits.get(gist_id),
            has_credentials=gist_id in suspicious,
        )
        for gist_id in ids
        if (row := rows.get(gist_id)) is not None and files[gist_id]
    )


async def _files(
    transaction: Transaction, ids: Sequence[GistId]
) -> tuple[dict[GistId, list[GistFile]], Counter[GistId]]:
    """Return the last changed files of each gist, and the number of its files."""
    chosen = await transaction.execute(_last_changed, {"ids": ids})
    places = {row.key: row for row in chosen}
    numbers = Counter({GistId(row.gist_id): row.number for row in places.values()})
    found = await gist_rows.some(transaction, [FileKey(key) for key in places], content_limit=0)
    files: dict[GistId, list[GistFile]] = defaultdict(list)
    for file in sorted(found, key=lambda file: places[file.key].place):
        files[file.gist_id].append(file)
    return files, numbers


async def _previews(
    transaction: Transaction,
    files: Mapping[GistId, Sequence[GistFile]],
    searched: Mapping[GistId, FileKey],
    content_limit: int,
) -> dict[GistId, GistFile]:
    keys = [searched.get(gist_id, own[0].key) for gist_id, own in files.items() if own]
    found = await gist_rows.some(transaction, keys, content_limit=content_limit)
    return {file.gist_id: file for file in found}


async def _syncs(transaction: Transaction, ids: Sequence[GistId]) -> dict[GistId, Sync]:
    """Return the publication of each gist that is in the worst state."""
    rows = await transaction.execute(_publications, {"ids": ids})
    of_gist: dict[GistId, list[Sync]] = defaultdict(list)
    for row in rows:
        of_gist[GistId(row.gist_id)].append(_sync(row))
    return {gist_id: _worst(own) for gist_id, own in of_gist.items()}


async def with_credentials(transaction: Transaction, ids: Collection[GistId]) -> Collection[GistId]:
    """Return the gists with a file that was held because it may contain credentials."""
    rows = await transaction.execute(_held_for_credentials, {"ids": list(ids)})
    return {GistId(gist_id) for gist_id in rows.scalars()}


def _worst(syncs: Sequence[Sync]) -> Sync:
    first = min(syncs, key=lambda one: WORST_FIRST.index(one.state))
    return replace(first, files=sum(one.state is first.state for one in syncs))


async def _edits(
    transaction: Transaction, files: Mapping[GistId, Sequence[GistFile]]
) -> dict[GistId, Edit]:
    """Return the last edit of each gist that has one."""
    edited = {
        file.key: file
        for own in files.values()
        for file in sorted(own, key=lambda file: file.revised_at or file.found_at)[-1:]
        if file.revised_at is not None
    }
    rows = await transaction.execute(_last_edits, {"keys": list(edited)})
    edits = {}
    for row in rows:
        file = edited[FileKey(row.key)]
        at = file.revised_at or file.found_at
        edits[file.gist_id] = Edit(file.key, file.filename, at, row.before, row.after)
    return edits


async def _tags(transaction: Transaction, user_keys: Collection[int]) -> dict[int, list[str]]:
    tags: dict[int, list[str]] = defaultdict(list)
    rows = await transaction.execute(_tags_of_users, {"keys": list(user_keys)})
    for row in rows:
        tags[row.user_key].append(row.tag)
    return tags
