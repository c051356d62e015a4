"""Rows as dataclasses: a query names its columns as the fields, and the column types convert."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")
Item = TypeVar("Item")
ROWS_PER_STATEMENT = 500
"""The most rows that one statement names, or changes."""


def reader(noun: type[Noun]) -> Callable[[Row[*tuple[Any, ...]]], Noun]:
    """Return the function that makes this dataclass of a row; each field is a column of the row.

    Other columns of the row are left out. A field without a column raises AttributeError: a default
    would hide that the query forgot it.
    """
    make: Callable[..., Noun] = noun
    values = attrgetter(*(field.name for field in fields(noun)))
    return lambda row: make(*values(row))


def in_pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield the items in pieces that one statement can name."""
    for start in range(0, len(items), ROWS_PER_STATEMENT):
        yield items[start : start + ROWS_PER_STATEMENT]
