"""The number of publications, counted up to a limit.

Counting a million takes too long for a page, and nobody acts on the exact number.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from sqlalchemy import ColumnElement, bindparam, func, select

from gitpip.model import PublicationState
from gitpip.store.database import Transaction
from gitpip.store.publications.publication_rows import alone_in, part_of_any_in
from gitpip.store.publications.publications import WAITING, count_hidden, newest
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema import publications
from gitpip.store.visibility import of_tracked

MAX_COUNTED = 10_000
"""The most publications that are counted in a state; one more says that there are more."""
MOST_FOUND = 1_000
"""The same for a filter, which reads rows."""


_unsettled = (
    select(publications.c.id)
    .where(
        publications.c.state.in_([PublicationState.FAILED, PublicationState.HELD]),
        of_tracked(publications.c.user_key),
    )
    .limit(bindparam("most"))
)
_number_unsettled = select(func.count()).select_from(_unsettled.subquery())
"""Built once: every page runs this query."""


async def count(transaction: Transaction, most: int = MAX_COUNTED) -> dict[PublicationState, int]:
    """Return how many publications of tracked users are in each state, up to `most` and one more.

    Waiting ones are counted exactly: the time that they take is computed from their number.
    """
    hidden = await count_hidden(transaction)
    limits = {
        state: None if state.value in WAITING else most + 1 + hidden.get(state, 0)
        for state in PublicationState
    }
    alone = await _counted(transaction, limits, alone_in)
    # The parts of few publications are found quickly, and those of many change nothing.
    few = {state: most for state, limit in limits.items() if 0 < alone[state] < (limit or most)}
    dialect = transaction.dialect.name
    parts = await _counted(transaction, few, lambda state: part_of_any_in(state, dialect))
    counts = Counter(alone) + Counter(parts)
    counts.subtract(hidden)
    return {
        state: number if limits[state] is None else min(number, most + 1)
        for state, number in counts.items()
        if number > 0
    }


async def count_found(
    transaction: Transaction, wanted: PublicationFilter, most: int = MOST_FOUND
) -> int:
    """Return how many publications a filter finds, up to `most` and one more."""
    ids = (await newest(transaction, wanted, most + 1)).subquery()
    return await transaction.scalar(select(func.count()).select_from(ids)) or 0


async def count_unsettled(transaction: Transaction, limit: int) -> int:
    """Return how many publications of tracked users failed or are held, up to `limit`."""
    return await transaction.scalar(_number_unsettled, {"most": limit}) or 0


async def _counted(
    transaction: Transaction,
    limits: Mapping[PublicationState, int | None],
    condition: Callable[[PublicationState], ColumnElement[bool]],
) -> dict[PublicationState, int]:
    """Return how many publications the condition of each state finds, up to its limit."""
    if not limits:
        return {}
    numbers = []
    for state, limit in limits.items():
        found = select(publications.c.id).where(condition(state)).limit(limit).subquery()
        numbers.append(select(func.count()).select_from(found).scalar_subquery())
    row = (await transaction.execute(select(*numbers))).one()
    return dict(zip(limits, row, strict=True))
