"""Tells an account that denies an undo everything from one activity or deal that is denied.

What is denied is kept to itself, and the undo goes on. Where different ones are denied in a row,
the token's user most likely has no right to delete, and a person is needed.
"""

DENIED_IN_A_ROW = 3
"""How many different ones, with none deleted between, stop an undo."""
ADVICE = "see to it that the token's user may read and delete it, then let the undo go on"


class Denials:
    """What was denied of each undo since something of it was deleted last."""

    def __init__(self) -> None:
        self._in_a_row: dict[int, set[int]] = {}
        """The ids of what was denied, by those of undos."""

    def are_many(self, undo_id: int, denied_id: int) -> bool:
        """Note that one was denied; whether that is enough to stop the undo."""
        denied = self._in_a_row.setdefault(undo_id, set())
        denied.add(denied_id)
        return len(denied) >= DENIED_IN_A_ROW

    def end(self, undo_id: int) -> None:
        """Something of the undo was deleted, or it has stopped: count anew."""
        self._in_a_row.pop(undo_id, None)
