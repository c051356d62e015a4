"""What a person does with the publishing settings: look at them, change several, or unset them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitpip.actions.acting import Acting
from gitpip.config.publishing.policy import (
    Effective,
    PublishingSetting,
    Source,
    effective,
    publishing_mode,
    registry,
)
from gitpip.errors import InvalidInput, SettingGiven
from gitpip.store.database import Transaction
from gitpip.store.publications import permission, publishing_settings

MODE = "publishing_mode"
SHOWN = 80
"""So many characters of a value stand in the audit."""


@dataclass(frozen=True)
class Shown:
    """One setting as people see it."""

    now: Effective
    set_at: datetime | None
    set_by: str | None
    """Who stored it, where it is stored."""


async def shown(transaction: Transaction, given: Mapping[str, str]) -> tuple[Shown, ...]:
    """Every setting; `given` are the texts that the environment sets, by name."""
    stored = await publishing_settings.stored(transaction)
    texts = {name: one.value for name, one in stored.items()}
    found = []
    for each in effective(given, texts):
        one = stored.get(each.setting.name) if each.source is Source.STORED else None
        found.append(Shown(each, one.set_at, one.set_by) if one else Shown(each, None, None))
    return tuple(found)


def canonical(given: Mapping[str, str], texts: Mapping[str, str | None]) -> dict[str, str | None]:
    """These changes in their one spelling; None stands for the default.

    Raises InvalidInput, and SettingGiven for what the environment sets.
    """
    return {
        name: None if text is None else _canonical(_named(name, given), text)
        for name, text in texts.items()
    }


async def change(
    acting: Acting, given: Mapping[str, str], texts: Mapping[str, str | None]
) -> tuple[Shown, ...]:
    """Change all of these settings, or none; a text of None goes back to the default.

    What is sent from now on follows them, and what was sent stays as it is. Gives every setting.
    Raises InvalidInput, SettingGiven.
    """
    wanted = canonical(given, texts)
    async with acting.begin() as act:
        await publishing_settings.lock(act.transaction)
        if MODE in wanted:
            stored = await publishing_settings.values(act.transaction)
            await permission.mode_changes(act.transaction, publishing_mode(given, stored))
        before = {
            one.setting.name: one.text
            for one in effective(given, await publishing_settings.values(act.transaction))
        }
        await publishing_settings.change(act.transaction, wanted, by=act.actor.name, now=act.now)
        after = await shown(act.transaction, given)
        for one in after:
            name, text = one.now.setting.name, one.now.text
            if name in wanted and text != before[name]:
                changed = f"{name}: {_shortened(before[name])} → {_shortened(text)}"
                await act.record("publishing.settings_changed", changed)
                act.wake("publish")
        await publishing_settings.forget_faults(act.transaction, wanted)
    return after


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
        raise InvalidInput(one.name, f"{_shortened(text)!r}: {error}") from None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
