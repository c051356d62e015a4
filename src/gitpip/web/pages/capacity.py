"""The page that says what more users and gists would cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from gitpip.clock import utc_now
from gitpip.config import format_duration, parse_duration
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.status.sizing import PLANS, GitHubToken, Sizing, Wanted, sizing
from gitpip.status.sizing_rows import SizingRow, sizing_rows
from gitpip.store.status import today
from gitpip.store.status.today import Today
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context
from gitpip.web.render.jinja import render

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Number = Annotated[str, Query(max_length=20)]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Asked:
    """The fields of the form, as they were typed; empty ones are as it is today."""

    users: Number = ""
    gists_per_day: Number = ""
    pipedrive_plan: Number = ""
    seats: Number = ""
    check_interval: Number = ""
    files_per_gist: Number = ""
    backlog: Number = ""
    github_token: Number = ""


@router.get("/capacity")
@needs(Role.VIEWER)
async def capacity(context: Context, asked: Annotated[Asked, Depends()]) -> HTMLResponse:
    """Show what a given number of users and gists costs, beside the present numbers."""
    async with context.database.read() as transaction:
        present = await today.read(transaction, utc_now())
    follows: Sizing | None = None
    rows: tuple[SizingRow, ...] = ()
    fault = ""
    try:
        wanted = _wanted(asked, present, context)
        rows = sizing_rows(wanted, follows := sizing(wanted), present)
    except InvalidInput as error:
        fault = str(error)
    page = render(
        "capacity.html",
        page="capacity",
        asked=asked,
        plans=PLANS,
        tokens=list(GitHubToken),
        usual=format_duration(context.settings.check_interval),
        present=present,
        rows=rows,
        warnings=follows.warnings if follows else (),
        fault=fault,
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


def _wanted(asked: Asked, present: Today, context: AppContext) -> Wanted:
    """Return the plan; raises InvalidInput, with the field."""
    try:
        interval = (
            parse_duration(asked.check_interval.strip())
            if asked.check_interval.strip()
            else context.settings.check_interval
        )
    except ValueError as error:
        raise InvalidInput("check_interval", str(error)) from None
    return Wanted(
        users=_whole("users", asked.users, max(1, present.users)),
        gists_per_day=_number("gists_per_day", asked.gists_per_day, present.gists_per_day),
        pipedrive_plan=asked.pipedrive_plan or "lite",
        seats=_whole("seats", asked.seats, 1),
        check_interval=interval,
        files_per_gist=_number("files_per_gist", asked.files_per_gist, 1.5),
        backlog=_whole("backlog", asked.backlog, 0),
        github_token=asked.github_token or GitHubToken.CLASSIC,
    )


def _whole(field: str, text: str, otherwise: int) -> int:
    """A whole number as it was typed, or what there is today."""
    return _typed(field, text, int, "a whole number") if text.strip() else otherwise


def _number(field: str, text: str, otherwise: float) -> float:
    """A number as it was typed, or what there is today."""
    return _typed(field, text, float, "a number") if text.strip() else otherwise


def _typed(field: str, text: str, kind: Callable[[str], Value], named: str) -> Value:
    try:
        return kind(text.replace(",", ""))
    except ValueError:
        raise InvalidInput(field, f"must be {named}, e.g. 250, not {text[:40]!r}") from None
