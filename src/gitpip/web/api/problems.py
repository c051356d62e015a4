"""The bodies of errors, and the errors that an endpoint may give."""

from typing import Any

from pydantic import BaseModel


class FieldError(BaseModel):
    """The fault of one field."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 describes it; `code` is its stable name."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: list[FieldError] | None = None


_PROBLEM = {"content": {"application/problem+json": {"schema": ProblemDetails.model_json_schema()}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, **_PROBLEM}
    for status, description in {
        400: "Wrong host, or control characters in the path.",
        401: "No valid access key.",
        403: "The key's role does not allow it, or it comes from another site.",
        404: "Not found.",
        409: "The current state does not allow it.",
        413: "The body is too large.",
        414: "The path and the query are too long.",
        422: "A field is wrong.",
        429: "Too many requests.",
        502: "GitHub or Pipedrive is unavailable.",
        503: "The database is unavailable.",
    }.items()
}
