"""A row as a dataclass: a query names its columns like the fields, and the types do the rest."""

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")


def reader(noun: type[Noun]) -> Callable[[Row[*tuple[Any, ...]]], Noun]:
    """What makes this dataclass of a row; each of its fields is a column of the row.

    What the row has besides is left out. A field that it has not raises AttributeError: a default
    would hide that the query forgot it.
    """
    make: Callable[..., Noun] = noun
    values = attrgetter(*(field.name for field in fields(noun)))
    return lambda row: make(*values(row))
