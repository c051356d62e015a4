"""Every error as `application/problem+json` (RFC 9457): what is wrong, where, what to do."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response

from gitpip.digests import REDACTED
from gitpip.errors import (
    AccessRefused,
    AccountChanged,
    AccountUnchanged,
    CheckNotFound,
    CodeRefused,
    DatabaseBusy,
    DatabaseUnavailable,
    DestinationUnavailable,
    EventUnknown,
    FeedAddressConflict,
    FeedAddressNotFound,
    FilterNotFound,
    GistNotFound,
    GitHubError,
    GitHubNotFound,
    GitpipError,
    HeldChanged,
    ImportNotFound,
    ImportNotWaiting,
    InvalidInput,
    KeyConflict,
    KeyNotFound,
    LastAdminKey,
    MarkedSince,
    NothingToUndo,
    OptOutNotFound,
    PauseKept,
    PublicationNotFound,
    PublicationStateError,
    RepairChanged,
    RepairNotFound,
    RuleNotFound,
    SettingGiven,
    SurveyNotEnded,
    SurveyNotFound,
    TooManyAttempts,
    TooManyTrials,
    UndoNotFound,
    UndoNotStopped,
    UserConflict,
    UserNotTracked,
    VisitNotFound,
)
from gitpip.observability.logging import get_logger
from gitpip.web.auth.refusal_log import shortened
from gitpip.web.render.faults import as_sentence, fault_words, field_faults
from gitpip.web.render.jinja import duration, render
from gitpip.web.request_faults import faults_of, method_not_allowed

MEDIA_TYPE = "application/problem+json"
INSTANCE = 2_000
"""The most characters of a path that are repeated in a problem document."""

# If two classes match, the later entry is used.
KNOWN: dict[type[GitpipError], tuple[HTTPStatus, str]] = {
    InvalidInput: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"),
    UserNotTracked: (HTTPStatus.NOT_FOUND, "user-not-tracked"),
    UserConflict: (HTTPStatus.CONFLICT, "user-conflict"),
    GitHubError: (HTTPStatus.BAD_GATEWAY, "github-unavailable"),
    GitHubNotFound: (HTTPStatus.NOT_FOUND, "github-user-not-found"),
    GistNotFound: (HTTPStatus.NOT_FOUND, "gist-not-found"),
    PublicationNotFound: (HTTPStatus.NOT_FOUND, "publication-not-found"),
    PublicationStateError: (HTTPStatus.CONFLICT, "publication-state"),
    NothingToUndo: (HTTPStatus.CONFLICT, "nothing-to-undo"),
    UndoNotFound: (HTTPStatus.NOT_FOUND, "undo-not-found"),
    UndoNotStopped: (HTTPStatus.CONFLICT, "undo-not-stopped"),
    HeldChanged: (HTTPStatus.CONFLICT, "held-changed"),
    PauseKept: (HTTPStatus.CONFLICT, "pause-kept"),
    SettingGiven: (HTTPStatus.CONFLICT, "setting-given"),
    RuleNotFound: (HTTPStatus.NOT_FOUND, "rule-not-found"),
    OptOutNotFound: (HTTPStatus.NOT_FOUND, "opt-out-not-found"),
    MarkedSince: (HTTPStatus.CONFLICT, "marked-since"),
    FilterNotFound: (HTTPStatus.NOT_FOUND, "filter-not-found"),
    VisitNotFound: (HTTPStatus.NOT_FOUND, "visit-not-found"),
    ImportNotFound: (HTTPStatus.NOT_FOUND, "import-not-found"),
    ImportNotWaiting: (HTTPStatus.CONFLICT, "import-not-waiting"),
    RepairChanged: (HTTPStatus.CONFLICT, "repair-changed"),
    RepairNotFound: (HTTPStatus.NOT_FOUND, "repair-not-found"),
    AccessRefused: (HTTPStatus.FORBIDDEN, "role-missing"),
    CodeRefused: (HTTPStatus.FORBIDDEN, "code-refused"),
    TooManyAttempts: (HTTPStatus.TOO_MANY_REQUESTS, "too-many-attempts"),
    AccountChanged: (HTTPStatus.CONFLICT, "account-changed"),
    AccountUnchanged: (HTTPStatus.CONFLICT, "account-unchanged"),
    FeedAddressConflict: (HTTPStatus.CONFLICT, "feed-address-conflict"),
    FeedAddressNotFound: (HTTPStatus.NOT_FOUND, "feed-address-not-found"),
    KeyNotFound: (HTTPStatus.NOT_FOUND, "key-not-found"),
    KeyConflict: (HTTPStatus.CONFLICT, "key-conflict"),
    LastAdminKey: (HTTPStatus.CONFLICT, "last-admin-key"),
    CheckNotFound: (HTTPStatus.NOT_FOUND, "check-not-found"),
    SurveyNotFound: (HTTPStatus.NOT_FOUND, "survey-not-found"),
    SurveyNotEnded: (HTTPStatus.CONFLICT, "survey-not-ended"),
    EventUnknown: (HTTPStatus.CONFLICT, "event-unknown"),
    DestinationUnavailable: (HTTPStatus.BAD_GATEWAY, "pipedrive-unasked"),
    DatabaseUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "database-unavailable"),
    DatabaseBusy: (HTTPStatus.SERVICE_UNAVAILABLE, "database-busy"),
    TooManyTrials: (HTTPStatus.SERVICE_UNAVAILABLE, "too-many-trials"),
}

TITLES = {
    HTTPStatus.BAD_REQUEST: "Can't read this request",
    HTTPStatus.FORBIDDEN: "You don't have access",
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Can't do that here",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Check your input",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.CONFLICT: "Can't do that right now",
    HTTPStatus.BAD_GATEWAY: "GitHub or Pipedrive isn't responding",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service isn't ready",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
}
"""The heading of an error, for people; any other has its own name."""
TITLES_OF_KINDS = {
    "user-not-tracked": "Not tracked",
    "cross-site": "Request from another site",
    "control-characters": "Can't open this address",
    "bad-host": "Can't open this address",
    "code-refused": "Check the code",
    "github-unavailable": "GitHub isn't responding",
    "github-user-not-found": "Not found on GitHub",
    "pipedrive-unasked": "Pipedrive isn't responding",
    "database-unavailable": "The database isn't responding",
    "too-many-trials": "Too many trials at the same time",
    "database-busy": "Too many requests at the same time",
}
"""The same, of errors whose kind says more than their status."""

_FEED_SECRET = re.compile(
    r"(?<=/feeds/)(?!\d+/)[^/]+|gitpip(?:_|%(?:25)*5f)feed(?:_|%(?:25)*5f)[^/]*", re.IGNORECASE
)
"""The part of a path where a feed's secret stands, and any other part that looks like one. A feed
reader may have encoded the address twice."""

log = get_logger()


class Detail(NamedTuple):
    """An error's words for programs, and for people, who don't know the names of fields."""

    for_programs: str
    for_people: Sequence[str]
    """Sentences, a line each."""


def _problem(
    status: HTTPStatus,
    kind: str,
    detail: str,
    *,
    path: str,
    errors: Sequence[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem document; `kind` is its stable name, `errors` name single fields."""
    content: dict[str, object] = {
        "type": f"urn:gitpip:{kind}",
        "title": status.phrase,
        "status": status.value,
        "code": kind,
        "detail": detail,
        "instance": path,
    }
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(content, status_code=status.value, media_type=MEDIA_TYPE, headers=headers)


def answer(
    request: Request,
    status: HTTPStatus,
    kind: str,
    detail: str | Detail,
    *,
    errors: Sequence[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """An error's answer: a page for people, a problem document for programs."""
    if isinstance(detail, str):
        detail = Detail(detail, [as_sentence(detail)])
    # A page's script requests the same address. Without Vary, Back could show the script's answer.
    headers = {"vary": "accept", **(headers or {})}
    if wants_page(request):
        return _page(status, kind, detail.for_people, headers)
    path = path_without_secret(request.scope["path"])[:INSTANCE]
    return _problem(status, kind, detail.for_programs, path=path, errors=errors, headers=headers)


def _page(
    status: HTTPStatus,
    kind: str,
    sentences: Sequence[str],
    headers: dict[str, str],
    login: str | None = None,
) -> Response:
    """An error as a page; `login` is of a user who could be added."""
    title = TITLES_OF_KINDS.get(kind) or TITLES.get(status, status.phrase)
    page = render("error.html", title=title, sentences=sentences, login=login)
    return HTMLResponse(page, status_code=status.value, headers=headers)


def asked_too_often(detail: str, seconds: int) -> Detail:
    """Return what someone does who asked too often."""
    return Detail(detail, [f"Wait {duration(seconds)}, then try again."])


def wants_page(request: Request) -> bool:
    """Return whether a browser sent the request."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and not request.scope["path"].startswith("/api/")


def path_without_secret(path: str) -> str:
    """A path without the secret in a feed's address, wherever it stands."""
    return _FEED_SECRET.sub(REDACTED, path)


def handle_problems(app: FastAPI) -> None:
    """Make the application answer every error with a problem document."""
    app.add_exception_handler(GitpipError, answer_known_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, answer_unexpected_error)


async def answer_known_error(request: Request, error: Exception) -> Response:
    """The answer to an error that gitpip raised on purpose."""
    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
    for known, told in KNOWN.items():
        if isinstance(error, known):
            status, kind = told
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return await answer_unexpected_error(request, error)
    if isinstance(error, UserNotTracked) and error.login and wants_page(request):
        return _page(status, kind, (), {"vary": "accept"}, error.login)
    errors = []
    if isinstance(error, InvalidInput):
        errors = [{"field": error.field, "message": str(error)}]
    headers = None
    if isinstance(error, DatabaseUnavailable | TooManyTrials):
        headers = {"retry-after": "5"}
    elif isinstance(error, TooManyAttempts):
        headers = {"retry-after": str(error.seconds)}
    is_name = isinstance(error, UserConflict)
    sentence = as_sentence(fault_words(error), begins_with_name=is_name)
    detail = Detail(str(error), [sentence])
    return answer(request, status, kind, detail, errors=errors, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    errors = faults_of(error, request) if isinstance(error, RequestValidationError) else []
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors)
    return answer(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-input",
        Detail(detail, field_faults(errors)),
        errors=errors,
    )


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail: str | Detail = str(error.detail)
    if detail == status.phrase:
        asked = f"{request.method} {path_without_secret(request.scope['path'])}"
        detail = f"{asked}: {status.description or status.phrase}"
        if status is HTTPStatus.NOT_FOUND:
            what = "page" if wants_page(request) else "endpoint"
            detail = f"There is no {what} at {path_without_secret(request.scope['path'])}."
        elif status is HTTPStatus.METHOD_NOT_ALLOWED:
            # Only forms have an address without a page.
            words = "This address belongs to a form and can't be opened. Go back and use the form."
            if request.method != "GET":
                words = "This page takes no form. Go back and try again."
            detail = Detail(f"{asked}: {method_not_allowed(error)}", [words])
    kind = status.phrase.lower().replace(" ", "-")
    headers = dict(error.headers) if error.headers else None
    return answer(request, status, kind, detail, headers=headers)


async def _disconnected(request: Request, _error: Exception) -> Response:
    """The log entry for a client that disconnected while it sent its body."""
    detail = "the connection ended before the body did"
    return answer(request, HTTPStatus.BAD_REQUEST, "body-incomplete", detail)


async def answer_unexpected_error(request: Request, error: Exception) -> Response:
    """The answer to a defect of gitpip. Only the log says what it is."""
    log.error(
        "request.failed", path=shortened(path_without_secret(request.scope["path"])), exc_info=error
    )
    return answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        Detail(
            "gitpip had an internal error; see the log",
            ["gitpip had an internal error. See the log."],
        ),
    )
