"""The targets that people choose: searched for in Pipedrive, and checked when they are set."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gitpip.errors import InvalidInput
from gitpip.publish.destination import SearchHit
from gitpip.store.users.targets import SeenTarget
from gitpip.store.users.users import Changes
from gitpip.targets import Target

SHORTEST_TERM = 2
LONGEST_TERM = 100


@dataclass(frozen=True)
class CheckedTarget:
    """The answer of Pipedrive about a target; empty if Pipedrive could not be asked."""

    seen: SeenTarget | None = None
    fault: str | None = None
    """The reason why nothing can be put there."""


CheckTarget = Callable[[Target], Awaitable[CheckedTarget]]
"""A function that asks Pipedrive about a target."""
SearchTargets = Callable[[str], Awaitable[Sequence[SearchHit]]]
"""A function that searches Pipedrive for names with a term; raises DestinationUnavailable."""


async def checked(changes: Changes, check: CheckTarget) -> Changes:
    """Return the changes with what Pipedrive says about the target.

    If Pipedrive can't be asked, the target is accepted, and checked before it is first used.
    """
    if not isinstance(changes.target, Target):
        return changes
    answer = await check(changes.target)
    if answer.fault is not None:
        raise InvalidInput("target", answer.fault)
    return replace(changes, target_seen=answer.seen)


async def search(term: str, ask: SearchTargets) -> Sequence[SearchHit]:
    """Return the deals, leads, persons and organizations that have a term in their names.

    Raises InvalidInput, DestinationUnavailable.
    """
    words = " ".join(term.split())
    if not SHORTEST_TERM <= len(words) <= LONGEST_TERM or not words.isprintable():
        raise InvalidInput(
            "term",
            f"must be {SHORTEST_TERM} to {LONGEST_TERM} printable characters, e.g. Acme, not "
            f"{words[:40]!r}",
        )
    return await ask(words)
