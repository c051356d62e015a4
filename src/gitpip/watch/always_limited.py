"""Finds a user that always makes GitHub ask to wait, though it answers about others.

A secondary limit is the caller's: whatever is asked next meets it. Where queries about others are
answered after the wait, and those that name one user are refused again and again, it is no limit.
Without this the same users are asked about after each wait, and the others never are.
"""

from collections.abc import Collection, Iterable, Sequence

from gitpip.model import User, UserKey

REFUSED_AS_A_WHOLE = 2
"""How often a batch is asked about after a wait before it is taken apart."""


class AlwaysLimited:
    """The users that every refused query had in common, as far as no answer cleared them."""

    def __init__(self) -> None:
        self._suspects: frozenset[UserKey] = frozenset()
        self._refusals = 0
        self._others_answered = False

    def answered(self, users: Iterable[User]) -> None:
        """Take in that GitHub answered a query about these users."""
        self._suspects -= _keys(users)
        self._others_answered = True

    def refused(self, users: Collection[User]) -> bool:
        """Take in that GitHub asked to wait when it was asked about these users.

        True if it is a single one, and to blame: every refused query was about this user, and
        others were answered in between.
        """
        common = self._suspects & _keys(users)
        if not common:
            self._suspects, self._refusals, self._others_answered = _keys(users), 1, False
            return False
        self._suspects, self._refusals = common, self._refusals + 1
        return len(users) == 1 and self._others_answered

    def apart(self, users: Sequence[User]) -> tuple[list[User], list[list[User]]]:
        """These users without the suspected ones, and the suspected ones in halves."""
        if self._refusals < REFUSED_AS_A_WHOLE:
            return list(users), []
        suspects = [user for user in users if user.key in self._suspects]
        others = [user for user in users if user.key not in self._suspects]
        middle = (len(suspects) + 1) // 2
        return others, [half for half in (suspects[:middle], suspects[middle:]) if half]


def _keys(users: Iterable[User]) -> frozenset[UserKey]:
    return frozenset(user.key for user in users)
