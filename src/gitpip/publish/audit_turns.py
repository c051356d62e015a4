"""The order in which an audit compares users: a user that makes GitHub ask to wait comes last.

Otherwise one user that always makes GitHub ask to wait would delay the comparison of all other
users. If the others are answered, that shows that only this user is affected.
"""

from dataclasses import dataclass
from typing import Any

from gitpip.model import User
from gitpip.store.database import Transaction
from gitpip.store.surveys import others
from gitpip.store.surveys.surveys import Survey

Place = tuple[int, int]
"""The last file and publication of a user that were compared."""
BEGIN: Place = (0, 0)
DONE: Place = (-1, 0)


@dataclass(frozen=True)
class AuditTurn:
    """A user whose files are compared, and the place after which to continue."""

    user: User
    place: Place
    again: bool
    """Whether this user was put off before."""

    def moved(self, survey: Survey, place: Place) -> dict[str, Any]:
        """Return the columns of the survey once the user's files are compared up to a place."""
        cursor = self._cursor(place)
        if not self.again:
            return {"cursor": cursor}
        left = _after(survey.put_off, self.user)
        return {"put_off": left if place == DONE else (cursor, *left)}

    def put_off(self, survey: Survey) -> dict[str, Any]:
        """Return the columns of the survey once the user is put after all others."""
        put_off = (*survey.put_off, self._cursor(self.place))
        return {"cursor": self._cursor(DONE), "put_off": put_off}

    def _cursor(self, place: Place) -> str:
        return f"{self.user.key}:{place[0]}:{place[1]}"


async def next_turn(transaction: Transaction, survey: Survey) -> AuditTurn | None:
    """Return the next user's turn, or None after the last one."""
    last, place = _read(survey.cursor)
    after = last if place == DONE else last - 1
    user = await others.next_user(transaction, after=after, only=survey.user_key)
    if user is not None:
        return AuditTurn(user, place if user.key == last else BEGIN, again=False)
    for cursor in survey.put_off:
        key, place = _read(cursor)
        user = await others.next_user(transaction, after=key - 1, only=survey.user_key)
        if user is not None and user.key == key:  # otherwise the user was removed in the meantime
            return AuditTurn(user, place, again=True)
    return None


def _after(put_off: tuple[str, ...], user: User) -> tuple[str, ...]:
    keys = [_read(cursor)[0] for cursor in put_off]
    return put_off[keys.index(user.key) + 1 :]


def _read(cursor: str | None) -> tuple[int, Place]:
    if cursor is None:
        return 0, DONE
    key, file_key, publication = map(int, cursor.split(":"))
    return key, (file_key, publication)
