"""Matching a tracked user with a GitHub account: a removed user with that account comes back."""

from sqlalchemy import delete, insert, select, update

from gitpip.errors import SameAccount, UserNotTracked
from gitpip.model import Account, User, UserKey
from gitpip.store import commit_order, events
from gitpip.store.database import Transaction
from gitpip.store.schema import user_tags, users
from gitpip.store.users import former_logins, targets
from gitpip.store.users import users as users_store


async def resolve(transaction: Transaction, key: UserKey, account: Account) -> User:
    """Record which account a tracked user's login stands for, and return the user's row.

    It is another row if the account was tracked before and removed: that row comes back with all
    that is known of it, and takes over the claim. The newly given rule applies, and the new id,
    tags, interval, mode and target if they were given; otherwise these stay as they were. Raises
    SameAccount if the account is tracked already, UserNotTracked.
    """
    user = await users_store.lock(transaction, key)
    if user is None:
        raise UserNotTracked(f"no user with the key {key} is tracked")
    known = (
        await transaction.execute(
            select(users.c.key, users.c.login, users.c.removed_at)
            .where(users.c.github_id == account.github_id, users.c.key != key)
            .with_for_update()
        )
    ).one_or_none()
    if known is None:
        await transaction.execute(
            update(users)
            .where(users.c.key == key)
            .values(github_id=account.github_id, node_id=account.node_id)
        )
        return await users_store.get(transaction, key)
    if known.removed_at is None:
        raise SameAccount(
            f"{user.login} is the same account as {known.login}, tracked already",
            UserKey(known.key),
        )
    return await _bring_back(transaction, UserKey(known.key), user, account)


async def _bring_back(
    transaction: Transaction, removed: UserKey, user: User, account: Account
) -> User:
    """Replace the row of a user who was added again by the row from before the removal."""
    kept = (users.c.claimed_by, users.c.claimed_until, users.c.added_at, users.c.added_by_our_clock)
    also = (users.c.backfill_left, users.c.import_id)
    new = (await transaction.execute(select(*kept, *also).where(users.c.key == user.key))).one()
    former_id = None
    if user.external_id == user.login.lower():  # as it is if no id was given
        former_id = await users_store.former_id_of(transaction, account.github_id)
    given = {"check_interval": user.check_interval, "publishing_mode": user.publishing_mode}
    own = {name: value for name, value in given.items() if value is not None}
    await commit_order.about_to_appear(transaction)
    await _take_details(transaction, removed, user)
    await events.forget(transaction, removed)
    # SQLite gives the key of the deleted row to the next user, who would get its events.
    await events.move(transaction, user.key, to=removed)
    await transaction.execute(delete(users).where(users.c.key == user.key))
    await former_logins.note_rename(transaction, removed, user.login)
    await transaction.execute(
        update(users)
        .where(users.c.key == removed)
        .values(
            found_key=await commit_order.newest(transaction),
            login=user.login,
            former_login=former_logins.last_one(user.login),
            node_id=account.node_id,
            external_id=former_id or user.external_id,
            backfill=user.backfill,
            state=user.state,
            next_check_at=user.next_check_at,
            removed_at=None,
            failures=0,
            failure=None,
            **own,
            **new._mapping,
        )
    )
    return await users_store.get(transaction, removed)


async def _take_details(transaction: Transaction, removed: UserKey, user: User) -> None:
    """Copy the tags, and move the target and the deal, from the user's row to another one."""
    if user.tags:
        await transaction.execute(delete(user_tags).where(user_tags.c.user_key == removed))
        await transaction.execute(
            insert(user_tags), [{"user_key": removed, "tag": tag} for tag in user.tags]
        )
    if user.target is not None:
        await targets.move(transaction, user.key, to=removed)
    if user.deal_id is not None:
        await targets.move_deal(transaction, user.key, to=removed)
