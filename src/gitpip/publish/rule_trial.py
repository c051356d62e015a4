"""Which rule decides about which of the newest stored files, without changing anything."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gitpip.model import FileKey, GistFile, GistId
from gitpip.publish.credentials.findings import READ
from gitpip.publish.rules import Facts, first_fitting, readable
from gitpip.store.database import Transaction
from gitpip.store.publications import rules
from gitpip.store.publications.rules import PublishingRule

MOST = 1_000
_AT_ONCE = 100


@dataclass(frozen=True)
class Taken:
    """A stored file, and the rule that fits it first; None where none does."""

    key: FileKey
    login: str
    gist_id: GistId
    filename: str
    rule: PublishingRule | None


async def tried(transaction: Transaction, now: datetime, *, limit: int = MOST) -> tuple[Taken, ...]:
    """The newest stored files of tracked users, each with the rule that decides about it."""
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
        taken += await asyncio.to_thread(_decided, ordered, some, facts)
        before = some[-1].key
    return tuple(taken)


def _decided(
    ordered: Sequence[PublishingRule], files: Sequence[GistFile], facts: Sequence[Facts]
) -> list[Taken]:
    return [
        Taken(file.key, file.login, file.gist_id, file.filename, first_fitting(ordered, one))
        for file, one in zip(files, facts, strict=True)
    ]
