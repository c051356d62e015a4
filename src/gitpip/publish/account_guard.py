"""The last check before a send: the account is the right one, and no file is sent twice.

Every part that publishes asks `AccountGuard.permits` after it has claimed a row and before it
begins to send it. Until the token is admitted, the client only asks Pipedrive for the owner of the
token.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gitpip.backoff import backoff
from gitpip.model import OnEdit, Pause
from gitpip.observability.logging import get_logger
from gitpip.publish.activity import FOOTER_REACH, find_markers
from gitpip.publish.circuit_breaker import Request, RequestKind
from gitpip.publish.comparison import UNSETTLED_FOR, Compared, Comparison, sightings_in
from gitpip.publish.comparison_allowance import ComparisonAllowance
from gitpip.publish.destination import Item, LookFailed, TokenOwner
from gitpip.publish.guards import Guards
from gitpip.publish.last_sent import Remembered
from gitpip.publish.pauses import Channel
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import NamedAccount, VendorAccount
from gitpip.store.database import Transaction
from gitpip.store.ledger import LedgerState
from gitpip.store.publications import markers
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import pauses

FIRST_GUARD_WAIT = timedelta(seconds=2)
LONGEST_GUARD_WAIT = timedelta(minutes=5)
EXPLAINS = timedelta(hours=1)
"""The time after a restore in which a list may show earlier activities that the ledger lacks."""
ACTIVITIES_REMEMBERED = 20_000
"""The most activities known to the ledger that are remembered, so that they are not read again."""

log = get_logger()


class AccountGuard:
    """The account and the state of the ledger, as one publisher knows them."""

    def __init__(
        self,
        channel: Channel,
        guards: Guards,
        *,
        on_edit: OnEdit = OnEdit.IGNORE,
    ) -> None:
        self._last_sent = guards.last_sent
        self._list_lag = guards.list_lag
        self._allowance = ComparisonAllowance()
        self._set_back = False
        """Whether the database has lost what this process knew, and was not compared since."""
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._now = now = guards.clocks.wall
        self._on_edit = on_edit
        self._comparison = Comparison(
            channel.database, channel.destination, now=now, on_edit=on_edit
        )
        self._met_under: str | None = None
        """The fingerprint of the token whose account was noted as the one that is set."""
        self._identity: str | None = None
        """The account of the rows. Another user's token of that account may be noted here."""
        self._compared_in: tuple[str, str] | None = None
        """The life of the database and the account in which the ledger was compared."""
        self._held_in: tuple[str, str] | None = None
        self._failures = 0
        """The number of failures in a row, with no page read in between."""
        self._pages_before = 0
        """The number of pages that had been read when the last one failed."""
        self._one_at_a_time = asyncio.Lock()
        self._seen: dict[int, Item] = {}
        """Activities with a marker that lists have shown and that were not compared yet."""
        self._known: set[int] = set()
        channel.destination.expect_admission()
        channel.destination.seen = self._note_seen

    @property
    def has_news(self) -> bool:
        """Whether the token was changed, or lists have shown activities not yet compared."""
        return bool(self._seen) or self._met_under != self._destination.fingerprint

    async def stopped(self) -> bool | None:
        """Return whether the token belongs to another account than the rows, and note it if so.

        Returns None while that is not known.
        """
        if self._met_under != self._destination.fingerprint:
            return None
        async with self._database.read() as transaction:
            known = await self._account(transaction)
            if known is None:
                return None
            now = self._now()
            note = await accounts.is_to_be_noted(transaction, Vendor.DESTINATION, known.key, now)
        if note:
            async with self._database.begin() as transaction:
                await accounts.note_present(transaction, Vendor.DESTINATION, known.key, now)
        return not known.bound

    async def _account(self, transaction: Transaction) -> VendorAccount | None:
        """Return the account of the token, as far as it is known."""
        fingerprint = self._destination.fingerprint
        if self._identity is not None and self._met_under == fingerprint:
            return await accounts.of_identity(transaction, Vendor.DESTINATION, self._identity)
        return await accounts.of_credential(transaction, Vendor.DESTINATION, fingerprint)

    async def wanted(self) -> bool:
        """Return whether to compare now, because a person asked or the database was set back.

        Also remembers what the other processes have published so far.
        """
        remembered = self._last_sent.remembered
        async with self._database.read() as transaction:
            state = await ledger.read(transaction)
            requested = state.requested_at is not None
            if self._one_at_a_time.locked():
                return requested  # `permits` is reading or comparing at this moment
            known = await self._account(transaction)
            await self._look_back(transaction, known, state, remembered)
            return self._set_back or requested

    def _was_at_another(self, account: VendorAccount) -> bool:
        return self._compared_in is not None and self._compared_in[1] != account.identity

    async def _look_back(
        self,
        transaction: Transaction,
        known: VendorAccount | None,
        state: LedgerState,
        remembered: Remembered,
    ) -> None:
        """Note it if the database was set back, unless what was sent went to another account."""
        if known is not None and (not known.bound or self._was_at_another(known)):
            self._last_sent.forget()
        elif not self._set_back:
            if await self._last_sent.is_there(transaction, remembered):
                await self._last_sent.learn(transaction, state.hold_until)
            else:
                self._note_set_back()

    def _note_set_back(self) -> None:
        self._set_back = True
        self._comparison.begin_anew()
        self._known.clear()
        log.error("ledger.set_back")

    async def permits(self, *, new: bool = False) -> bool:
        """Return whether something may be sent now, after reading what has to be known for that.

        `new` says that something is about to be sent for the first time: another installation may
        have published it since the last comparison. If something can't be read, publishing is
        paused. Raises DatabaseUnavailable.
        """
        fingerprint = self._destination.fingerprint
        async with self._one_at_a_time:
            remembered = self._last_sent.remembered
            async with self._database.read() as transaction:
                known = await self._account(transaction)
                state = await ledger.read(transaction)
                await self._look_back(transaction, known, state, remembered)
                life = await ledger.database_life(transaction)
            try:
                if known is None or self._met_under != fingerprint or _is_to_be_noted(known):
                    known = await self._meet(known, fingerprint)
                if known is None or not known.bound:
                    self._destination.expect_admission()
                    return False
                self._destination.admit(fingerprint)
                permitted = await self._is_compared(known, state, (life, known.identity), new=new)
            except LookFailed as failure:
                await self._pause_after(failure)
                return False
            self._failures = 0
            return permitted

    async def _meet(self, known: VendorAccount | None, fingerprint: str) -> VendorAccount | None:
        now = self._now()
        if known is not None:
            async with self._database.begin() as transaction:
                await accounts.set_at_present(transaction, Vendor.DESTINATION, known.key, now)
        else:
            owner = await self._destination.owner()
            await self._pauses.after(None, _REQUEST)
            if fingerprint != self._destination.fingerprint:
                return None  # the token was changed meanwhile: the next one is asked about
            named = company_of(owner)
            async with self._database.begin() as transaction:
                known = await accounts.meet(transaction, named, credential=fingerprint, now=now)
        if known.identity != self._identity:
            # The lists of another account say nothing about this one.
            self._seen.clear()
            self._known.clear()
        self._met_under, self._identity = fingerprint, known.identity
        if not known.bound:
            log.error("publishing.stopped", account=known.identity, company=known.name)
        return known

    async def _is_compared(
        self, account: VendorAccount, state: LedgerState, here: tuple[str, str], *, new: bool
    ) -> bool:
        strange = await self._take_in_seen(account)
        now = self._now()
        if state.hold_until is not None and now < state.hold_until and not self._set_back:
            await self._pause_until(state.hold_until)
            return False
        needed = (
            self._compared_in != here
            or self._set_back
            or strange
            or state.hold_until is not None
            or state.requested_at is not None
            or self._comparison.under_way
        )
        due = new and (
            self._allowance.take(state.compared_at, state.others_seen_at, now)
            or self._list_lag.is_due(now)
        )
        if not (needed or due):
            return True
        try:
            compared = await self._comparison.step(account, whole=state.requested_at is not None)
        except LookFailed as failure:
            if needed or await self._pauses.after(failure.outcome, _REQUEST) is not None:
                raise
            self._comparison.begin_anew()  # reading on would delay what is to be sent
            self._list_lag.put_off(now)
            log.warning("ledger.not_compared", reason=str(failure))
            return True
        if compared is None:
            return False
        await self._pauses.after(None, _REQUEST)
        return await self._settle(account, here, state, compared, strange=strange)

    async def _settle(
        self,
        account: VendorAccount,
        here: tuple[str, str],
        state: LedgerState,
        compared: Compared,
        *,
        strange: bool,
    ) -> bool:
        """Return whether to continue after a comparison, rather than wait and compare once more."""
        now, set_back = self._now(), self._set_back
        known_before = self._compared_in == here and not set_back
        first = set_back or (state.hold_until is None and self._held_in != here)
        doubtful = first and (compared.young or await self._has_lost(here))
        hold = now + UNSETTLED_FOR if doubtful else None
        told: dict[str, datetime | None] = {}
        if state.requested_at is not None:
            told["requested_at"] = None
        if set_back:
            told["set_back_at"] = now
        by_others = known_before and state.hold_until is None and (strange or compared.told.unknown)
        if by_others and not _is_explained(state, now):
            told["others_seen_at"] = now
        async with self._database.begin() as transaction:
            if not await accounts.lock_ledger_of(transaction, account.key):
                return False
            lost = not set_back and not await self._last_sent.is_there(transaction)
            if not lost:
                hold = await self._write_settled(transaction, state, hold, told)
        if lost:
            self._note_set_back()  # while it was compared
            return False
        if "set_back_at" in told:
            log.error("ledger.compared_after_set_back", adopted=len(compared.told.adopted))
        if "others_seen_at" in told:
            log.warning("ledger.others_publish")
        self._list_lag.compared(compared.at, now, first=self._compared_in != here or set_back)
        self._compared_in = self._held_in = here
        self._set_back = False
        if hold is None:
            return True
        await self._pause_until(hold)
        return False

    async def _write_settled(
        self,
        transaction: Transaction,
        state: LedgerState,
        hold: datetime | None,
        told: Mapping[str, datetime | None],
    ) -> datetime | None:
        """Write what a comparison showed, and begin a hold, or end the one that it began with.

        Return until when nothing is sent. A hold that another process has begun stays in force.
        """
        present = (await ledger.read(transaction)).hold_until
        is_over = present == state.hold_until and (present is None or present <= self._now())
        if present is not None and not is_over:
            hold = max(present, hold or present)
        await ledger.note(transaction, **told, hold_until=hold)
        if self._set_back:
            self._last_sent.forget()
        await self._last_sent.learn(transaction, hold)
        return hold

    async def _has_lost(self, here: tuple[str, str]) -> bool:
        """Return whether the database lacks something that this process sent recently."""
        if self._compared_in is None or self._compared_in[1] != here[1]:
            self._destination.sent.clear()  # what was sent before went to another account
        elif self._set_back:
            async with self._database.read() as transaction:
                if await self._last_sent.has_lost_deal_or_hold(transaction):
                    return True
        seen = (find_markers(subject=subject, note=None) for subject in self._destination.sent)
        sent = {one.in_subject for one in seen if one.in_subject is not None}
        if not sent:
            return False
        async with self._database.read() as transaction:
            return await ledger.knows_nothing_of_some(transaction, sent)

    def _note_seen(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.id in self._known:
                continue
            seen = find_markers(subject=item.text, note=item.note)
            if seen.in_subject or seen.in_footer:
                # The footer stands at the end of a note, which can be long.
                self._seen[item.id] = replace(item, note=(item.note or "")[-FOOTER_REACH:])

    async def _take_in_seen(self, account: VendorAccount) -> bool:
        """Take in what lists have shown since, and return whether the ledger lacked any of it."""
        seen, self._seen = self._seen, {}
        if not seen:
            return False
        sightings = tuple(sightings_in(tuple(seen.values()), account))
        async with self._database.read() as transaction:
            told = await markers.take_in(
                transaction, account.key, sightings, self._now(), write=False
            )
        landed_or_new = told.unknown or told.duplicates or told.landed
        if landed_or_new or any(each.parts for each in sightings):
            async with self._database.begin() as transaction:
                told = await markers.take_in(
                    transaction, account.key, sightings, self._now(), on_edit=self._on_edit
                )
        if len(self._known) > ACTIVITIES_REMEMBERED:
            self._known.clear()
        self._known |= seen.keys()
        return bool(told.unknown)

    async def _pause_after(self, failure: LookFailed) -> None:
        if await self._pauses.after(failure.outcome, _REQUEST) is not None:
            return
        advanced = self._comparison.pages > self._pages_before
        self._failures = 1 if advanced else self._failures + 1
        self._pages_before = self._comparison.pages
        now = self._now()
        wait = backoff(self._failures, FIRST_GUARD_WAIT, LONGEST_GUARD_WAIT)
        async with self._database.begin() as transaction:
            await pauses.pause(
                transaction,
                pauses.PUBLISHING,
                Pause(now + wait, f"Pipedrive did not show what is in the account: {failure}"),
                now=now,
            )
        log.warning("publishing.paused", reason=str(failure), until=now + wait)

    async def _pause_until(self, until: datetime) -> None:
        async with self._database.begin() as transaction:
            await pauses.pause(
                transaction,
                pauses.PUBLISHING,
                Pause(
                    until,
                    "Pipedrive has files that this database did not know as published, and more "
                    "may still arrive; gitpip compares again after that",
                ),
                now=self._now(),
            )
        log.warning("publishing.held", until=until)


def _is_to_be_noted(account: VendorAccount) -> bool:
    """Return whether it must be noted that this account is set and the rows belong to another."""
    return not account.bound and account.waits_since is None


def _is_explained(state: LedgerState, now: datetime) -> bool:
    """Return whether what the ledger lacks can be its own, from before it was set back."""
    return state.set_back_at is not None and now - state.set_back_at < EXPLAINS


def company_of(owner: TokenOwner) -> NamedAccount:
    """Return the account that the owner of a token belongs to."""
    return NamedAccount(
        Vendor.DESTINATION,
        str(owner.company_id),
        owner.company,
        owner.domain,
        creator=owner.user_id,
    )


_REQUEST = Request(RequestKind.READ, "the account")
