"""What the import of a file would do, before anything is added."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from gitpip.store.database import Database
from gitpip.store.users import bulk, imports
from gitpip.user_lists import columns
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import Understood, open_list
from gitpip.user_lists.rows import ImportRow, RowError

LOOKED_AT = 1000
"""How many rows are read for a preview at most."""
SHOWN = 10

FindUnknown = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Which of these usernames GitHub does not show; raises GitHubError where it can't be asked."""


@dataclass(frozen=True)
class ImportPreview:
    """What the first rows of a list say; `more` is whether there are further ones."""

    understood: Understood
    logins: tuple[str, ...]
    """The usernames of the rows that were read, each once, in their order."""
    tracked: int
    """How many of them are tracked already."""
    faulty: int
    faults: tuple[str, ...]
    """The first faults, a line each."""
    first: tuple[ImportRow, ...]
    """The first users."""
    more: bool
    remembered: bool
    """Whether the columns hold what was chosen for the same headings before."""


async def preview(
    database: Database, file: BinaryIO, choice: Choice | None = None
) -> ImportPreview:
    """What the import of a file would do; changes nothing. Raises InvalidInput.

    Without a choice, what was chosen for a table with the same headings counts.
    """
    told, rows, more = await asyncio.to_thread(_looked_at, file, choice)
    remembered = await _remembered(database, told) if choice is None else None
    if remembered:
        told, rows, more = await asyncio.to_thread(_looked_at, file, remembered)
    users = [row for row in rows if isinstance(row, ImportRow)]
    faults = [row for row in rows if isinstance(row, RowError)]
    logins = tuple({row.login.lower(): row.login for row in users}.values())
    async with database.read() as transaction:
        tracked = len(await bulk.tracked_among(transaction, logins))
    return ImportPreview(
        told,
        logins,
        tracked=tracked,
        faulty=len(faults),
        faults=tuple(f"{fault.place}: {fault.reason}" for fault in faults[:SHOWN]),
        first=tuple(users[:SHOWN]),
        more=more,
        remembered=remembered is not None,
    )


def _looked_at(
    file: BinaryIO, choice: Choice | None
) -> tuple[Understood, list[ImportRow | RowError], bool]:
    with open_list(file, choice) as opened:
        rows = list(islice(opened.rows, LOOKED_AT))
        return opened.understood, rows, next(opened.rows, None) is not None


async def _remembered(database: Database, told: Understood) -> Choice | None:
    """What was chosen for a table with the same headings; None where it says what it holds."""
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
