"""The page of one check, with how far it is."""

from typing import Annotated

from fastapi import Path
from fastapi.responses import HTMLResponse

from gitpip.clock import utc_now
from gitpip.model import Check, CheckId, Role
from gitpip.store.publications import publications
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.status import checks
from gitpip.store.users import users
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context
from gitpip.web.pages.router import page_router
from gitpip.web.render.jinja import render

router = page_router()
MAX_FILES = 50
"""The most files of a check that are listed; CRM sync lists all of them."""
Number = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/checks/{check_id}")
@needs(Role.VIEWER)
async def one_check(check_id: Number, context: Context) -> HTMLResponse:
    """Show the progress of a check, its findings, and the users it could not check."""
    async with context.database.read() as transaction:
        check = await checks.get(transaction, CheckId(check_id))
        tracked = sum((await users.count(transaction)).values())
        wanted = PublicationFilter(check_id=check.id)
        found = await publications.listed(transaction, wanted, offset=0, limit=MAX_FILES)
    left = _left(check, tracked)
    page = render("check.html", page="status", check=check, tracked=tracked, left=left, found=found)
    return HTMLResponse(page)


def _left(check: Check, tracked: int) -> float | None:
    """Return the seconds that a check takes yet, at its pace so far."""
    if check.ended_at or not check.started_at or not check.users:
        return None
    passed = (utc_now() - check.started_at).total_seconds()
    return passed / check.users * max(tracked - check.users, 0)
