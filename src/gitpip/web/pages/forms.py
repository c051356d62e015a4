"""What people write into the fields of forms."""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Form

from gitpip.errors import InvalidInput
from gitpip.model import Backfill
from gitpip.store.publications import held
from gitpip.validation import checked_tags

Field = Annotated[str, Form(max_length=2_000)]
LongText = Annotated[str, Form(max_length=200_000)]
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


def answer_of(approve: str, latest: str) -> Backfill:
    """The answer about held files that a form gives; raises InvalidInput."""
    return held.parse_answer(f"latest:{latest.strip()}" if approve == "latest" else approve)


def number_of_files(text: str) -> int:
    """A number of files that a form gives; raises ValueError."""
    if not re.fullmatch(r" *[0-9]{1,9} *", text):
        raise ValueError(f"must be a number of files, e.g. 300, not {text[:40]!r}")
    return int(text)
