"""Rows as dataclasses: a query names its columns as the fields, and the column types convert."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")
Made_co = TypeVar("Made_co", covariant=True)
Item = TypeVar("Item")
ROWS_PER_STATEMENT = 500
"""The most rows that one statement names, or changes."""


class RowReader(Protocol[Made_co]):
    """A function that makes a dataclass of a row, and of the fields that are no columns of it."""

    def __call__(self, row: Row[*tuple[Any, ...]], /, **others: object) -> Made_co: ...


def reader(noun: type[Noun], *, besides: Collection[str] = ()) -> RowReader[Noun]:
    """Return the function that makes this dataclass of a row; each field is a column of the row.

    Other columns of the row are left out. A field without a column raises AttributeError: a default
    would hide that the query forgot it. Only the fields named in `besides` are no columns: they are
    given by keyword, or have their defaults.
    """
    make: Callable[..., Noun] = noun
    names = [field.name for field in fields(noun) if field.name not in besides]
    values = attrgetter(*names)
    if not besides:
        return lambda row, /, **others: make(*values(row), **others)
    return lambda row, /, **others: make(**dict(zip(names, values(row), strict=True)), **others)


def in_pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield the items in pieces that one statement can name."""
    for start in range(0, len(items), ROWS_PER_STATEMENT):
        yield items[start : start + ROWS_PER_STATEMENT]
