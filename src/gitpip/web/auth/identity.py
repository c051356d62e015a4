"""The identity of a caller: the key, the role, and the viewer and actor."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from gitpip.clock import utc_now
from gitpip.errors import AccessRefused
from gitpip.model import Role
from gitpip.store.access import audit_log, feed_tokens, keys
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Transaction
from gitpip.store.schema_access import Via
from gitpip.store.visits import visits

STATE = "gitpip.caller"
"""Under which name a request's scope holds its caller."""
current: ContextVar["Identity | None"] = ContextVar("present", default=None)
"""The present caller, for what every page shows of them."""


@dataclass(frozen=True)
class Identity:
    """A caller who was let in."""

    role: Role
    address: str
    """The address that the request came from."""
    via: Via
    name: str | None = None
    """The name of the access key; None for a caller who needs none."""
    key_id: int | None = None
    """The key's row; None also for the admin key of the settings, which has none."""
    parent: str = feed_tokens.ANONYMOUS
    """The text that the caller's sessions and feed addresses are derived from, and end with: the
    label of the key, which changes when the key does."""
    expires_at: datetime | None = None
    """The time at which the key ends (UTC), if it does."""
    in_session: bool = False
    """Whether this is a browser that signed in."""
    is_open: bool = False
    """Whether they were let in without a key because there is none yet and they seem to be on this
    machine. They may do what an operator may, but nothing that only an admin may."""

    @property
    def viewer(self) -> str | None:
        """The viewer whose visits are recorded; None without a key."""
        return keys.viewer_of(self.name) if self.name else None

    @property
    def actor(self) -> Actor:
        """Return the name of the caller in the audit log."""
        somebody = "someone on this computer" if self.is_open else f"someone at {self.address}"
        return Actor(self.name or somebody, self.via)

    async def record(self, transaction: Transaction, action: str, subject: str) -> None:
        """Record in the audit log what this caller does, in the same transaction."""
        await audit_log.record(transaction, self.actor, action, subject, utc_now())

    def viewer_for(self, wanted: str | None) -> str:
        """The viewer whose visits a program means: its own, unless it names another.

        Raises AccessRefused for a caller whose role does not include that of an operator, and who
        names another viewer.
        """
        own = self.viewer or visits.SHARED_VIEWER
        if wanted is None or wanted == own:
            return own
        if not self.role.includes(Role.OPERATOR):
            has = f"yours, {self.name}, has {self.role}" if self.name else "you have none"
            raise AccessRefused(
                f"the visits of viewer {wanted!r} need a key with the role operator; "
                f"{has}, and the visits of {own!r}"
            )
        return wanted


def identity_of(request: Request) -> Identity:
    """Return the caller, as access control found."""
    identity = request.scope[STATE]
    if not isinstance(identity, Identity):
        raise TypeError("the request passed no access control")
    return identity


CurrentIdentity = Annotated[Identity, Depends(identity_of)]
