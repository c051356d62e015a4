"""The numbers in the navigation of the page that is being rendered."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from gitpip.store.read_state import Amount


@dataclass(frozen=True)
class SyncPause:
    """A pause during which nothing is sent."""

    until: datetime | None
    """None if it lasts until a person ends it."""
    retries: bool
    """Whether gitpip tries again at its end."""


@dataclass(frozen=True)
class NavigationNumbers:
    """The numbers next to the entries of the navigation, as people read them; empty for none."""

    unread: str = ""
    """Gists that the viewer has not read."""
    attention: str = ""
    """Publications that failed or are held."""
    counted: Amount | None = None
    """Return `unread` for the page; None where it was not counted."""
    pause: SyncPause | None = None


NO_NUMBERS = NavigationNumbers()
numbers: ContextVar[NavigationNumbers] = ContextVar("navigation", default=NO_NUMBERS)
"""The numbers for the page of the present request."""


def up_to(number: int, most: int) -> str:
    """A number that was counted up to `most` and one more, for people."""
    return f"{most:,}+" if number > most else f"{number:,}"
