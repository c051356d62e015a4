"""The page of the audit log, for admins."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse

from gitpip.model import Role
from gitpip.store.access import audit_log
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context
from gitpip.web.pages.router import page_router
from gitpip.web.render.jinja import render

ENTRIES_PER_PAGE = 50

router = page_router()


@router.get("/audit")
@needs(Role.ADMIN)
async def list_audit(
    context: Context, offset: Annotated[int, Query(ge=0, le=10**9)] = 0
) -> HTMLResponse:
    """Show who did what, latest first."""
    async with context.database.read() as transaction:
        listed = await audit_log.page(transaction, offset=offset, limit=ENTRIES_PER_PAGE)
    return HTMLResponse(
        render("audit_log.html", page="audit", listed=listed, offset=offset, rows=ENTRIES_PER_PAGE)
    )
