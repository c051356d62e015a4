"""Switching the rows to another account: what belongs to the ids of the former one is set aside.

Nothing is deleted: switching back restores everything.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, case, delete, func, insert, literal, null, or_, select, update

from gitpip.errors import AccountUnchanged
from gitpip.model import PublicationState
from gitpip.store import commit_order, events, lease, ledger, locking
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import AccountChange
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.schema import activity_lost, deals, publications, users
from gitpip.store.schema_accounts import (
    NAMES,
    Vendor,
    kept_deals,
    kept_publications,
    kept_users,
)
from gitpip.store.schema_accounts import (
    accounts as account_rows,
)
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_status import public_feed
from gitpip.store.schema_targets import targets

PUBLISHED, SENDING, UNCERTAIN, SKIPPED = (
    PublicationState.PUBLISHED.value,
    PublicationState.SENDING.value,
    PublicationState.UNCERTAIN.value,
    PublicationState.SKIPPED.value,
)
IN_THE_ACCOUNT = (PUBLISHED, SENDING, UNCERTAIN)
"""The states of what is or may be in the account; all else can be sent to the next one."""


async def switch(
    transaction: Transaction, vendor: Vendor, now: datetime, *, same: bool = False
) -> AccountChange:
    """Bind the rows to the account that is set; return the former and the new account.

    `same` says that it is the same GitHub under another address: then all ids stay as they are.
    Raises AccountUnchanged if no change waits.
    """
    await ledger.lock(transaction)
    change = await accounts.change(transaction, vendor)
    if change is None:
        raise AccountUnchanged(f"there is no other {NAMES[vendor]} account to switch to")
    if vendor is Vendor.DESTINATION:
        await _keep_publications(transaction, change)
        await _keep_deals(transaction, change)
        await ledger.note(
            transaction,
            compared_at=None,
            read_down_to=None,
            hold_until=None,
            missing=0,
            missing_since=None,
            acknowledged_at=None,
            others_seen_at=None,
            set_back_at=None,
        )
    elif not same:
        await _keep_users(transaction, change, now)
    for key, bound in ((change.bound.key, False), (change.waiting.key, True)):
        await transaction.execute(
            update(account_rows)
            .where(account_rows.c.key == key)
            .values(bound=bound, waits_since=None, noted_until=None)
        )
    # One event for all rows that this changes.
    detail = f"{vendor}: {change.bound.name} → {change.waiting.name}"
    await events.record(transaction, now, NewEvent(EventKind.ACCOUNT_SWITCHED, detail=detail))
    return change


async def _keep_publications(transaction: Transaction, change: AccountChange) -> None:
    former, next_one = change.bound, change.waiting
    await locking.all_publications(transaction)
    of_former = publications.c.state.in_(IN_THE_ACCOUNT)
    await _keep(transaction, kept_publications, publications, former.key)
    sent = case(
        (publications.c.state == PUBLISHED, f"published to {former.name}"),
        else_=f"it may have been published to {former.name}",
    )
    reason = sent + literal(", before another Pipedrive account was set")
    await transaction.execute(
        update(publications)
        .where(of_former)
        .values(
            state=SKIPPED,
            reason=reason,
            deleted_from=None,
            activity_id=None,
            published_at=None,
            **lease.NO_CLAIM,
        )
    )
    # The former account's missing activities are not asked about under the next one.
    await transaction.execute(
        update(publications).where(activity_lost).values(activity_lost_at=None)
    )
    # Claims end: the process that holds one may be about to send to the previous account.
    held = or_(
        publications.c.deal_id.is_not(None),
        publications.c.sent_to.is_not(None),
        publications.c.token.is_not(None),
    )
    # A target that was set before any account was known belongs to the previous account.
    await transaction.execute(
        update(targets).where(targets.c.account_key.is_(None)).values(account_key=former.key)
    )
    await transaction.execute(
        update(publications).where(held).values(deal_id=None, sent_to=None, **lease.NO_CLAIM)
    )
    await _restore(transaction, kept_publications, publications, next_one.key)


async def _keep_deals(transaction: Transaction, change: AccountChange) -> None:
    await _keep(transaction, kept_deals, deals, change.bound.key)
    await transaction.execute(delete(deals))
    names = [column.name for column in kept_deals.c if column.name != "account_key"]
    kept = kept_deals.c.account_key == change.waiting.key
    await transaction.execute(
        insert(deals).from_select(
            names, select(*(kept_deals.c[name] for name in names)).where(kept)
        )
    )
    await transaction.execute(delete(kept_deals).where(kept))


async def _keep(
    transaction: Transaction,
    kept: Table,
    table: Table,
    account_key: int,
) -> None:
    """Copy what is or may be in the account.

    A publication that is being sent may still arrive, so its copy is uncertain.
    """
    kept_key, key = _keys(kept, table)
    names = [column.name for column in kept.c if column.name not in {"account_key", kept_key}]
    state = case((table.c.state == SENDING, UNCERTAIN), else_=table.c.state)
    values = [state if name == "state" else table.c[name] for name in names]
    await transaction.execute(
        insert(kept).from_select(
            ["account_key", kept_key, *names],
            select(literal(account_key), table.c[key], *values).where(
                table.c.state.in_(IN_THE_ACCOUNT)
            ),
        )
    )


async def _restore(
    transaction: Transaction,
    kept: Table,
    table: Table,
    account_key: int,
) -> None:
    kept_key, key = _keys(kept, table)
    columns: dict[str, Column[Any]] = {
        column.name: column for column in kept.c if column.name not in {"account_key", kept_key}
    }
    of_account = kept.c.account_key == account_key
    await transaction.execute(
        update(table).where(table.c[key] == kept.c[kept_key], of_account).values(columns)
    )
    await transaction.execute(delete(kept).where(of_account))


def _keys(kept: Table, table: Table) -> tuple[str, str]:
    """Return the column of `kept` that refers to a row of `table`, and the key of `table`."""
    kept_key = next(c.name for c in kept.primary_key if c.name != "account_key")
    return kept_key, next(iter(table.primary_key)).name


async def _keep_users(transaction: Transaction, change: AccountChange, now: datetime) -> None:
    """Set the former GitHub's users aside as removed ones; restore those of the next one."""
    await commit_order.about_to_appear(transaction)
    await transaction.execute(
        insert(kept_users).from_select(
            ["account_key", "user_key", "github_id", "node_id", "removed_at"],
            select(
                literal(change.bound.key),
                users.c.key,
                users.c.github_id,
                users.c.node_id,
                users.c.removed_at,
            ).where(users.c.key.not_in(select(kept_users.c.user_key))),
        )
    )
    await transaction.execute(
        update(users).values(
            github_id=None,
            node_id=None,
            removed_at=func.coalesce(users.c.removed_at, literal(now, users.c.removed_at.type)),
            etag=None,
            claimed_by=None,
            claimed_until=None,
        )
    )
    of_next = kept_users.c.account_key == change.waiting.key
    await transaction.execute(
        update(users)
        .where(users.c.key == kept_users.c.user_key, of_next)
        .values(
            github_id=kept_users.c.github_id,
            node_id=kept_users.c.node_id,
            removed_at=kept_users.c.removed_at,
            next_check_at=now,
            hinted_at=null(),
            found_key=await commit_order.newest(transaction),
        )
    )
    await transaction.execute(delete(kept_users).where(of_next))
    await transaction.execute(delete(public_feed))
