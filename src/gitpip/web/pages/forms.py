"""What people write into the fields of forms."""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Form

from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.validation import checked_tags

Field = Annotated[str, Form(max_length=2_000)]
Value = TypeVar("Value")


def possible_login(login: str) -> str:
    """A login to be looked for; raises UserNotTracked where nobody can bear it."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,100}", login):
        raise UserNotTracked(f"{login[:60]!r} can't be a login, so nobody of that name is tracked")
    return login


def tags_of(text: str) -> tuple[str, ...]:
    """Tags separated by spaces, commas or semicolons; raises InvalidInput."""
    return checked_tags(text.replace(",", " ").replace(";", " ").split())


def read_field(field: str, parse: Callable[[str], Value], text: str) -> Value | None:
    """The value that a field's text stands for, None without one; raises InvalidInput."""
    try:
        return parse(text) if text.strip() else None
    except ValueError as error:
        raise InvalidInput(field, str(error)) from None
