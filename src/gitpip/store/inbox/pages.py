"""The gists of a page of the inbox, found without reading many more than it shows.

There are three orders. Without a filter, and for unread gists, it is the order of arrival or edit.
Between days of GitHub's time, it is the order of creation. For words or properties of files, it is
the order in which the files were found, since the indexes of these give files.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from gitpip.clock import EPOCH
from gitpip.model import FileKey, GistId
from gitpip.store import listing
from gitpip.store.among import among
from gitpip.store.database import Transaction
from gitpip.store.listing import FileWanted
from gitpip.store.publications.publication_rows import shown_in
from gitpip.store.read_state import is_unread, line_of, of_few, of_tracked_users
from gitpip.store.schema import gist_files, publications
from gitpip.store.schema_inbox import inbox

WINDOWS = (200, 2_000, 4_000)
"""The number of gists searched for one page, one window after the other.

Then the page shows the gists that were found, and the next page continues after them.
"""
POSITION_DIGITS = 16
"""The most digits of a number in a position, which is a key, or a time in microseconds."""
MAX_CHECKED_GISTS = 1_000
"""The most gists of certain days that are checked one by one; they may have twice as many files."""
MAX_FILES_IN_STATE = 2_500
"""The most files in a state that are checked one by one, which takes 15 ms on PostgreSQL; the two
larger windows take 40."""
CHUNKS = 3
"""How many times `listing.MAX_CHECKED_FILES` fitting files are searched for the wanted gists."""


@dataclass(frozen=True)
class GistsWanted:
    """The gists that are listed; an empty field does not narrow."""

    files: FileWanted = field(default_factory=FileWanted)
    """The conditions that one of their files must meet."""
    unread: bool = False
    edited: bool = False
    """Whether one of their files was edited."""
    created_since: datetime | None = None
    created_before: datetime | None = None
    """The time by GitHub's clock."""

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for besides that they are unread."""
        files = self.files.narrows or self.files.user_keys is not None
        return files or self.edited or self.by_creation

    @property
    def by_creation(self) -> bool:
        """Whether it asks for gists that were created on certain days."""
        return self.created_since is not None or self.created_before is not None

    @property
    def by_files(self) -> bool:
        """Whether the gists are in the order of their files."""
        if self.files.text:
            return True
        return self.narrows and not (self.unread or self.edited or self.by_creation)


@dataclass(frozen=True)
class Position:
    """The gist after which a page begins: its key or its file's, and its time of creation."""

    key: int
    created: int = 0
    """The time in microseconds since 1970; 0 in the orders that do not need it."""

    def __str__(self) -> str:
        return f"{self.created}-{self.key}" if self.created else str(self.key)

    @property
    def created_at(self) -> datetime:
        """The time when the gist was created."""
        return EPOCH + timedelta(microseconds=self.created)


@dataclass(frozen=True)
class GistPage:
    """The gists of a page, and the position of the next page; None for the last page."""

    ids: Sequence[GistId]
    next: Position | None
    files: Sequence[FileKey] = ()
    """The file of each gist that fits, if the gists are in the order of files."""


async def page(
    transaction: Transaction,
    viewer: str,
    wanted: GistsWanted,
    *,
    before: Position | None,
    limit: int,
) -> GistPage:
    """Return the first gists that fit, or those after a position."""
    if wanted.by_files:
        few = await _of_few_gists(transaction, viewer, wanted, before, limit)
        return few or await _by_files(transaction, viewer, wanted, before, limit)
    users = await listing.with_users_of_tag(transaction, wanted.files)
    line = await line_of(transaction, viewer) if wanted.unread else 0
    walk = _Walk(transaction, viewer, replace(wanted, files=users), line, limit)
    return await walk.page(before)


async def fitting_file(
    transaction: Transaction, wanted: GistsWanted, gist_id: GistId
) -> FileKey | None:
    """Return the newest file of a gist that fits, or None."""
    gist_of = await _files_of(transaction, [gist_id])
    return max(await listing.fitting(transaction, wanted.files, list(gist_of)), default=None)


async def newest_files(transaction: Transaction, wanted: GistsWanted, limit: int) -> list[FileKey]:
    """Return the newest files that fit, of the gists that were created last on the days asked for.

    `limit` is the number of gists, and that of the files.
    """
    ids: list[GistId] = []
    position = None
    for _ in range(CHUNKS):
        found = await page(transaction, "", wanted, before=position, limit=limit - len(ids))
        ids += found.ids
        position = found.next
        if position is None or len(ids) == limit:
            break
    gist_of = await _files_of(transaction, ids)
    fitting = await listing.fitting(transaction, wanted.files, list(gist_of))
    return sorted(fitting, reverse=True)[:limit]


async def count_after(
    transaction: Transaction,
    viewer: str,
    wanted: GistsWanted,
    key: int,
    *,
    shown: Collection[int] = (),
    at_most: int,
) -> int:
    """Return how many gists that fit arrived after the one with this key, up to `at_most`.

    Those whose keys are in `shown` are left out: a page shows them already.
    """
    newer = (
        select(inbox.c.key)
        .where(inbox.c.key > key, inbox.c.key.not_in(shown))
        .order_by(inbox.c.key)
        .limit(WINDOWS[1])
    )
    keys = (await transaction.execute(newer)).scalars().all()
    if not keys:
        return 0
    conditions = _conditions(viewer, replace(wanted, files=replace(wanted.files, text="")), 0)
    chosen = of_tracked_users(inbox.c.gist_id).where(among(inbox.c.key, keys), *conditions)
    if wanted.files.text:
        ids = [GistId(one) for one in (await transaction.execute(chosen)).scalars()]
        gist_of = await _files_of(transaction, ids)
        fitting = await listing.fitting(transaction, wanted.files, list(gist_of))
        return min(len({gist_of[key] for key in fitting}), at_most)
    number = select(func.count()).select_from(chosen.limit(at_most).subquery())
    return await transaction.scalar(number) or 0


def _conditions(viewer: str, wanted: GistsWanted, line: int) -> list[ColumnElement[bool]]:
    """Return the conditions on a row of `inbox`, without the words."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.unread:
        conditions.append(is_unread(viewer, line))
    if wanted.edited:
        file = select(gist_files.c.key).where(gist_files.c.gist_id == inbox.c.gist_id)
        edited = file.where(gist_files.c.revised_at.is_not(None))
        conditions.append(edited.correlate(inbox).exists())
    if wanted.created_since:
        conditions.append(inbox.c.created_at >= wanted.created_since)
    if wanted.created_before:
        conditions.append(inbox.c.created_at < wanted.created_before)
    return conditions + _of_files(wanted.files)


def _of_files(files: FileWanted) -> list[ColumnElement[bool]]:
    """Return the conditions on the user and a file of a row's gist, without the words."""
    conditions: list[ColumnElement[bool]] = []
    if files.user_keys is not None:
        conditions.append(among(inbox.c.user_key, files.user_keys))
    if files.tag:
        conditions.append(listing.has_tag(inbox.c.user_key, files.tag))
    of_file: list[ColumnElement[bool]] = []
    # The expression keeps SQLite from using its index: a gist has few files, a language has many,
    # and it took 13 seconds among 200,000 gists.
    language = func.coalesce(gist_files.c.language, "")
    found_at = func.coalesce(gist_files.c.found_at, gist_files.c.found_at)
    if files.language:
        of_file.append(language == files.language)
    if files.since:
        of_file.append(found_at >= files.since)
    if files.before:
        of_file.append(found_at < files.before)
    file = select(gist_files.c.key).where(gist_files.c.gist_id == inbox.c.gist_id, *of_file)
    if files.state:
        file = file.join(publications, publications.c.file_key == gist_files.c.key)
        file = file.where(publications.c.revision == 1, shown_in(files.state))
    if of_file or files.state:
        conditions.append(file.correlate(inbox).exists())
    return conditions


@dataclass(frozen=True)
class _Walk:
    """Searches gists in the order of the inbox, or in that of their creation."""

    transaction: Transaction
    viewer: str
    wanted: GistsWanted
    line: int
    limit: int

    async def page(self, before: Position | None) -> GistPage:
        found: list[tuple[GistId, Position]] = []
        above = self.wanted.unread and not self.wanted.by_creation
        end: Position | None = before
        ended = above and before is not None and before.key <= self.line + 1
        # Most states hold few publications: to check all of these costs less than larger windows.
        for step, size in enumerate(WINDOWS):
            if ended or len(found) > self.limit:
                break
            if step == 1 and self.wanted.files.state and (few := await self._of_few_files(before)):
                return few
            window = self._behind(select(inbox.c.key, inbox.c.created_at), end)
            if above:
                window = window.where(inbox.c.key > self.line)
            if self.wanted.by_creation:
                number, of_window, last = await self._of_rows(window, size)
            else:
                number, of_window, last = await self._between(window, size)
            ended = number < size
            if last is not None:
                chosen = of_tracked_users(inbox.c.gist_id, inbox.c.key, inbox.c.created_at)
                found += await self._first(chosen.where(of_window), self.limit + 1 - len(found))
                end = last
        if len(found) <= self.limit and not ended and not self.wanted.files.state:
            few = await self._of_few_files(before)
            if few is not None:
                return few
        if above and ended and len(found) <= self.limit:
            below = of_tracked_users(inbox.c.gist_id, inbox.c.key, inbox.c.created_at)
            below = self._behind(below.where(of_few(self.viewer, self.line)), before)
            found += await self._first(below, self.limit + 1 - len(found))
        return self._shown(found, None if ended else end)

    async def _of_few_files(self, before: Position | None) -> GistPage | None:
        """Return the page if few enough files fit to check all of them; otherwise None."""
        files = self.wanted.files
        if not files.narrows:
            return None
        most = MAX_FILES_IN_STATE if files.state else listing.MAX_CHECKED_FILES
        keys = await listing.file_keys(self.transaction, files, None, most + 1)
        if len(keys) > most:
            return None
        chosen = of_tracked_users(inbox.c.gist_id, inbox.c.key, inbox.c.created_at)
        of_files = select(gist_files.c.gist_id).where(among(gist_files.c.key, keys))
        chosen = self._behind(chosen.where(inbox.c.gist_id.in_(of_files)), before)
        # These files fit: the conditions on them are not checked for each gist once more.
        of_gists = replace(self, wanted=replace(self.wanted, files=FileWanted()))
        return self._shown(await of_gists._first(chosen, self.limit + 1), None)

    async def _of_rows(
        self, window: Select[Any], size: int
    ) -> tuple[int, ColumnElement[bool], Position | None]:
        """Return the number of a window's rows, the condition for them, and the last one."""
        rows = (await self.transaction.execute(self._ordered(window).limit(size))).all()
        last = self._position(rows[-1].key, rows[-1].created_at) if rows else None
        return len(rows), among(inbox.c.key, [row.key for row in rows]), last

    async def _between(
        self, window: Select[Any], size: int
    ) -> tuple[int, ColumnElement[bool], Position | None]:
        """Return the same of a window in the order of keys.

        Only its ends are read: thousands of rows, or of parameters, take as long as the query.
        """
        rows = self._ordered(window).limit(size).subquery()
        key = rows.c.key
        ends = select(func.count(), func.min(key), func.max(key))
        number, lowest, highest = (await self.transaction.execute(ends)).one()
        last = None if lowest is None else Position(lowest)
        return number, inbox.c.key.between(lowest or 0, highest or 0), last

    def _shown(self, found: list[tuple[GistId, Position]], end: Position | None) -> GistPage:
        shown = found[: self.limit]
        more = shown[-1][1] if len(found) > self.limit else end
        return GistPage([gist_id for gist_id, _ in shown], more)

    async def _first(self, chosen: Select[Any], number: int) -> list[tuple[GistId, Position]]:
        chosen = chosen.where(*_conditions(self.viewer, self.wanted, self.line))
        rows = await self.transaction.execute(self._ordered(chosen).limit(number))
        return [(GistId(row.gist_id), self._position(row.key, row.created_at)) for row in rows]

    def _position(self, key: int, created_at: datetime) -> Position:
        if not self.wanted.by_creation:
            return Position(key)
        return Position(key, (created_at - EPOCH) // timedelta(microseconds=1))

    def _ordered(self, chosen: Select[Any]) -> Select[Any]:
        if self.wanted.by_creation:
            return chosen.order_by(inbox.c.created_at.desc(), inbox.c.key.desc())
        return chosen.order_by(inbox.c.key.desc())

    def _behind(self, chosen: Select[Any], before: Position | None) -> Select[Any]:
        wanted = self.wanted
        if wanted.files.user_keys is not None:
            chosen = chosen.where(among(inbox.c.user_key, wanted.files.user_keys))
        if wanted.created_since:
            chosen = chosen.where(inbox.c.created_at >= wanted.created_since)
        if wanted.created_before:
            chosen = chosen.where(inbox.c.created_at < wanted.created_before)
        if before is None:
            return chosen
        if not wanted.by_creation:
            return chosen.where(inbox.c.key < before.key)
        at = before.created_at
        return chosen.where(
            inbox.c.created_at <= at,
            or_(inbox.c.created_at < at, and_(inbox.c.created_at == at, inbox.c.key < before.key)),
        )


async def _of_few_gists(
    transaction: Transaction,
    viewer: str,
    wanted: GistsWanted,
    before: Position | None,
    limit: int,
) -> GistPage | None:
    """Return the page if few gists were created on the days asked for; otherwise None.

    To check each of them takes less than to search for words that many other files hold.
    """
    if not wanted.by_creation:
        return None
    line = await line_of(transaction, viewer) if wanted.unread else 0
    chosen = of_tracked_users(inbox.c.gist_id).where(
        *_conditions(viewer, replace(wanted, files=FileWanted()), line)
    )
    of_gists = chosen.limit(MAX_CHECKED_GISTS + 1)
    ids = [GistId(one) for one in (await transaction.execute(of_gists)).scalars()]
    if len(ids) > MAX_CHECKED_GISTS:
        return None
    gist_of = await _files_of(transaction, ids, limit=2 * MAX_CHECKED_GISTS + 1)
    if len(gist_of) > 2 * MAX_CHECKED_GISTS:
        return None
    fitting = await listing.fitting(transaction, wanted.files, list(gist_of))
    found: dict[GistId, FileKey] = {}
    for key in sorted(fitting, reverse=True):
        found.setdefault(gist_of[key], key)
    if before is not None:
        found = {gist_id: key for gist_id, key in found.items() if key < before.key}
    return _cut(found, limit, None)


async def _by_files(
    transaction: Transaction,
    viewer: str,
    wanted: GistsWanted,
    before: Position | None,
    limit: int,
) -> GistPage:
    """Return the gists in the order of their newest files that fit."""
    first = end = None if before is None else FileKey(before.key)
    line = await line_of(transaction, viewer) if wanted.unread else 0
    rest = replace(wanted, files=FileWanted())
    picky = wanted.unread or wanted.edited or wanted.by_creation
    # SQLite reads all files with a common word for each chunk: one large chunk costs 50 ms, three
    # cost 150.
    number, chunks = (CHUNKS * listing.MAX_CHECKED_FILES, 1) if picky else (CHUNKS * limit, CHUNKS)
    found: dict[GistId, FileKey] = {}
    for _ in range(chunks):
        keys = await listing.file_keys(transaction, wanted.files, end, number)
        rows = await transaction.execute(
            select(gist_files.c.gist_id, func.max(gist_files.c.key).label("key"))
            .where(among(gist_files.c.key, keys))
            .group_by(gist_files.c.gist_id)
        )
        own = {GistId(row.gist_id): FileKey(row.key) for row in rows}
        if picky:
            fitting = of_tracked_users(inbox.c.gist_id).where(
                among(inbox.c.gist_id, own), *_conditions(viewer, rest, line)
            )
            chosen = set((await transaction.execute(fitting)).scalars())
            own = {gist_id: key for gist_id, key in own.items() if gist_id in chosen}
        shown_before = await _with_newer_files(transaction, wanted.files, list(own), first)
        for gist_id in sorted(own, key=lambda gist_id: -own[gist_id]):
            if gist_id not in shown_before:
                found.setdefault(gist_id, own[gist_id])
        if len(keys) < number:
            return _cut(found, limit, None)
        end = keys[-1]
        if len(found) > limit:
            break
    return _cut(found, limit, end)


def _cut(found: dict[GistId, FileKey], limit: int, end: FileKey | None) -> GistPage:
    shown = list(found)[:limit]
    if len(found) > limit:
        end = found[shown[-1]]
    files = [found[gist_id] for gist_id in shown]
    return GistPage(shown, None if end is None else Position(end), files)


async def _with_newer_files(
    transaction: Transaction, wanted: FileWanted, ids: Sequence[GistId], before: FileKey | None
) -> set[GistId]:
    """Return those of these gists that an earlier page shows, by a newer file that fits."""
    if before is None:
        return set()
    newer = await _files_of(transaction, ids, since=before)
    return {newer[key] for key in await listing.fitting(transaction, wanted, list(newer))}


async def _files_of(
    transaction: Transaction,
    ids: Sequence[GistId],
    *,
    since: FileKey | None = None,
    limit: int | None = None,
) -> dict[FileKey, GistId]:
    """Return the files of these gists, at most `limit` of them, from the key `since` on."""
    chosen = select(gist_files.c.key, gist_files.c.gist_id).where(among(gist_files.c.gist_id, ids))
    if since is not None:
        chosen = chosen.where(gist_files.c.key >= since)
    rows = await transaction.execute(chosen.limit(limit))
    return {FileKey(row.key): GistId(row.gist_id) for row in rows}


def position(text: str) -> Position | None:
    """Return the position that a text spells; None if it spells none."""
    created, _, key = text.rpartition("-")
    numbers = (created or "0", key)
    if not all(one.isascii() and one.isdigit() and len(one) <= POSITION_DIGITS for one in numbers):
        return None
    return Position(int(key), int(created or 0))
