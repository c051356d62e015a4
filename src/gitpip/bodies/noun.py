"""Making the body of an answer from an object."""

from datetime import timedelta
from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gitpip.store.visits.visits import shown_viewer

Body = TypeVar("Body")
Noun = TypeVar("Noun")
Seconds = Annotated[float, BeforeValidator(timedelta.total_seconds)]
"""The seconds of a duration."""
Text = Annotated[str, BeforeValidator(str)]
"""The text of a value."""
Filled = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""Null for what is empty."""
TargetWords = Annotated[str | None, BeforeValidator(lambda target: target and str(target))]
"""The text of a target, or null."""
ShownViewer = Annotated[str, BeforeValidator(shown_viewer)]
"""A browser without a key is named by a part of a hash: its own name is its cookie."""


class NounBody(BaseModel, Generic[Noun]):
    """A body with the attributes of an object: those of the same names, or those named here."""

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
