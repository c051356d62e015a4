"""The page that says what more users and gists would cost."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Depends, Query
from fastapi.responses import HTMLResponse

from gitpip.clock import utc_now
from gitpip.config import format_duration
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.status.planning import PlanOptions, wanted
from gitpip.status.sizing import PLANS, GitHubToken, Sizing, sizing
from gitpip.status.sizing_rows import SizingRow, sizing_rows
from gitpip.store.status import today
from gitpip.validation import read_decimal, read_whole
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context
from gitpip.web.pages.forms import read_field
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

router = page_router()
Number = Annotated[str, Query(max_length=20)]
Usual = TypeVar("Usual")


@dataclass(frozen=True)
class Form:
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
async def capacity(context: Context, asked: Annotated[Form, Depends()]) -> HTMLResponse:
    """Show what a given number of users and gists costs, next to the present numbers."""
    async with context.database.read() as transaction:
        present = await today.read(transaction, utc_now())
    follows: Sizing | None = None
    rows: tuple[SizingRow, ...] = ()
    fault: FormFault | None = None
    try:
        plan = wanted(_asked(asked), present, context.settings)
        rows = sizing_rows(plan, follows := sizing(plan), present)
    except InvalidInput as error:
        fault = form_fault(error)
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


def _asked(form: Form) -> PlanOptions:
    """Return the plan that was typed; raises InvalidInput, with the field."""
    usual = PlanOptions()
    return PlanOptions(
        users=_whole("users", form.users, None),
        gists_per_day=_number("gists_per_day", form.gists_per_day, None),
        pipedrive_plan=form.pipedrive_plan or usual.pipedrive_plan,
        seats=_whole("seats", form.seats, usual.seats),
        check_interval=form.check_interval.strip(),
        files_per_gist=_number("files_per_gist", form.files_per_gist, usual.files_per_gist),
        backlog=_whole("backlog", form.backlog, usual.backlog),
        github_token=form.github_token or usual.github_token,
    )


def _whole(field: str, text: str, otherwise: Usual) -> int | Usual:
    """A whole number as it was typed, or the usual one."""
    number = read_field(field, partial(read_whole, example=250), text)
    return otherwise if number is None else number


def _number(field: str, text: str, otherwise: Usual) -> float | Usual:
    """A number as it was typed, or the usual one."""
    number = read_field(field, read_decimal, text)
    return otherwise if number is None else number
