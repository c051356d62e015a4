"""The place of a publication, given its user's target, and the result of a refusal there.

If a target can't be used, only its own user's files wait. The target is read again when they are
due, so one that comes back is used again.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip.model import Change, Publication, PublicationState, UserKey
from gitpip.observability.logging import get_logger
from gitpip.publish.circuit_breaker import RequestKind
from gitpip.publish.delivery import Denied, NotProcessed, Outcome
from gitpip.publish.destination import LookFailed, Place, Unusable
from gitpip.publish.pauses import Channel
from gitpip.store.database import Transaction
from gitpip.store.publications import deal_drifts, deals, outbox
from gitpip.store.users import targets
from gitpip.store.users.targets import SeenTarget, UserTarget
from gitpip.targets import Target, TargetKind

UNUSABLE_TARGET_WAIT = timedelta(minutes=30)
"""The wait before an unusable target is read again, unless the user is given another one."""
UNREADABLE_TARGET_WAIT = timedelta(minutes=1)
"""The wait after a target could not be read. After that, it is as long as the fault has lasted, up
to half an hour."""
TOLD_AFTER = timedelta(minutes=5)
"""The time after which an unreadable target is shown as a problem."""
TARGETS_REMEMBERED = 1_000
ANOTHER = "give the user another target, or deal-by-title"

log = get_logger()


class Places:
    """Finds where publications are put. `now` returns the time (UTC)."""

    def __init__(self, channel: Channel, *, now: Callable[[], datetime]) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._now = now
        self._unread_since: dict[tuple[UserKey, Target], datetime] = {}
        """The times since which users' targets could not be read."""

    async def known(self, transaction: Transaction, claim: Publication) -> Place | None:
        """Return the place as far as the rows tell it, or None if Pipedrive must be asked first.

        A file that may have been sent before is sent again to the same place, even if its user has
        another target now.
        """
        target = await targets.of_user(transaction, claim.user_key)
        if claim.looked_at is not None and (kept := _kept(claim, target)) is not None:
            return kept
        if target is None:
            deal = await deals.made(transaction, claim.user_key)
            usable = await deal_drifts.is_usable(transaction, claim.user_key, self._now())
            return Place.deal(*deal) if deal is not None and usable else None
        return _place(target) if target.is_usable else None

    async def target_of(self, claim: Publication) -> UserTarget | None:
        """Return the target of its user, or None for the deal by its title."""
        async with self._database.read() as transaction:
            return await targets.of_user(transaction, claim.user_key)

    async def settle(self, claim: Publication, target: UserTarget) -> Place | Change:
        """Ask what a target is; return the place, or the change of the files that must wait."""
        if target.is_usable:
            return _place(target)
        if target.other_account is not None:
            return self._waits(
                f"{target.target.words} was set for the Pipedrive account {target.other_account}; "
                f"{ANOTHER}"
            )
        request = self._pauses.request(RequestKind.READ, subject_of_target(claim.user_key))
        try:
            seen = await self._destination.target(target.target)
        except LookFailed as failure:
            return await self._not_read(target, await self._pauses.failed(failure.outcome, request))
        await self._pauses.after(None, request)
        self._unread_since.pop((claim.user_key, target.target), None)
        return await self._noted(claim, target, seen)

    async def _noted(
        self, claim: Publication, target: UserTarget, seen: SeenTarget | Unusable
    ) -> Place | Change:
        now = self._now()
        async with self._database.begin() as transaction:
            if isinstance(seen, Unusable):
                present = await targets.note_problem(transaction, target, seen.reason, now)
            else:
                present = await targets.note_seen(transaction, target, seen, now)
        if not present:  # the user has another target now
            return Change(PublicationState.PENDING, now)
        if isinstance(seen, Unusable):
            log.warning("target.unusable", login=claim.login, reason=seen.reason)
            return self._waits(f"{seen.reason}; {ANOTHER}")
        return Place(target.target, seen.person_id, seen.org_id, given=True)

    async def _not_read(self, target: UserTarget, outcome: Outcome) -> Change:
        """Wait, without counting an attempt: nothing was sent.

        A fault that lasts is retried ever less often, and reported. If the target was unusable
        before, it is reported since then.
        """
        now, about = self._now(), (target.user_key, target.target)
        words = f"{target.target.words} could not be checked: {getattr(outcome, 'reason', '')}"
        reason = f"The target {words}"
        if about not in self._unread_since and len(self._unread_since) >= TARGETS_REMEMBERED:
            del self._unread_since[next(iter(self._unread_since))]
        is_new = about not in self._unread_since
        since = self._unread_since.setdefault(about, target.problem_since or now)
        if isinstance(outcome, NotProcessed) and outcome.everyone and is_new:
            # The pause of all publishing delays it.
            return Change(PublicationState.PENDING, now, reason=reason)
        if now - since >= TOLD_AFTER:
            async with self._database.begin() as transaction:
                await targets.note_problem(transaction, target, words, now, since=since)
        least = outcome.pause if isinstance(outcome, NotProcessed) else UNREADABLE_TARGET_WAIT
        wait = max(least, min(max(now - since, UNREADABLE_TARGET_WAIT), UNUSABLE_TARGET_WAIT))
        return Change(PublicationState.PENDING, now + wait, reason=reason)

    def _waits(self, reason: str) -> Change:
        until = self._now() + UNUSABLE_TARGET_WAIT
        return Change(PublicationState.PENDING, until, reason=f"The target can't be used: {reason}")

    async def why_refused(self, place: Place, claim: Publication, reason: str) -> Outcome | None:
        """Return the outcome of a refused activity if the place is the reason, or None.

        Raises LookFailed if that can't be found out.
        """
        seen = await self._destination.target(place.target)
        now = self._now()
        async with self._database.begin() as transaction:
            target = await targets.of_user(transaction, claim.user_key)
            is_present = target is not None and target.target == place.target
            if isinstance(seen, Unusable):
                await outbox.forget_place(transaction, claim)
                if not is_present or target is None:
                    return Denied(seen.reason, quick_retries=1)
                await targets.note_problem(transaction, target, seen.reason, now)
            elif place.person_id is None and place.org_id is None:
                return None
            elif target is not None and is_present:
                # They may be gone, or others by now. Once they are refused, none is sent.
                links = (place.person_id, place.org_id)
                await targets.note_seen(transaction, target, seen, now)
                if (seen.person_id, seen.org_id) == links:
                    await targets.unlink(transaction, target)
        if isinstance(seen, Unusable):
            again = f"The target can't be used: {seen.reason}; {ANOTHER}"
            return NotProcessed(again, UNUSABLE_TARGET_WAIT, everyone=False)
        return NotProcessed(reason, timedelta(0), everyone=False)


def subject_of_target(user_key: UserKey) -> str:
    """Return the name under which requests about a user's target are counted."""
    return f"the target of {user_key}"


def _place(target: UserTarget) -> Place:
    return Place(target.target, target.person_id, target.org_id, given=True)


def _kept(claim: Publication, target: UserTarget | None) -> Place | None:
    """Return where a publication was sent, if its user's files are now sent elsewhere."""
    if target is not None and claim.sent_to == target.target:
        return None
    if claim.sent_to is not None:
        return Place(claim.sent_to, given=True)
    if target is not None and claim.deal_id is not None:
        return Place(Target(TargetKind.DEAL, str(claim.deal_id)), given=True)
    return None
