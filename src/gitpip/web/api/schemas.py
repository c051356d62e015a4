"""What the API's answers look like; the OpenAPI document is made from these."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel

from gitpip.model import (
    Check,
    Forecast,
    GistFile,
    Publication,
    PublicationState,
    Unreadable,
    User,
    UserState,
    Visit,
)
from gitpip.web.auth.viewer import shown_viewer

Body = TypeVar("Body")


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it; `code` is its stable name."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: list[FieldError] | None = None


_PROBLEM = {"content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, **_PROBLEM}
    for status, description in {
        400: "Not from this machine, or control characters in the path.",
        401: "No valid access key.",
        403: "The key's role does not allow it, or it comes from another site.",
        404: "Unknown.",
        409: "In conflict with what is there.",
        413: "Too large.",
        414: "The path and the query are too long.",
        422: "A field is wrong.",
        429: "Too many requests.",
        502: "GitHub can't be asked now.",
        503: "The database does not work now.",
    }.items()
}


class ListBody(BaseModel, Generic[Body]):
    """A slice of a list, and the number of all items."""

    items: list[Body]
    total: int
    offset: int
    limit: int


class UserBody(BaseModel):
    """A tracked user. Times are UTC."""

    login: str
    id: str
    github_id: int | None
    state: UserState
    backfill: str
    created_at: datetime
    checked_at: datetime | None
    next_check_at: datetime
    failures: int
    failure: str | None
    files: int
    deal_id: int | None
    tags: list[str]
    interval: float | None
    """The user's own, in seconds, between two looks; null for that of the settings."""
    nothing_missed_before: datetime | None
    """Whatever was public before is stored; null before the first whole look."""
    former_login: str | None
    unreadable: int
    """How many gists, files and parts of the gist list could not be read, and are tried again."""

    @classmethod
    def of(cls, user: User) -> Self:
        """The body of a tracked user."""
        return cls(
            login=user.login,
            id=user.external_id,
            github_id=user.github_id,
            state=user.state,
            backfill=str(user.backfill),
            created_at=user.created_at,
            checked_at=user.checked_at,
            next_check_at=user.next_check_at,
            failures=user.failures,
            failure=user.failure,
            files=user.last_sequence,
            deal_id=user.deal_id,
            tags=list(user.tags),
            interval=user.check_interval.total_seconds() if user.check_interval else None,
            nothing_missed_before=user.complete_until,
            former_login=user.former_login,
            unreadable=user.unreadable,
        )


class UnreadableBody(BaseModel):
    """What could not be read of a user, and why. Times are UTC."""

    gist_id: str | None
    """Null for a part of the list of gists."""
    filename: str | None
    """Null for the whole gist, or for files whose names are not known."""
    reason: str
    failures: int
    first_failed_at: datetime
    next_try_at: datetime

    @classmethod
    def of(cls, item: Unreadable) -> Self:
        """The body of one item."""
        return cls(
            gist_id=item.gist_id or None,
            filename=item.filename or None,
            reason=item.reason,
            failures=item.failures,
            first_failed_at=item.first_failed_at,
            next_try_at=item.next_try_at,
        )


class OneUserBody(UserBody):
    """A tracked user, with what could not be read of them."""

    could_not_read: list[UnreadableBody] = []


class ForecastBody(BaseModel):
    """What tracking a user would publish at once."""

    login: str
    github_id: int
    gists: int
    activities: int
    seconds: float
    """How long that takes at the least, on Pipedrive's smallest plan with one seat."""

    @classmethod
    def of(cls, forecast: Forecast) -> Self:
        """The body of a forecast."""
        return cls(
            login=forecast.account.login,
            github_id=forecast.account.github_id,
            gists=forecast.gists,
            activities=forecast.activities,
            seconds=forecast.duration.total_seconds(),
        )


class FileBody(BaseModel):
    """A gist file; `id` is the gist's. Times are UTC."""

    id: str
    owner: str
    filename: str
    language: str | None
    size: int
    blob_hash: str
    raw_url: str
    html_url: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    found_at: datetime
    sequence: int
    published: bool
    publication: PublicationState | None
    activity_id: int | None


class FileWithContent(FileBody):
    """A gist file with what it holds; null where it is stored by reference only."""

    content: str | None


class VisitBody(BaseModel):
    """A visit: which of the user's files it showed, and when (UTC)."""

    id: int
    login: str
    viewer: str
    """A browser without a key is named by a part of a hash: its own name is its cookie."""
    after: int
    up_to: int
    at: datetime
    files: list[FileBody]

    @classmethod
    def of(cls, visit: Visit, files: Iterable[GistFile]) -> Self:
        """The body of a visit and what it showed."""
        return cls(
            id=visit.id,
            login=visit.login,
            viewer=shown_viewer(visit.viewer),
            after=visit.after,
            up_to=visit.up_to,
            at=visit.at,
            files=file_bodies(files),
        )


class PublicationBody(BaseModel):
    """How the delivery of one gist file stands. Times are UTC."""

    id: int
    login: str
    gist_id: str
    filename: str
    marker: str
    state: PublicationState
    due_at: datetime
    attempts: int
    looks: int
    reason: str | None
    deal_id: int | None
    activity_id: int | None
    published_at: datetime | None

    @classmethod
    def of(cls, publication: Publication) -> Self:
        """The body of a publication."""
        return cls.model_validate(asdict(publication))


class ActivityPreview(BaseModel):
    """What is sent to Pipedrive for a publication; without a deal yet, `deal_id` is null."""

    subject: str
    note: str
    deal_id: int | None


class CheckBody(BaseModel):
    """One look over the users that were due. Times are UTC."""

    id: int
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    users: int
    unchanged: int
    failed: int
    gists: int
    files: int
    failures: list[str]

    @classmethod
    def of(cls, check: Check) -> Self:
        """The body of a check."""
        return cls.model_validate(asdict(check))


def file_bodies(files: Iterable[GistFile]) -> list[FileBody]:
    """The bodies of gist files, without their contents."""
    return [FileBody(**_file(file)) for file in files]


def file_with_content(file: GistFile) -> FileWithContent:
    """The body of a gist file, with its content."""
    return FileWithContent(**_file(file), content=file.content)


def _file(file: GistFile) -> dict[str, Any]:
    return {
        "id": file.gist_id,
        "owner": file.login,
        "filename": file.filename,
        "language": file.language,
        "size": file.size,
        "blob_hash": file.blob_hash,
        "raw_url": file.raw_url,
        "html_url": file.html_url,
        "description": file.description,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
        "found_at": file.found_at,
        "sequence": file.sequence,
        "published": file.publication is PublicationState.PUBLISHED,
        "publication": file.publication,
        "activity_id": file.activity_id,
    }
