"""Reading Pipedrive's answers: turns a status, headers and a body into a typed outcome.

The contents of a body are cleaned here, once: see `vendor_values`.

Error shapes and headers follow Pipedrive's developer documentation of autumn 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import httpx2

from gitpip.config import organization
from gitpip.drift import Drift
from gitpip.http_client import http_date, is_untrusted, unreachable
from gitpip.publish.delivery import (
    BAN_PAUSE,
    Accepted,
    Ambiguous,
    AnnouncedLimit,
    Denied,
    NotProcessed,
    Outcome,
    Refused,
)
from gitpip.publish.destination import DealsCapped, Item, ListedActivity, LookFailed, TokenOwner
from gitpip.publish.pipedrive.rate_limit import number, seconds_left
from gitpip.vendor_values import cleaned, json_of, time_of, whole_number, words

Json = dict[str, object]

MEANINGS = {
    401: "the token isn't valid",
    402: "Pipedrive has closed the account: check its subscription",
    403: "the token's user may not use the API",
}
"""The meaning of answers that every request with this token gets, by status."""
ACCESS_PAUSE = timedelta(minutes=5)
MADE_AS_DONE = timedelta(seconds=1)
"""The largest difference of the two times of an activity made as done: they are rounded."""
UNANNOUNCED_LIMIT_PAUSE = timedelta(seconds=2)
UNREACHABLE_PAUSE = timedelta(seconds=2)
LONGEST_ANNOUNCED = 86_400
LONGEST_CURSOR = 2_000
"""The most characters of a cursor: it is part of an address, and a longer one is refused."""
AGAINST_CAP = "close or delete open deals in Pipedrive, or get a larger plan"
"""The advice if the plan allows no further open deal."""
FIELDS_IN_WORDS = {"visible_to": "visib"}
"""How Pipedrive's words name a field, where that is not by its code: `visible_to`, `visibility`."""
LONGEST_OWNER_NAME = 200
LONGEST_CODE = 64
"""The most characters of an error code. Pipedrive's own have 40."""


@dataclass(frozen=True)
class RefusedWithStatus(Refused):
    """A refusal, with its HTTP status."""

    status: int

    def is_about(self, code: str, name: str = "") -> bool:
        """Return whether Pipedrive's words name this field.

        The documentation knows no part of an answer that holds the refused field:
        https://pipedrive.readme.io/docs/core-api-concepts-http-status-codes
        """
        said = self.reason.lower()
        names = (FIELDS_IN_WORDS.get(code, code), name.lower())
        return any(each in said for each in names if each)


@dataclass(frozen=True)
class Unauthorized:
    """A 401, 402 or 403 in JSON: it can be about the token, the account or one deal."""

    reason: str
    status: int


@dataclass(frozen=True)
class Unread(Ambiguous):
    """The answer took too long, or was too large to be read."""


@dataclass(frozen=True)
class Success:
    """A success. `body` is the JSON object, `at` the time by Pipedrive's clock if it is known."""

    body: Json
    at: datetime | None = None


TOKEN_CHANGED = NotProcessed("the token was changed meanwhile", timedelta(0), everyone=False)
NOT_ADMITTED = NotProcessed(
    "it is not known yet which company the token belongs to", timedelta(0), everyone=False
)
AnswerOrRefusal = Success | RefusedWithStatus | Denied | NotProcessed | Ambiguous
Read = Success | RefusedWithStatus | Denied | Unauthorized | NotProcessed | Ambiguous


def read(status: int, headers: Mapping[str, str], content: bytes) -> Read:
    """Return the outcome that an answer stands for."""
    if httpx2.codes.is_redirect(status):
        return Ambiguous(
            f"Pipedrive answered {status}: it redirects to another address, so the company's name "
            "or address may be wrong",
            ACCESS_PAUSE,
        )
    body = _json(content)
    if body is None:
        reason = f"Pipedrive answered {status} without JSON"
        if httpx2.codes.is_server_error(status):
            reason = f"Pipedrive isn't responding ({status})"
        if status == httpx2.codes.TOO_MANY_REQUESTS:
            return NotProcessed(reason, BAN_PAUSE, by_edge=True)
        if status == httpx2.codes.FORBIDDEN:
            return Ambiguous(reason, BAN_PAUSE, by_edge=True)
        # A 5xx with a page is an ordinary temporary fault of a gateway, as common as a 500.
        return Ambiguous(reason, unintelligible=httpx2.codes.is_success(status))
    if status in {200, 201} and body.get("success") is True:
        return Success(body, http_date(headers.get("date")))
    return _error(status, headers, body)


def _error(
    status: int, headers: Mapping[str, str], body: Json
) -> RefusedWithStatus | Denied | Unauthorized | NotProcessed | Ambiguous:
    said = _words(status, body)
    match status:
        case 429:
            return _limited(f"Pipedrive's rate limit is reached ({said})", headers)
        case 403 if body.get("code") == "feature_capping_deals_limit":
            return DealsCapped(f"{said}; {AGAINST_CAP}")
        case 401 | 402 | 403:
            return Unauthorized(said, status)
        case 400 | 404 | 405 | 409 | 410 | 413 | 415 | 422:
            return RefusedWithStatus(_refusal(status, body), status)
        case _:
            return Ambiguous(said)


def _limited(said: str, headers: Mapping[str, str]) -> NotProcessed:
    reset = seconds_left(headers, "retry-after")
    if reset is None:
        reset = seconds_left(headers, "x-ratelimit-reset")
    announced = None if reset is None else timedelta(seconds=min(max(reset, 1), LONGEST_ANNOUNCED))
    daily_remaining = number(headers, "x-daily-ratelimit-token-remaining")
    return NotProcessed(
        said,
        announced or UNANNOUNCED_LIMIT_PAUSE,
        rate_limit=AnnouncedLimit(
            announced, daily_remaining, number(headers, "x-ratelimit-remaining")
        ),
    )


def not_connected(error: Exception, url: str) -> NotProcessed:
    """Return the outcome if no connection for a request to `url` could be made."""
    return NotProcessed(
        f"Pipedrive can't be reached: {unreachable(error, url)}",
        UNREACHABLE_PAUSE,
        unreachable=True,
        untrusted=is_untrusted(error),
    )


def data(answer: Success | Outcome) -> object:
    """Return the data of a success. Raises LookFailed for everything else."""
    if isinstance(answer, Success):
        return answer.body.get("data")
    raise LookFailed(answer)


def next_cursor(answer: Success | Outcome) -> str | None:
    """Return the cursor of a list's next page, or None at its end. Raises LookFailed."""
    extra = answer.body.get("additional_data") if isinstance(answer, Success) else None
    cursor = extra.get("next_cursor", 0) if isinstance(extra, dict) else 0
    if cursor is not None and not (isinstance(cursor, str) and len(cursor) <= LONGEST_CURSOR):
        raise LookFailed(Ambiguous("the list does not say whether it ends here"))
    return cursor or None


def item(entry: object, text_field: str) -> Item | None:
    """Return an entry of a list, or None if it has no id."""
    number = whole_number(entry.get("id")) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or number is None:
        return None
    text, note = entry.get(text_field), entry.get("note")
    is_open = (
        entry.get("status") == "open"
        and entry.get("is_deleted") is not True
        and entry.get("is_archived") is not True
    )
    return Item(
        number,
        text if isinstance(text, str) else "",
        note if isinstance(note, str) else None,
        is_open,
        _drift(entry),
        deal_id=whole_number(entry.get("deal_id")),
        creator_id=whole_number(entry.get("creator_user_id")),
        added_at=time_of(entry.get("add_time")),
        custom_fields=custom if isinstance(custom := entry.get("custom_fields"), dict) else {},
        owner_id=whole_number(entry.get("owner_id")),
        person_id=whole_number(entry.get("person_id")),
        org_id=whole_number(entry.get("org_id")),
    )


def _drift(entry: Json) -> Drift | None:
    """Return the drift of a deal, or None if it is open or its status is not known."""
    if entry.get("is_archived") is True:
        return Drift.ARCHIVED
    return {"won": Drift.WON, "lost": Drift.LOST}.get(str(entry.get("status")))


def field_code(field: object) -> str | None:
    """Return the code of a custom field of deals, or None if it has no usable one."""
    code = field.get("field_code") if isinstance(field, dict) else None
    return code if isinstance(code, str) and 0 < len(code) <= LONGEST_CODE else None


def owner(answer: Success | Outcome) -> TokenOwner:
    """Return the user and company of a token, as `users/me` says. Raises LookFailed."""
    user = data(answer)
    if not isinstance(user, dict):
        raise LookFailed(Ambiguous("Pipedrive did not say whose token it is"))
    number, company = whole_number(user.get("id")), whole_number(user.get("company_id"))
    if number is None or company is None:
        raise LookFailed(Ambiguous("Pipedrive did not say of which company the token is"))
    domain = user.get("company_domain")
    try:
        domain = organization(domain) if isinstance(domain, str) else None
    except ValueError:
        domain = None
    name, of = user.get("name"), user.get("company_name")
    return TokenOwner(
        number,
        words(f"{name or ''}", LONGEST_OWNER_NAME) or str(number),
        company,
        words(f"{of or ''}", LONGEST_OWNER_NAME) or str(company),
        domain,
    )


def deal(entry: object) -> Item | None:
    """Return a deal of a list, or None if its id or its title can't be read."""
    base = item(entry, "title")
    titled = isinstance(entry, dict) and isinstance(entry.get("title"), str)
    return base if titled else None


def activity(entry: object) -> ListedActivity | None:
    """Return an activity of a list, or None if it can't be told whether it is ours.

    The marker is in the subject and in the note, so one of them is enough.
    """
    base = item(entry, "subject")
    fields = cast("Json", entry)
    if base is None or not (isinstance(fields.get("subject"), str) or base.note is not None):
        return None
    made = fields.get("add_time")
    return ListedActivity(
        base.id,
        base.text,
        base.note,
        base.is_open,
        base.drift,
        base.deal_id,
        base.creator_id,
        base.added_at,
        base.custom_fields,
        base.owner_id,
        untouched=made is not None and made == fields.get("update_time"),
        done_since=fields.get("done") is True and _is_done_since(fields),
        changed_at=time_of(fields.get("update_time")),
    )


def deleted(answer: AnswerOrRefusal, number: int) -> Outcome:
    """Return the outcome of a deletion. Something that was deleted before counts as deleted."""
    gone = isinstance(answer, RefusedWithStatus) and answer.status in {404, 410}
    return Accepted(number) if gone or isinstance(answer, Success) else answer


def existing(answer: Success | Outcome) -> Json | None:
    """Return the entry with the requested id, or None if it was deleted. Raises LookFailed."""
    if isinstance(answer, RefusedWithStatus) and answer.status in {404, 410}:
        return None
    entry = data(answer)
    if not isinstance(entry, dict):
        raise LookFailed(Ambiguous("Pipedrive's answer holds no entry"))
    gone = entry.get("is_deleted") is True or entry.get("status") == "deleted"
    return None if gone else entry


def _is_done_since(fields: Json) -> bool:
    """Return whether an activity was marked as done after it was made.

    If the time of that is missing, the time of the last change is used.
    """
    made, done = time_of(fields.get("add_time")), time_of(fields.get("marked_as_done_time"))
    return made is not None and done is not None and done - made > MADE_AS_DONE


def _json(content: bytes) -> Json | None:
    try:
        body = cleaned(json_of(content))
    except ValueError:
        return None
    return cast("Json", body) if isinstance(body, dict) else None


def _words(status: int, body: Json) -> str:
    return f"Pipedrive answered {status}: {_said(body) or 'without a reason'}"


def _refusal(status: int, body: Json) -> str:
    said = _said(body).rstrip(".")
    return (
        f"Pipedrive rejected it: “{said}” ({status})"
        if said
        else f"Pipedrive rejected it ({status})"
    )


def _said(body: Json) -> str:
    """Return Pipedrive's own words: they are kept as the reason, and may repeat what was sent."""
    said = body.get("error") or body.get("error_info") or body.get("message") or ""
    return words(str(said), 500)


def cause(error: Exception) -> str:
    """Return the reason why no answer arrived, in a few words without a secret."""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "it took too long"
    return words(str(error), 300).rstrip(".") or "the connection broke"
