"""The search for a user that always makes GitHub ask to wait, though it answers about others.

A secondary limit applies to the caller: any next request meets it. If queries about others are
answered after the wait, and those that name one user are refused again and again, it is no such
limit. Without this search the same users are asked about after each wait, and the others never are.
"""

from collections.abc import Collection, Iterable, Sequence

from gitpip.model import User, UserKey

REFUSED_AS_A_WHOLE = 2
"""The waits after which a refused batch is split."""


class AlwaysLimited:
    """The users that every refused query had in common and no answer cleared."""

    def __init__(self) -> None:
        self._suspects: frozenset[UserKey] = frozenset()
        self._refusals = 0
        self._others_answered = False

    def answered(self, users: Iterable[User]) -> None:
        """Note that GitHub answered a query about these users."""
        self._suspects -= _keys(users)
        self._others_answered = True

    def refused(self, users: Collection[User]) -> bool:
        """Note that GitHub asked to wait after a query about these users.

        Returns True if it is a single user that is to blame: every refused query was about this
        user, and others were answered in between.
        """
        common = self._suspects & _keys(users)
        if not common:
            self._suspects, self._refusals, self._others_answered = _keys(users), 1, False
            return False
        self._suspects, self._refusals = common, self._refusals + 1
        return len(users) == 1 and self._others_answered

    def apart(self, users: Sequence[User]) -> tuple[list[User], list[list[User]]]:
        """Return these users without the suspected ones, and the suspected ones in halves."""
        if self._refusals < REFUSED_AS_A_WHOLE:
            return list(users), []
        suspects = [user for user in users if user.key in self._suspects]
        others = [user for user in users if user.key not in self._suspects]
        middle = (len(suspects) + 1) // 2
        return others, [half for half in (suspects[:middle], suspects[middle:]) if half]


def _keys(users: Iterable[User]) -> frozenset[UserKey]:
    return frozenset(user.key for user in users)
