"""Accounts at the vendors: the one that the rows belong to, and the one that is set at present.

An id of a deal, an activity or a user is valid in its own account only. So the first account that
is seen is bound to the rows, and another one waits until a person switches to it: see
`account_switch`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from gitpip.store import lease, ledger
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_accounts import Vendor, accounts, is_bound
from gitpip.store.schema_status import destination_company

NOTED_FOR = timedelta(seconds=60)
"""How long an account is considered set after a process has recorded that it is."""
NOTED_EVERY = timedelta(seconds=15)
NO_KEY = 0
"""The key of an account without a row; keys are counted from 1."""
# Built once, as they are executed very often: building one takes longer than executing it.
_of_vendor = select(accounts).where(accounts.c.vendor == bindparam("vendor"))
_bound = _of_vendor.where(is_bound)
_of_credential = _of_vendor.where(accounts.c.credential == bindparam("credential"))
_of_identity = _of_vendor.where(accounts.c.identity == bindparam("identity"))
_bound_with_key = select(accounts).where(accounts.c.key == bindparam("key"), is_bound)


@dataclass(frozen=True)
class VendorAccount:
    """The account that the ids of a vendor belong to: a Pipedrive company, an address of GitHub."""

    key: int
    vendor: Vendor
    identity: str
    name: str
    bound: bool
    """Whether the rows belong to it."""
    met_at: datetime
    waits_since: datetime | None
    """The time since when it is set although the rows belong to another account (UTC)."""
    domain: str | None = None
    creators: frozenset[int] = frozenset()
    """The users whose tokens were used."""
    deal_field: str | None = None
    """The custom field of deals that holds GitHub's id of the user."""
    deal_field_due_at: datetime | None = None


_account = reader(VendorAccount)


@dataclass(frozen=True)
class NamedAccount:
    """An account as the vendor or the setting names it, stored or not."""

    vendor: Vendor
    identity: str
    name: str
    domain: str | None = None
    creator: int | None = None
    """The user whose token it is."""


@dataclass(frozen=True)
class AccountChange:
    """A waiting change: the rows belong to `bound`, and `waiting` is set.

    Work stops until a person decides.
    """

    bound: VendorAccount
    waiting: VendorAccount
    since: datetime
    goes_on: bool = False
    """Whether another process has the bound account set, and works with it."""

    @property
    def switched(self) -> VendorAccount:
        """The configured account, as it is after the switch: the rows belong to it."""
        return replace(self.waiting, bound=True, waits_since=None)


def unbound(named: NamedAccount, now: datetime) -> VendorAccount:
    """Return an account that is not stored: no row belongs to it."""
    creators = frozenset() if named.creator is None else frozenset({named.creator})
    return VendorAccount(
        NO_KEY,
        named.vendor,
        named.identity,
        named.name,
        bound=False,
        met_at=now,
        waits_since=None,
        domain=named.domain,
        creators=creators,
    )


async def everyone(transaction: Transaction) -> tuple[VendorAccount, ...]:
    """Return every known account, the bound ones first."""
    rows = await transaction.execute(
        select(accounts).order_by(accounts.c.vendor, accounts.c.bound.desc(), accounts.c.key)
    )
    return tuple(_account(row) for row in rows)


async def bound(transaction: Transaction, vendor: Vendor) -> VendorAccount | None:
    """Return the account that the rows belong to; None before the first one is known."""
    return await _one(transaction, _bound, vendor=vendor)


async def lock_ledger_of(transaction: Transaction, key: int) -> bool:
    """Lock the ledger; return whether the rows still belong to the account with this key.

    If not, a person has switched to another account meanwhile: see `ledger.lock`.
    """
    await ledger.lock(transaction)
    return await _one(transaction, _bound_with_key, key=key) is not None


async def of_credential(
    transaction: Transaction, vendor: Vendor, credential: str
) -> VendorAccount | None:
    """Return the account that the token with this fingerprint belongs to, if that is known."""
    return await _one(transaction, _of_credential, vendor=vendor, credential=credential)


async def of_identity(
    transaction: Transaction, vendor: Vendor, identity: str
) -> VendorAccount | None:
    """Return the account with this identity, if it is known."""
    return await _one(transaction, _of_identity, vendor=vendor, identity=identity)


async def _one(
    transaction: Transaction, query: Select[Any], **wanted: object
) -> VendorAccount | None:
    row = (await transaction.execute(query, wanted)).one_or_none()
    return _account(row) if row else None


async def meet(
    transaction: Transaction, named: NamedAccount, *, credential: str | None, now: datetime
) -> VendorAccount:
    """Record the account that is set at present: the first one is bound, another one waits."""
    same = and_(accounts.c.vendor == named.vendor, accounts.c.identity == named.identity)
    try:
        async with transaction.begin_nested():
            await transaction.execute(
                insert(accounts).values(
                    vendor=named.vendor, identity=named.identity, name=named.name, met_at=now
                )
            )
    except IntegrityError:
        pass  # it is known
    row = (await transaction.execute(select(accounts).where(same).with_for_update())).one()
    if credential is not None:
        # A token that was exchanged for one of another account says nothing of its former account.
        await transaction.execute(
            update(accounts)
            .where(accounts.c.vendor == named.vendor, accounts.c.credential == credential)
            .values(credential=None)
        )
    creators = row.creators if named.creator is None else row.creators | {named.creator}
    await transaction.execute(
        update(accounts)
        .where(same)
        .values(
            name=named.name,
            domain=named.domain,
            credential=credential,
            creators=creators,
        )
    )
    await _bind_the_first(transaction, named.vendor, row.key)
    await set_at_present(transaction, named.vendor, row.key, now)
    return _account((await transaction.execute(select(accounts).where(same))).one())


async def _bind_the_first(transaction: Transaction, vendor: Vendor, key: int) -> None:
    if await bound(transaction, vendor) is not None:
        return
    try:
        async with transaction.begin_nested():
            await transaction.execute(
                update(accounts).where(accounts.c.key == key).values(bound=True)
            )
    except IntegrityError:
        pass  # another process bound one at this moment


async def is_to_be_noted(transaction: Transaction, vendor: Vendor, key: int, now: datetime) -> bool:
    """Return whether this process must record, by `note_present`, the account that it has set.

    An account that is not bound is recorded repeatedly. The bound one is too while another one
    waits; recording it also ends the wait of an account that no process records any more.
    """
    stale = accounts.c.noted_until < lease.until(now, NOTED_FOR - NOTED_EVERY)
    rows = await transaction.execute(
        select(
            accounts.c.key,
            accounts.c.bound,
            accounts.c.waits_since,
            or_(accounts.c.noted_until.is_(None), stale).label("stale"),
            lease.is_free(accounts.c.noted_until, now).label("over"),
        ).where(accounts.c.vendor == vendor)
    )
    found = {row.key: row for row in rows}
    mine = found.get(key)
    if mine is None:
        return False
    if not mine.bound:
        return mine.waits_since is None or bool(mine.stale)
    waiting = [row for row in found.values() if row.waits_since and not row.bound]
    return any(row.over for row in waiting) or bool(waiting and mine.stale)


async def note_present(transaction: Transaction, vendor: Vendor, key: int, now: datetime) -> None:
    """Record that a running process has this account set, besides what other processes have set."""
    await transaction.execute(
        update(accounts)
        .where(
            accounts.c.vendor == vendor,
            accounts.c.key != key,
            accounts.c.waits_since.is_not(None),
            lease.is_free(accounts.c.noted_until, now),
            # Only a process with the bound account set shows that work continues without the other
            # one.
            select(accounts.c.key).where(accounts.c.key == key, is_bound).exists(),
        )
        .values(waits_since=None)
    )
    await _note(transaction, accounts.c.key == key, now)


async def _note(transaction: Transaction, wanted: ColumnElement[bool], now: datetime) -> None:
    since = case((is_bound, None), else_=func.coalesce(accounts.c.waits_since, _time(now)))
    await transaction.execute(
        update(accounts)
        .where(wanted)
        .values(waits_since=since, noted_until=lease.until(now, NOTED_FOR))
    )


def _time(now: datetime) -> ColumnElement[datetime]:
    return literal(now, accounts.c.waits_since.type)


async def set_at_present(transaction: Transaction, vendor: Vendor, key: int, now: datetime) -> None:
    """Record that this account is set now: it waits unless it is bound, and no other waits."""
    await transaction.execute(
        update(accounts)
        .where(accounts.c.vendor == vendor, accounts.c.waits_since.is_not(None))
        .where(~and_(accounts.c.key == key, accounts.c.bound == 0))
        .values(waits_since=None)
    )
    await _note(transaction, and_(accounts.c.key == key, ~is_bound), now)


async def change(
    transaction: Transaction, vendor: Vendor, now: datetime | None = None
) -> AccountChange | None:
    """Return the change of account that waits for a person, if any.

    Whether another process continues is only determined if the time `now` is given.
    """
    noted = lease.until(now, timedelta(0)) < accounts.c.noted_until if now else false()
    rows = await transaction.execute(
        select(accounts, and_(is_bound, noted).label("goes_on"))
        .where(accounts.c.vendor == vendor)
        .where(is_bound | accounts.c.waits_since.is_not(None))
    )
    goes_on = False
    found = []
    for row in rows:
        found.append(_account(row))
        goes_on |= bool(row.goes_on)
    belongs = next((account for account in found if account.bound), None)
    waits = next((account for account in found if account.waits_since and not account.bound), None)
    if belongs is None or waits is None or waits.waits_since is None:
        return None
    return AccountChange(belongs, waits, waits.waits_since, goes_on)


async def keep_deal_field(
    transaction: Transaction, key: int, code: str | None, due_at: datetime | None
) -> None:
    """Store the custom field of deals; None if there is none, to be tried again at `due_at`."""
    await transaction.execute(
        update(accounts)
        .where(accounts.c.key == key)
        .values(deal_field=code, deal_field_due_at=due_at)
    )


async def domain(transaction: Transaction) -> str | None:
    """Return the part of the Pipedrive address before .pipedrive.com; None if it is not known."""
    if account := await bound(transaction, Vendor.DESTINATION):
        return account.domain
    # An earlier version stored it here, and nothing was published since.
    found: str | None = await transaction.scalar(select(destination_company.c.domain))
    return found
