"""Access keys: made, found by what a caller presents, rotated, revoked. Only hashes are stored.

A key has the form `gitpip_LABEL_SECRET`: the label finds the row and may be shown, the secret is
192 random bits, so one round of SHA-256 is enough to store it.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.digests import digest
from gitpip.errors import InvalidInput, KeyConflict, KeyNotFound
from gitpip.model import Role
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_access import access_keys

PREFIX = "gitpip_"
SECRET_PATTERN = re.compile(rf"{PREFIX}([0-9a-f]{{8}})_([0-9a-f]{{48}})")
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}")
SETTINGS_KEY = "GITPIP_ADMIN_KEY"
"""The name of the admin key of the settings, which has no row here."""
USE_NOTED = timedelta(minutes=1)
"""The precision of the stored last use, so that most reads need no write."""


@dataclass(frozen=True)
class AccessKey:
    """An access key as it is stored: without its secret."""

    id: int
    name: str
    role: Role
    label: str
    created_at: datetime
    issued_at: datetime
    """The time when its present secret was made."""
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Return whether it opens anything at `now`, and if not why."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "active"


_key = reader(AccessKey)


class Refusal(StrEnum):
    """The reason why a presented text opens nothing."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"


CLOSED: Mapping[Literal["expired", "revoked"], Refusal] = {
    "expired": Refusal.EXPIRED,
    "revoked": Refusal.REVOKED,
}
"""Why a key in this state opens nothing."""


@dataclass(frozen=True)
class IssuedKey:
    """A key just made; `secret` is the whole key, and cannot be shown again."""

    key: AccessKey
    secret: str


async def create(
    transaction: Transaction,
    *,
    name: str,
    role: Role,
    lifetime: timedelta | None,
    now: datetime,
) -> IssuedKey:
    """Make a key; without a lifetime it is valid until it is revoked.

    Raises InvalidInput for an invalid name, KeyConflict for one that is taken.
    """
    check_key_name(name)
    text, label, hashed = _new_secret()
    try:
        async with transaction.begin_nested():
            key_id = await transaction.scalar(
                insert(access_keys)
                .values(
                    name=name,
                    role=role,
                    label=label,
                    hash=hashed,
                    created_at=now,
                    issued_at=now,
                    expires_at=_end(now, lifetime),
                )
                .returning(access_keys.c.id)
            )
    except IntegrityError:
        raise KeyConflict(
            f"a key named {name} exists already; rotate or revoke it, or choose another name"
        ) from None
    return IssuedKey(await _one(transaction, access_keys.c.id == key_id), text)


async def rotate(
    transaction: Transaction, name: str, *, lifetime: timedelta | None, now: datetime
) -> IssuedKey:
    """Replace the secret of a key. The old one stops working immediately.

    Without a lifetime it is valid for as long as before, counted from now. Raises KeyNotFound.
    """
    former = await find(transaction, name)
    if lifetime is None and former.expires_at:
        lifetime = former.expires_at - former.issued_at
    text, label, hashed = _new_secret()
    await transaction.execute(
        update(access_keys)
        .where(access_keys.c.id == former.id)
        .values(label=label, hash=hashed, issued_at=now, expires_at=_end(now, lifetime))
    )
    return IssuedKey(await _one(transaction, access_keys.c.id == former.id), text)


async def revoke(transaction: Transaction, name: str, now: datetime) -> AccessKey:
    """Revoke a key; its name is free again. Raises KeyNotFound."""
    key = await find(transaction, name)
    await transaction.execute(
        update(access_keys).where(access_keys.c.id == key.id).values(revoked_at=now)
    )
    return replace(key, revoked_at=now)


def viewer_of(name: str) -> str:
    """Return the viewer of a key's holder."""
    return f"key:{name.lower()}"


async def find(transaction: Transaction, name: str) -> AccessKey:
    """Return the key with this name, in any case, that is not revoked; raises KeyNotFound."""
    row = None
    if NAME_PATTERN.fullmatch(name):  # "\u212a" (Kelvin sign) would be "k" in lower case
        row = (
            await transaction.execute(
                select(access_keys).where(
                    func.lower(access_keys.c.name) == name.lower(),
                    access_keys.c.revoked_at.is_(None),
                )
            )
        ).one_or_none()
    if row is None:
        raise KeyNotFound(f"no key named {name[:60]} is in use")
    return _key(row)


async def everyone(transaction: Transaction) -> tuple[AccessKey, ...]:
    """Return every key, the revoked ones last, newest first."""
    rows = await transaction.execute(
        select(access_keys).order_by(access_keys.c.revoked_at.is_not(None), access_keys.c.id.desc())
    )
    return tuple(map(_key, rows))


async def presented(transaction: Transaction, text: str, now: datetime) -> AccessKey | Refusal:
    """Return the key that `text` opens with at `now`, or a refusal. A rotated key is unknown."""
    form = SECRET_PATTERN.fullmatch(text)
    if form is None:
        return Refusal.MALFORMED
    row = await _labelled(transaction, form[1])
    known = row.hash if row else ""
    if not hmac.compare_digest(known, digest(text)) or row is None:
        return Refusal.UNKNOWN
    key = _key(row)
    state = key.state(now)
    return key if state == "active" else CLOSED[state]


def label_in(text: str) -> str | None:
    """Return the part of a key that is not secret; None if the text has not the form of a key."""
    form = SECRET_PATTERN.fullmatch(text)
    return form[1] if form else None


async def labelled(transaction: Transaction, label: str, now: datetime) -> AccessKey | None:
    """Return the key with this label if it is valid at `now`; a rotated key has another label."""
    row = await _labelled(transaction, label)
    return _active(row, now) if row else None


async def note_use(transaction: Transaction, key: AccessKey, now: datetime) -> None:
    """Record that a key was used; call it if `use_is_news`."""
    await transaction.execute(
        update(access_keys).where(access_keys.c.id == key.id).values(used_at=now)
    )


def use_is_news(used_at: datetime | None, now: datetime) -> bool:
    """Return whether the stored last use is old enough to be replaced."""
    return used_at is None or used_at + USE_NOTED <= now


async def any_exists(transaction: Transaction) -> bool:
    """Return whether a key was ever made: from then on, nothing is open by default."""
    return await transaction.scalar(select(access_keys.c.id).limit(1)) is not None


async def any_is_usable(transaction: Transaction, now: datetime) -> bool:
    """Return whether any key is valid at `now`."""
    return await transaction.scalar(usable_labels(now).limit(1)) is not None


async def admins(
    transaction: Transaction, now: datetime, *, for_change: bool = False
) -> frozenset[int]:
    """Return the ids of the keys of admins that are valid at `now`.

    With `for_change` they are locked, so that of two acts at once the later one sees what the
    earlier one left.
    """
    rows = (
        select(access_keys.c.id)
        .where(access_keys.c.role == Role.ADMIN, _is_usable(now))
        .order_by(access_keys.c.id)
    )
    return frozenset(await transaction.scalars(rows.with_for_update() if for_change else rows))


def usable_labels(now: datetime) -> Select[tuple[str]]:
    """Return the query of the labels of the keys that are valid at `now`.

    A label identifies a key with its present secret: a rotated key has another label.
    """
    return select(access_keys.c.label).where(_is_usable(now))


def check_key_name(name: str) -> None:
    """Raise InvalidInput unless `name` is a valid name of a key."""
    if name.upper() == SETTINGS_KEY:
        raise InvalidInput("name", f"{SETTINGS_KEY} is the name of the admin key of the settings")
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            "name",
            "must be at most 60 letters, digits and . _ @ -, beginning with a letter or digit, "
            f"e.g. ada, not {name[:80]!r}",
        )


def _is_usable(now: datetime) -> ColumnElement[bool]:
    never_ends = access_keys.c.expires_at.is_(None)
    return access_keys.c.revoked_at.is_(None) & or_(never_ends, access_keys.c.expires_at > now)


async def _labelled(transaction: Transaction, label: str) -> Row[Any] | None:
    found = await transaction.execute(select(access_keys).where(access_keys.c.label == label))
    return found.one_or_none()


def _active(row: Row[Any], now: datetime) -> AccessKey | None:
    key = _key(row)
    return key if key.state(now) == "active" else None


def _new_secret() -> tuple[str, str, str]:
    """Return a new key, its label and its hash."""
    label = secrets.token_hex(4)
    text = f"{PREFIX}{label}_{secrets.token_hex(24)}"
    return text, label, digest(text)


def _end(now: datetime, lifetime: timedelta | None) -> datetime | None:
    return now + lifetime if lifetime else None


async def _one(transaction: Transaction, which: ColumnElement[bool]) -> AccessKey:
    return _key((await transaction.execute(select(access_keys).where(which))).one())
