"""Telling an account that denies an undo everything from a single denied activity or deal.

A single denial concerns only its activity or deal, and the undo continues. If different ones are
denied in a row, the token's user most likely has no right to delete, and a person is needed.
"""

DENIED_IN_A_ROW = 3
"""The number of different ones denied in a row, with none deleted between, that stops an undo."""
ADVICE = "let the token's user read and delete it in Pipedrive, then resume the undo"


class Denials:
    """The activities and deals denied for each undo since one of it was last deleted."""

    def __init__(self) -> None:
        self._in_a_row: dict[int, set[int]] = {}
        """The ids of what was denied, by the id of the undo."""

    def are_many(self, undo_id: int, denied_id: int) -> bool:
        """Note a denial, and return whether there are enough to stop the undo."""
        denied = self._in_a_row.setdefault(undo_id, set())
        denied.add(denied_id)
        return len(denied) >= DENIED_IN_A_ROW

    def end(self, undo_id: int) -> None:
        """Start to count again: something of the undo was deleted, or the undo has stopped."""
        self._in_a_row.pop(undo_id, None)
