"""The publisher: claims waiting publications, sends them, several at once, and records results."""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from gitpip.clock import Clocks
from gitpip.config.publishing.activity import PER_GIST
from gitpip.model import Change, DealId, Publication, PublicationId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.observability import metrics
from gitpip.observability.watchdog import step
from gitpip.publish import delivery
from gitpip.publish.account_guard import AccountGuard
from gitpip.publish.activity_search import ActivitySearch
from gitpip.publish.claims import kept
from gitpip.publish.deals import SENDER_DIED, Deals
from gitpip.publish.delivery import Waits
from gitpip.publish.destination import DAILY_RESERVE, Destination
from gitpip.publish.detector_pause import DetectorPause
from gitpip.publish.doubles import Doubles
from gitpip.publish.gists import grouped
from gitpip.publish.guards import Guards
from gitpip.publish.last_sent import LastSent
from gitpip.publish.list_lag import ListLag
from gitpip.publish.note_updater import NoteUpdater
from gitpip.publish.pauses import Channel, Pauses
from gitpip.publish.policy import Policies
from gitpip.publish.records import record
from gitpip.publish.running_tasks import RunningTasks
from gitpip.publish.screener import Screener
from gitpip.publish.sender import Sender, SendRules
from gitpip.publish.sent_fields import Terms
from gitpip.publish.undoer import Undoer
from gitpip.store.database import Database, Transaction
from gitpip.store.publications import (
    note_updates,
    opt_outs,
    outbox,
    permission,
    second_sends,
    undone,
)
from gitpip.store.publications.delivered import DEALS, PUBLICATIONS
from gitpip.store.publications.permission import Present

CLAIMED_AT_ONCE = 10
LOOKED_IN = 20
"""The number of deals whose searches go together: one list can answer for all of them."""
SHORT_PAUSE = timedelta(seconds=5)
"""The longest pause whose end a run waits for. For a longer one, the run ends."""
PAUSE_KNOWN_FOR = 0.25
"""The seconds for which a run assumes that no other process has paused publishing."""

GISTS_WAIT = (
    "gists with several files wait for the first minutes after the start, until Pipedrive shows "
    "what was sent before it"
)

DEFAULT_RULES = SendRules()


@dataclass
class _Run:
    """One run: the token of its claims, its requests, and what is claimed and not sent yet."""

    token: str
    running: RunningTasks = field(default_factory=RunningTasks)
    waiting: deque[tuple[Publication, set[UserKey]]] = field(default_factory=deque)
    """Each publication with the users of the same batch who wait for their deal."""
    looks: set[str] = field(default_factory=set)
    """The tokens of the searches under way. One can outlast its claims: a list may have
    many pages."""
    others: dict[PublicationId, tuple[Publication, ...]] = field(default_factory=dict)
    """The publications that go out with those, by their ids."""
    holds_claims: bool = False
    """Whether something was or may have been claimed: the answer to a claim can be lost."""
    screened: bool = False
    """Whether none of the last claims is sent after all, so that more may be due."""
    undoes: bool = False
    """Whether something is to be undone, as the last claim of searches found."""


class Publisher:
    """Publishes what is due. At most one should run per Pipedrive account.

    Two running side by side do no harm, because of the claims, but share one rate limit.
    """

    def __init__(
        self,
        database: Database,
        destination: Destination,
        *,
        waits: Waits,
        rules: SendRules = DEFAULT_RULES,
        short_pause: timedelta = SHORT_PAUSE,
        clocks: Clocks | None = None,
    ) -> None:
        """`short_pause` is the longest pause that a run waits for."""
        clocks = clocks or Clocks()
        self._policies = Policies(rules.given)
        self._short_pause = short_pause
        self._database = database
        self._destination = destination
        self._waits = waits
        self._now = clocks.wall
        self._stop_asked = asyncio.Event()
        self._unpaused_at: float | None = None
        self._probed_by_sending = False
        self._pauses = Pauses(database, destination, self._now)
        self._detector_pause = DetectorPause(database, self._now)
        self._screener = Screener(
            database,
            now=self._now,
            on_edit=rules.on_edit,
            policies=self._policies,
            detector_pause=self._detector_pause,
        )
        terms = Terms(database, destination, self._policies, self._now)
        channel = Channel(database, destination, self._pauses, terms)
        self._list_lag = ListLag()
        guards = Guards(
            LastSent(clocks.wall), self._list_lag, clocks, self._mode, self._detector_pause
        )
        self._account_guard = AccountGuard(channel, guards, on_edit=rules.on_edit)
        self._looks = ActivitySearch(channel, waits=waits, now=self._now)
        index = destination.deal_finder(database, self._now)
        self._sender = Sender(
            channel,
            self._looks,
            Deals(channel, index, guards, waits=waits),
            guards,
            waits=waits,
            rules=rules,
        )
        self._note_updater = NoteUpdater(
            channel, self._sender.rendered, now=self._now, guards=guards
        )
        self._doubles = Doubles(channel, index, now=self._now, mode=self._mode)
        self._undoer = Undoer(channel, index, guards, waits=waits)

    async def _mode(self, transaction: Transaction) -> PublishingMode:
        """Return the current mode of everybody."""
        return (await self._policies.read(transaction)).publishing_mode

    def stop(self) -> None:
        """Make `run` return once the requests under way have ended."""
        self._stop_asked.set()

    async def due(self) -> bool:
        """Return whether there is something to do now; learning whose the token is comes first."""
        if any(await self._never_sent()):
            return True
        if not self._destination.has_token:
            return False
        stopped = await self._account_guard.stopped()
        if stopped or await self._pauses.current() is not None:
            return False
        return stopped is None or await self._account_guard.wanted() or await self._waits_for_us()

    async def _waits_for_us(self) -> bool:
        now = self._now()
        async with self._database.read() as transaction:
            policy = await self._policies.read(transaction)
            present = Present(now, policy.publishing_mode)
            sends = await self._detector_pause.is_possible(transaction, policy)
            if await outbox.any_due(transaction, present, sends=sends):
                return True
            if await undone.any_due(transaction, present):
                return True
            look_again = await second_sends.next_due(transaction, present.mode)
            if look_again is not None and look_again <= now:
                return True
            return sends and await note_updates.any_due(transaction, present)

    async def _never_sent(self) -> tuple[bool, bool]:
        """Return whether files of opted-out owners wait, and whether unmarked ones in a dry run."""
        async with self._database.read() as transaction:
            opted_out = await opt_outs.any_waits(transaction)
            mode = await self._mode(transaction)
            return opted_out, await permission.any_to_mark(transaction, mode)

    async def _settle_never_sent(self) -> None:
        """Skip waiting publications of owners who opted out, and mark those that wait in a dry run.

        That needs no token, and no vendor.
        """
        opted_out, unmarked = await self._never_sent()
        if opted_out:
            async with self._database.begin() as transaction:
                skipped = await opt_outs.skip_waiting(transaction, self._now())
            metrics.deliveries.labels(PublicationState.SKIPPED).inc(skipped)
        while unmarked:
            async with self._database.begin() as transaction:
                mode = await self._mode(transaction)
                unmarked = bool(await permission.mark_met_in_dry_run(transaction, mode))
            step()

    async def take_over(self) -> None:
        """Free the claims of a dead process. Only for a process that is alone on its database.

        Its publications in `sending` become uncertain, as its requests may still land.
        """
        lost = delivery.uncertain(SENDER_DIED, now=self._now())
        async with self._database.begin() as transaction:
            given_up = await PUBLICATIONS.give_up(transaction, lost, over_at=None)
            await PUBLICATIONS.free_claims(transaction)
            await DEALS.give_up(transaction, lost, over_at=None)
            await DEALS.free_claims(transaction)
        metrics.deliveries.labels(PublicationState.UNCERTAIN).inc(given_up)

    async def run(self) -> int:
        """Publish until nothing is due or publishing is paused; return the number of steps done.

        A failure of one publication, deal or note is recorded there and does not end the run.
        Raises DatabaseUnavailable.
        """
        await self._settle_never_sent()
        if not self._destination.has_token:
            return 0
        run = _Run(secrets.token_hex(16))
        self._unpaused_at = None
        self._detector_pause.begin()
        self._screener.slow.clear()
        steps = 0
        try:
            lasts = self._waits.claim
            async with kept(self._database, PUBLICATIONS, run.token, now=self._now, claim=lasts):
                while True:
                    await self._fill(run)
                    if not run.running.is_empty:
                        await run.running.one_ends()
                    elif run.screened:
                        step()
                    elif done := await self._aside():
                        steps += done
                    else:
                        break
        finally:
            await run.running.finish()
            if run.holds_claims:
                async with self._database.begin() as transaction:
                    await PUBLICATIONS.release(transaction, run.token)
        return steps + run.running.done

    async def _aside(self) -> int:
        """Do what can wait until nothing else is due; return the number of steps."""
        if not await self._detector_pause.goes_on(self._policies.current):
            return 0
        return await self._note_updater.run(self._may_go_on)

    async def _may_go_on(self) -> bool:
        """Return whether to take another step, after waiting for the end of a short pause."""
        while not self._stop_asked.is_set():
            if self._unpaused():
                return True
            pause = await self._pauses.current()
            if pause is None:
                if not await self._account_guard.permits():
                    return False
                self._unpaused_at = asyncio.get_running_loop().time()
                return True
            left = pause.until - self._now()
            if left > self._short_pause:
                return False
            step()
            try:
                async with asyncio.timeout(left.total_seconds()):
                    await self._stop_asked.wait()
            except TimeoutError:
                pass
        return False

    def _unpaused(self) -> bool:
        """Return whether it was confirmed a moment ago that nothing pauses publishing."""
        if self._unpaused_at is None or self._pauses.holds() or self._pauses.probing:
            return False
        if self._account_guard.has_news:
            return False
        return asyncio.get_running_loop().time() - self._unpaused_at < PAUSE_KNOWN_FOR

    async def _fill(self, run: _Run) -> None:
        """Start as many requests as may be under way now."""
        run.screened = run.undoes = False
        if not await self._may_go_on():
            return
        if self._pauses.probing and not run.running.is_empty:
            return
        claimed = await self._claim_sends(run)
        if not self._sends_first(run):
            await self._start_looks(run)
        new = any(claim.sent_at is None for claim in claimed)
        if claimed and not await self._account_guard.permits(new=new):
            # The account was switched before these were claimed: a switch after it ends the claims.
            self._unpaused_at = None
            return
        if not (self._pauses.probing and not run.running.is_empty):
            self._start_undoing(run)
        if not (self._pauses.probing and not run.running.is_empty):
            self._start_sends(run)
        self._probed_by_sending = self._pauses.probing and run.running.sends

    def _sends_first(self, run: _Run) -> bool:
        """Return whether a send, and not a search, is the probe.

        A successful search does not show that writes work. They take turns, as one that always
        fails must not block the other.
        """
        return self._pauses.probing and bool(run.waiting) and not self._probed_by_sending

    async def _start_looks(self, run: _Run) -> None:
        looks = run.running.looks_wanted(sends_wait=bool(run.waiting))
        if not looks:
            return
        token = secrets.token_hex(16)
        claimed, doubled_at = await self._claim_looks(run, token)
        if claimed:
            run.looks.add(token)
            run.running.look(self._look(claimed, run, token))
        elif doubled_at is not None and doubled_at <= self._now() and not self._doubles.busy:
            run.running.look(self._look_for_doubles())

    def _start_undoing(self, run: _Run) -> None:
        """Delete in addition to sending, not instead of it: a pause is probed by a send."""
        if run.undoes and not self._undoer.busy and not (self._pauses.probing and run.waiting):
            run.running.look(self._undo())

    async def _undo(self) -> None:
        await self._undoer.run(lambda: not self._stop_asked.is_set())
        step()

    def _most_at_once(self) -> int:
        """Return how many requests may run, by the burst limit and the rest of the daily budget."""
        burst, remaining = self._destination.burst, self._destination.daily_remaining
        return burst if remaining is None else max(min(burst, remaining // DAILY_RESERVE), 1)

    def _start_sends(self, run: _Run) -> None:
        limit = self._most_at_once()
        crowded = run.running.crowded(limit)
        for _ in range(len(run.waiting)):
            if not run.running.room(1 if self._pauses.probing else limit):
                return
            claim, postponed = run.waiting.popleft()
            if claim.user_key in crowded:
                run.waiting.append((claim, postponed))
                continue
            run.running.send(self._send(claim, run, postponed), claim.user_key)
            crowded = run.running.crowded(limit)

    async def _look_for_doubles(self) -> None:
        await self._doubles.look()
        step()

    async def _look(
        self, claimed: Mapping[DealId | None, tuple[Publication, ...]], run: _Run, token: str
    ) -> None:
        try:
            await self._looks.look(claimed)
        finally:
            run.looks.discard(token)
        step()

    async def _send(self, claim: Publication, run: _Run, postponed: set[UserKey]) -> None:
        others = run.others.pop(claim.id, ())
        try:
            await self._sender.send(claim, run.running, postponed, others)
        finally:
            await self._release(run, others)
        step()

    async def _release(self, run: _Run, claims: Sequence[Publication]) -> None:
        """Release claims that were not sent."""
        if claims:
            async with self._database.begin() as transaction:
                await PUBLICATIONS.release(transaction, run.token, [each.id for each in claims])

    async def _claim_looks(
        self, run: _Run, token: str
    ) -> tuple[dict[DealId | None, tuple[Publication, ...]], datetime | None]:
        """Claim publications to search for, with a `token` of their own.

        Returns them, and when something that was sent twice is to be searched for again, if
        anything. Also notes in the run whether something is to be undone. A search that outlasts
        its claims must not count for a later send.
        """
        now, waits = self._now(), self._waits
        lost = delivery.uncertain(SENDER_DIED, now=now, first_look=timedelta(0))
        async with self._database.begin() as transaction:
            given_up = await PUBLICATIONS.give_up(transaction, lost, over_at=now, alive=run.token)
            claimed = await outbox.claim_looks(
                transaction,
                token=token,
                now=now,
                claim=waits.claim,
                deals=1 if self._pauses.probing else LOOKED_IN,
                under_way=run.looks,
            )
            mode = await self._mode(transaction)
            doubled_at = await second_sends.next_due(transaction, mode)
            run.undoes = await undone.any_due(transaction, Present(now, mode))
        metrics.deliveries.labels(PublicationState.UNCERTAIN).inc(given_up)
        return claimed, doubled_at

    async def _claim_sends(self, run: _Run) -> Sequence[Publication]:
        """Claim another batch if the claims do not fill the room."""
        limit = self._most_at_once()
        waiting = [claim.user_key for claim, _ in run.waiting]
        room = run.running.room(limit)
        if run.running.fitting(waiting, limit) >= room or not room:
            return ()
        if not await self._detector_pause.goes_on(self._policies.current):
            return ()
        held, run.holds_claims = run.holds_claims, True
        async with self._database.begin() as transaction:
            policy = await self._policies.read(transaction)
            mode = policy.publishing_mode
            per_gist = policy.activity_per == PER_GIST
            claim_up_to = partial(
                outbox.claim_sends,
                transaction,
                token=run.token,
                present=Present(self._now(), mode, per_gist),
                claim=self._waits.claim,
            )
            crowded, slow = run.running.crowded(limit, waiting), self._screener.slow
            claimed = await claim_up_to(limit=max(CLAIMED_AT_ONCE, room), without=crowded | slow)
            if slow and not claimed:
                claimed = await claim_up_to(limit=1, without=crowded)
        run.holds_claims = held or bool(claimed)
        claims = await self._screener.passed(claimed, mode, self._stop_asked.is_set)
        if per_gist:
            claims = await self._grouped(run, claims)
        run.screened = bool(claimed) and not claims
        postponed: set[UserKey] = set()
        # After a failure, another publication shows whether everything fails.
        for claim in sorted(claims, key=self._sender.is_suspected):
            run.waiting.append((claim, postponed))
        return claims

    async def _grouped(self, run: _Run, claims: Sequence[Publication]) -> tuple[Publication, ...]:
        """Return the claims without those that go out with others.

        In the first minutes, each file goes alone: what is sent then may already be in Pipedrive,
        and is corrected if so. That is possible with one file: deleting an activity that holds
        another file, too, would lose that file.
        """
        groups = grouped(claims)
        if any(others for _, others in groups) and self._list_lag.lasts:
            is_due = self._list_lag.is_due(self._now())
            if is_due and not await self._account_guard.permits(new=True):
                await self._release(run, claims)
                return ()
            if self._list_lag.lasts:
                await self._put_off([(first, *others) for first, others in groups if others])
                groups = tuple(group for group in groups if not group[1])
        run.others |= {first.id: others for first, others in groups if others}
        return tuple(first for first, _ in groups)

    async def _put_off(self, groups: Sequence[Sequence[Publication]]) -> None:
        now = self._now()
        until = self._list_lag.over_by(now)
        change = Change(PublicationState.PENDING, until, reason=GISTS_WAIT)
        for claim in (claim for group in groups for claim in group):
            await record(self._database, claim, change, now)
