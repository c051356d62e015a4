"""The contents of a deal: the numbers of its activities, notes and so on.

A deal shows them on request. Fields and costs follow Pipedrive's developer documentation of autumn
2026. It does not say how soon a number follows what it counts.
"""

from collections.abc import Awaitable, Callable, Mapping

from gitpip.publish.delivery import Ambiguous
from gitpip.publish.destination import DealContents, LookFailed
from gitpip.publish.pipedrive.answers import AnswerOrRefusal, existing, item

HOLDS = {
    "activities_count": "activities",
    "notes_count": "notes",
    "files_count": "files",
    "products_count": "products",
    "email_messages_count": "emails",
    "participants_count": "participants",
}
"""The fields that a deal shows on request, and what they count. Followers are not among them: the
owner of a deal follows it."""
BY_HAND = "ManuallyCreated"
"""The `origin` of a deal that was made in the application."""
Get = Callable[[str, str, Mapping[str, str | int]], Awaitable[AnswerOrRefusal]]


async def read(get: Get, path: str) -> DealContents | None:
    """Return a deal with its contents, or None if it was deleted. Raises LookFailed."""
    entry = existing(await get("GET", path, {"include_fields": ",".join(HOLDS)}))
    if entry is None:
        return None
    if (deal := item(entry, "title")) is None:
        raise LookFailed(Ambiguous("Pipedrive's answer about a deal holds no deal"))
    value = entry.get("value")
    return DealContents(
        deal,
        {what: _count(entry.get(name)) for name, what in HOLDS.items()},
        float(value) if isinstance(value, int | float) else None,
        stage_changed=entry.get("stage_change_time") is not None,
        made_by_hand=entry.get("origin") == BY_HAND,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
