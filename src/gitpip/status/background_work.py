"""The problems of work that people requested once: audits, searches and imports."""

from collections.abc import Sequence
from datetime import datetime

from gitpip.clock import day_and_clock
from gitpip.counts import count
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity, said
from gitpip.store.database import Transaction
from gitpip.store.schema_surveys import SurveyKind
from gitpip.store.surveys import surveys
from gitpip.store.surveys.surveys import Survey
from gitpip.store.users import imports
from gitpip.store.users.imports import Import

UPLOAD_AGAIN = "Upload the file again: people you already track are left unchanged."
AGAIN = {
    SurveyKind.AUDIT: "Start another one under CRM audits, or with gitpip audit.",
    SurveyKind.OTHERS: "Search again under Activities of other tools, or with gitpip adopt "
    "--from-others.",
}


async def problems(transaction: Transaction, now: datetime) -> Sequence[Problem]:
    """Return audits and searches that failed or wait, and failed or interrupted imports."""
    troubled = await surveys.in_trouble(transaction, now)
    found = []
    if failed := [one for one in troubled if one.failure is not None]:
        found.append(_failed(failed))
    if waiting := [one for one in troubled if one.failure is None]:
        found.append(_waiting(waiting))
    if failed_imports := await imports.failed(transaction, now):
        found.append(_failed_import(failed_imports))
    if interrupted := await imports.interrupted(transaction, now):
        found.append(_interrupted(interrupted))
    return found


def _name(survey: Survey) -> str:
    return f"{'Audit' if survey.kind is SurveyKind.AUDIT else 'Search'} {survey.id}"


def _failed(failed: Sequence[Survey]) -> Problem:
    first = failed[0]
    return Problem(
        ProblemKind.AUDITS_FAILED,
        Severity.WARNING,
        f"{_name(first)} failed: {said(first.failure)}",
        since=first.ended_at,
        count=len(failed),
        act=Remedy.REVIEW_AUDITS,
        advice=AGAIN[first.kind],
    )


def _waiting(waiting: Sequence[Survey]) -> Problem:
    first = max(waiting, key=lambda one: one.failures)
    again = day_and_clock(first.waits_until) if first.waits_until else "now"
    return Problem(
        ProblemKind.AUDITS_WAITING,
        Severity.WARNING if first.failures else Severity.INFO,
        f"{_name(first)} waits: {said(first.waits_because)} gitpip tries again: {again}.",
        since=first.begun_at,
        count=len(waiting),
        act=Remedy.REVIEW_AUDITS if first.failures else None,
    )


def _failed_import(failed: Sequence[Import]) -> Problem:
    first = failed[0]
    return Problem(
        ProblemKind.IMPORT_FAILED,
        Severity.WARNING,
        f"Import {first.id} failed: {said(first.failure)}",
        since=first.ended_at,
        count=len(failed),
        act=Remedy.UPLOAD_AGAIN,
        advice=UPLOAD_AGAIN,
    )


def _interrupted(interrupted: Sequence[Import]) -> Problem:
    first = interrupted[0]
    rows = first.added + first.known + first.faulty
    done = f"{count(rows, 'row')} {'was' if rows == 1 else 'were'} done"
    part = f", {first.read * 100 // first.size}% of the file" if first.size else ""
    return Problem(
        ProblemKind.IMPORT_INTERRUPTED,
        Severity.WARNING,
        f"Import {first.id} was interrupted by a restart: {done}{part}.",
        since=first.moved_at,
        count=len(interrupted),
        act=Remedy.UPLOAD_AGAIN,
        advice=UPLOAD_AGAIN,
    )
