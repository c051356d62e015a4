"""The faults of a request, in our words: the validation library's are about Python."""

from collections.abc import Sequence
from difflib import get_close_matches
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from gitpip.validation import plain_fault

TOP_LEVEL = 2
"""The number of parts in the place of a body's own field: `body`, and the field."""


def faults_of(error: RequestValidationError, request: Request) -> Sequence[dict[str, str]]:
    """Each fault, with the field that it is in."""
    fields = _fields_of_body(request)
    return [_fault(details, fields) for details in error.errors()]


def _fault(details: ErrorDetails, fields: Sequence[str]) -> dict[str, str]:
    parts = [str(part) for part in details["loc"]]
    field, message = ".".join(parts[1:]) or "".join(parts), plain_fault(details)
    match details["type"]:
        case "json_invalid":  # the place is a number of characters
            field, message = "body", f"not JSON at character {parts[-1]}"
        case "model_attributes_type" | "dict_type" if len(parts) == 1:
            message = "must be a JSON object, sent as application/json"
        case "extra_forbidden":
            near = get_close_matches(parts[-1], fields, 1) if len(parts) == TOP_LEVEL else []
            message = "unknown field" + (f"; did you mean {near[0]}?" if near else "")
    return {"field": field, "message": message}


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
