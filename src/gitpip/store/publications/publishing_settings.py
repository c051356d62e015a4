"""The publishing settings that people stored, and the faults: names that the CRM lacks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from gitpip.store import commit_order
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_publishing import publishing_faults, publishing_settings

REFUSED, REQUIRED = "deal", "new deals"
"""The names of faults that several settings can mend.

They are fields that the account requires of a deal: after it has refused one without them, and
before.
"""


@dataclass(frozen=True)
class StoredSetting:
    """One setting as a person stored it."""

    name: str
    value: str
    set_at: datetime
    set_by: str


@dataclass(frozen=True)
class Fault:
    """A value that a setting names and the account lacks."""

    name: str
    sentence: str
    since: datetime


_stored = reader(StoredSetting)
_all = select(publishing_settings).order_by(publishing_settings.c.name)
_fault = reader(Fault)


async def stored(transaction: Transaction) -> dict[str, StoredSetting]:
    """Return the stored settings, by their names."""
    return {row.name: _stored(row) for row in await transaction.execute(_all)}


async def values(transaction: Transaction) -> dict[str, str]:
    """Return the stored texts, by the names of their settings."""
    return {name: one.value for name, one in (await stored(transaction)).items()}


async def lock(transaction: Transaction) -> None:
    """Lock the settings until this transaction ends: one at a time changes them."""
    await commit_order.one_at_a_time(transaction, "publishing settings")


async def change(
    transaction: Transaction, texts: Mapping[str, str | None], *, by: str, now: datetime
) -> None:
    """Store these texts; None deletes a setting. Call `lock` first."""
    of_names = publishing_settings.c.name.in_(texts)
    await transaction.execute(delete(publishing_settings).where(of_names))
    for name, text in texts.items():
        if text is not None:
            await transaction.execute(
                insert(publishing_settings).values(name=name, value=text, set_at=now, set_by=by)
            )


async def faults(transaction: Transaction) -> tuple[Fault, ...]:
    """Return the faults, the longest known first."""
    rows = await transaction.execute(
        select(publishing_faults).order_by(publishing_faults.c.since, publishing_faults.c.name)
    )
    return tuple(_fault(row) for row in rows)


async def note_faults(
    transaction: Transaction,
    sentences: Mapping[str, str],
    now: datetime,
    *,
    keep: Collection[str] = (),
) -> bool:
    """Replace the faults by these; return whether any is new.

    Those named in `keep` stay as they are: nothing new is known of them.
    """
    known = {one.name: one for one in await faults(transaction) if one.name not in keep}
    if {name: one.sentence for name, one in known.items()} == dict(sentences):
        return False
    await forget_faults(transaction, keep=keep)
    for name, sentence in sentences.items():
        since = known[name].since if name in known else now
        await transaction.execute(
            insert(publishing_faults).values(name=name, sentence=sentence, since=since)
        )
    return True


async def forget_faults(transaction: Transaction, *, keep: Collection[str] = ()) -> None:
    """Delete the faults except those named: other settings may fit the account."""
    others = publishing_faults.c.name.not_in(keep)
    await transaction.execute(delete(publishing_faults).where(others))
