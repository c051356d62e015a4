"""Bodies of audits, and of searches for what other tools made."""

from datetime import datetime

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.store.schema_surveys import Confidence, Step, Verdict
from gitpip.store.surveys.lines import AuditLine, VerdictCount
from gitpip.store.surveys.others import OtherToolMatch
from gitpip.store.surveys.surveys import Survey

CSV_COLUMNS = (
    *("verdict", "explanation", "detail", "login", "gist_id", "filename", "revision"),
    *("github", "stored", "pipedrive", "activity_id", "deal_id"),
)


class SurveyBody(NounBody[Survey]):
    """The progress of an audit, or of a search for activities of other tools. Times are UTC."""

    id: int
    requested_at: datetime
    requested_by: str
    login: str | None
    since: datetime | None
    with_github: bool
    step: Step
    begun_at: datetime | None
    ended_at: datetime | None
    failure: str | None
    waits_until: datetime | None
    """It stopped at a limit, and goes on then."""
    waits_because: str | None
    deals: int
    activities: int
    unread: int
    """The number of entries of Pipedrive's lists that could not be read."""
    tokens: int
    """The tokens of Pipedrive's daily budget used so far."""
    github_lists: int


class LineCountBody(NounBody[VerdictCount]):
    """The number of gist files with this verdict and explanation."""

    verdict: Verdict
    explanation: str | None
    lines: int


class AuditBody(SurveyBody):
    """An audit, with what it found so far."""

    summary: list[LineCountBody]


class AuditLineBody(NounBody[AuditLine]):
    """The finding of an audit on one gist file, or on an activity of none."""

    id: int
    login: str | None
    gist_id: str | None
    filename: str | None
    revision: int
    github: str
    stored: str
    pipedrive: str
    activity_id: int | None
    deal_id: int | None
    verdict: Verdict
    explanation: str | None
    detail: str | None


class MatchBody(NounBody[OtherToolMatch]):
    """An activity of another tool, and the gist file that it fits."""

    activity_id: int
    login: str | None
    gist_id: str | None
    filename: str | None
    publication_id: int | None
    deal_id: int | None
    confidence: Confidence
    because: str
    adopted: bool


class SearchBody(BaseModel):
    """The last search for what other tools made, and what it found, the surest first."""

    search: SurveyBody | None
    counts: dict[Confidence, int]
    items: list[MatchBody]
    total: int
    offset: int
    limit: int


class AdoptedBody(BaseModel):
    """The number of publications that got another tool's activity."""

    adopted: int
