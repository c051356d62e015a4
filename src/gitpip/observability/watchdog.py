"""The watchdog: it learns of each step of the work under way.

A run may last for hours, so its length proves nothing; minutes without a step do.
"""

from collections.abc import Callable
from contextvars import ContextVar

_hears: ContextVar[Callable[[], None] | None] = ContextVar("hears", default=None)


def step() -> None:
    """Report a step of the work that calls this. Does nothing without a listener."""
    if hears := _hears.get():
        hears()


def listen(hears: Callable[[], None]) -> None:
    """Call `hears` for every step of this task, and of those it starts."""
    _hears.set(hears)
