"""Publications that are refused for everybody's reason, while everybody else goes on."""

from collections import Counter
from dataclasses import replace

from gitpip.model import Change, PublicationId
from gitpip.publish.delivery import NotProcessed, Outcome, retry_wait

ORDINARY = 4
"""Where a third of the requests are refused, five refusals of one come once in 243."""
REMEMBERED = 1_000


class Repeats:
    """Counts for each publication how often it alone was refused.

    A 429 says that everybody should wait. If one publication always gets it and others don't, then
    it is the cause, and it waits longer each time.
    """

    def __init__(self) -> None:
        self._refused: Counter[PublicationId] = Counter()
        self._last: PublicationId | None = None

    def after(self, outcome: Outcome, publication: PublicationId, change: Change) -> Change:
        """The change after an outcome, with a longer wait for one that alone is refused."""
        if not (isinstance(outcome, NotProcessed) and outcome.everyone):
            self._refused.pop(publication, None)
            self._last = None
            return change
        # Several in a row are refused for a reason that they share.
        alone = self._last is None
        self._last = publication
        if alone:
            if len(self._refused) >= REMEMBERED:
                self._refused.clear()
            self._refused[publication] += 1
        wait = retry_wait(self._refused[publication] - ORDINARY)
        return replace(change, due_at=change.due_at + wait)
