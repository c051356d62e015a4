"""What can forbid a request at the last moment, though its row was claimed."""

from dataclasses import dataclass

from gitpip.clock import Clocks
from gitpip.publish.examining import Examining
from gitpip.publish.witnesses import Witnesses
from gitpip.publish.youth import Youth
from gitpip.store.publications.permission import OverallMode


@dataclass(frozen=True)
class Guards:
    """What one publisher knows of its database and of time; all its parts share it."""

    witnesses: Witnesses
    """Whether the database was set back."""
    youth: Youth
    """Whether what was sent before may not be shown yet."""
    clocks: Clocks
    """Whether this process stood still."""
    mode: OverallMode
    """The mode of everybody, asked for in the transaction that marks a row as being sent."""
    examining: Examining
    """Whether files can be examined for credentials."""
