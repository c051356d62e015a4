"""The buttons that end a pause, pause sync and resume it, on CRM sync and on the status page."""

from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from gitpip.actions import publishing
from gitpip.actions.try_now import try_now
from gitpip.errors import InvalidInput, PauseKept
from gitpip.model import Role
from gitpip.store.status.pauses import Pausable
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, PauseForm
from gitpip.web.pages.publications import Offset, SyncList, sync_page
from gitpip.web.pages.repairs import Asked
from gitpip.web.pages.router import page_router
from gitpip.web.pages.status import status_page
from gitpip.web.reader_zone import reader_zone, with_zone
from gitpip.web.render.faults import FormFault, form_fault

LABELS = {"for": "For", "until": "Until"}
"""The names of the form's fields, which are those of other fields elsewhere."""

router = page_router()


def _origin(asked: Asked, offset: Offset = 0, back: Field = "") -> SyncList | None:
    """Return the list that a form was on; None for the status page."""
    return SyncList(asked, offset) if back == "publications" else None


Origin = Annotated[SyncList | None, Depends(_origin)]


@router.post("/status-page/try/{name}")
@needs(Role.OPERATOR)
async def try_pause_now(
    name: Pausable, request: Request, context: Context, acting: CurrentActing, origin: Origin
) -> Response:
    """End a pause, and ask once more."""
    try:
        await try_now(acting, (name,))
    except PauseKept as error:
        return await _refused(request, context, origin, PauseForm(fault=FormFault(str(error))), 409)
    return _to_page(origin, name)


@router.post("/status-page/publishing/pause")
@needs(Role.OPERATOR)
async def pause_publishing(
    *,
    request: Request,
    context: Context,
    acting: CurrentActing,
    until: Field = "",
    lasts: Field = "",
    reason: Field = "",
    origin: Origin,
) -> Response:
    """Pause publishing until a time of the reader's, for a while, or until someone resumes it."""
    end = with_zone(until, reader_zone(request))
    try:
        await publishing.pause_publishing(acting, until=end, lasts=lasts, reason=reason)
    except InvalidInput as error:
        fault = form_fault(error, LABELS)
        return await _refused(request, context, origin, PauseForm(lasts, until, reason, fault), 422)
    return _to_page(origin)


@router.post("/status-page/publishing/resume")
@needs(Role.OPERATOR)
async def resume_publishing(acting: CurrentActing, origin: Origin) -> Response:
    """End a person's pause."""
    await publishing.resume_publishing(acting)
    return _to_page(origin)


def _to_page(origin: SyncList | None, tried: Pausable | Literal[""] = "") -> Response:
    """Return a redirect to the page that a form was on."""
    if origin is not None:
        path = origin.asked.address(offset=origin.offset or "", tried=tried)
    else:
        path = f"/status-page?tried={tried}" if tried else "/status-page"
    return RedirectResponse(path, status_code=303)


async def _refused(
    request: Request,
    context: AppContext,
    origin: SyncList | None,
    pausing: PauseForm,
    status: int,
) -> Response:
    """Return the page that a form was on, with the reason why the form was refused."""
    if origin is None:
        return await status_page(request, context, pausing=pausing, status=status)
    page = await sync_page(request, context, origin, pausing=pausing)
    page.status_code = status
    return page
