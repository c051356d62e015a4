"""Lists of files for the pages: filtered, sorted, and a page at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, select

from gitpip.model import FileKey, GistFile, PublicationState, UserKey
from gitpip.store import commit_order
from gitpip.store.among import among
from gitpip.store.database import Transaction
from gitpip.store.gists import search
from gitpip.store.gists.gists import PREVIEW_CHARACTERS, some
from gitpip.store.publications.publication_rows import are_few, kinds_in, newest_of, shown_in
from gitpip.store.schema import gist_files, gists, publications, user_tags, users
from gitpip.store.visibility import of_tracked, tracked


@dataclass(frozen=True)
class FileWanted:
    """The files to list; an empty field does not narrow."""

    text: str = ""
    language: str = ""
    tag: str = ""
    state: PublicationState | None = None
    since: datetime | None = None
    before: datetime | None = None
    user_keys: Sequence[UserKey] | None = None
    """The only users whose files are listed."""

    @property
    def narrows(self) -> bool:
        """Whether any filter is set."""
        return any((self.text, self.language, self.tag, self.state, self.since, self.before))

    @property
    def narrows_only_by_state(self) -> bool:
        """Whether a state is the only filter."""
        return self == FileWanted(state=self.state) and self.state is not None


async def list_files(
    transaction: Transaction,
    wanted: FileWanted,
    *,
    before: FileKey | None,
    limit: int,
    content_limit: int = PREVIEW_CHARACTERS,
) -> tuple[GistFile, ...]:
    """Return the newest files found, with the beginnings of their contents.

    `before` is for the next page. A row more than `limit` shows that there is a next page.
    """
    keys = await file_keys(transaction, wanted, before, limit + 1)
    return await files_with_keys(transaction, keys, content_limit)


async def files_with_keys(
    transaction: Transaction, keys: Sequence[FileKey], content_limit: int = PREVIEW_CHARACTERS
) -> tuple[GistFile, ...]:
    """Return these files of tracked users, in this order."""
    found = await some(transaction, keys, content_limit=content_limit)
    files = {file.key: file for file in found}
    return tuple(files[key] for key in keys if key in files)


async def file_keys(
    transaction: Transaction, wanted: FileWanted, before: FileKey | None, number: int
) -> list[FileKey]:
    """Return the keys of the newest files that fit, without reading more of them than needed."""
    wanted = await with_users_of_tag(transaction, wanted)
    lowest, highest = await _keys_of_days(transaction, wanted, before)
    if await _begins_with_state(transaction, wanted):
        return await _keys_of_state_and_words(transaction, wanted, before, number)
    if wanted.text and transaction.dialect.name == "sqlite":
        return await _keys_of_words_on_sqlite(transaction, wanted, lowest, highest, number)
    if wanted.user_keys is not None and not wanted.text:
        return await _first(transaction, _between(_fitting(wanted), lowest, highest), number)
    # Usually enough of the newest fit; then it does not matter how many there are in all.
    recent = max(lowest, await _window(transaction, highest))
    words = await search.holding(transaction, wanted.text) if wanted.text else None
    newest = _between(_fitting(wanted, words), recent, highest)
    if words is not None:
        newest = newest.where(words.key >= recent, words.key <= highest)
    keys = await _first(transaction, newest, number)
    if len(keys) == number or recent == lowest:
        return keys
    if words is not None:
        are_common = await _are_common(transaction, words, recent, highest)
        find = _keys_of_files_and_words if are_common else _keys_of_words
        return await find(transaction, wanted, words, (lowest, highest), number)
    return await _first(transaction, _between(_fitting(wanted, words), lowest, highest), number)


async def _keys_of_state(
    transaction: Transaction, wanted: FileWanted, before: FileKey | None, number: int
) -> list[FileKey]:
    """Return the files of the newest publications in a state that fit, apart from the words."""
    ordered, state = publications.c.id, wanted.state
    rest = replace(wanted, text="", state=None)
    chosen = (
        select(ordered, publications.c.file_key)
        .join(users, users.c.key == publications.c.user_key)
        .where(tracked, publications.c.revision == 1)
    )
    if rest.narrows:
        chosen = chosen.join(gist_files, gist_files.c.key == publications.c.file_key)
        # Expressions keep SQLite from an index that finds far more than the one of states.
        chosen = chosen.where(
            *_conditions_of_file(rest, lambda column: func.coalesce(column, column))
        )
    if before is not None:
        of_before = select(ordered).where(
            publications.c.file_key == before, publications.c.revision == 1
        )
        chosen = chosen.where(ordered < of_before.scalar_subquery())
    kinds = await kinds_in(transaction, [state] if state else [])
    newest = newest_of(chosen, kinds, number).subquery()
    return await _first(transaction, select(newest.c.file_key).order_by(newest.c.id.desc()), number)


async def _begins_with_state(transaction: Transaction, wanted: FileWanted) -> bool:
    """Return whether the index of states finds the files with the least reading."""
    if wanted.state is None or wanted.user_keys is not None:
        return False
    return wanted.narrows_only_by_state or await are_few(transaction, wanted.state)


async def _keys_of_state_and_words(
    transaction: Transaction, wanted: FileWanted, before: FileKey | None, number: int
) -> list[FileKey]:
    """Find the newest files in a state first, and check the words after that, in pieces."""
    if not wanted.text:
        return await _keys_of_state(transaction, wanted, before, number)
    words = await search.holding(transaction, wanted.text)
    found: list[FileKey] = []
    for amount in _amounts(number):
        keys = await _keys_of_state(transaction, wanted, before, amount)
        found += await _holding(transaction, words, keys, number - len(found))
        if len(found) == number or len(keys) < amount:
            break
        before = keys[-1]
    return found


def _amounts(number: int) -> Iterator[int]:
    """Yield how many files to check in each step until `number` of them hold the words.

    SQLite reads all that hold a word between the first and the last of them: few are enough if the
    word is common, and if it is rare this costs little for many.
    """
    amount = 2 * number
    while True:
        yield min(amount, MAX_CHECKED_FILES)
        amount *= 4


async def fitting(
    transaction: Transaction, wanted: FileWanted, keys: Sequence[FileKey]
) -> list[FileKey]:
    """Return those of a few files that fit."""
    if not keys:
        return []
    words = await search.holding(transaction, wanted.text) if wanted.text else None
    chosen = _fitting(wanted, words).where(among(gist_files.c.key, keys))
    if words is not None:
        chosen = chosen.where(words.key >= min(keys), words.key <= max(keys))
    return await _first(transaction, chosen, len(keys))


async def _holding(
    transaction: Transaction, words: search.WordIndex, keys: Sequence[FileKey], number: int
) -> list[FileKey]:
    """Return the newest of a few files that hold the words."""
    if not keys:
        return []
    chosen = select(words.key).where(words.match)
    if transaction.dialect.name == "sqlite":
        # An expression keeps SQLite from asking its index of words for each file.
        chosen = chosen.where(words.key.between(min(keys), max(keys)), among(words.key + 0, keys))
    else:
        chosen = chosen.where(among(words.key, keys))
    return await _first(transaction, chosen.order_by(words.key.desc()), number)


async def with_users_of_tag(transaction: Transaction, wanted: FileWanted) -> FileWanted:
    """Return the filter with the users of its tag instead of the tag, if they are few."""
    if not wanted.tag:
        return wanted
    some = await transaction.execute(tagged(wanted.tag).limit(MAX_CHECKED_FILES + 1))
    keys = [UserKey(key) for key in some.scalars()]
    if len(keys) > MAX_CHECKED_FILES:
        return wanted
    if wanted.user_keys is not None:
        keys = [key for key in wanted.user_keys if key in keys]
    return replace(wanted, tag="", user_keys=keys)


async def _are_common(
    transaction: Transaction, words: search.WordIndex, lowest: int, highest: int
) -> bool:
    """Return whether many of the newest files hold the words."""
    some = select(words.key).where(words.match, words.key >= lowest, words.key <= highest)
    return len(await _first(transaction, some, COMMON_WORD_FILES)) == COMMON_WORD_FILES


async def _keys_of_words_on_sqlite(
    transaction: Transaction, wanted: FileWanted, lowest: int, highest: int, number: int
) -> list[FileKey]:
    """Find the words first while files that hold them fit, otherwise the files first.

    SQLite cannot know which of the two are fewer. With the files first, and no range of keys for
    the words, it read all that hold a common word for each file: 8 seconds for 1,000 of them.
    """
    words = await search.holding(transaction, wanted.text)
    rest = replace(wanted, text="")
    if not rest.narrows and rest.user_keys is None:
        # The index gives its rows in this order, and no more of them are requested.
        chosen = _fitting(wanted, words).where(words.key.between(lowest, highest))
        return await _first(transaction, chosen.order_by(words.key.desc()), number)
    key = gist_files.c.key
    found: list[FileKey] = []
    fit = MAX_CHECKED_FILES
    while len(found) < number and fit >= MAX_CHECKED_FILES // 10:
        newest = select(words.key).where(words.match, words.key.between(lowest, highest))
        matches = await _first(transaction, newest.order_by(words.key.desc()), MAX_CHECKED_FILES)
        chosen = _fitting(rest).where(among(key, matches)).order_by(key.desc())
        fitting = await _first(transaction, chosen, MAX_CHECKED_FILES)
        found += fitting[: number - len(found)]
        if len(matches) < MAX_CHECKED_FILES:
            return found
        fit, highest = len(fitting), matches[-1] - 1
    bounds = (lowest, highest)
    missing = number - len(found)
    return found + await _keys_of_files_and_words(transaction, wanted, words, bounds, missing)


async def _keys_of_files_and_words(
    transaction: Transaction,
    wanted: FileWanted,
    words: search.WordIndex,
    bounds: tuple[int, int],
    number: int,
) -> list[FileKey]:
    """Find the files first, and check the words after that, in pieces."""
    lowest, highest = bounds
    found: list[FileKey] = []
    for amount in _amounts(number):
        if len(found) == number:
            break
        files = await _first(transaction, _between(_fitting(wanted), lowest, highest), amount)
        found += await _holding(transaction, words, files, number - len(found))
        if len(files) < amount:
            break
        highest = files[-1] - 1
    return found


async def _keys_of_words(
    transaction: Transaction,
    wanted: FileWanted,
    words: search.WordIndex,
    bounds: tuple[int, int],
    number: int,
) -> list[FileKey]:
    """Find the words first, in pieces: PostgreSQL cannot estimate how many files hold a word."""
    lowest, highest = bounds
    found: list[FileKey] = []
    matching = select(words.key.label("key")).where(words.match)
    amount = MAX_CHECKED_FILES
    while len(found) < number:
        # If it knew that a few are enough, it would read all files instead of the index of words.
        matches = matching.where(words.key >= lowest, words.key <= highest).cte("matches")
        matches = matches.prefix_with("MATERIALIZED")
        newest = select(matches.c.key).order_by(matches.c.key.desc())
        candidates = await _first(transaction, newest, amount)
        chosen = _fitting(wanted).where(among(gist_files.c.key, candidates))
        missing = number - len(found)
        found += await _first(transaction, _between(chosen, lowest, highest), missing)
        if len(candidates) < amount:
            break
        highest, amount = candidates[-1] - 1, 20 * MAX_CHECKED_FILES
    return found


async def _first(transaction: Transaction, chosen: Select[int], number: int) -> list[FileKey]:
    found = await transaction.execute(chosen.limit(number))
    return [FileKey(key) for key in found.scalars()]


def _between(chosen: Select[int], lowest: int, highest: int) -> Select[int]:
    key = gist_files.c.key
    return chosen.where(key >= lowest, key <= highest).order_by(key.desc())


def _fitting(wanted: FileWanted, words: search.WordIndex | None = None) -> Select[int]:
    """Return the query of the keys of all files that fit, of any day."""
    source = gist_files.join(users, users.c.key == gist_files.c.user_key)
    conditions: list[ColumnElement[bool]] = [tracked]
    if words is not None:
        source = words.index.join(source, words.key == gist_files.c.key)
        conditions.append(words.match)
    if wanted.state:
        source = source.join(publications, publications.c.file_key == gist_files.c.key)
        conditions += [publications.c.revision == 1, shown_in(wanted.state)]
    conditions += _conditions_of_file(wanted, lambda column: column)
    return select(gist_files.c.key).select_from(source).where(*conditions)


def _conditions_of_file(
    wanted: FileWanted, read: Callable[[ColumnElement[Any]], ColumnElement[Any]]
) -> list[ColumnElement[bool]]:
    """Return the conditions on `gist_files` without words and state; `read` wraps its columns."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.user_keys is not None:
        conditions.append(among(read(gist_files.c.user_key), wanted.user_keys))
    if wanted.language:
        conditions.append(read(gist_files.c.language) == wanted.language)
    if wanted.tag:
        conditions.append(has_tag(gist_files.c.user_key, wanted.tag))
    if wanted.since:
        conditions.append(read(gist_files.c.found_at) >= wanted.since)
    if wanted.before:
        conditions.append(read(gist_files.c.found_at) < wanted.before)
    return conditions


async def _keys_of_days(
    transaction: Transaction, wanted: FileWanted, before: FileKey | None
) -> tuple[int, int]:
    """Return the bounds of the wanted keys: keys grow with time, with a little disorder."""
    lowest, highest = 1, await commit_order.newest(transaction) if before is None else before - 1
    when = gist_files.c.found_at
    if wanted.since:
        earlier = select(gist_files.c.key).where(when < wanted.since - MAX_CLOCK_DISORDER)
        last = await transaction.scalar(earlier.order_by(when.desc()).limit(1))
        lowest = max(lowest, last or 1)
    if wanted.before:
        later = select(gist_files.c.key).where(when >= wanted.before + MAX_CLOCK_DISORDER)
        first = await transaction.scalar(later.order_by(when).limit(1))
        highest = min(highest, first or highest)
    return lowest, highest


async def _window(transaction: Transaction, highest: int) -> int:
    """Return the key of the first of the newest files up to a key."""
    newest = (
        select(gist_files.c.key)
        .where(gist_files.c.key <= highest)
        .order_by(gist_files.c.key.desc())
        .limit(NEWEST_FILES)
        .subquery()
    )
    return await transaction.scalar(select(func.min(newest.c.key))) or 1


async def languages(transaction: Transaction) -> tuple[str, ...]:
    """Return the languages of tracked users' files, by name."""
    return await _different(transaction, gist_files.c.language, gist_files.c.user_key)


async def tags(transaction: Transaction) -> tuple[str, ...]:
    """Return the tags of tracked users, by name."""
    return await _different(transaction, user_tags.c.tag, user_tags.c.user_key)


async def _different(
    transaction: Transaction, column: Column[str], user_key: Column[int]
) -> tuple[str, ...]:
    """Return the first values of tracked users in a column, without reading the whole column."""
    found = await transaction.execute(_leaps(column, user_key))
    return tuple(value for value in found.scalars() if value)


@cache
def _leaps(column: Column[str], user_key: Column[int]) -> Select[str | None]:
    # ORDER BY and LIMIT walk the column's index up to the first row of a tracked user; with min()
    # and this condition, both databases would read the table.
    first = select(column).where(of_tracked(user_key)).order_by(column).limit(1)
    leaps = select(first.where(column.is_not(None)).scalar_subquery().label("value")).cte(
        recursive=True
    )
    beyond = first.where(column > leaps.c.value).scalar_subquery()
    leaps = leaps.union_all(select(beyond).where(leaps.c.value.is_not(None)))
    return select(leaps.c.value).limit(MAX_CHOICES)


async def count_gists(transaction: Transaction, user_keys: Sequence[UserKey]) -> int:
    """Return how many gists of these users are stored."""
    wanted = gists.c.user_key.in_(user_keys)
    return await transaction.scalar(select(func.count()).where(wanted)) or 0


async def gist_times(
    transaction: Transaction, user_key: UserKey, since: datetime
) -> tuple[datetime, ...]:
    """Return when the user's latest gists were created."""
    found = await transaction.execute(
        select(gists.c.created_at).where(gists.c.user_key == user_key, gists.c.created_at >= since)
    )
    return tuple(found.scalars())


NEWEST_FILES = 2_000
"""The number of the newest files that are searched before all are."""
MAX_CHECKED_FILES = 500
"""The most files that are checked one by one instead of all that hold a word."""
COMMON_WORD_FILES = NEWEST_FILES // 30
"""A word in at least this many of the newest files is searched file by file."""
MAX_CLOCK_DISORDER = timedelta(hours=1)
"""The most by which the times of two files, in the order of their keys, go backwards."""
MAX_CHOICES = 200
"""The most languages or tags that can be chosen from."""


def tagged(tag: str) -> Select[int]:
    """Return the query of the keys of the users with a tag."""
    return select(user_tags.c.user_key).where(user_tags.c.tag == tag)


def has_tag(user_key: ColumnElement[int], tag: str) -> ColumnElement[bool]:
    """Return the condition that the user of a row has a tag, evaluated row by row.

    If many users have it, SQLite would begin with all of them.
    """
    found = select(user_tags.c.tag).where(user_tags.c.user_key == user_key, user_tags.c.tag == tag)
    return found.correlate_except(user_tags).scalar_subquery().is_not(None)
