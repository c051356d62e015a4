"""`/api/v1/audits` and `/api/v1/adoption/others`: a whole account read, and compared."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field, field_validator

from gitpip.actions import surveys as actions
from gitpip.bodies.audits import (
    CSV_COLUMNS,
    AdoptedBody,
    AuditBody,
    AuditLineBody,
    LineCountBody,
    MatchBody,
    SearchBody,
    SurveyBody,
)
from gitpip.bodies.noun import ListBody
from gitpip.model import Role
from gitpip.spreadsheet import BOM, csv_lines
from gitpip.store.database import Database
from gitpip.store.schema_surveys import Confidence, SurveyKind, Verdict
from gitpip.store.surveys import lines, others, surveys
from gitpip.validation import possible_login
from gitpip.web.api.parameters import Limit, Number, Offset, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("audits")


class AuditRequest(RequestBody):
    """The files to compare: all, those of one user, or those found since a time."""

    login: str | None = Field(None, max_length=100)
    since: AwareDatetime | None = Field(default=None, examples=["2026-11-01T00:00:00Z"])
    """A time with its zone."""
    with_github: bool = True

    @field_validator("login")
    @classmethod
    def _possible(cls, login: str | None) -> str | None:
        return login if login is None else possible_login(login)


class AdoptRequest(RequestBody):
    """The least confidence of a match that is adopted."""

    min_confidence: Confidence = Confidence.CERTAIN


@router.get("/audits")
@needs(Role.VIEWER)
async def list_audits(
    context: Context, offset: Offset = 0, limit: Limit = 20
) -> ListBody[SurveyBody]:
    """List audits, newest first."""
    async with context.database.read() as transaction:
        page = await surveys.listed(transaction, SurveyKind.AUDIT, offset=offset, limit=limit)
    items = [SurveyBody.of(one) for one in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("/audits", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def request_audit(acting: CurrentActing, asked: AuditRequest | None = None) -> SurveyBody:
    """Start an audit: compare GitHub, the database and Pipedrive file by file.

    It costs 10 tokens per 500 activities.
    """
    asked = asked or AuditRequest(login=None)
    made = await actions.request_audit(
        acting, login=asked.login, since=asked.since, with_github=asked.with_github
    )
    return SurveyBody.of(made)


@router.get("/audits/{audit_id}")
@needs(Role.VIEWER)
async def get_audit(audit_id: Number, context: Context) -> AuditBody:
    """Get the progress of an audit, and the number of files with each verdict."""
    async with context.database.read() as transaction:
        one = await surveys.get(transaction, audit_id, SurveyKind.AUDIT)
        counts = await lines.summary(transaction, audit_id)
    summary = [LineCountBody.of(count) for count in counts]
    return AuditBody(**SurveyBody.of(one).model_dump(), summary=summary)


@router.get("/audits/{audit_id}/lines")
@needs(Role.VIEWER)
async def list_lines(
    audit_id: Number,
    context: Context,
    verdict: Verdict | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ListBody[AuditLineBody]:
    """List the findings of an audit, one line per gist file."""
    async with context.database.read() as transaction:
        await surveys.get(transaction, audit_id, SurveyKind.AUDIT)
        page = await lines.page(transaction, audit_id, verdict=verdict, offset=offset, limit=limit)
    items = [AuditLineBody.of(line) for line in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


class CsvResponse(StreamingResponse):
    """A table for spreadsheets."""

    media_type = "text/csv; charset=utf-8"


CSV_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/audits/{audit_id}/lines.csv", response_class=CsvResponse, responses=CSV_CONTENT)
@needs(Role.VIEWER)
async def download_lines(audit_id: Number, context: Context) -> CsvResponse:
    """Download the findings of an audit as CSV.

    A cell that a spreadsheet would run begins with an apostrophe.
    """
    async with context.database.read() as transaction:
        await surveys.get(transaction, audit_id, SurveyKind.AUDIT)
    return CsvResponse(
        _csv(context.database, audit_id),
        headers={"content-disposition": f'attachment; filename="audit-{audit_id}.csv"'},
    )


async def _csv(database: Database, audit_id: int) -> AsyncIterator[str]:
    yield BOM + csv_lines(CSV_COLUMNS, [], head=True)
    after = 0
    while True:
        # A transaction for each page: none stays open as long as a client takes to read.
        async with database.read() as transaction:
            some = await lines.some_after(transaction, audit_id, after)
        if not some:
            return
        after = some[-1].id
        yield csv_lines(CSV_COLUMNS, [asdict(line) for line in some], head=False)


@router.get("/adoption/others")
@needs(Role.VIEWER)
async def get_search(context: Context, offset: Offset = 0, limit: Limit = 100) -> SearchBody:
    """Get the activities of other tools for the same gists that the last search found."""
    async with context.database.read() as transaction:
        one = await surveys.latest(transaction, SurveyKind.OTHERS)
        number = one.id if one else 0
        counts = await others.counts(transaction, number)
        page = await others.page(transaction, number, offset=offset, limit=limit)
    return SearchBody(
        search=SurveyBody.of(one) if one else None,
        counts=counts,
        items=[MatchBody.of(match) for match in page.items],
        total=page.total,
        offset=offset,
        limit=limit,
    )


@router.post("/adoption/others", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def search(acting: CurrentActing) -> SurveyBody:
    """Search for activities of other tools for the same gists. Nothing is adopted yet."""
    return SurveyBody.of(await actions.request_search(acting))


@router.post("/adoption/others/adopt")
@needs(Role.OPERATOR)
async def adopt(acting: CurrentActing, asked: AdoptRequest | None = None) -> AdoptedBody:
    """Adopt what the last search found with at least `min_confidence`. It is never sent."""
    least = (asked or AdoptRequest()).min_confidence
    return AdoptedBody(adopted=(await actions.adopt_others(acting, least)).adopted)
