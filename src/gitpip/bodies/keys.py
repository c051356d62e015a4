"""Bodies of access keys, and of the audit log."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.model import Role
from gitpip.store.access.audit_log import AuditEntry
from gitpip.store.access.keys import AccessKey, IssuedKey
from gitpip.store.schema_access import Via


class KeyBody(BaseModel):
    """An access key, without its secret. Times are UTC."""

    name: str
    role: Role
    state: Literal["active", "expired", "revoked"]
    label: str
    """The part of the key that is no secret."""
    created_at: datetime
    issued_at: datetime
    """The time at which its present secret was made."""
    expires_at: datetime | None
    used_at: datetime | None

    @classmethod
    def of(cls, key: AccessKey, now: datetime) -> Self:
        """The body of a key."""
        return cls.model_validate({**asdict(key), "state": key.state(now)})


class IssuedKeyBody(BaseModel):
    """A key just made: `key` is its secret, shown only now."""

    key: str
    name: str
    role: Role
    expires_at: datetime | None

    @classmethod
    def of(cls, issued: IssuedKey) -> Self:
        """The body of a key just made."""
        key = issued.key
        return cls(key=issued.secret, name=key.name, role=key.role, expires_at=key.expires_at)


class AuditEntryBody(NounBody[AuditEntry]):
    """One thing that someone did. Times are UTC."""

    id: int
    at: datetime
    actor: str
    via: Via | str
    action: str
    subject: str
