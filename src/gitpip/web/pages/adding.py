"""Adding people on their page: one or several at once, after a preview if wanted."""

from dataclasses import replace

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
from gitpip.web.pages.users import EVERYBODY, show_users
from gitpip.web.render.faults import as_sentence, fault_words

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
) -> Response:
    """Track people, or say first what that would send."""
    new = NewPeople(login, id, tags, backfill, latest, since)
    try:
        logins = written_logins(login, at_most=MAX_ADDED_AT_ONCE)
        rule = new.rule() or context.settings.backfill
        details = Changes(tags=tags_of(tags))
        if forecast:
            preview = await preview_people(logins, rule, context.forecast)
            return await show_users(request, context, new=new, preview=preview)
        done = await add_people(
            acting,
            logins,
            external_id=id.strip() or None,
            backfill=rule,
            details=details,
            find_account=context.find_account,
        )
    except InvalidInput as error:
        return await show_users(request, context, faults=[as_sentence(fault_words(error))], new=new)
    if done.faults:
        return await _not_all(request, context, new, done)
    if len(logins) == 1:
        return RedirectResponse(f"/people/{(*done.added, *done.known)[0]}", status_code=303)
    told = EVERYBODY.address(done=ADDED, number=len(done.added), known=len(done.known))
    return RedirectResponse(f"{told}#selection", status_code=303)


async def _not_all(
    request: Request, context: AppContext, new: NewPeople, done: AddedPeople
) -> Response:
    """The page with those who were not added left in the form, and why they were not."""
    added = [f"Added {', '.join(done.added)}."] if done.added else []
    reasons = [as_sentence(reason, begins_with_name=True) for reason in done.faults.values()]
    left = replace(new, login=" ".join(done.faults))
    return await show_users(request, context, faults=[*added, *reasons], new=left)
