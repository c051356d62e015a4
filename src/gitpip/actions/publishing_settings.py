"""The acts on publishing settings: reading them, changing several, or unsetting them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gitpip.actions.acting import Act, Acting, difference, shortened
from gitpip.config.publishing.declaration import Group
from gitpip.config.publishing.policy import (
    Effective,
    PublishingPolicy,
    PublishingSetting,
    Source,
    effective,
    policy_of,
    publishing_mode,
    registry,
)
from gitpip.errors import InvalidInput, SettingGiven
from gitpip.model import PauseCause
from gitpip.store import events, ledger
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import deals, permission, publishing_settings
from gitpip.store.schema_events import EventKind
from gitpip.store.status import pauses

MODE = "publishing_mode"


@dataclass(frozen=True)
class CheckedSettings:
    """The faults of the account, by setting, or why it could not be asked."""

    faults: Mapping[str, str] = field(default_factory=dict)
    unchecked: str | None = None


Check = Callable[[PublishingPolicy, frozenset[str]], Awaitable[CheckedSettings]]
"""A function that compares those settings of a policy with the account's own lists."""


@dataclass(frozen=True)
class ShownSetting:
    """One setting, as people see it."""

    now: Effective
    set_at: datetime | None
    set_by: str | None
    """The name of the person who stored it, if it is stored."""


async def shown(transaction: Transaction, given: Mapping[str, str]) -> tuple[ShownSetting, ...]:
    """Return every setting; `given` holds the texts that the environment sets, by name."""
    stored = await publishing_settings.stored(transaction)
    texts = {name: one.value for name, one in stored.items()}
    found = []
    for each in effective(given, texts):
        one = stored.get(each.setting.name) if each.source is Source.STORED else None
        found.append(
            ShownSetting(each, one.set_at, one.set_by) if one else ShownSetting(each, None, None)
        )
    return tuple(found)


@dataclass(frozen=True)
class Changed:
    """Every setting after a change, and why it was not compared with the account, if so."""

    settings: tuple[ShownSetting, ...]
    unchecked: str | None


def canonical(given: Mapping[str, str], texts: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return these changes in canonical spelling; None stands for the default.

    Raises InvalidInput, and SettingGiven for a setting of the environment.
    """
    named = {name: (_named(name, given), text) for name, text in texts.items()}
    return {
        name: None if text is None else _canonical(one, text) for name, (one, text) in named.items()
    }


async def change(
    acting: Acting,
    given: Mapping[str, str],
    texts: Mapping[str, str | None],
    check: Check,
) -> Changed:
    """Change all of these settings, or none. A text of None restores the default.

    They apply to what is sent from now on, and change nothing that was sent. A value that is stored
    already keeps the name of the person who stored it. Raises InvalidInput, also for what the
    account lacks, and SettingGiven.
    """
    wanted = canonical(given, texts)
    unchecked = await _check(acting, given, wanted, check)
    async with acting.begin() as act:
        await publishing_settings.lock(act.transaction)
        stored = await publishing_settings.values(act.transaction)
        wanted = {name: text for name, text in wanted.items() if stored.get(name) != text}
        if MODE in wanted:
            await permission.mode_changes(act.transaction, publishing_mode(given, stored))
        before = {one.setting.name: one.text for one in effective(given, stored)}
        await publishing_settings.change(act.transaction, wanted, by=act.actor.name, now=act.now)
        after = await shown(act.transaction, given)
        changed = [one.now for one in after if one.now.text != before[one.now.setting.name]]
        for one in changed:
            was, now = before[one.setting.name], one.text
            told = difference(one.setting.name, was, now)
            await act.record("publishing.settings_changed", told)
            if one.setting.name == MODE:
                happened = NewEvent(EventKind.PUBLISHING_MODE_CHANGED, detail=f"{was} → {now}")
                await events.record(act.transaction, act.now, happened)
        if changed:
            # Anything still missing is found again with the next claim.
            await publishing_settings.forget_faults(act.transaction, keep=_still_known(changed))
            if await _release(act):
                act.wake("publish")
    return Changed(after, unchecked)


def _still_known(changed: Sequence[Effective]) -> tuple[str, ...]:
    """Return the faults that stay known: required fields are not found with each claim."""
    of_deal = any(one.setting.declaration.group is Group.DEAL for one in changed)
    return () if of_deal else (publishing_settings.REQUIRED,)


async def _check(
    acting: Acting, given: Mapping[str, str], wanted: Mapping[str, str | None], check: Check
) -> str | None:
    """Return why the account could not be asked, or None; raises InvalidInput for what it lacks."""
    named = {name: text for name, text in wanted.items() if text is not None}
    if not named:
        return None
    async with acting.database.read() as transaction:
        stored = await publishing_settings.values(transaction)
    kept = {name: text for name, text in stored.items() if name not in wanted}
    policy = policy_of(effective(given, kept | named))
    checked = await check(policy, frozenset(named))
    for name in named:
        if name in checked.faults:
            raise InvalidInput(name, checked.faults[name])
    return checked.unchecked


async def _release(act: Act) -> bool:
    """Retry what waits because the account lacked what a setting named."""
    pause = await pauses.paused(act.transaction, pauses.PUBLISHING, act.now)
    if pause is not None and pause.cause is PauseCause.SETTING:
        await pauses.end_pauses(act.transaction, (pauses.PUBLISHING,), act.now)
        return True
    await ledger.lock(act.transaction)
    return await deals.end_waits(act.transaction, act.now)


def _named(name: str, given: Mapping[str, str]) -> PublishingSetting:
    one = registry().get(name)
    if one is None:
        raise InvalidInput(name[:60], f"no such setting; there are {', '.join(registry())}")
    if name in given:
        raise SettingGiven(
            f"{name} is set in the environment by {one.variable}, which wins; change it there, or "
            "remove it there first"
        )
    return one


def _canonical(one: PublishingSetting, text: str) -> str:
    try:
        return one.declaration.canonical(text)
    except ValueError as error:
        raise InvalidInput(one.name, f"{shortened(text)!r}: {error}") from None
