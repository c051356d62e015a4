"""The guards that can forbid a request at the last moment, though its row was claimed."""

from dataclasses import dataclass

from gitpip.clock import Clocks
from gitpip.publish.detector_pause import DetectorPause
from gitpip.publish.last_sent import LastSent
from gitpip.publish.list_lag import ListLag
from gitpip.store.publications.permission import OverallMode


@dataclass(frozen=True)
class Guards:
    """The knowledge of one publisher about its database and the time, shared by all its parts."""

    last_sent: LastSent
    """Tells whether the database was set back."""
    list_lag: ListLag
    """Tells whether the list may not show yet what was sent before."""
    clocks: Clocks
    """Tell whether this process stood still."""
    mode: OverallMode
    """The overall mode, read in the transaction that marks a row as being sent."""
    detector_pause: DetectorPause
    """Tells whether files can be examined for credentials."""
