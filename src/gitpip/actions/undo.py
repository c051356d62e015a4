"""The acts of undoing: a check, an import, a user's activities, or some publications."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from gitpip.actions.acting import Acting
from gitpip.counts import count
from gitpip.errors import DatabaseUnavailable, InvalidInput
from gitpip.model import CheckId, PublicationId
from gitpip.store.database import Transaction
from gitpip.store.publications import undo_choice, undone, undos
from gitpip.store.publications.selection import MAX_IDS_CHOSEN
from gitpip.store.publications.undo_choice import UndoChoice
from gitpip.store.publications.undos import Undo, UndoId, UndoPlan
from gitpip.store.schema_undo import UndoScope
from gitpip.store.status import checks
from gitpip.store.users import imports, users
from gitpip.store.users.imports import ImportId
from gitpip.validation import possible_login


@dataclass(frozen=True)
class What:
    """The subject of an undo: one of the four."""

    check: CheckId | None = None
    import_: ImportId | None = None
    login: str = ""
    publications: Sequence[PublicationId] = ()
    which: UndoScope = UndoScope.ALL
    """The activities to undo of what a person had sent again."""
    with_deals: bool = False
    """Whether deals that gitpip made and that are empty afterwards are deleted, too."""


async def plan(transaction: Transaction, what: What) -> UndoPlan:
    """Return what an undo would do now. Changes nothing. Raises as `undo`, except NothingToUndo."""
    return await undos.plan(transaction, await _chosen(transaction, what))


async def undo(acting: Acting, what: What) -> Undo:
    """Undo what a check or an import caused, what a user has, or some publications.

    Raises InvalidInput, CheckNotFound, ImportNotFound, UserNotTracked, PublicationNotFound, and
    NothingToUndo if nothing of it is in Pipedrive or waits, as after an undo.
    """
    async with acting.begin() as act:
        chosen = await _chosen(act.transaction, what)
        begun = await undos.begin(act.transaction, chosen, by=act.actor.name, now=act.now)
        told = f"{begun.id}: {begun.subject}, {count(begun.total, 'file')}"
        if what.which is not UndoScope.ALL:
            told += f", {what.which} activities"
        if what.with_deals:
            told += ", with empty deals"
        if begun.ended_at:
            told += ", ended at once"
        await act.record("undo.begun", told)
        act.wake("publish")
    if begun.total > undone.WITHDRAWN_AT_ONCE:
        # The undo has begun, and the publisher withdraws what is left: this is no failure of it.
        with suppress(DatabaseUnavailable):
            return await _withdraw_rest(acting, begun.id)
    return begun


async def _withdraw_rest(acting: Acting, undo_id: UndoId) -> Undo:
    """Withdraw what was not sent, in portions. If this is cut short, the publisher goes on."""
    more = True
    while more:
        async with acting.database.begin() as transaction:
            now = acting.clock()
            more = await undone.withdraw_unsent(transaction, now)
            await undone.end(transaction, now)
    async with acting.database.read() as transaction:
        return await undos.get(transaction, undo_id)


async def resume_undo(acting: Acting, undo_id: UndoId) -> Undo:
    """Resume an undo that was stopped, and try again what failed in it.

    Raises UndoNotFound, UndoNotStopped.
    """
    async with acting.begin() as act:
        resumed = await undos.resume(act.transaction, undo_id, act.now)
        await act.record("undo.resumed", str(undo_id))
        act.wake("publish")
    return resumed


async def _chosen(transaction: Transaction, what: What) -> UndoChoice:
    named = await _named(transaction, what)
    return replace(named, which=what.which, with_deals=what.with_deals)


async def _named(transaction: Transaction, what: What) -> UndoChoice:
    given = (what.check is not None, what.import_ is not None, bool(what.login))
    named = sum(given) + bool(what.publications)
    if named != 1:
        problem = "give a check, an import, publications or a user"
        raise InvalidInput("check", f"{problem}, only one of them" if named else problem)
    if what.check is not None:
        await checks.get(transaction, what.check)
        return undo_choice.of_check(what.check)
    if what.import_ is not None:
        await imports.get(transaction, what.import_)
        return undo_choice.of_import(what.import_)
    if what.login:
        user = await users.find(transaction, possible_login(what.login))
        return undo_choice.of_user(user.login, user.key)
    if len(what.publications) > MAX_IDS_CHOSEN:
        number = len(what.publications)
        raise InvalidInput("ids", f"must be at most {MAX_IDS_CHOSEN:,}, not {number:,}")
    return undo_choice.of_ids(what.publications)
