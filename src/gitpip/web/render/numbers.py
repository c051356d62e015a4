"""The numbers in the navigation of the page that is being rendered."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """What the navigation shows beside its entries, as people read it; empty for none."""

    unread: str = ""
    """Gists that the viewer has not read."""
    attention: str = ""
    """Publications that failed or are held."""


NONE = Numbers()
numbers: ContextVar[Numbers] = ContextVar("navigation", default=NONE)
"""The numbers for the page of the present request."""
