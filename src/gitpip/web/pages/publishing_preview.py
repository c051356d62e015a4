"""The page that shows what activities would look like under other templates, for operators."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Form
from fastapi.responses import HTMLResponse

from gitpip.actions.trial import Per, Trial, trials_of
from gitpip.config.publishing.activity import PER_FILE, PER_GIST
from gitpip.errors import GistNotFound, TemplateInvalid, UserNotTracked
from gitpip.model import Role
from gitpip.templates import TEMPLATE_LIMIT
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context
from gitpip.web.pages.forms import written_lines
from gitpip.web.pages.publishing_settings import PATH as SETTINGS
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

PATH = f"{SETTINGS}/preview"
FILES_PREVIEWED = 5
MAX_NOTE_LENGTH = 5_000
"""The most characters of a note that are shown."""

router = page_router()
Text = Annotated[str, Form()]


@router.get(PATH)
@needs(Role.OPERATOR)
async def show_preview(context: Context) -> HTMLResponse:
    """The sample gists under the present templates, and a form to try others."""
    return await _page(context)


@router.post(PATH)
@needs(Role.OPERATOR)
async def try_templates(
    context: Context,
    subject_template: Text = "",
    note_template: Text = "",
    of: Annotated[str, Form(max_length=100)] = "",
    per: Annotated[Per | None, Form()] = None,
) -> HTMLResponse:
    """The same under the templates of the form. Nothing is stored or sent."""
    written = [written_lines(text).strip() for text in (subject_template, note_template)]
    return await _page(context, written[0], written[1], of.strip(), per)


async def _page(
    context: AppContext,
    subject: str = "",
    note: str = "",
    of: str = "",
    per: Per | None = None,
) -> HTMLResponse:
    fault: FormFault | None = None
    found: tuple[Trial, ...] = ()
    async with context.database.read() as transaction:
        present = await trials_of(transaction, context.settings)
        try:
            trials = await trials_of(
                transaction, context.settings, subject or None, note or None, per
            )
            found = (
                await trials.stored(transaction, of, FILES_PREVIEWED) if of else trials.samples()
            )
        except (TemplateInvalid, GistNotFound, UserNotTracked) as error:
            fault = form_fault(error, field="of")
    page = render(
        "publishing_preview.html",
        page="publishing-settings",
        path=PATH,
        settings=SETTINGS,
        subject=subject or present.templates.subject.text,
        note=note or present.templates.note.text,
        was_subject=present.templates.subject.text,
        was_note=present.templates.note.text,
        of=of,
        per=per or (PER_GIST if present.per_gist else PER_FILE),
        fault=fault,
        limit=TEMPLATE_LIMIT,
        shown=MAX_NOTE_LENGTH,
        found=found,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK
    return HTMLResponse(page, status_code=status)
