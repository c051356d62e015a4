"""Filters, order and pages of Pipedrive's v2 lists."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitpip_standins.exchange import Answer, JsonObject
from gitpip_standins.pipedrive import input as given
from gitpip_standins.pipedrive.answers import listed
from gitpip_standins.pipedrive.input import Rejected

PAGING = ("limit", "cursor")
ACTIVITY_PARAMETERS = (
    *PAGING,
    *("filter_id", "ids", "owner_id", "deal_id", "lead_id", "person_id", "org_id", "done"),
    *("updated_since", "updated_until", "sort_by", "sort_direction", "include_fields"),
)
DEAL_PARAMETERS = (
    *PAGING,
    *("filter_id", "ids", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"),
    *("updated_since", "updated_until", "sort_by", "sort_direction", "include_fields"),
    *("custom_fields", "include_option_labels", "include_labels"),
)
_NUMBERS = ("owner_id", "deal_id", "person_id", "org_id", "pipeline_id", "stage_id")


@dataclass(frozen=True)
class Filter:
    """The records that a list is asked for."""

    ids: set[int] | None
    equal: Mapping[str, object]
    since: datetime | None
    until: datetime | None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Filter":
        """From the query of a list; Rejected where it is wrong."""
        numbers = {name: given.whole_number(query, name) for name in _NUMBERS}
        equal: JsonObject = {name: number for name, number in numbers.items() if number is not None}
        if "lead_id" in query:
            equal["lead_id"] = query["lead_id"]
        if (done := given.truth(query, "done")) is not None:
            equal["done"] = done
        return cls(
            ids=given.ids(query),
            equal=equal,
            since=given.moment(query, "updated_since"),
            until=given.moment(query, "updated_until"),
        )

    def wants(self, record: JsonObject) -> bool:
        if self.ids is not None and record["id"] not in self.ids:
            return False
        if any(record.get(name) != content for name, content in self.equal.items()):
            return False
        updated = datetime.fromisoformat(str(record["update_time"]))
        return not (
            (self.since is not None and updated < self.since)
            or (self.until is not None and updated >= self.until)
        )


def sorted_page(
    records: Iterable[JsonObject], query: Mapping[str, str], sort_fields: tuple[str, ...]
) -> Answer:
    """One page of `records` in the order the query asks for, by id where that leaves it open."""
    field = given.choice(query, "sort_by", sort_fields)
    direction = given.choice(query, "sort_direction", ("asc", "desc"))
    size = given.limit(query)

    def key(record: JsonObject) -> tuple[str, int]:
        number = record["id"]
        assert isinstance(number, int)  # noqa: S101 - a record's id is ours
        return ("" if field == "id" else str(record[field] or ""), number)

    rows = sorted(records, key=key, reverse=direction == "desc")
    if "cursor" in query:
        last = _after(query["cursor"], f"{field} {direction}")
        rows = [
            row for row in rows if (key(row) < last if direction == "desc" else key(row) > last)
        ]
    cursor = None
    if len(rows) > size:
        cursor = _cursor(f"{field} {direction}", key(rows[size - 1]))
    return listed(rows[:size], cursor)


def numbered_page(
    rows: Sequence[JsonObject], query: Mapping[str, str]
) -> tuple[Sequence[JsonObject], str | None]:
    """One page of `rows` as they are, and the cursor of the next one."""
    size = given.limit(query)
    start = _after(query["cursor"], "rows")[1] if "cursor" in query else 0
    more = len(rows) > start + size
    return rows[start : start + size], _cursor("rows", ("", start + size)) if more else None


def _cursor(order: str, last: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, *last]).encode()).decode()


def _after(cursor: str, order: str) -> tuple[str, int]:
    try:
        of_order, text, number = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise Rejected("cursor is not valid") from None
    if of_order != order or not isinstance(number, int):
        raise Rejected("cursor belongs to another request")
    return str(text), number
