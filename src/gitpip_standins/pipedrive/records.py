"""Activities and deals, with their past: what a Pipedrive company holds and its lists show."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from gitpip_standins.exchange import JsonObject

ACTIVITY_FIELDS: JsonObject = {
    "id": 0,
    "subject": "",
    "type": "task",
    "owner_id": 1,
    "creator_user_id": 1,
    "is_deleted": False,
    "add_time": "",
    "update_time": "",
    "deal_id": None,
    "lead_id": None,
    "person_id": None,
    "org_id": None,
    "project_id": None,
    "due_date": None,
    "due_time": None,
    "duration": None,
    "busy": False,
    "done": False,
    "marked_as_done_time": None,
    "location": None,
    "participants": [],
    "attendees": [],
    "conference_meeting_client": None,
    "conference_meeting_url": None,
    "conference_meeting_id": None,
    "public_description": None,
    "priority": None,
    "outcome": None,
    "note": None,
}
"""Every field of the official client's ActivityItem, with what Pipedrive fills in."""

DEAL_FIELDS: JsonObject = {
    "id": 0,
    "title": "",
    "owner_id": 1,
    "creator_user_id": 1,
    "person_id": None,
    "org_id": None,
    "pipeline_id": 1,
    "stage_id": 1,
    "value": 0,
    "currency": "EUR",
    "add_time": "",
    "update_time": "",
    "stage_change_time": None,
    "is_deleted": False,
    "is_archived": False,
    "archive_time": None,
    "status": "open",
    "probability": None,
    "lost_reason": None,
    "visible_to": 3,
    "close_time": None,
    "won_time": None,
    "lost_time": None,
    "local_won_date": None,
    "local_lost_date": None,
    "local_close_date": None,
    "expected_close_date": None,
    "label_ids": [],
    "origin": "API",
    "origin_id": None,
    "channel": None,
    "channel_id": None,
    "source_lead_id": None,
    "arr": None,
    "mrr": None,
    "acv": None,
    "custom_fields": {},
}
"""Every field of the official client's Deal, with what Pipedrive fills in."""


class Records:
    """Records of one kind by id; each keeps its past, because lists may show it with a lag."""

    def __init__(self, fields: JsonObject) -> None:
        self._fields = fields
        self._past: dict[int, list[tuple[datetime, JsonObject]]] = {}

    def __len__(self) -> int:
        return len(self._past)

    def add(self, at: datetime, **fields: object) -> JsonObject:
        time = stamp(at)
        record = self._fields | {
            "id": len(self._past) + 1,
            "add_time": time,
            "update_time": time,
            **fields,
        }
        self._past[len(self._past) + 1] = [(at, record)]
        return record

    def change(self, record_id: int, at: datetime, **fields: object) -> JsonObject:
        """Write some fields; KeyError where there is no such record."""
        record = self._past[record_id][-1][1] | {"update_time": stamp(at), **fields}
        self._past[record_id].append((at, record))
        return record

    def get(self, record_id: int) -> JsonObject | None:
        past = self._past.get(record_id)
        return past[-1][1] if past else None

    def all(self) -> list[JsonObject]:
        return [dict(past[-1][1]) for past in self._past.values()]

    def seen(
        self, at: datetime, lag: timedelta, wanted: Callable[[JsonObject], bool]
    ) -> Iterable[JsonObject]:
        """The records a list shows now: each as it was `lag` ago."""
        for past in self._past.values():
            for written_at, record in reversed(past):
                if written_at + lag <= at:
                    if wanted(record):
                        yield record
                    break


def stamp(at: datetime) -> str:
    """RFC 3339 in whole seconds, as Pipedrive's v2 writes times."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
