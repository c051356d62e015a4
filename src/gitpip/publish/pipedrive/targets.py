"""Targets at Pipedrive: the fields of an activity put there, reading one, and searching for some.

Costs and fields follow Pipedrive's developer documentation of autumn 2026. Leads are v1's.
"""

from collections.abc import Awaitable, Callable

from gitpip.publish.delivery import Ambiguous, Denied
from gitpip.publish.destination import LookFailed, Place, SearchHit, Unusable
from gitpip.publish.pipedrive.answers import (
    AnswerOrRefusal,
    Json,
    RefusedWithStatus,
    Success,
    data,
)
from gitpip.store.users.targets import SeenTarget
from gitpip.targets import Target, TargetKind
from gitpip.vendor_values import whole_number, words

SEARCH = "/v2/itemSearch"
MAX_HITS = 20
"""The most hits of a search: a person who sees more types a longer term."""
LONGEST_TITLE = 200
_PATHS = {
    TargetKind.DEAL: "/v2/deals/{}",
    TargetKind.LEAD: "/v1/leads/{}",
    TargetKind.PERSON: "/v2/persons/{}",
    TargetKind.ORGANIZATION: "/v2/organizations/{}",
}
Get = Callable[[str, str], Awaitable[AnswerOrRefusal]]


def body_of(place: Place) -> Json:
    """Return the fields that put an activity there: it can name one of deal, lead and project."""
    body: Json = {}
    if place.person_id is not None:
        body["participants"] = [{"person_id": place.person_id, "primary": True}]
    if place.org_id is not None:
        body["org_id"] = place.org_id
    match place.target.kind:
        case TargetKind.DEAL:
            body["deal_id"] = place.target.number
        case TargetKind.LEAD:
            body["lead_id"] = place.target.id
        case TargetKind.PERSON:
            # `person_id` is read-only: the primary participant is the activity's person.
            body["participants"] = [{"person_id": place.target.number, "primary": True}]
        case TargetKind.ORGANIZATION:
            body["org_id"] = place.target.number
    return body


async def read(get: Get, target: Target) -> SeenTarget | Unusable:
    """Return what a target is now, for one or two tokens, or why nothing can be put there.

    Raises LookFailed.
    """
    answer = await get("GET", _PATHS[target.kind].format(target.id))
    if isinstance(answer, RefusedWithStatus) and answer.status in {400, 404, 410}:
        return Unusable(f"there is no {target.words} in this Pipedrive account")
    if isinstance(answer, Denied):
        return Unusable(f"the user of the token can't see {target.words}: {answer.reason}")
    entry = data(answer)
    if not isinstance(entry, dict) or f"{entry.get('id')}".lower() != target.id:
        raise LookFailed(
            Ambiguous(f"Pipedrive's answer about {target.words} is about something else")
        )
    if fault := _fault(entry):
        return Unusable(f"{target.words} {fault}")
    return SeenTarget(
        _title(entry),
        whole_number(entry.get("person_id")),
        whole_number(entry.get("org_id", entry.get("organization_id"))),
    )


def _fault(entry: Json) -> str | None:
    if entry.get("is_deleted") is True or entry.get("status") == "deleted":
        return "was deleted in Pipedrive"
    if entry.get("is_archived") is True:
        return "is archived in Pipedrive"
    if entry.get("status") == "lost":
        return "is lost in Pipedrive"
    return None


def _title(entry: Json) -> str:
    return words(f"{entry.get('title') or entry.get('name') or ''}", LONGEST_TITLE)


def found(answer: object) -> tuple[SearchHit, ...]:
    """Return the hits of a search that can be read. Raises LookFailed."""
    held = data(answer) if isinstance(answer, Success) else None
    hits = held.get("items") if isinstance(held, dict) else None
    if not isinstance(hits, list):
        raise LookFailed(Ambiguous("the search holds no list"))
    items = [hit.get("item") if isinstance(hit, dict) else None for hit in hits]
    read = [_hit(item) for item in items if isinstance(item, dict)]
    return tuple(hit for hit in read if hit is not None)


def _hit(item: Json) -> SearchHit | None:
    try:
        target = Target.parse(f"{item.get('type')}:{item.get('id')}")
    except ValueError:
        return None
    fault = _fault(item)
    owner = item.get("owner")
    return SearchHit(
        target,
        _title(item),
        _name(item.get("person")),
        _name(item.get("organization")),
        whole_number(owner.get("id")) if isinstance(owner, dict) else None,
        fault,
    )


def _name(entry: object) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return words(name, LONGEST_TITLE) if isinstance(name, str) and name else None
