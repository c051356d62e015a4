"""What people write into the fields of forms."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Form

from gitpip.errors import InvalidInput
from gitpip.validation import checked_tags

Field = Annotated[str, Form(max_length=2_000)]
Value = TypeVar("Value")


def tags_of(text: str) -> tuple[str, ...]:
    """Tags separated by spaces, commas or semicolons; raises InvalidInput."""
    return checked_tags(text.replace(",", " ").replace(";", " ").split())


def read_field(field: str, parse: Callable[[str], Value], text: str) -> Value | None:
    """The value that a field's text stands for, None without one; raises InvalidInput."""
    try:
        return parse(text) if text.strip() else None
    except ValueError as error:
        raise InvalidInput(field, str(error)) from None
