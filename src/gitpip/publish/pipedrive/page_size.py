"""The number of entries requested for each page of a list: fewer if a page can't be read."""

SIZES = (500, 100, 20)
"""The first is the most that Pipedrive gives. A note can hold 100 KB, so a page of 500 activities
can take longer than a request may, or hold more than an answer may."""


class PageSize:
    """The size of the next page of one kind of list.

    A page that can't be read is replaced by smaller ones, and after them a large one is tried
    again. Each page costs the same.
    """

    def __init__(self) -> None:
        self._left: list[int] = []
        """The number of pages still to be read of each size after the first."""

    @property
    def current(self) -> int:
        """The size to ask for."""
        return SIZES[len(self._left)]

    def was_read(self, size: int) -> None:
        """Note that a page of this size was read."""
        while self._left and size == self.current:
            self._left[-1] -= 1
            if self._left[-1]:
                return
            # They replace one page of the next size.
            self._left.pop()
            size = self.current

    def was_not_read(self, size: int) -> bool:
        """Note that a page of this size could not be read; return whether a smaller one is left."""
        if size == SIZES[-1]:
            return False
        if size == self.current:
            self._left.append(size // SIZES[len(self._left) + 1])
        return True
