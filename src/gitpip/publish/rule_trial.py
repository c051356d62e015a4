"""Which rule decides about which of the newest stored files, without changing anything."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.model import FileKey, GistFile, GistId
from gitpip.publish.credentials.findings import READ
from gitpip.publish.rules import TIME_LIMIT as RULES_TIME_LIMIT
from gitpip.publish.rules import Facts, Ruling, readable, ruling_of
from gitpip.store.database import Transaction
from gitpip.store.publications import rules
from gitpip.store.publications.rules import PublishingRule

MOST = 1_000
TIME_LIMIT = timedelta(seconds=3)
"""An expression can take a second for each of a thousand files, and the page on which it is removed
shows a trial."""
_AT_ONCE = 100


@dataclass(frozen=True)
class Taken:
    """A stored file, and what the rules say of it."""

    key: FileKey
    login: str
    gist_id: GistId
    filename: str
    ruling: Ruling

    @property
    def rule(self) -> PublishingRule | None:
        """The rule that fits it first."""
        return self.ruling.rule


@dataclass(frozen=True)
class Tried:
    """The newest stored files of tracked users, each with the rule that decides about it."""

    taken: tuple[Taken, ...] = ()
    asked: int = MOST
    """How many files were to be tried at most."""
    timed_out: bool = False
    """Whether time was over before all of them were tried."""

    @property
    def late(self) -> int:
        """For how many files the rules take too long, so that these are held."""
        return sum(one.ruling.is_late for one in self.taken)

    @property
    def worst(self) -> Ruling | None:
        """The ruling with the slowest rule of all; None where nothing was tried."""
        return max((one.ruling for one in self.taken), key=lambda one: one.took, default=None)

    @property
    def remark(self) -> str | None:
        """What slow rules made of the trial, and which is slowest; None where none is too slow."""
        told = []
        if self.timed_out:
            seconds = TIME_LIMIT.total_seconds()
            told.append(
                f"The rules are slow: of the newest {self.asked:,} stored files, only the newest "
                f"{len(self.taken):,} could be tried in {seconds:g} seconds."
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
    now: datetime,
    *,
    limit: int = MOST,
) -> Tried:
    """Try the rules on at most `limit` files; after the time limit, no further file is tried.

    `read` opens a transaction. None is open while rules are tried, as that can take seconds.
    """
    deadline = time.monotonic() + TIME_LIMIT.total_seconds()
    async with read() as transaction:
        ordered = await rules.everything(transaction)
    asked = [one for rule in ordered if (one := readable(rule))]
    shown = READ if any(one.content is not None or one.words for one in asked) else 0
    taken: list[Taken] = []
    before: FileKey | None = None
    while len(taken) < limit:
        size = min(_AT_ONCE, limit - len(taken))
        async with read() as transaction:
            some = await rules.newest_files(
                transaction, limit=size, before=before, content_limit=shown
            )
            of_users = await rules.tags_of(transaction, {file.user_key for file in some})
        if not some:
            break
        facts = [Facts.of(file, of_users.get(file.user_key, ()), now) for file in some]
        decided = await asyncio.to_thread(_decided, ordered, some, facts, deadline)
        taken += decided
        if len(decided) < len(some):
            return Tried(tuple(taken), limit, timed_out=True)
        before = some[-1].key
    return Tried(tuple(taken), limit)


def _decided(
    ordered: Sequence[PublishingRule],
    files: Sequence[GistFile],
    facts: Sequence[Facts],
    deadline: float,
) -> list[Taken]:
    taken: list[Taken] = []
    for file, one in zip(files, facts, strict=True):
        if taken and time.monotonic() > deadline:
            break
        ruling = ruling_of(ordered, one)
        taken.append(Taken(file.key, file.login, file.gist_id, file.filename, ruling))
    return taken
