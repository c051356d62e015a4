"""The first minutes after the first comparison, when the list may lag behind earlier sends.

A database that was restored seconds ago does not know the last files, and Pipedrive's list may lag
behind the writes by minutes. So until a later comparison has shown everything from before the first
one, what is sent may already be in Pipedrive: it is watched like what is sent twice.
"""

from datetime import datetime, timedelta

from gitpip.publish.comparison import UNSETTLED_FOR

COMPARED_AGAIN_AFTER = timedelta(minutes=1)
"""The wait after a comparison that was due and did not end."""


class ListLag:
    """Tells whether those minutes are over, by Pipedrive's clock: ours may be wrong."""

    def __init__(self) -> None:
        self.lasts = True
        """Whether something may be in Pipedrive that no comparison has shown."""
        self._over_at: datetime | None = None
        """The time, by Pipedrive's clock, after which a comparison shows everything; None if
        unknown."""
        self._due_at: datetime | None = None
        """The time to compare for that, by our clock."""

    def compared(self, at: datetime | None, now: datetime, *, first: bool) -> None:
        """Note a comparison that began `at` this time by Pipedrive's clock, if that is known.

        The `first` one is that of a process, of another database or account, or after the database
        was set back.
        """
        if first:
            self.lasts, self._over_at = True, at and at + UNSETTLED_FOR
            self._due_at = now + UNSETTLED_FOR
            return
        if self._over_at is None:
            self._over_at = at and at + UNSETTLED_FOR
        elif at is not None and at >= self._over_at:
            self.lasts = False
        self.put_off(now)

    def is_due(self, now: datetime) -> bool:
        """Return whether to compare now. If our clock is wrong, that is one list a minute more."""
        if not self.lasts or self._due_at is None:
            return False
        return not timedelta(0) < self._due_at - now <= UNSETTLED_FOR

    def over_by(self, now: datetime) -> datetime:
        """Return when, by our clock, to check again whether the minutes are over."""
        due_at = self._due_at
        soon = due_at is not None and timedelta(0) < due_at - now <= UNSETTLED_FOR
        return due_at if due_at is not None and soon else now + COMPARED_AGAIN_AFTER

    def put_off(self, now: datetime) -> None:
        """Compare later, as one that was due has failed. Requests that are sent until then are
        watched."""
        if self.is_due(now):
            self._due_at = now + COMPARED_AGAIN_AFTER
