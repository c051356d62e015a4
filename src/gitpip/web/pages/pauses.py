"""The buttons that end a pause, pause sync and resume it, on CRM sync and on the status page."""

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from gitpip.actions import publishing
from gitpip.actions.try_now import try_now
from gitpip.errors import InvalidInput, PauseKept
from gitpip.model import Role
from gitpip.store.status.pauses import Pausable
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, PauseForm
from gitpip.web.pages.publications import sync_page
from gitpip.web.pages.router import page_router
from gitpip.web.pages.status import status_page
from gitpip.web.reader_zone import reader_zone, with_zone
from gitpip.web.render.faults import as_sentence, fault_words

LABELS = {"for": "For", "until": "Or until"}
"""The names of the form's fields, which are those of other fields elsewhere."""

router = page_router()


@router.post("/status-page/try/{name}")
@needs(Role.OPERATOR)
async def try_pause_now(
    name: Pausable, request: Request, context: Context, acting: CurrentActing, back: Field = ""
) -> Response:
    """End a pause, and ask once more."""
    try:
        await try_now(acting, (name,))
    except PauseKept as error:
        return await _refused(request, context, back, PauseForm(fault=as_sentence(str(error))), 409)
    return _to_page(back, f"?tried={name}")


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
    back: Field = "",
) -> Response:
    """Pause publishing until a time of the reader's, for a while, or until someone resumes it."""
    end = with_zone(until, reader_zone(request))
    try:
        await publishing.pause_publishing(acting, until=end, lasts=lasts, reason=reason)
    except InvalidInput as error:
        fault = as_sentence(fault_words(error, LABELS))
        return await _refused(request, context, back, PauseForm(lasts, until, reason, fault), 422)
    return _to_page(back)


@router.post("/status-page/publishing/resume")
@needs(Role.OPERATOR)
async def resume_publishing(acting: CurrentActing, back: Field = "") -> Response:
    """End a person's pause."""
    await publishing.resume_publishing(acting)
    return _to_page(back)


def _to_page(back: str, query: str = "") -> Response:
    """Return a redirect to the page that a form was on."""
    path = "/publications" if back == "publications" else "/status-page"
    return RedirectResponse(path + query, status_code=303)


async def _refused(
    request: Request, context: AppContext, back: str, pausing: PauseForm, status: int
) -> Response:
    """Return the page that a form was on, with the reason why the form was refused."""
    show = sync_page if back == "publications" else status_page
    return await show(request, context, pausing=pausing, status=status)
