"""How the body of an answer is made of a noun."""

from datetime import timedelta
from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gitpip.store.visits.visits import shown_viewer

Body = TypeVar("Body")
Noun = TypeVar("Noun")
Seconds = Annotated[float, BeforeValidator(timedelta.total_seconds)]
"""Of a duration."""
Text = Annotated[str, BeforeValidator(str)]
"""Of what is written as text."""
Filled = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""Null for what is empty."""
TargetWords = Annotated[str | None, BeforeValidator(lambda target: target and str(target))]
"""Of a target, or null."""
ShownViewer = Annotated[str, BeforeValidator(shown_viewer)]
"""A browser without a key is named by a part of a hash: its own name is its cookie."""


class NounBody(BaseModel, Generic[Noun]):
    """What an answer shows of a noun: its attributes of the same names, or of those named here."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, noun: Noun) -> Self:
        """The body of a noun."""
        return cls.model_validate(noun)


class ListBody(BaseModel, Generic[Body]):
    """A slice of a list, and the number of all items."""

    items: list[Body]
    total: int
    offset: int
    limit: int
