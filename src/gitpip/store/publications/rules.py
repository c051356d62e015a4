"""Rules on what is published, in their order; `publish.rules` says what their conditions mean."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from sqlalchemy import delete, func, insert, select, update

from gitpip.errors import InvalidInput, RuleNotFound
from gitpip.model import FileKey, GistFile, UserKey
from gitpip.store import commit_order
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Transaction
from gitpip.store.gists.gists import file_of, select_files
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, user_tags
from gitpip.store.schema_rules import RuleAction, publishing_rules

RuleId = NewType("RuleId", int)
MAX_RULES = 100
RULE_NAME_LIMIT = 100


@dataclass(frozen=True)
class PublishingRule:
    """One rule: the action for the files that fit its conditions."""

    id: RuleId
    position: int
    """The position, from 1; the first rule that fits a file decides."""
    name: str
    conditions: str
    """The conditions in JSON; a rule without conditions fits every file."""
    action: RuleAction
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class NewRule:
    """The values of a new or changed rule; its conditions are checked already."""

    name: str
    conditions: str
    action: RuleAction


_rule = reader(PublishingRule)


async def everything(transaction: Transaction) -> tuple[PublishingRule, ...]:
    """Return all rules, in their order."""
    rows = await transaction.execute(
        select(publishing_rules).order_by(publishing_rules.c.position, publishing_rules.c.id)
    )
    return tuple(map(_rule, rows))


async def lock(transaction: Transaction) -> None:
    """Lock the rules until this transaction ends: one at a time changes them."""
    await commit_order.one_at_a_time(transaction, "publishing rules")


async def get(transaction: Transaction, rule_id: RuleId) -> PublishingRule:
    """Return one rule; raises RuleNotFound."""
    row = (
        await transaction.execute(select(publishing_rules).where(publishing_rules.c.id == rule_id))
    ).one_or_none()
    if row is None:
        raise RuleNotFound(f"there is no rule {rule_id}")
    return _rule(row)


async def add(
    transaction: Transaction, new: NewRule, position: int | None, actor: Actor, now: datetime
) -> PublishingRule:
    """Add a rule at a position, or as the last one; raises InvalidInput."""
    await lock(transaction)
    number = await transaction.scalar(select(func.count()).select_from(publishing_rules)) or 0
    if number >= MAX_RULES:
        raise InvalidInput(
            "rules", f"there are already {number} rules; at most {MAX_RULES} are allowed"
        )
    rule_id = RuleId(
        await transaction.scalar(
            insert(publishing_rules)
            .values(
                position=number + 1,
                name=_checked_name(new.name),
                conditions=new.conditions,
                action=new.action,
                created_at=now,
                created_by=actor.name,
            )
            .returning(publishing_rules.c.id)
        )
        or 0
    )
    if position is not None:
        await _place(transaction, rule_id, position)
    return await get(transaction, rule_id)


async def change(transaction: Transaction, rule_id: RuleId, new: NewRule) -> PublishingRule:
    """Give a rule another name, other conditions, another action; raises RuleNotFound."""
    await lock(transaction)
    await get(transaction, rule_id)
    await transaction.execute(
        update(publishing_rules)
        .where(publishing_rules.c.id == rule_id)
        .values(name=_checked_name(new.name), conditions=new.conditions, action=new.action)
    )
    return await get(transaction, rule_id)


async def move(transaction: Transaction, rule_id: RuleId, position: int) -> PublishingRule:
    """Move a rule to a position; the others keep their order. Raises RuleNotFound."""
    await lock(transaction)
    await get(transaction, rule_id)
    await _place(transaction, rule_id, position)
    return await get(transaction, rule_id)


async def remove(transaction: Transaction, rule_id: RuleId) -> PublishingRule:
    """Remove a rule; raises RuleNotFound."""
    await lock(transaction)
    rule = await get(transaction, rule_id)
    await transaction.execute(delete(publishing_rules).where(publishing_rules.c.id == rule_id))
    await _number(transaction, [each.id for each in await everything(transaction)])
    return rule


async def tags_of(
    transaction: Transaction, user_keys: Collection[UserKey]
) -> Mapping[UserKey, frozenset[str]]:
    """Return the tags of these users, for the conditions of rules."""
    rows = await transaction.execute(select(user_tags).where(user_tags.c.user_key.in_(user_keys)))
    tags: defaultdict[UserKey, set[str]] = defaultdict(set)
    for row in rows:
        tags[UserKey(row.user_key)].add(row.tag)
    return {key: frozenset(some) for key, some in tags.items()}


async def newest_files(
    transaction: Transaction, *, limit: int, before: FileKey | None, content_limit: int
) -> tuple[GistFile, ...]:
    """Return stored files of tracked users, newest first, from those found before `before`.

    Each content is cut after `content_limit` characters; 0 leaves the contents out.
    """
    wanted = [] if before is None else [gist_files.c.key < before]
    rows = await transaction.execute(
        select_files(content_limit).where(*wanted).order_by(gist_files.c.key.desc()).limit(limit)
    )
    return tuple(map(file_of, rows))


async def _place(transaction: Transaction, rule_id: RuleId, position: int) -> None:
    others = [each.id for each in await everything(transaction) if each.id != rule_id]
    if not 1 <= position <= len(others) + 1:
        raise InvalidInput("position", f"must be from 1 to {len(others) + 1}, not {position}")
    others.insert(position - 1, rule_id)
    await _number(transaction, others)


async def _number(transaction: Transaction, order: list[RuleId]) -> None:
    for position, rule_id in enumerate(order, start=1):
        await transaction.execute(
            update(publishing_rules)
            .where(publishing_rules.c.id == rule_id, publishing_rules.c.position != position)
            .values(position=position)
        )


def _checked_name(name: str) -> str:
    text = " ".join(name.split())
    if not text or len(text) > RULE_NAME_LIMIT or not text.isprintable():
        raise InvalidInput(
            "name",
            f"must be 1 to {RULE_NAME_LIMIT} printable characters, e.g. Logs, not {name[:60]!r}",
        )
    return text
