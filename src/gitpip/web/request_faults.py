"""The faults of a request, in our words: the validation library's are about Python."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from gitpip.validation import any_of, plain_fault

TOP_LEVEL = 2
"""The number of parts in the place of a body's own field: `body`, and the field."""
ABSENT = frozenset({"missing", "extra_forbidden"})
"""The faults whose last part names a field that the body or its model does not have."""
CHOICES = frozenset({"enum", "literal_error"})


def faults_of(error: RequestValidationError, request: Request) -> Sequence[dict[str, str]]:
    """Each fault, with the field that it is in; one for all kinds of values that it may have."""
    fields = _fields_of_body(request)
    by_place: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for details in error.errors():
        if not _asks_for_nothing(details):
            by_place.setdefault(_place(details, error.body), []).append(details)
    return [_fault(place, each, fields) for place, each in by_place.items()]


def _place(details: ErrorDetails, body: object) -> tuple[str, ...]:
    """Return the parts of a fault's place without what the validation library calls a value."""
    kind, *inner = details["loc"]
    if kind != "body" or not isinstance(body, dict):
        numbers = (part for part in inner[1:] if isinstance(part, int))
        return tuple(map(str, [kind, *inner[:1], *numbers]))
    parts: list[object] = [kind]
    value: object = body
    for number, part in enumerate(inner, start=1):
        found = _inside(value, part)
        if found is NOTHING and not (number == len(inner) and details["type"] in ABSENT):
            continue  # one of the kinds of values that the field may have
        parts.append(part)
        value = found
    return tuple(map(str, parts))


class _Nothing:
    """Marks a missing value."""


NOTHING = _Nothing()


def _inside(value: object, part: str | int) -> object:
    match value:
        case dict():
            return value.get(part, NOTHING)
        case list() if isinstance(part, int) and part < len(value):
            return value[part]
    return NOTHING


def _asks_for_nothing(details: ErrorDetails) -> bool:
    """Return whether it only says that an empty text would do, as it does for a form's fields."""
    return details["type"] == "literal_error" and details.get("ctx", {}).get("expected") == "''"


def _fault(
    place: Sequence[str], found: Sequence[ErrorDetails], fields: Sequence[str]
) -> dict[str, str]:
    field, message = ".".join(place[1:]) or "".join(place), _message(found)
    details = found[0]
    match details["type"]:
        case "json_invalid":  # the place is a number of characters
            field, message = "body", f"not JSON at character {details['loc'][-1]}"
        case "model_attributes_type" | "dict_type" if len(place) == 1:
            message = "must be a JSON object, sent as application/json"
        case "extra_forbidden":
            near = get_close_matches(place[-1], fields, 1) if len(place) == TOP_LEVEL else []
            message = "unknown field" + (f"; did you mean {near[0]}?" if near else "")
    return {"field": field, "message": message}


def _message(found: Sequence[ErrorDetails]) -> str:
    """Return what must be instead, as one sentence for all kinds of values that are accepted."""
    words = [
        word
        for details in found
        if details["type"] in CHOICES
        for word in re.findall("'([^']*)'", details.get("ctx", {}).get("expected", ""))
        if word
    ]
    others = [plain_fault(details) for details in found if details["type"] not in CHOICES]
    must_be = [f"must be {any_of(dict.fromkeys(words))}"] if words else []
    return ", or ".join(dict.fromkeys([*must_be, *others])) or plain_fault(found[0])


def _fields_of_body(request: Request) -> Sequence[str]:
    route = request.scope.get("route")
    body = route.body_field if isinstance(route, APIRoute) else None
    model = body.field_info.annotation if body else None
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items()]
    return []


def method_not_allowed(error: HTTPException) -> str:
    """Return what to do instead of a request with a method that the path does not take."""
    allowed = (error.headers or {}).get("Allow", "")
    return f"use {allowed}" if allowed else HTTPStatus.METHOD_NOT_ALLOWED.description
