"""Which rule decides about which of the newest stored files, without changing anything."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.model import FileKey, GistFile, GistId
from gitpip.publish.credentials.findings import READ
from gitpip.publish.rules import Facts, first_fitting, readable
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
    """A stored file, and the rule that fits it first; None where none does."""

    key: FileKey
    login: str
    gist_id: GistId
    filename: str
    rule: PublishingRule | None


@dataclass(frozen=True)
class Tried:
    """The newest stored files of tracked users, each with the rule that decides about it."""

    taken: tuple[Taken, ...] = ()
    timed_out: bool = False
    """Whether more files were asked for than could be tried in time."""


async def tried(transaction: Transaction, now: datetime, *, limit: int = MOST) -> Tried:
    """Try the rules on at most `limit` files; after the time limit, no further file is tried."""
    deadline = time.monotonic() + TIME_LIMIT.total_seconds()
    ordered = await rules.everything(transaction)
    asked = [one for rule in ordered if (one := readable(rule))]
    shown = READ if any(one.content is not None or one.words for one in asked) else 0
    taken: list[Taken] = []
    before: FileKey | None = None
    while len(taken) < limit:
        some = await rules.newest_files(
            transaction, limit=min(_AT_ONCE, limit - len(taken)), before=before, content_limit=shown
        )
        if not some:
            break
        of_users = await rules.tags_of(transaction, {file.user_key for file in some})
        facts = [Facts.of(file, of_users.get(file.user_key, ()), now) for file in some]
        decided = await asyncio.to_thread(_decided, ordered, some, facts, deadline)
        taken += decided
        if len(decided) < len(some):
            return Tried(tuple(taken), timed_out=True)
        before = some[-1].key
    return Tried(tuple(taken))


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
        rule = first_fitting(ordered, one)
        taken.append(Taken(file.key, file.login, file.gist_id, file.filename, rule))
    return taken
