"""The first access key, which closes a service that was open to everyone on its machine.

It takes a code that only the process's own output shows. The address of a connection is no proof.
From 1.29.7 on, nginx passes requests on with HTTP/1.1 and no header of its own, so a stranger looks
like a program of this machine.
"""

import hmac
import secrets
from datetime import timedelta

from limits import RateLimitItemPerMinute

from gitpip.actions.keys import check_first_key
from gitpip.digests import digest
from gitpip.errors import AccessRefused, CodeRefused, TooManyAttempts
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.database import Transaction
from gitpip.web.auth.identity import Identity
from gitpip.web.auth.throttle import Throttle

COMMAND = "gitpip keys create NAME --role admin"
WRONG_CODES = RateLimitItemPerMinute(10)
"""The number of wrong codes that a process answers as such. A right one is always taken: it holds
128 random bits, so that no number of guesses finds it, and a flood of wrong ones must lock out
nobody."""
WHERE = (
    "it was printed when gitpip started, in the same place as its log (standard error; with "
    f"systemd, in the journal). Without it, create the key with `{COMMAND}` on the machine that "
    "runs gitpip"
)


class FirstKey:
    """The code of one process, which makes the first key; it is kept in memory alone."""

    def __init__(self, code: str | None = None) -> None:
        """Without a code, only the command can make the first key."""
        self._digest = digest(code) if code else None
        self._wrong = Throttle(WRONG_CODES)

    @property
    def takes_code(self) -> bool:
        """Return whether a code was printed, so that pages can make the first key."""
        return self._digest is not None

    async def check(
        self,
        transaction: Transaction,
        identity: Identity,
        role: Role,
        lifetime: timedelta | None,
        code: str | None,
    ) -> None:
        """Raise an error unless a caller may make a key of this role; with a key they always may.

        InvalidInput for a key that would lock out its maker, see check_first_key. CodeRefused
        without the right code, TooManyAttempts after too many wrong ones.
        """
        if not identity.is_open:
            return
        if await keys.any_exists(transaction):
            raise AccessRefused("an access key was created in the meantime; sign in, or send it")
        check_first_key(role, lifetime)
        self._check_code(code.strip() if code else "")

    def _check_code(self, code: str) -> None:
        if self._digest is None:
            raise CodeRefused(
                "code: this process printed none at its start. Create the first key with "
                f"`{COMMAND}` on the machine that runs gitpip, or restart gitpip"
            )
        if not code:
            raise CodeRefused(f"code: the first key needs one; {WHERE}")
        if hmac.compare_digest(digest(code), self._digest):
            return
        if pause := self._wrong.hit("codes"):
            raise TooManyAttempts(
                f"code: more than {WRONG_CODES.amount} wrong ones in a minute; "
                f"try again in {pause} seconds",
                pause,
            )
        raise CodeRefused(f"code: this is not the one of the running process; {WHERE}")


def new_code() -> str:
    """A code for `FirstKey`."""
    return secrets.token_hex(16)
