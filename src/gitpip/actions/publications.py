"""The acts on publications: send, skip, release what is held, rewrite notes."""

from collections.abc import Sequence
from dataclasses import dataclass

from gitpip.actions.acting import Act, Acting
from gitpip.backfill import Backfill
from gitpip.counts import count
from gitpip.errors import InvalidInput
from gitpip.model import Publication, PublicationId, PublicationState
from gitpip.modes import FoundCredentials, HeldBecause
from gitpip.store.publications import approvals, held, note_updates, publications
from gitpip.store.publications.approvals import ApprovalChoice, Moved
from gitpip.store.publications.held import Answered
from gitpip.store.publications.selection import MAX_IDS_CHOSEN
from gitpip.store.users import users
from gitpip.validation import possible_login

MAX_AUDITED_IDS = 20
"""The most ids named in an audit entry."""
ALL_PEOPLE = "all people"


@dataclass(frozen=True)
class PublicationChoice:
    """The publications that a person means: by their ids, those of a user, or all."""

    ids: Sequence[PublicationId] = ()
    login: str = ""
    everything: bool = False
    reviewed: bool = True
    """False if the person has not seen what those named hold, as in a list: what is held for
    credentials is not approved then."""


async def retry(
    acting: Acting,
    publication_id: PublicationId,
    credentials: FoundCredentials | None = None,
) -> Publication:
    """Send a publication that failed, was skipped, is held or waits, now.

    `credentials` says how to treat what looks like credentials. PUBLISH changes nothing for one
    that failed or waits, and None changes nothing that a person has decided. For a held one that is
    an approval, and is recorded as one.

    Raises PublicationNotFound, PublicationStateError.
    """
    async with acting.begin() as act:
        retried = await publications.retry(
            act.transaction,
            publication_id,
            act.now,
            by=act.actor.name,
            credentials=credentials,
        )
        approved = retried.was is PublicationState.HELD
        await act.record(
            "publications.approved" if approved else "publication.retried",
            f"{publication_id}{_sent_how(retried.publication)}",
        )
        act.wake("publish")
    return retried.publication


async def skip(acting: Acting, publication_id: PublicationId) -> Publication:
    """Decide that a publication is not sent. No worker has anything to do for that.

    Raises PublicationNotFound, PublicationStateError.
    """
    async with acting.begin() as act:
        moved = await publications.skip(act.transaction, publication_id, act.now, by=act.actor.name)
        await act.record("publication.skipped", str(publication_id))
    return moved


async def decide_held(
    acting: Acting, login: str, approved: Backfill, *, shown: int | None = None
) -> Answered:
    """Publish what is held of a user: all, the latest N gists, or none. The rest is skipped.

    Repeating it changes nothing. `shown` is the number of files that the person was told. Raises
    UserNotTracked, InvalidInput, HeldChanged.
    """
    async with acting.begin() as act:
        answered = await held.answer(
            act.transaction,
            possible_login(login),
            approved,
            now=act.now,
            shown=shown,
            by=act.actor.name,
        )
        await _tell_decided(act, answered.login, approved, answered)
    return answered


async def decide_held_of_all(
    acting: Acting, approved: Backfill, *, shown: int | None = None
) -> Answered:
    """Decide about the held files of all users, with one answer: see `decide_held`.

    The latest N gists are those of all users together. Raises InvalidInput, HeldChanged.
    """
    async with acting.begin() as act:
        answered = await held.answer_for_all(
            act.transaction, approved, now=act.now, shown=shown, by=act.actor.name
        )
        await _tell_decided(act, ALL_PEOPLE, approved, answered)
    return answered


async def _tell_decided(act: Act, subject: str, approved: Backfill, answered: Answered) -> None:
    if answered.published or answered.skipped:
        to_send = count(answered.published, "file")
        done = f"{approved}, {to_send} to send, {answered.skipped:,} skipped"
        await act.record("held.decided", f"{subject}: {done}")
    if answered.published:
        act.wake("publish")


async def approve(
    acting: Acting,
    which: PublicationChoice,
    credentials: FoundCredentials | None = None,
) -> Moved:
    """Approve held publications, so that they are sent: those named, those of a user, or all.

    Those named are sent with or without what looks like credentials in them, as `credentials` says,
    or, if it is None, as a person has decided before. What is held for credentials is approved only
    if it is named, and `reviewed`.

    Raises InvalidInput, PublicationNotFound, UserNotTracked, and PublicationStateError if none of
    those named is held, as after they were skipped.
    """
    if credentials is FoundCredentials.MASK and not which.ids:
        raise InvalidInput(
            "credentials",
            "mask needs the IDs of publications: files that are held for credentials "
            "are approved one by one",
        )
    async with acting.begin() as act:
        chosen = await _chosen(act, which)
        moved = await approvals.approve(
            act.transaction, chosen, now=act.now, by=act.actor.name, credentials=credentials
        )
        if moved.ids:
            told = f"{_told(which, moved)}{_told_of(credentials)}"
            await act.record("publications.approved", told)
            act.wake("publish")
    return moved


async def hold(acting: Acting, which: PublicationChoice) -> Moved:
    """Hold publications that wait and were never sent: those named, those of a user, or all.

    Raises as `approve`.
    """
    async with acting.begin() as act:
        chosen = await _chosen(act, which)
        moved = await approvals.hold(act.transaction, chosen, now=act.now)
        if moved.ids:
            await act.record("publications.held", _told(which, moved))
    return moved


async def _chosen(act: Act, which: PublicationChoice) -> ApprovalChoice:
    if bool(which.ids) + bool(which.login) + which.everything != 1:
        raise InvalidInput("ids", "give IDs of publications, a user, or all")
    if len(which.ids) > MAX_IDS_CHOSEN:
        raise InvalidInput("ids", f"must be at most {MAX_IDS_CHOSEN:,}, not {len(which.ids):,}")
    if which.login:
        user = await users.find(act.transaction, possible_login(which.login))
        return ApprovalChoice(user_key=user.key)
    return ApprovalChoice(tuple(dict.fromkeys(which.ids)), reviewed=which.reviewed)


def _sent_how(retried: Publication) -> str:
    if retried.masked:
        return ", without credentials"
    return ", with credentials" if retried.held_because is HeldBecause.CREDENTIALS else ""


def _told_of(credentials: FoundCredentials | None) -> str:
    return ", without credentials" if credentials is FoundCredentials.MASK else ""


def _told(which: PublicationChoice, moved: Moved) -> str:
    if which.login or which.everything:
        return f"{which.login or ALL_PEOPLE}: {count(len(moved.ids), 'file')}"
    return ", ".join(map(str, moved.ids[:MAX_AUDITED_IDS])) + (
        " ..." if len(moved.ids) > MAX_AUDITED_IDS else ""
    )


async def settle_failed_notes(acting: Acting, *, again: bool) -> int:
    """Write the notes that Pipedrive refused again, or leave them; return their number."""
    async with acting.begin() as act:
        number = await note_updates.settle_failed(act.transaction, again=again, now=act.now)
        if number:
            await act.record(f"notes.{'retried' if again else 'left'}", str(number))
        if number and again:
            act.wake("publish")
    return number
