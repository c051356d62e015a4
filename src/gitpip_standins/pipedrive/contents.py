"""The numbers of a deal's contents, which a request asks for by `include_fields`."""

from collections.abc import Mapping, Sequence

from gitpip_standins.exchange import JsonObject, Request
from gitpip_standins.pipedrive import input as given
from gitpip_standins.pipedrive.input import Rejected

COUNTS = ("products_count", "files_count", "notes_count", "email_messages_count")
OF_ACTIVITIES = ("activities_count", "done_activities_count", "undone_activities_count")
OTHERS = (
    "next_activity_id",
    "last_activity_id",
    "first_won_time",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
)


def included(
    request: Request, held: Mapping[str, int], deal: JsonObject, activities: Sequence[JsonObject]
) -> JsonObject:
    """The fields that a request for a deal asks for besides the usual ones."""
    query = given.parameters(request, ("include_fields", "custom_fields"))
    there = [one for one in activities if not one["is_deleted"]]
    done = sum(bool(one["done"]) for one in there)
    # The person of a deal is one of its participants, and its owner follows it.
    participants = held.get("participants_count", 0) + (deal["person_id"] is not None)
    shown: JsonObject = dict.fromkeys(OTHERS)
    shown |= {name: held.get(name, 0) for name in COUNTS}
    shown |= dict(zip(OF_ACTIVITIES, (len(there), done, len(there) - done), strict=True))
    shown |= {"participants_count": participants, "followers_count": 1}
    asked = query["include_fields"].split(",") if "include_fields" in query else []
    if unknown := [name for name in asked if name not in shown]:
        raise Rejected(f"include_fields: {unknown[0]!r} is not one of {', '.join(shown)}")
    return {name: shown[name] for name in asked}
