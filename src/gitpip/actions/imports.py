"""Users taken into the store: one by one, or those of a list piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from gitpip.actions.import_file import ImportRow, RowError, read_import_file
from gitpip.clock import utc_now
from gitpip.errors import GitHubError, GitHubNotFound
from gitpip.model import Account, Backfill, User
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database, Transaction
from gitpip.store.users import users
from gitpip.store.users.bulk import NewUser, add_many
from gitpip.validation import check_external_id, check_login

AT_A_TIME = 1000

FindAccount = Callable[[str], Awaitable[Account]]
"""Asks GitHub who bears a login; raises GitHubError."""
Did = Callable[[Transaction, str, str], Awaitable[None]]
"""Keeps an action and its subject in the audit, as part of the transaction."""

log = get_logger()


@dataclass(frozen=True)
class Imported:
    """What an import did; `faults` holds one line for each bad line of the file."""

    added: int
    known: int
    faults: tuple[str, ...]

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(
            self.added + other.added, self.known + other.known, self.faults + other.faults
        )


async def add_user(
    database: Database,
    login: str,
    *,
    external_id: str | None,
    backfill: Backfill,
    details: users.Changes = users.NOTHING,
    find_account: FindAccount,
    did: Did,
) -> users.Added:
    """Track a user, asking GitHub only where the store does not know the answer.

    Raises InvalidInput, UserConflict, GitHubNotFound. When GitHub can't be asked now the user is
    tracked without a GitHub id, and the next check asks.
    """
    check_login(login)
    if external_id is not None:
        check_external_id(external_id)
        if known := await _known(database, login, external_id):
            return users.Added(known, new=False)
    account = await _account(find_account, login)
    async with database.begin() as transaction:
        now = utc_now()
        added = await users.add(
            transaction,
            login=account.login if account else login,
            external_id=external_id or (str(account.github_id) if account else login.lower()),
            github_id=account.github_id if account else None,
            node_id=account.node_id if account else None,
            backfill=backfill,
            now=now,
            added_at=account.seen_at if account else None,
            default_id=external_id is None,
        )
        if added.new and details != users.NOTHING:
            user = await users.change(transaction, added.user.key, details, now)
            added = users.Added(user, new=True)
        if added.new:
            await did(transaction, "user.added", added.user.login)
    return added


async def _known(database: Database, login: str, external_id: str) -> User | None:
    async with database.read() as transaction:
        return await users.known_pair(transaction, login, external_id)


async def _account(find_account: FindAccount, login: str) -> Account | None:
    try:
        return await find_account(login)
    except GitHubNotFound:
        raise
    except GitHubError as error:
        log.warning("user.unconfirmed", login=login, reason=str(error))
        return None


async def import_users(
    database: Database, file: BinaryIO, *, backfill: Backfill
) -> AsyncIterator[Imported]:
    """Track every user of a file (CSV, JSON or a login a line); give what each piece did.

    Good lines are taken even where others are bad. GitHub is asked by the next check. `backfill`
    is for those who have none of their own. Raises InvalidInput when the file's header is wrong.
    """
    entries = read_import_file(file)
    while piece := await asyncio.to_thread(list, islice(entries, AT_A_TIME)):
        yield await _add(database, piece, backfill)


async def _add(
    database: Database, piece: Sequence[ImportRow | RowError], backfill: Backfill
) -> Imported:
    wanted = [
        NewUser(
            login=entry.login,
            external_id=entry.external_id or entry.login.lower(),
            backfill=entry.backfill or backfill,
            tags=entry.tags,
            interval=entry.interval,
            deal_id=entry.deal_id,
            any_id=entry.external_id is None,
        )
        for entry in piece
        if isinstance(entry, ImportRow)
    ]
    async with database.begin() as transaction:
        outcomes = await add_many(transaction, wanted, utc_now())
    fates = iter(outcomes)
    faults = []
    for entry in piece:
        reason = entry.reason if isinstance(entry, RowError) else next(fates).conflict
        if reason:
            faults.append(f"{entry.place}: {reason}")
    return Imported(
        added=sum(outcome.added for outcome in outcomes),
        known=sum(not outcome.added and not outcome.conflict for outcome in outcomes),
        faults=tuple(faults),
    )
