"""The pages of imports of users: what a file holds, and how far its import is."""

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, BinaryIO

from fastapi import BackgroundTasks, File, Path, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import imports as actions
from gitpip.actions.acting import Acting
from gitpip.actions.import_preview import ImportPreview, existing_gists, preview
from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.errors import GitpipError, ImportNotWaiting, InvalidInput
from gitpip.model import Role
from gitpip.store.users import imports
from gitpip.store.users.imports import Import, ImportId
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import Understood
from gitpip.user_lists.rows import COLUMNS
from gitpip.web.auth.identity import identity_of
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import LongText, NewPeople
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, fault_words, form_fault
from gitpip.web.render.jinja import render

router = page_router()
Number = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/imports")
@needs(Role.OPERATOR)
async def ask_for_file(context: Context) -> HTMLResponse:
    """A form for a file of users, and what became of the last ones."""
    return await _ask(context)


async def _ask(
    context: AppContext, fault: FormFault | None = None, written: str = ""
) -> HTMLResponse:
    async with context.database.read() as transaction:
        latest = await imports.latest(transaction, limit=10)
    page = render(
        "imports.html", page="imports", latest=latest, fault=fault, written=written, now=utc_now()
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/imports")
@needs(Role.OPERATOR)
async def upload(
    context: Context,
    acting: CurrentActing,
    file: Annotated[UploadFile | None, File()] = None,
    users: LongText = "",
) -> Response:
    """Keep a file, or a list that was pasted, and show what it holds; nothing is added yet."""
    try:
        if file is not None and file.filename:
            import_id = await _upload(context, acting, file.file, file.filename)
        elif users.strip():
            pasted = io.BytesIO(users.encode(errors="replace"))
            import_id = await _upload(context, acting, pasted, "pasted list")
        else:
            return await _ask(context, FormFault("Choose a file or paste a list first.", "file"))
    except InvalidInput as error:
        field = "file" if file is not None and file.filename else "users"
        return await _ask(context, FormFault(f"Not imported: {fault_words(error)}", field), users)
    return RedirectResponse(f"/imports/{import_id}", status_code=303)


async def _upload(context: AppContext, acting: Acting, file: BinaryIO, name: str) -> ImportId:
    return await actions.upload(acting, file, name=name, look_up=context.look_up)


@router.get("/imports/{import_id}")
@needs(Role.VIEWER)
async def one_import(import_id: Number, request: Request, context: Context) -> HTMLResponse:
    """Show a file's contents until it is confirmed, then the progress of its import."""
    async with context.database.read() as transaction:
        found = await imports.get(transaction, ImportId(import_id))
    return await _show(found, request, context, request.query_params)


@router.post("/imports/{import_id}/confirm")
@needs(Role.OPERATOR)
async def confirm(
    import_id: Number,
    request: Request,
    context: Context,
    acting: CurrentActing,
    work: BackgroundTasks,
) -> Response:
    """Import a kept file; its users are added after the answer, and its page shows how far."""
    async with context.database.read() as transaction:
        found = await imports.get(transaction, ImportId(import_id))
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    choice = _choice_of(fields)
    try:
        rule = _rule_of(fields, context).rule() or context.settings.backfill
        if not _is_as_shown(fields):
            problem = "changed since the preview. Check it, then add the people"
            raise InvalidInput("columns", problem)
        await actions.confirm(acting, found.id, choice)
    except InvalidInput as error:
        return await _show(found, request, context, fields, fault=form_fault(error))
    except ImportNotWaiting:  # of several confirmations, one was faster: its page shows how far
        return RedirectResponse(f"/imports/{import_id}", status_code=303)
    work.add_task(_carry_out, acting, found.id, rule, choice)
    return RedirectResponse(f"/imports/{import_id}", status_code=303)


async def _carry_out(
    acting: Acting, import_id: ImportId, backfill: Backfill, choice: Choice | None
) -> None:
    with suppress(GitpipError):  # the import's row says what went wrong
        async with actions.kept_file(acting.database, import_id) as kept:
            await actions.carry_out(acting, import_id, kept, backfill=backfill, choice=choice)


async def _show(
    found: Import,
    request: Request,
    context: AppContext,
    fields: Mapping[str, str],
    fault: FormFault | None = None,
) -> HTMLResponse:
    looked: ImportPreview | None = None
    now = utc_now()
    if (found.waits or found.cut_short(now)) and identity_of(request).role.includes(Role.OPERATOR):
        try:
            async with actions.kept_file(context.database, found.id) as kept:
                looked = await _looked_at(context, kept, found, _choice_of(fields))
        except InvalidInput as error:
            fault = fault or form_fault(error)
            async with actions.kept_file(context.database, found.id) as kept:
                looked = await _looked_at(context, kept, found, None)
        except ImportNotWaiting:
            pass  # its file is gone: it can only be uploaded again
    added = looked.new if looked else ()
    rule, backfill = _rule_of(fields, context), context.settings.backfill
    try:
        backfill = rule.rule() or backfill
    except InvalidInput as error:
        fault = fault or form_fault(error)
    page = render(
        "import.html",
        page="imports",
        work=found,
        now=now,
        looked=looked,
        shown=_shown(looked.understood) if looked else "",
        added=added,
        existing=existing_gists(added, found.gist_counts, backfill),
        columns=COLUMNS,
        asks_kind="kind" in fields,
        rule=rule,
        fault=fault,
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


async def _looked_at(
    context: AppContext, kept: BinaryIO, found: Import, choice: Choice | None
) -> ImportPreview:
    return await preview(context.database, kept, choice, absent=found.not_on_github)


def _shown(understood: Understood) -> str:
    """Return the choices that a preview shows, for its form."""
    meanings = [meaning or "" for meaning in understood.columns.meanings]
    has_table = bool(understood.first)
    kind = "list" if understood.is_list else "table"
    header = understood.columns.header and has_table
    return json.dumps([meanings if has_table else [], header, understood.sheet or "", kind])


def _is_as_shown(fields: Mapping[str, str]) -> bool:
    """Return whether a form has the choices that its preview was made with, if it names these."""
    if "shown" not in fields:
        return True
    columns = {name: value for name, value in fields.items() if name.startswith("column-")}
    in_order = [columns[name] for name in sorted(columns, key=lambda name: (len(name), name))]
    try:
        meanings, header, sheet, kind = json.loads(fields["shown"])
    except ValueError:
        return False
    chosen = (in_order, "header" in fields, fields.get("sheet", sheet), fields.get("kind", kind))
    return chosen == (meanings, header, sheet, kind)


def _rule_of(fields: Mapping[str, str], context: AppContext) -> NewPeople:
    """Return the choices of a form for existing gists: first the rule of the settings."""
    if "backfill" not in fields:
        return NewPeople.by_default(context.settings.backfill)
    chosen = {name: fields[name] for name in ("backfill", "latest", "since") if name in fields}
    return NewPeople(**chosen)


def _choice_of(fields: Mapping[str, str]) -> Choice | None:
    """Return the columns as a form gives them: `column-1` and so on, `header` and `sheet`.

    `kind` is whether a text is a list of usernames or a table, where it can be either.
    """
    if fields.get("kind") == "list":
        return Choice({}, is_list=True)
    columns = {
        name.removeprefix("column-"): meaning
        for name, meaning in fields.items()
        if name.startswith("column-")
    }
    is_list = False if fields.get("kind") == "table" else None
    if not columns:
        return Choice({}, is_list=False) if is_list is False else None
    return Choice(columns, "header" in fields, fields.get("sheet") or None, is_list=is_list)
