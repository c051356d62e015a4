"""How many entries of a list are asked for at a time: fewer where a page can't be read."""

SIZES = (500, 100, 20)
"""The first is the most that Pipedrive gives. A note can hold 100 KB, so a page of 500 activities
can take longer than a request may, or hold more than an answer may."""


class PageSize:
    """The size of the next page of one kind of list.

    In place of a page that can't be read come smaller ones, and after them a large one is tried
    again: each costs as much as the other.
    """

    def __init__(self) -> None:
        self._left: list[int] = []
        """For each size after the first, how many pages of it are still to be read."""

    @property
    def current(self) -> int:
        """The size to ask for."""
        return SIZES[len(self._left)]

    def was_read(self, size: int) -> None:
        """A page of this size was read."""
        while self._left and size == self.current:
            self._left[-1] -= 1
            if self._left[-1]:
                return
            # They stand for one page of the next size.
            self._left.pop()
            size = self.current

    def was_not_read(self, size: int) -> bool:
        """A page of this size could not be read; whether there is a smaller one to be tried."""
        if size == SIZES[-1]:
            return False
        if size == self.current:
            self._left.append(size // SIZES[len(self._left) + 1])
        return True
