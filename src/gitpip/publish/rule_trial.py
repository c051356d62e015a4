"""The trial of rules: the result for each of the newest stored files, and the rule behind it.

Nothing is changed. The contents are not examined for credentials, which would take too long.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitpip.model import FileKey, GistId
from gitpip.modes import ASKED, MET_IN_DRY_RUN, PublishingMode
from gitpip.publish.policy import Policies
from gitpip.publish.rules import (
    EXAMINED_CHARACTERS,
    RULES_TIME_LIMIT,
    Facts,
    Ruling,
    readable,
    ruling_of,
)
from gitpip.store.database import Transaction
from gitpip.store.publications import permission, rules
from gitpip.store.publications.opt_outs import OPTED_OUT
from gitpip.store.publications.permission import UserPermission
from gitpip.store.publications.rules import PublishingRule
from gitpip.store.schema_rules import RuleAction
from gitpip.store.status import pauses, publishing_pause

MAX_TRIED = 1_000
TRIAL_TIME_LIMIT = timedelta(seconds=3)
"""The most time for a trial. An expression can take a second for each of a thousand files, and the
page on which it is removed shows a trial."""
_AT_ONCE = 100


class TrialOutcome(StrEnum):
    """The possible results for a file that was never sent."""

    PUBLISH = "publish"
    HOLD = "hold"
    SKIP = "skip"
    WAIT = "wait"
    """Queued until a pause or a dry run ends. Nothing is decided about it before that."""


@dataclass(frozen=True)
class TrialResult:
    """The result for a file, and why."""

    outcome: TrialOutcome
    because: str | None = None
    """The reason, in one sentence without a full stop, or None if nothing holds it. If the file
    waits, the sentence also says what is decided after that."""

    def __str__(self) -> str:
        return self.outcome if self.because is None else f"{self.outcome}: {self.because}"


def fate_of(ruling: Ruling, owner: UserPermission, *, is_paused: bool) -> TrialResult:
    """Return the result for a file; `is_paused` says whether all publishing is paused.

    The publisher skips what opted-out owners have queued at any time, but applies no rule to a file
    that it may not send at present.
    """
    if owner.opted_out:
        return TrialResult(TrialOutcome.SKIP, OPTED_OUT)
    kept_by = [
        why
        for why, holds in (
            ("nothing is sent in a dry run", owner.mode is PublishingMode.DRY_RUN),
            ("its user is paused", owner.is_paused),
            ("publishing is paused", is_paused),
        )
        if holds
    ]
    if kept_by:
        then = _decided_later(ruling, owner.mode)
        return TrialResult(
            TrialOutcome.WAIT, " and ".join(kept_by) + (f"; then it is {then}" if then else "")
        )
    if ruling.action is not RuleAction.PUBLISH:
        return TrialResult(TrialOutcome(ruling.action), ruling.reason)
    if owner.mode is PublishingMode.ASK:
        return TrialResult(TrialOutcome.HOLD, ASKED)
    return TrialResult(TrialOutcome.PUBLISH)


def _decided_later(ruling: Ruling, mode: PublishingMode) -> str | None:
    """Return what is decided about a file once it no longer waits, or None if it is sent."""
    if ruling.action is not RuleAction.PUBLISH:
        return ruling.reason
    if mode is PublishingMode.DRY_RUN:
        return f"held: {MET_IN_DRY_RUN}"
    return f"held: {ASKED}" if mode is PublishingMode.ASK else None


@dataclass(frozen=True)
class TrialledFile:
    """A stored file, what the rules say about it, and the result."""

    key: FileKey
    login: str
    gist_id: GistId
    filename: str
    ruling: Ruling
    fate: TrialResult

    @property
    def rule(self) -> PublishingRule | None:
        """The first rule that fits it."""
        return self.ruling.rule


@dataclass(frozen=True)
class RuleTrial:
    """The newest stored files of tracked users, each with the rule that decides about it."""

    others: TrialResult
    """The result for a file that no rule fits, of a user without a mode of their own."""
    taken: tuple[TrialledFile, ...] = ()
    asked: int = MAX_TRIED
    """The most files that were to be tried."""
    timed_out: bool = False
    """Whether the time was over before all of them were tried."""

    @property
    def late(self) -> int:
        """The number of files for which the rules take too long, so that these are held."""
        return sum(one.ruling.is_late for one in self.taken)

    @property
    def worst(self) -> Ruling | None:
        """The ruling with the slowest rule, or None if nothing was tried."""
        return max((one.ruling for one in self.taken), key=lambda one: one.took, default=None)

    @property
    def remark(self) -> str | None:
        """The effect of slow rules on the trial, and the slowest; None if none is too slow."""
        told = []
        if self.timed_out:
            seconds = TRIAL_TIME_LIMIT.total_seconds()
            told.append(
                f"The rules are slow. In {seconds:g} seconds, gitpip tried only the newest "
                f"{len(self.taken):,} of {self.asked:,} stored files."
            )
        if self.late:
            files = "1 of these files" if self.late == 1 else f"{self.late:,} of these files"
            told.append(
                f"All rules together may take {RULES_TIME_LIMIT:g} seconds for a file. They take "
                f"longer for {files}, so gitpip would hold {'it' if self.late == 1 else 'them'}."
            )
        if told and self.worst and self.worst.slowest:
            told.append(
                f"The slowest rule is {self.worst.slowest.name}: up to {self.worst.took:.1f} s for "
                "a file. A simpler expression is faster."
            )
        return " ".join(told) or None


async def tried(
    read: Callable[[], AbstractAsyncContextManager[Transaction]],
    policies: Policies,
    now: datetime,
    *,
    limit: int = MAX_TRIED,
) -> RuleTrial:
    """Try the rules on at most `limit` files, until the time limit is reached.

    `read` opens a transaction. None is open while rules are tried, as that can take seconds.
    """
    deadline = time.monotonic() + TRIAL_TIME_LIMIT.total_seconds()
    async with read() as transaction:
        overall = (await policies.read(transaction)).publishing_mode
        by_person = await publishing_pause.current(transaction, now)
        is_paused = bool(by_person or await pauses.paused(transaction, pauses.PUBLISHING, now))
        ordered = await rules.everything(transaction)
    anybody = UserPermission(overall, is_paused=False, opted_out=False)
    others = fate_of(Ruling(None), anybody, is_paused=is_paused)
    asked = [one for rule in ordered if (one := readable(rule))]
    shown = EXAMINED_CHARACTERS if any(one.content is not None or one.words for one in asked) else 0
    taken: list[TrialledFile] = []
    before: FileKey | None = None
    while len(taken) < limit:
        size = min(_AT_ONCE, limit - len(taken))
        async with read() as transaction:
            some = await rules.newest_files(
                transaction, limit=size, before=before, content_limit=shown
            )
            users = {file.user_key for file in some}
            of_users = await rules.tags_of(transaction, users)
            owners = await permission.owners(transaction, users, overall)
        if not some:
            break
        facts = [Facts.of(file, of_users.get(file.user_key, ()), now) for file in some]
        decided = await asyncio.to_thread(_decided, ordered, facts, deadline)
        for file, ruling in zip(some, decided, strict=False):
            fate = fate_of(ruling, owners[file.user_key], is_paused=is_paused)
            taken.append(
                TrialledFile(file.key, file.login, file.gist_id, file.filename, ruling, fate)
            )
        if len(decided) < len(some):
            return RuleTrial(others, tuple(taken), limit, timed_out=True)
        before = some[-1].key
    return RuleTrial(others, tuple(taken), limit)


def _decided(
    ordered: Sequence[PublishingRule], facts: Sequence[Facts], deadline: float
) -> list[Ruling]:
    """Return what the rules say about these files, until time is over, but about one at least."""
    rulings: list[Ruling] = []
    for one in facts:
        if rulings and time.monotonic() > deadline:
            break
        rulings.append(ruling_of(ordered, one))
    return rulings
