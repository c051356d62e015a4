"""The first minutes after the first comparison: the list may not show yet what was sent before it.

A database that was restored seconds ago does not know the last files, and Pipedrive's list may lag
behind the writes by minutes. So until a later comparison has shown everything from before the first
one, what is sent may be there already: it is watched like what is sent twice.
"""

from datetime import datetime, timedelta

from gitpip.publish.adopt import QUIET

TRIED_AGAIN_AFTER = timedelta(minutes=1)
"""After a comparison that failed, and was to end this time."""


class Youth:
    """Whether that time is over. All times are Pipedrive's: our clock may be wrong."""

    def __init__(self) -> None:
        self.lasts = True
        """Whether something may be in Pipedrive that no comparison has shown."""
        self._over_at: datetime | None = None
        """From when a comparison shows everything; None where that is not known yet."""

    def compared(self, at: datetime | None, *, first: bool) -> None:
        """Note a comparison that began at this time, if that is told.

        The `first` one is that of a process, of another database or account, or after the database
        was set back.
        """
        if first or self._over_at is None:
            self.lasts = self.lasts or first
            self._over_at = at and at + QUIET
        elif at is not None and at >= self._over_at:
            self.lasts = False

    def ends_by_comparing(self, now: datetime | None) -> bool:
        """Whether a comparison now is the one that shows everything."""
        return self.lasts and self._over_at is not None and now is not None and now >= self._over_at

    def put_off(self, now: datetime | None) -> None:
        """Compare later, as it failed at this time; what is sent meanwhile is watched."""
        if now is not None and self.ends_by_comparing(now):
            self._over_at = now + TRIED_AGAIN_AFTER
