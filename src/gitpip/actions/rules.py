"""The acts on rules on what is published, and on owners who opted out."""

from collections.abc import Mapping
from typing import Literal

from gitpip.actions.acting import Act, Acting, difference
from gitpip.counts import count
from gitpip.publish import rules as conditions_of
from gitpip.store import events
from gitpip.store.events import NewEvent
from gitpip.store.publications import opt_outs, rules
from gitpip.store.publications.opt_outs import OptOut
from gitpip.store.publications.rules import NewRule, PublishingRule, RuleId
from gitpip.store.schema_events import EventKind

Done = Literal["added", "changed", "moved", "removed"]
EVENT_OF_ACT: Mapping[Done, EventKind] = {
    "added": EventKind.RULE_ADDED,
    "changed": EventKind.RULE_CHANGED,
    "moved": EventKind.RULE_MOVED,
    "removed": EventKind.RULE_REMOVED,
}
"""The event of what was done to a rule."""


async def add(acting: Acting, new: NewRule, position: int | None = None) -> PublishingRule:
    """Add a rule at a position, or as the last one; raises InvalidInput."""
    conditions_of.check(new.conditions)
    async with acting.begin() as act:
        rule = await rules.add(act.transaction, new, position, act.actor, act.now)
        await _record(act, "added", rule)
    return rule


async def change(acting: Acting, rule_id: RuleId, new: NewRule) -> PublishingRule:
    """Give a rule another name, other conditions and another action.

    Files that it held or skipped before stay so. A change without effect is not recorded. Raises
    RuleNotFound, InvalidInput.
    """
    conditions_of.check(new.conditions)
    async with acting.begin() as act:
        await rules.lock(act.transaction)
        before = await rules.get(act.transaction, rule_id)
        rule = await rules.change(act.transaction, rule_id, new)
        if rule != before:
            await _record(act, "changed", rule)
    return rule


async def move(acting: Acting, rule_id: RuleId, position: int) -> PublishingRule:
    """Move a rule to another position. A move without effect is not recorded.

    Raises RuleNotFound, InvalidInput.
    """
    async with acting.begin() as act:
        await rules.lock(act.transaction)
        before = await rules.get(act.transaction, rule_id)
        rule = await rules.move(act.transaction, rule_id, position)
        if rule != before:
            await _record(act, "moved", rule)
    return rule


async def remove(acting: Acting, rule_id: RuleId) -> PublishingRule:
    """Remove a rule. Files that it held or skipped stay so. Raises RuleNotFound."""
    async with acting.begin() as act:
        rule = await rules.remove(act.transaction, rule_id)
        await _record(act, "removed", rule)
    return rule


async def opt_out(acting: Acting, login: str, reason: str | None = None) -> tuple[OptOut, int]:
    """Never publish anything of an owner; skip the files that wait, and return their number.

    Activities in the CRM stay there. Another reason replaces the present one. Repeating it is not
    recorded. Raises InvalidInput.
    """
    async with acting.begin() as act:
        added = await opt_outs.add(act.transaction, login, reason, act.actor, act.now)
        out, before = added.opt_out, added.before
        if before is None or added.skipped:
            await act.record(
                "opt_out.added", f"{out.login}, {count(added.skipped, 'file')} skipped"
            )
        if before is not None and out != before:
            told = difference("reason", before.reason or "none", out.reason or "none")
            await act.record("opt_out.changed", f"{out.login}: {told}")
    return added.opt_out, added.skipped


async def end_opt_out(acting: Acting, login: str) -> OptOut:
    """Publish what an owner makes from now on; raises OptOutNotFound."""
    async with acting.begin() as act:
        out = await opt_outs.remove(act.transaction, login)
        await act.record("opt_out.removed", out.login)
    return out


async def _record(act: Act, done: Done, rule: PublishingRule) -> None:
    asked = conditions_of.told(rule)
    subject = f"{rule.id} at position {rule.position}: {rule.action} {rule.name}, {asked}"
    await act.record(f"rule.{done}", subject)
    told = NewEvent(EVENT_OF_ACT[done], detail=f"{rule.position}: {rule.action} {rule.name}")
    await events.record(act.transaction, act.now, told)
