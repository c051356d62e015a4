"""Progress: work under way says that it came a step further, and the watchdog hears.

A run may last for hours, so its length tells nothing; that nothing moved for minutes does.
"""

from collections.abc import Callable
from contextvars import ContextVar

_hears: ContextVar[Callable[[], None] | None] = ContextVar("hears", default=None)


def step() -> None:
    """Say that the work this is called from came a step further; without a listener, nothing."""
    if hears := _hears.get():
        hears()


def listen(hears: Callable[[], None]) -> None:
    """Have `hears` called for every step of this task, and of those it starts."""
    _hears.set(hears)
