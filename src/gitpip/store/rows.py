"""Rows as dataclasses: a query names its columns like the fields, and the types do the rest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")
Item = TypeVar("Item")
AT_A_TIME = 500
"""How many rows are asked for by name, or changed, in one statement."""


def reader(noun: type[Noun]) -> Callable[[Row[*tuple[Any, ...]]], Noun]:
    """What makes this dataclass of a row; each of its fields is a column of the row.

    What the row has besides is left out. A field that it has not raises AttributeError: a default
    would hide that the query forgot it.
    """
    make: Callable[..., Noun] = noun
    values = attrgetter(*(field.name for field in fields(noun)))
    return lambda row: make(*values(row))


def in_pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in pieces that one statement can name."""
    for start in range(0, len(items), AT_A_TIME):
        yield items[start : start + AT_A_TIME]
