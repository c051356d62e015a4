"""The acts on tracked users: add, change, pause, check now, remove."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from gitpip.actions.acting import Act, Acting, difference
from gitpip.backfill import Backfill
from gitpip.config import format_duration
from gitpip.config.publishing.policy import publishing_mode
from gitpip.errors import GitHubError, GitHubNotFound, InvalidInput
from gitpip.model import Account, User, UserState
from gitpip.modes import PublishingMode
from gitpip.observability.logging import get_logger
from gitpip.store import ledger
from gitpip.store.database import Database, Transaction
from gitpip.store.publications import permission, publishing_settings
from gitpip.store.users import bulk, users
from gitpip.store.users.users import GENERAL, NO_CHANGES, AddedUser, Changes, Mode
from gitpip.targets import DEAL_BY_TITLE
from gitpip.validation import check_external_id, check_login, checked_tags, possible_login

FindAccount = Callable[[str], Awaitable[Account]]
"""A function that asks GitHub for the account of a login; raises GitHubError."""

log = get_logger()


class UserAct(StrEnum):
    """The acts on a user that need no further input."""

    CHECK = "check"
    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    """Hold their new files until a person approves them."""
    UNHOLD = "unhold"
    """Treat their new files the same as those of everybody."""
    REMOVE = "remove"


class Tagging(StrEnum):
    """The acts with tags on selected users."""

    TAG = "tag"
    UNTAG = "untag"


MODES: Mapping[UserAct | Tagging, Mode] = {
    UserAct.HOLD: PublishingMode.ASK,
    UserAct.UNHOLD: GENERAL,
}
"""The publishing mode that an act gives to a user."""


@dataclass(frozen=True)
class BulkAction:
    """The act, and the users that it applies to."""

    act: UserAct | Tagging
    logins: Sequence[str]
    tags: tuple[str, ...] = ()


async def add_user(
    acting: Acting,
    login: str,
    *,
    external_id: str | None,
    backfill: Backfill,
    details: Changes = NO_CHANGES,
    find_account: FindAccount,
) -> AddedUser:
    """Track a user. GitHub is only asked if the store does not know the answer.

    Raises InvalidInput, UserConflict, GitHubNotFound. If GitHub can't be asked now, the user is
    tracked without a GitHub id, and the next check asks.
    """
    check_login(login)
    details = _valid(details)
    if external_id is not None:
        check_external_id(external_id)
        if known := await _known(acting.database, login, external_id):
            return AddedUser(known, new=False)
    account = await _account(find_account, login)
    async with acting.begin() as act:
        added = await users.add(
            act.transaction,
            login,
            external_id=external_id,
            account=account,
            backfill=backfill,
            now=act.now,
        )
        if added.new:
            if details.target is not None:
                await ledger.lock(act.transaction)
            if details != NO_CHANGES:
                changed = await users.change(act.transaction, added.user.key, details, act.now)
                added = AddedUser(changed, new=True)
            await act.record("user.added", added.user.login)
            act.wake("check")
    if added.new:
        log.info("user.added", login=added.user.login, id=added.user.external_id)
    return added


async def change(acting: Acting, login: str, changes: Changes) -> User:
    """Change a user's id, backfill rule, tags, interval, mode or target; pause or resume them.

    A change without effect is not recorded. Raises InvalidInput, UserNotTracked, UserConflict.
    """
    changes = _valid(changes)
    async with acting.begin() as act:
        return await _change(act, await _tracked(act.transaction, login), changes)


async def check(acting: Acting, login: str) -> User:
    """Check a user as soon as possible, and read what could not be read; raises UserNotTracked."""
    async with acting.begin() as act:
        user = await _tracked(act.transaction, login)
        await _check(act, user)
        return user


async def remove(acting: Acting, login: str) -> User:
    """Stop tracking a user. Found gists are kept, so that nothing is published twice later.

    Raises UserNotTracked.
    """
    async with acting.begin() as act:
        user = await _tracked(act.transaction, login)
        await _remove(act, user)
        return user


async def act_on_selected(acting: Acting, order: BulkAction) -> tuple[User, ...]:
    """Do one thing to all of several users, or to none; return them as they were before.

    Each is recorded as if it was done to that user alone. Raises InvalidInput, UserNotTracked.
    """
    async with acting.begin() as act:
        chosen = await bulk.lock_each(act.transaction, order.logins)
        if order.act is Tagging.UNTAG:
            _check_tags_are_used(order.tags, chosen)
        for user in chosen:
            match order.act:
                case UserAct.CHECK:
                    await _check(act, user)
                case UserAct.PAUSE | UserAct.RESUME:
                    await _change(act, user, Changes(paused=order.act is UserAct.PAUSE))
                case UserAct.HOLD | UserAct.UNHOLD:
                    await _change(act, user, Changes(mode=MODES[order.act]))
                case UserAct.REMOVE:
                    await _remove(act, user)
                case Tagging.TAG | Tagging.UNTAG:
                    await _change(act, user, Changes(tags=_other_tags(user, order)))
        return chosen


async def _change(act: Act, user: User, wanted: Changes) -> User:
    if wanted.target is not None:
        await ledger.lock(act.transaction)  # before any row, in the order of locking.py
    changes = _effective(wanted, user)
    if changes == NO_CHANGES:
        return user
    if changes.mode is not None:
        overall = publishing_mode({}, await publishing_settings.values(act.transaction))
        await permission.mode_of_user_changes(act.transaction, user.key, overall)
    changed = await users.change(act.transaction, user.key, changes, act.now)
    if replace(changes, paused=None) != NO_CHANGES:
        await act.record("user.changed", f"{user.login}: {_told(changes, user)}")
    if changes.paused is not None:
        await act.record("user.paused" if changes.paused else "user.resumed", user.login)
    becomes_due = changes.interval is not None or changes.paused is False
    if changes.target is not None:
        act.wake("publish")
    if becomes_due and changed.state is not UserState.PAUSED:
        act.wake("check")
    return changed


@dataclass(frozen=True)
class _Field:
    """A field of `Changes`, its name in the audit log, and the user's present value."""

    field: str
    name: str
    present: Callable[[User], object]
    has_default: bool = False
    """Whether `GENERAL` stands for the setting that applies to all people."""

    def written(self, value: object) -> str:
        """Return a value as people write it."""
        if isinstance(value, timedelta):
            return format_duration(value)
        if isinstance(value, tuple):
            return ", ".join(sorted(value)) or "none"
        if self.has_default and value == GENERAL:
            return "default"
        return "none" if value is None else str(value)


FIELDS = (
    _Field("external_id", "customer ID", lambda user: user.external_id),
    _Field("backfill", "existing gists", lambda user: user.backfill),
    _Field("tags", "tags", lambda user: user.tags),
    _Field("interval", "check interval", lambda user: user.check_interval or GENERAL, True),
    _Field("mode", "new files", lambda user: user.publishing_mode or GENERAL, True),
    _Field("target", "activities go to", lambda user: user.target or DEAL_BY_TITLE),
)
"""The fields of a user that people can change, except a pause, in the order of the audit log."""


def _effective(wanted: Changes, user: User) -> Changes:
    """Return the changes that have an effect. Giving `latest:N` again has an effect."""
    same = {
        each.field
        for each in FIELDS
        if _comparable(getattr(wanted, each.field)) == _comparable(each.present(user))
    }
    if wanted.backfill and wanted.backfill.count is not None:
        same.discard("backfill")
    same.discard("target")
    if _has_target(wanted, user):
        same |= {"target", "target_seen"}
    if wanted.paused is (user.state is UserState.PAUSED):
        same.add("paused")
    return replace(wanted, **dict.fromkeys(same, None))


def _comparable(value: object) -> object:
    """Return a value whose order does not matter, as tags have none."""
    return frozenset(value) if isinstance(value, tuple) else value


def _told(changes: Changes, user: User) -> str:
    """Return the changes of a user, except a pause."""
    changed = ((each, getattr(changes, each.field)) for each in FIELDS)
    return "; ".join(
        difference(each.name, each.written(each.present(user)), each.written(after))
        for each, after in changed
        if after is not None
    )


def _has_target(wanted: Changes, user: User) -> bool:
    """Return whether the user has this target, as far as Pipedrive was asked about it."""
    if wanted.target != (user.target or DEAL_BY_TITLE):
        return wanted.target is None
    return wanted.target_seen is None or (
        user.target_problem is None and wanted.target_seen.title == user.target_title
    )


async def _check(act: Act, user: User) -> None:
    await users.make_due(act.transaction, user.key, act.now)
    await act.record("user.check_requested", user.login)
    act.wake("check")


async def _remove(act: Act, user: User) -> None:
    await users.remove(act.transaction, user.key, act.now)
    await act.record("user.removed", user.login)


def _check_tags_are_used(tags: Sequence[str], chosen: Sequence[User]) -> None:
    known = {tag for user in chosen for tag in user.tags}
    if unknown := [tag for tag in tags if tag not in known]:
        raise InvalidInput("tags", f"none of the selected people has the tag {unknown[0]!r}")


def _other_tags(user: User, order: BulkAction) -> tuple[str, ...]:
    if order.act is Tagging.UNTAG:
        return tuple(tag for tag in user.tags if tag not in order.tags)
    try:
        return checked_tags((*user.tags, *order.tags))
    except InvalidInput as error:
        raise InvalidInput("tags", f"for {user.login}: {error.message}") from None


def _valid(changes: Changes) -> Changes:
    """Return the changes with each tag once; raises InvalidInput."""
    if changes.external_id is not None:
        check_external_id(changes.external_id)
    return changes if changes.tags is None else replace(changes, tags=checked_tags(changes.tags))


async def _tracked(transaction: Transaction, login: str) -> User:
    return await users.find(transaction, possible_login(login))


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
