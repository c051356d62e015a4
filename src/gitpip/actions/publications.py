"""What a person decides about publications: send, skip, release what is held, mend notes."""

from gitpip.actions.acting import Acting
from gitpip.model import Backfill, Publication, PublicationId
from gitpip.store.publications import held, note_updates, publications
from gitpip.store.publications.held import Answered
from gitpip.validation import possible_login


async def retry(acting: Acting, publication_id: PublicationId) -> Publication:
    """Send a publication that failed, was skipped or is held, or one that waits, now.

    Raises PublicationNotFound, PublicationStateError.
    """
    async with acting.begin() as act:
        moved = await publications.retry(
            act.transaction, publication_id, act.now, by=act.actor.name
        )
        await act.record("publication.retried", str(publication_id))
        act.wake("publish")
    return moved


async def skip(acting: Acting, publication_id: PublicationId) -> Publication:
    """Decide that a publication is not to be sent; no worker has anything to do for that.

    Raises PublicationNotFound, PublicationStateError.
    """
    async with acting.begin() as act:
        moved = await publications.skip(act.transaction, publication_id, act.now)
        await act.record("publication.skipped", str(publication_id))
    return moved


async def decide_held(
    acting: Acting, login: str, approved: Backfill, *, shown: int | None = None
) -> Answered:
    """Publish what is held of a user: all, the latest N gists, or none; the rest is skipped.

    Given again, it changes nothing. `shown` is how many files the person was told of. Raises
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
        if answered.published or answered.skipped:
            done = f"{approved}, {answered.published} to publish, {answered.skipped} skipped"
            await act.record("held.decided", f"{answered.login}: {done}")
        if answered.published:
            act.wake("publish")
    return answered


async def settle_failed_notes(acting: Acting, *, again: bool) -> int:
    """Write the notes that Pipedrive refused once more, or leave them; gives their number."""
    async with acting.begin() as act:
        number = await note_updates.settle_failed(act.transaction, again=again, now=act.now)
        if number:
            await act.record(f"notes.{'retried' if again else 'left'}", str(number))
        if number and again:
            act.wake("publish")
    return number
