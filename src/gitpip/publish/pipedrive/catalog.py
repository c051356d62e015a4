"""The lists of an account, and the bodies of activities and deals made of them.

activityTypes and users are lists of v1 and cost 20 tokens each. The others cost 10 tokens a page.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

from gitpip.publish.catalog import ActivityFields, Catalog, CatalogEntry, DealFields, Field, Listed
from gitpip.publish.delivery import Ambiguous, Denied
from gitpip.publish.destination import UNREAD_ENTRIES, LookFailed, Turn
from gitpip.publish.pipedrive import answers
from gitpip.publish.pipedrive.answers import (
    AnswerOrRefusal,
    Json,
    RefusedWithStatus,
    Success,
)
from gitpip.publish.pipedrive.lists import Fields, read_fields
from gitpip.publish.pipedrive.page_size import SIZES
from gitpip.vendor_values import storable, whole_number

DEAL_FIELDS, ACTIVITY_FIELDS = "/v2/dealFields", "/v2/activityFields"
LONGEST_TEXT = 1_000
"""The most characters of a name that are read."""
MOST_CATALOG_PAGES = 20
"""The most pages of one list. An account has at most a few hundred entries in each."""


class Ask(Protocol):
    """Makes one request."""

    async def __call__(
        self,
        method: str,
        path: str,
        query: dict[str, str | int] | None = None,
        body: Json | None = None,
        turn: Turn | None = None,
    ) -> AnswerOrRefusal: ...


async def read(ask: Ask, wanted: Collection[Listed]) -> Catalog:
    """Return these lists of the account. Raises LookFailed.

    A list that the token's user may not see is `hidden`.
    """
    hidden = set()

    async def entries(listed: Listed, path: str, entry: _Reader) -> tuple[CatalogEntry, ...] | None:
        if listed not in wanted:
            return None
        found = await _whole(ask, path)
        if found is None:
            hidden.add(listed)
            return None
        return tuple(one for each in found if (one := entry(each)) is not None)

    async def fields(listed: Listed, path: str) -> tuple[Field, ...] | None:
        found = await _whole(ask, path) if listed in wanted else None
        if listed in wanted and found is None:
            hidden.add(listed)
        return None if found is None else tuple(filter(None, map(_field, found)))

    return Catalog(
        await entries(Listed.ACTIVITY_TYPES, "/v1/activityTypes", _activity_type),
        await entries(Listed.USERS, "/v1/users", partial(_active, key="email")),
        await entries(Listed.PIPELINES, "/v2/pipelines", _active),
        await entries(Listed.STAGES, "/v2/stages", partial(_active, parent="pipeline_id")),
        await fields(Listed.DEAL_FIELDS, DEAL_FIELDS),
        await fields(Listed.ACTIVITY_FIELDS, ACTIVITY_FIELDS),
        frozenset(hidden),
    )


async def deal_field_code(ask: Ask, name: str) -> tuple[str | None, tuple[Field, ...]]:
    """Return the code of the custom field of deals with this name, and the fields seen.

    The field is made if it is missing; None if the account does not let us make it. Costs 10 tokens
    for a list, and 5 to make the field. Raises LookFailed.
    """
    cursor: str | None = None
    unread = 0
    seen: list[Field] = []
    while True:
        page = await _page_of_fields(ask, cursor)
        if page is None:
            return None, ()
        seen += filter(None, map(_field, page.fields))
        for field in page.fields:
            if field.get("field_name") == name and field.get("field_type") == "varchar":
                return answers.field_code(field), tuple(seen)
        unread += page.unread
        cursor = page.cursor
        if cursor is None:
            break
    if unread:
        raise LookFailed(UNREAD_ENTRIES)  # this may be the field, so no second one is made
    made = await ask("POST", DEAL_FIELDS, body={"field_name": name, "field_type": "varchar"})
    if isinstance(made, RefusedWithStatus | Denied):
        return None, tuple(seen)
    return answers.field_code(answers.data(made)), tuple(seen)


async def _page_of_fields(ask: Ask, cursor: str | None) -> Fields | None:
    """Return a page of the fields of deals, or None if they are not shown."""
    after: dict[str, str | int] = {"cursor": cursor} if cursor else {}
    answer = await ask("GET", DEAL_FIELDS, {"limit": SIZES[0], **after})
    if isinstance(answer, RefusedWithStatus | Denied):
        return None
    return read_fields(answer, DEAL_FIELDS, asked=SIZES[0])


def activity_body(fields: ActivityFields) -> Json:
    """Return the body of an activity besides the subject and the note.

    Pipedrive makes an activity without a type a call, and one without a value for done an open
    to-do. So both are always sent.
    """
    body: Json = {"type": fields.type, "done": fields.done}
    rest: Json = {
        "owner_id": fields.owner_id,
        "due_date": fields.due_date,
        "priority": fields.priority,
    }
    return body | _given(rest)


def deal_body(fields: DealFields) -> Json:
    """Return the body of a deal besides the title."""
    rest: Json = {
        "pipeline_id": fields.pipeline_id,
        "stage_id": fields.stage_id,
        "owner_id": fields.owner_id,
        "label_ids": list(fields.label_ids) or None,
        "value": fields.value,
        "currency": fields.currency,
        "visible_to": fields.visible_to,
        "custom_fields": dict(fields.custom_fields) or None,
    }
    return _given(rest)


def _given(rest: Json) -> Json:
    return {name: value for name, value in rest.items() if value is not None}


_Reader = Callable[[object], CatalogEntry | None]


async def _whole(ask: Ask, path: str) -> list[object] | None:
    """Return every entry of a list, or None if it is not shown to the token's user."""
    found: list[object] = []
    cursor: str | None = None
    for _ in range(MOST_CATALOG_PAGES):
        query: dict[str, str | int] = {} if path.startswith("/v1/") else {"limit": SIZES[0]}
        answer = await ask("GET", path, query | ({"cursor": cursor} if cursor else {}))
        if isinstance(answer, RefusedWithStatus | Denied):
            return None
        data = answers.data(answer)
        if not isinstance(data, list):
            raise LookFailed(Ambiguous(f"the list {path} holds no list"))
        found += data
        cursor = _cursor(answer)
        if cursor is None:
            return found
    raise LookFailed(Ambiguous(f"the list {path} does not end"))


def _cursor(answer: AnswerOrRefusal) -> str | None:
    extra = answer.body.get("additional_data") if isinstance(answer, Success) else None
    cursor = extra.get("next_cursor") if isinstance(extra, dict) else None
    return cursor if isinstance(cursor, str) and cursor else None


def _active(
    entry: object, key: str | None = None, parent: str | None = None
) -> CatalogEntry | None:
    """Return a user, pipeline or stage, or None if it is not in use or can't be read."""
    if not isinstance(entry, dict):
        return None
    number, name = whole_number(entry.get("id")), _text(entry.get("name"))
    in_use = entry.get("active_flag") is not False and entry.get("is_deleted") is not True
    if number is None or name is None or not in_use:
        return None
    other = _text(entry.get(key)) if key else None
    above = whole_number(entry.get(parent)) if parent else None
    return CatalogEntry(number, name, other, above)


def _activity_type(entry: object) -> CatalogEntry | None:
    return _active(entry, key="key_string")


def _field(entry: object) -> Field | None:
    if not isinstance(entry, dict):
        return None
    code, name = _text(entry.get("field_code")), _text(entry.get("field_name"))
    if code is None or name is None:
        return None
    listed = entry.get("options")
    options = [_option(each) for each in listed] if isinstance(listed, list) else []
    required = entry.get("required_fields")
    rules: Json = required if isinstance(required, dict) else {}
    stages = rules.get("stage_ids")
    return Field(
        code,
        name,
        _text(entry.get("field_type")) or "",
        entry.get("is_custom_field") is True,
        tuple(one for one in options if one is not None),
        is_required=rules.get("enabled") is True,
        required_in=frozenset(filter(None, map(whole_number, stages)))
        if isinstance(stages, list)
        else frozenset(),
    )


def _option(entry: object) -> CatalogEntry | None:
    if not isinstance(entry, dict):
        return None
    number, label = whole_number(entry.get("id")), _text(entry.get("label"))
    return None if number is None or label is None else CatalogEntry(number, label)


def _text(value: object) -> str | None:
    return storable(value, LONGEST_TEXT) if isinstance(value, str) else None
