"""Adding people on their page: one or several at once, after a preview if wanted."""

from dataclasses import replace
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from gitpip.actions.adding import MAX_ADDED_AT_ONCE, AddedPeople, add_people, preview_people
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.store.users.users import Changes
from gitpip.validation import written_logins
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, LongText, NewPeople, tags_of
from gitpip.web.pages.router import page_router
from gitpip.web.pages.selection import ADDED
from gitpip.web.pages.users import EVERYBODY, Adding, show_users
from gitpip.web.render.faults import as_sentence, form_fault

router = page_router()


@router.post("/people")
@needs(Role.OPERATOR)
async def add(
    *,
    request: Request,
    context: Context,
    acting: CurrentActing,
    login: LongText = "",
    id: Field = "",  # noqa: A002 (the field's name)
    tags: Field = "",
    backfill: Field = "",
    latest: Field = "",
    since: Field = "",
    forecast: Field = "",
    rest: Field = "",
) -> Response:
    """Track people, or say first what that would send.

    With a word that is no username, nothing is added before the person has seen that: then `rest`
    adds the others.
    """
    new = NewPeople(login, id, tags, backfill, latest, since)
    told = written_logins(login)
    named = len(told.logins) + len(told.faults)
    if not told.logins or named > MAX_ADDED_AT_ONCE:
        is_long = named > MAX_ADDED_AT_ONCE
        most = f"You named {named} people. You can add at most {MAX_ADDED_AT_ONCE} here at once."
        wrong = [as_sentence(fault) for fault in told.faults.values()]
        faults = [most] if is_long else wrong or ["Enter at least one GitHub username."]
        return await show_users(request, context, adding=Adding(new, faults, is_long=is_long))
    try:
        rule = new.rule() or context.settings.backfill
        details = Changes(tags=tags_of(tags))
        if forecast or (told.faults and not rest):
            preview = await preview_people(told.logins, rule, context.forecast)
            preview = replace(preview, faults=(*preview.faults, *told.faults.values()))
            page = await show_users(request, context, adding=Adding(new, preview=preview))
            page.status_code = HTTPStatus.OK if forecast else HTTPStatus.UNPROCESSABLE_ENTITY
            return page
        done = await add_people(
            acting,
            told.logins,
            external_id=id.strip() or None,
            backfill=rule,
            details=details,
            find_account=context.find_account,
        )
    except InvalidInput as error:
        fault = form_fault(error)
        adding = Adding(new, [as_sentence(fault.words)], fault.field)
        return await show_users(request, context, adding=adding)
    done.faults.update(told.faults)
    if done.faults:
        return await _not_all(request, context, new, done)
    if len(told.logins) == 1:
        return RedirectResponse(f"/people/{(*done.added, *done.known)[0]}", status_code=303)
    address = EVERYBODY.address(done=ADDED, number=len(done.added), known=len(done.known))
    return RedirectResponse(f"{address}#selection", status_code=303)


async def _not_all(
    request: Request, context: AppContext, new: NewPeople, done: AddedPeople
) -> Response:
    """The page with those who were not added left in the form, and why they were not."""
    reasons = [as_sentence(reason, begins_with_name=True) for reason in done.faults.values()]
    left = replace(new, login=" ".join(done.faults))
    return await show_users(request, context, adding=Adding(left, reasons, added=done))
