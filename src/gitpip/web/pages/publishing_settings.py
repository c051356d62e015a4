"""The page of the publishing settings, for admins."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import groupby

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import publishing_settings as actions
from gitpip.actions.publishing_settings import ShownSetting
from gitpip.config.publishing.policy import Source
from gitpip.errors import InvalidInput, SettingGiven
from gitpip.model import Role
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import written_lines
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

PATH = "/settings/publishing"
MOST_FORM_FIELDS = 200
WAS = "was:"
"""Before the name of a field: what it held when the page was made."""
OF_PREVIEW = frozenset({"of", "per"})
"""The fields of the preview that are no settings: it can be saved, too."""

router = page_router()


@router.get(PATH)
@needs(Role.ADMIN)
async def show_settings(context: Context, saved: bool = False) -> HTMLResponse:
    """The publishing settings, and a form to change them."""
    return await _page(context, saved=saved)


@router.post(PATH)
@needs(Role.ADMIN)
async def change_settings(request: Request, context: Context, acting: CurrentActing) -> Response:
    """Store what was changed; an empty field goes back to the default."""
    async with request.form(max_files=0, max_fields=MOST_FORM_FIELDS) as form:
        texts = {
            name: written_lines(text).strip()
            for name, text in form.items()
            if isinstance(text, str)
        }
    written = {
        name: text
        for name, text in texts.items()
        if not name.startswith(WAS) and name not in OF_PREVIEW
    }
    # Only what was changed in this form: others may have changed the rest meanwhile.
    changed = {
        name: text or None for name, text in written.items() if text != texts.get(WAS + name, "")
    }
    try:
        given = context.settings.publishing
        done = await actions.change(acting, given, changed, context.check_settings)
    except (InvalidInput, SettingGiven) as error:
        return await _page(context, written=written, fault=form_fault(error))
    if done.unchecked:
        return await _page(context, saved=True, unchecked=done.unchecked)
    return RedirectResponse(f"{PATH}?saved=true", 303)


async def _page(
    context: AppContext,
    *,
    written: dict[str, str] | None = None,
    fault: FormFault | None = None,
    saved: bool = False,
    unchecked: str = "",
) -> HTMLResponse:
    async with context.database.read() as transaction:
        found = await actions.shown(transaction, context.settings.publishing)
    groups = groupby(found, key=lambda one: one.now.setting.declaration.group)
    page = render(
        "publishing_settings.html",
        page="publishing-settings",
        path=PATH,
        groups=[(group, [_row(one, written or {}) for one in some]) for group, some in groups],
        fault=fault,
        saved=saved,
        unchecked=unchecked,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK
    return HTMLResponse(page, status_code=status)


def _row(shown: ShownSetting, written: Mapping[str, str]) -> dict[str, object]:
    """Return what the form shows of a setting."""
    now = shown.now
    stored = now.text if now.source is Source.STORED else ""
    return {
        "setting": now.setting,
        "declared": now.setting.declaration,
        "text": now.text,
        "is_given": now.source is Source.ENVIRONMENT,
        "was": stored,
        "written": written.get(now.setting.name, stored),
        "set_at": shown.set_at,
        "set_by": shown.set_by,
        "fault": now.fault,
    }
