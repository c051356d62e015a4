"""The bodies and queries that Pipedrive accepts; all others are a Rejected with its reason."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, time

from gitpip_standins.exchange import JsonObject, Request

LARGEST_PAGE = 500
MOST_IDS = 100
NOTE_BYTES = 100 * 1024
TEXT_CHARACTERS = 255

Check = Callable[[object], bool]


class Rejected(Exception):
    """Pipedrive refuses the request with this status."""

    def __init__(
        self, reason: str, *, status: int = 400, code: str = "ERR_SCHEMA_VALIDATION_FAILED"
    ):
        self.reason = reason
        self.status = status
        self.code = code
        super().__init__(reason)


def json_body(request: Request) -> JsonObject:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Rejected("Content-Type must be application/json", status=415)
    try:
        content = json.loads(request.body)
        json.dumps(content, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except ValueError:
        raise Rejected("The body is not valid JSON") from None
    if not isinstance(content, dict):
        raise Rejected("The body must be a JSON object")
    return content


def check_activity(fields: JsonObject, activity_types: Collection[str]) -> None:
    """Check a body of POST or PATCH /api/v2/activities."""
    if "person_id" in fields:
        raise Rejected("person_id is read-only: use participants")
    _check(fields, _ACTIVITY)
    if len(str(fields.get("note") or "").encode()) > NOTE_BYTES:
        raise Rejected("note exceeds the maximum of 100 KB")
    if fields.get("type") is not None and fields["type"] not in activity_types:
        raise Rejected(f"type: {fields['type']!r} is not an activity type of this account")


def check_deal(fields: JsonObject, custom_fields: Mapping[str, str]) -> None:
    """Check a body of POST or PATCH /api/v2/deals; `custom_fields` maps known codes to types."""
    _check(fields, _DEAL)
    if "title" in fields and not str(fields["title"]).strip():
        raise Rejected("title must not be empty")
    custom = fields.get("custom_fields")
    for code, content in (custom if isinstance(custom, dict) else {}).items():
        if code not in custom_fields:
            raise Rejected(f"custom_fields: unknown field {code!r}")
        if custom_fields[code] in ("varchar", "varchar_auto", "text") and (
            content is not None and (not isinstance(content, str) or not content)
        ):
            raise Rejected(f"custom_fields.{code} must be a text that is not empty, or null")


def check_deal_field(fields: JsonObject) -> None:
    """Check a body of POST /api/v2/dealFields."""
    _check(fields, _DEAL_FIELD)
    for required in ("field_name", "field_type"):
        if not fields.get(required):
            raise Rejected(f"{required} is required")


def parameters(request: Request, allowed: Collection[str]) -> Mapping[str, str]:
    """The query, once it is clear that it names nothing unknown."""
    for name in request.query:
        if name not in allowed:
            raise Rejected(f"Unknown query parameter {name!r}")
    return request.query


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Rejected(f"{name} must be a number")
    return int(text)


def limit(query: Mapping[str, str]) -> int:
    size = whole_number(query, "limit")
    if size is None:
        return 100
    if not 1 <= size <= LARGEST_PAGE:
        raise Rejected("limit must be between 1 and 500")
    return size


def ids(query: Mapping[str, str]) -> set[int] | None:
    if "ids" not in query:
        return None
    parts = query["ids"].split(",")
    if len(parts) > MOST_IDS or not all(re.fullmatch(r"[0-9]{1,15}", part) for part in parts):
        raise Rejected("ids must be at most 100 numbers, separated by commas")
    return {int(part) for part in parts}


def moment(query: Mapping[str, str], name: str) -> datetime | None:
    """A time in RFC 3339; fractions of a second are refused, as integrators report."""
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", text):
        raise Rejected(f"{name} must be a date in RFC3339 format, e.g. 2025-01-01T10:20:00Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(f"{name} is not a valid date") from None


def choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`, the first where the query does not say."""
    chosen = query.get(name, allowed[0])
    if chosen not in allowed:
        raise Rejected(f"{name} must be one of {', '.join(allowed)}")
    return chosen


def truth(query: Mapping[str, str], name: str) -> bool | None:
    if name not in query:
        return None
    return choice(query, name, ("true", "false")) == "true"


def _check(fields: JsonObject, checks: Mapping[str, tuple[Check, str]]) -> None:
    for name, content in fields.items():
        if name not in checks:
            raise Rejected(f"Unknown field {name!r}")
        check, expected = checks[name]
        if not check(content):
            raise Rejected(f"{name} must be {expected}")


def _is_number(content: object) -> bool:
    return isinstance(content, int) and not isinstance(content, bool)


def _is_decimal(content: object) -> bool:
    return isinstance(content, int | float) and not isinstance(content, bool)


def _is_truth(content: object) -> bool:
    return isinstance(content, bool)


def _is_text(content: object) -> bool:
    return isinstance(content, str)


def _is_short_text(content: object) -> bool:
    return isinstance(content, str) and len(content) <= TEXT_CHARACTERS


def _is_currency(content: object) -> bool:
    return isinstance(content, str) and bool(re.fullmatch("[A-Z]{3}", content))


def _is_date(content: object) -> bool:
    if not isinstance(content, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", content):
        return False
    try:
        datetime.fromisoformat(content)
    except ValueError:
        return False
    return True


def _is_time(content: object) -> bool:
    if not isinstance(content, str) or not re.fullmatch(r"\d\d:\d\d(:\d\d)?", content):
        return False
    try:
        time.fromisoformat(content)
    except ValueError:
        return False
    return True


def _is_duration(content: object) -> bool:
    return isinstance(content, str) and bool(re.fullmatch(r"\d\d:[0-5]\d(:[0-5]\d)?", content))


def _is_numbers(content: object) -> bool:
    return isinstance(content, list) and all(_is_number(item) for item in content)


def _is_object(content: object) -> bool:
    return isinstance(content, dict)


def _object_of(**allowed: Check) -> Check:
    def check(content: object) -> bool:
        return isinstance(content, dict) and all(
            name in allowed and allowed[name](part) for name, part in content.items()
        )

    return check


def _list_of(item: Check) -> Check:
    return lambda content: isinstance(content, list) and all(item(part) for part in content)


def _or_null(check: Check) -> Check:
    return lambda content: content is None or check(content)


_NUMBER = (_is_number, "a number")
_NULLABLE_NUMBER = (_or_null(_is_number), "a number or null")
_TRUTH = (_is_truth, "true or false")
_TEXT = (_is_text, "a string")
_SHORT_TEXT = (_is_short_text, f"a string of at most {TEXT_CHARACTERS} characters")
_DATE = (_or_null(_is_date), "a date like 2025-01-31")
_TIME = (_or_null(_is_time), "a time like 10:20")

_ACTIVITY: Mapping[str, tuple[Check, str]] = {
    "subject": _SHORT_TEXT,
    "type": _TEXT,
    "owner_id": _NUMBER,
    "deal_id": _NULLABLE_NUMBER,
    "lead_id": (_or_null(_is_text), "a string or null"),
    "org_id": _NULLABLE_NUMBER,
    "project_id": _NULLABLE_NUMBER,
    "due_date": _DATE,
    "due_time": _TIME,
    "duration": (_or_null(_is_duration), "a duration like 00:30"),
    "busy": _TRUTH,
    "done": _TRUTH,
    "location": (
        _object_of(
            value=_is_text,
            country=_is_text,
            admin_area_level_1=_is_text,
            admin_area_level_2=_is_text,
            locality=_is_text,
            sublocality=_is_text,
            route=_is_text,
            street_number=_is_text,
            subpremise=_is_text,
            postal_code=_is_text,
        ),
        "a location object",
    ),
    "participants": (
        _list_of(_object_of(person_id=_is_number, primary=_is_truth)),
        "a list of {person_id, primary}",
    ),
    "attendees": (
        _list_of(
            _object_of(
                email=_is_text,
                name=_is_text,
                status=_is_text,
                is_organizer=_is_truth,
                person_id=_or_null(_is_number),
                user_id=_or_null(_is_number),
            )
        ),
        "a list of attendees",
    ),
    "public_description": _TEXT,
    "priority": _NULLABLE_NUMBER,
    "outcome": _NULLABLE_NUMBER,
    "note": _TEXT,
}

_DEAL: Mapping[str, tuple[Check, str]] = {
    "title": _SHORT_TEXT,
    "owner_id": _NUMBER,
    "person_id": _NULLABLE_NUMBER,
    "org_id": _NULLABLE_NUMBER,
    "pipeline_id": _NUMBER,
    "stage_id": _NUMBER,
    "value": (_is_decimal, "a number"),
    "currency": (_is_currency, "a currency code"),
    "is_deleted": _TRUTH,
    "is_archived": _TRUTH,
    "archive_time": (_or_null(_is_text), "a time or null"),
    "status": (lambda text: text in ("open", "won", "lost"), "open, won or lost"),
    "probability": (_or_null(_is_decimal), "a number"),
    "lost_reason": _TEXT,
    "visible_to": _NUMBER,
    "close_time": _TEXT,
    "won_time": _TEXT,
    "lost_time": _TEXT,
    "expected_close_date": _DATE,
    "label_ids": (_is_numbers, "a list of numbers"),
    "custom_fields": (_is_object, "an object"),
}

_FIELD_TYPES = {
    *(
        "varchar",
        "text",
        "double",
        "phone",
        "date",
        "daterange",
        "time",
        "timerange",
        "set",
        "enum",
    ),
    *("varchar_auto", "address", "monetary", "org", "people", "user"),
}

_DEAL_FIELD: Mapping[str, tuple[Check, str]] = {
    "field_name": _SHORT_TEXT,
    "field_type": (
        lambda text: isinstance(text, str) and text in _FIELD_TYPES,
        "a known field type",
    ),
    "options": (lambda content: isinstance(content, list), "a list"),
    "ui_visibility": (_is_object, "an object"),
    "important_fields": (_is_object, "an object"),
    "required_fields": (_is_object, "an object"),
    "description": (_or_null(_is_text), "a string or null"),
}
