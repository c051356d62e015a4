"""Parameters of the endpoints for programs in paths, queries and bodies."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from gitpip.validation import is_storable, possible_login, whole_in_text

_Digits = BeforeValidator(whole_in_text)
Offset = Annotated[int, _Digits, Query(ge=0, le=10**9, description="How many to leave out.")]
Limit = Annotated[int, _Digits, Query(ge=1, le=500, description="How many at most.")]
Number = Annotated[int, _Digits, Path(ge=1, le=2**53)]
Login = Annotated[str, Path(max_length=100), AfterValidator(possible_login)]


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return whole_in_text(value)


WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]
"""An integer of a body: pydantic would take true for 1."""
Id = Annotated[WholeNumber, Field(ge=1, le=2**53)]


def _printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("must hold printable characters only")
    return text


Viewer = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        description="Who looks; each viewer has own visits. Without, the name of the access key.",
    ),
    AfterValidator(_printable),
]


class RequestBody(BaseModel):
    """A JSON object that a program sends: no unknown field, and no text that can't be stored."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        if not all(map(is_storable, _texts_of(value))):
            raise ValueError("must hold no U+0000 and no half of a surrogate pair")
        return value


def _texts_of(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts_of(each)
        case dict():
            yield from _texts_of([*value.keys(), *value.values()])
