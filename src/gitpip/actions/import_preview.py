"""The preview of importing a file, before anything is added."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from gitpip.backfill import Backfill, BackfillKind
from gitpip.store.database import Database
from gitpip.store.users import bulk, imports
from gitpip.store.users.bulk import UserToAdd
from gitpip.user_lists import columns
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import Understood, open_list
from gitpip.user_lists.rows import ImportRow, RowError
from gitpip.watch.github.graphql import LookedUp

ROWS_OF_PREVIEW = 1000
"""The most rows that are read for a preview."""
MAX_PREVIEWED = 10
NO_GISTS = Backfill(BackfillKind.NONE)

LookUp = Callable[[Sequence[str]], Awaitable[LookedUp]]
"""A function that asks GitHub about usernames; raises GitHubError if it can't be asked."""


@dataclass(frozen=True)
class ExistingGists:
    """The gists that the new people of a list have published, as far as GitHub has told them."""

    gists: int
    sent: int
    """The most of these gists that are sent to Pipedrive."""
    is_exact: bool
    """Whether exactly that many are sent. Days are not counted."""


@dataclass(frozen=True)
class ImportPreview:
    """The preview of the first rows of a list; `more` says whether there are further ones."""

    understood: Understood
    logins: tuple[str, ...]
    """The usernames of the rows that were read, each once, in their order."""
    new: tuple[ImportRow, ...]
    """The rows of people who would be added."""
    tracked: int
    """The number of people who are tracked already and are not changed."""
    faulty: int
    """The number of rows left out because of a fault or of a conflict with another user."""
    faults: tuple[str, ...]
    """The first faults, a line each."""
    first: tuple[ImportRow, ...]
    """The first users."""
    more: bool
    remembered: bool
    """Whether the columns are those chosen before for the same headings."""


def existing_gists(
    rows: Sequence[ImportRow], counts: Mapping[str, int], backfill: Backfill
) -> ExistingGists:
    """Return how many existing gists adding these rows sends, by GitHub's counts by login.

    `backfill` is for rows without a rule of their own.
    """
    gists = sent = 0
    is_exact = True
    for row in rows:
        count, rule = counts.get(row.login.lower(), 0), row.backfill or backfill
        gists += count
        match rule.kind:
            case BackfillKind.NONE:
                continue
            case BackfillKind.LATEST:
                sent += min(count, rule.count or 0)
            case BackfillKind.ALL:
                sent += count
            case BackfillKind.SINCE:
                sent += count
                is_exact = is_exact and not count
    return ExistingGists(gists, sent, is_exact=is_exact)


def new_user(row: ImportRow, backfill: Backfill) -> UserToAdd:
    """Return the user that a row describes; `backfill` is for a row without a rule of its own."""
    return UserToAdd(
        login=row.login,
        external_id=row.external_id or row.login.lower(),
        backfill=row.backfill or backfill,
        tags=row.tags,
        interval=row.interval,
        mode=row.mode,
        target=row.target,
        any_id=row.external_id is None,
    )


async def preview(
    database: Database,
    file: BinaryIO,
    choice: Choice | None = None,
    *,
    absent: Collection[str] = (),
) -> ImportPreview:
    """Return what the import of a file would do. Changes nothing. Raises InvalidInput.

    Without a choice, the last one for a table with the same headings counts. The users in `absent`
    are left out, as GitHub does not show them; they are not counted as faulty.
    """
    told, rows, more = await asyncio.to_thread(_looked_at, file, choice)
    remembered = await _remembered(database, told) if choice is None else None
    if remembered:
        told, rows, more = await asyncio.to_thread(_looked_at, file, remembered)
    users = [row for row in rows if isinstance(row, ImportRow)]
    once: dict[str, str] = {}
    for row in users:
        once.setdefault(row.login.lower(), row.login)
    left_out = {login.lower() for login in absent}
    wanted = [row for row in users if row.login.lower() not in left_out]
    async with database.read() as transaction:
        outcomes = await bulk.foreseen(transaction, [new_user(row, NO_GISTS) for row in wanted])
    fates = list(zip(wanted, outcomes, strict=True))
    new = tuple(row for row, fate in fates if fate.added)
    known = {row.login.lower() for row, fate in fates if not (fate.added or fate.conflict)}
    refused = {(row.place, row.login): fate.conflict for row, fate in fates if fate.conflict}
    faults = [
        f"{row.place}: {reason}"
        for row in rows
        if (
            reason := row.reason
            if isinstance(row, RowError)
            else refused.get((row.place, row.login))
        )
    ]
    return ImportPreview(
        told,
        tuple(once.values()),
        new=new,
        tracked=len(known - {row.login.lower() for row in new}),
        faulty=len(faults),
        faults=tuple(faults[:MAX_PREVIEWED]),
        first=tuple(users[:MAX_PREVIEWED]),
        more=more,
        remembered=remembered is not None,
    )


def _looked_at(
    file: BinaryIO, choice: Choice | None
) -> tuple[Understood, list[ImportRow | RowError], bool]:
    with open_list(file, choice) as opened:
        rows = list(islice(opened.rows, ROWS_OF_PREVIEW))
        return opened.understood, rows, next(opened.rows, None) is not None


async def _remembered(database: Database, told: Understood) -> Choice | None:
    """Return the last choice for a table with the same headings.

    Returns None if the table says what its columns hold, or if no choice is remembered.
    """
    if told.certain or not told.first:
        return None
    signature = columns.signature(told.first)
    async with database.read() as transaction:
        match await imports.remembered_columns(transaction, signature):
            case {"columns": dict(chosen), "header": bool() | None as header}:
                return Choice(_texts(chosen), header)
    return None


def _texts(chosen: Mapping[object, object]) -> dict[str, str]:
    return {str(name): str(meaning) for name, meaning in chosen.items()}
