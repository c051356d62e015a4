"""What the API's answers look like; the OpenAPI document is made from these."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

from gitpip.drift import Drift, DriftAnswer
from gitpip.model import Check, GistFile, Publication, PublicationState, Unreadable, User, UserState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.same_activity import SentWith
from gitpip.status.reading import Condition
from gitpip.store.visits.visits import Visit
from gitpip.watch.forecast import Forecast
from gitpip.web.auth.viewer import shown_viewer

Body = TypeVar("Body")
Noun = TypeVar("Noun")

Seconds = Annotated[float, BeforeValidator(timedelta.total_seconds)]
"""Of a duration."""
Text = Annotated[str, BeforeValidator(str)]
"""Of what is written as text."""
Filled = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""Null for what is empty."""
TargetWords = Annotated[str | None, BeforeValidator(lambda target: target and str(target))]
"""Of a target, or null."""
ShownViewer = Annotated[str, BeforeValidator(shown_viewer)]
"""A browser without a key is named by a part of a hash: its own name is its cookie."""


class NounBody(BaseModel, Generic[Noun]):
    """What an answer shows of a noun: its attributes of the same names, or of those named here."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, noun: Noun) -> Self:
        """The body of a noun."""
        return cls.model_validate(noun)


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


class ListBody(BaseModel, Generic[Body]):
    """A slice of a list, and the number of all items."""

    items: list[Body]
    total: int
    offset: int
    limit: int


class UserBody(NounBody[User]):
    """A tracked user. Times are UTC."""

    login: str
    id: str = Field(validation_alias="external_id")
    github_id: int | None
    state: UserState
    backfill: Text
    created_at: datetime
    checked_at: datetime | None
    next_check_at: datetime | None
    """Not before the end of a pause of watching; null for a paused user."""
    failures: int
    failure: str | None
    files: int = Field(validation_alias="last_sequence")
    deal_id: int | None
    tags: list[str]
    interval: Seconds | None = Field(validation_alias="check_interval")
    """The user's own, in seconds, between two looks; null for that of the settings."""
    nothing_missed_before: datetime | None = Field(validation_alias="complete_until")
    """Whatever was public before is stored; null before the first whole look."""
    former_login: str | None
    unreadable: int
    """How many gists, files and parts of the gist list could not be read, and are tried again."""
    publishing_mode: PublishingMode | None
    """The user's own; null for that of everybody."""
    target: TargetWords
    """Where the activities are put, like `deal:42`; null for the user's deal by its title."""
    target_title: str | None
    """What Pipedrive calls it; null while Pipedrive was not asked."""
    target_problem: str | None
    """Why new files wait, where nothing can be put there."""
    deal_drift: Drift | None
    """What became of the user's deal by its title, or of the former one; null if nothing did."""
    deal_drift_answer: DriftAnswer | None
    """Where new files go since then."""
    deal_drifted_at: datetime | None
    drifted_deal_id: int | None
    """Which deal that was."""

    @classmethod
    def under(cls, user: User, stops: Condition) -> Self:
        """The body, with the time of the next check that pauses leave."""
        body = cls.of(user)
        body.next_check_at = stops.check_due(user)
        return body


class UnreadableBody(NounBody[Unreadable]):
    """What could not be read of a user, and why. Times are UTC."""

    gist_id: Filled
    """Null for a part of the list of gists."""
    filename: Filled
    """Null for the whole gist, or for files whose names are not known."""
    reason: str
    failures: int
    first_failed_at: datetime
    next_try_at: datetime


class OneUserBody(UserBody):
    """A tracked user, with what could not be read of them."""

    could_not_read: list[UnreadableBody] = []


class ForecastBody(NounBody[Forecast]):
    """What tracking a user would publish at once."""

    login: str = Field(validation_alias=AliasPath("account", "login"))
    github_id: int = Field(validation_alias=AliasPath("account", "github_id"))
    gists: int
    files: int
    activities: int
    seconds: Seconds = Field(validation_alias="duration")
    """How long that takes at the least, on Pipedrive's smallest plan with one seat."""
    tracked_as: str | None
    """The login of the user who is tracked already with this account: adding publishes nothing."""


class FileBody(NounBody[GistFile]):
    """A gist file; `id` is the gist's. Times are UTC."""

    id: str = Field(validation_alias="gist_id")
    owner: str = Field(validation_alias="login")
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
    viewer: ShownViewer
    after: int
    up_to: int
    at: datetime
    files: list[FileBody]

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """The body of a visit, without what it showed."""
        return cls.model_validate({**asdict(visit), "files": []})


class SentWithBody(NounBody[SentWith]):
    """Another file in the same activity."""

    id: int
    """That of its publication."""
    filename: str


class PublicationBody(NounBody[Publication]):
    """How the delivery of one gist file stands. Times are UTC."""

    id: int
    login: str
    gist_id: str
    filename: str
    marker: str
    state: PublicationState
    due_at: datetime | None
    """When the next step can come, not before the end of a pause; null where nobody can tell, as in
    a dry run, of a paused user, or during a pause without an end."""
    attempts: int
    looks: int
    reason: str | None
    deal_id: int | None
    sent_to: TargetWords
    """The user's target when it was sent; null for a deal that was found or made by its title."""
    activity_id: int | None
    published_at: datetime | None
    held_because: HeldBecause | None
    """Why it is or was held; a pending one with it was met in a dry run."""
    approved_at: datetime | None
    """When somebody said that it is to be sent."""
    approved_by: str | None
    part_of: int | None
    """The publication whose activity holds this file, too; what became of it became of this."""
    sent_with: list[SentWithBody]
    """The one that `part_of` names, or the other files in this one's activity."""
    check_id: int | None
    """The check that found this content of the file; a filter and an undo take it as `check`."""

    @classmethod
    def under(cls, publication: Publication, stops: Condition) -> Self:
        """The body, due at the time that pauses and modes leave."""
        body = cls.of(publication)
        body.due_at = stops.due_of(publication)
        return body


class ActivityPreview(BaseModel):
    """What is sent to Pipedrive for a publication; without a deal yet, `deal_id` is null."""

    subject: str
    note: str
    deal_id: int | None
    target: str | None
    """Where it is put, or was: the user's target; null for the deal by its title."""
    type: str
    """The type of the activity, as the publishing settings name it."""
    done: bool
    owner: str
    """A user of the account; `token` is the user of the token, `deal` the owner of the deal."""
    due_date: date | None
    priority: str | None
    masked: list[str]
    """What is left out of subject and note since it looks like a credential, by kind and place."""
    credentials: list[str]
    """What looks like a credential and is in them: approving the file sends it, or sent it."""


class CheckBody(NounBody[Check]):
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
