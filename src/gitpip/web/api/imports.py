"""`/api/v1/imports`: lists of users, from a file."""

import asyncio
import shutil
import tempfile
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import Annotated, BinaryIO

from fastapi import BackgroundTasks, Depends, File, Form, UploadFile
from pydantic import TypeAdapter, ValidationError

from gitpip.actions import imports as actions
from gitpip.actions.acting import Acting
from gitpip.actions.import_preview import preview
from gitpip.backfill import Backfill
from gitpip.bodies.imports import ColumnBody, ImportBody, ImportPreviewBody
from gitpip.clock import utc_now
from gitpip.errors import GitpipError, InvalidInput
from gitpip.model import Role
from gitpip.store.users import imports
from gitpip.store.users.imports import Import, ImportId
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import understood
from gitpip.web.api.parameters import Number
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("users")


def _body(one: Import) -> ImportBody:
    return ImportBody.of(one).model_copy(update={"failure": one.failure_at(utc_now())})


ChosenColumns = Annotated[
    str,
    Form(
        max_length=20_000,
        description="What columns hold, as JSON: their headings, or numbers from 1, with `login`, "
        '`id`, `tags` and so on, such as `{"GitHub account": "login"}`.',
    ),
]
Sheet = Annotated[str, Form(max_length=100, description="Which sheet of a spreadsheet.")]
Header = Annotated[
    bool | None, Form(description="Whether the first row holds headings; without it, as it seems.")
]
ListFile = Annotated[
    UploadFile, File(description="A spreadsheet, CSV, JSON, or one username a line.")
]


async def _choice_of(
    file: ListFile, columns: ChosenColumns = "", header: Header = None, sheet: Sheet = ""
) -> Choice | None:
    """Return the columns as the caller maps them.

    Raises InvalidInput where that does not fit the file.
    """
    if not columns:
        if header is None and not sheet:
            return None
        raise InvalidInput("columns", "header and sheet can only be used with columns")
    try:
        given = TypeAdapter(dict[str, str]).validate_json(columns)
    except ValidationError:
        raise InvalidInput(
            "columns", 'must be JSON with texts, such as {"GitHub account": "login"}'
        ) from None
    choice = Choice(given, header, sheet or None)
    await asyncio.to_thread(understood, file.file, choice)
    return choice


Chosen = Annotated[Choice | None, Depends(_choice_of)]


def _rule(
    backfill: Annotated[
        str,
        Form(
            max_length=100,
            description="Which existing gists are published of those whose row has no rule: "
            "`all`, `none`, `latest:3` or `since:2026-01-31`; without it, as `GITPIP_BACKFILL`.",
        ),
    ] = "",
) -> Backfill | None:
    """The rule that a caller gives; raises InvalidInput where it is none."""
    try:
        return Backfill.parse(backfill) if backfill else None
    except ValueError as error:
        raise InvalidInput("backfill", str(error)) from None


Rule = Annotated[Backfill | None, Depends(_rule)]


@router.post("/imports", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def import_file(
    context: Context,
    acting: CurrentActing,
    work: BackgroundTasks,
    file: ListFile,
    choice: Chosen,
    rule: Rule,
) -> ImportBody:
    """Import a file of users. They are added after the answer; `GET` shows the progress.

    Users who are tracked already (`known`) stay as they are. gitpip looks the logins up on GitHub
    after the import. A user that GitHub does not know counts as added here, and `/api/v1/users`
    shows that user with the state `unavailable`.

    Columns are never guessed: a table whose headings are not `login`, `id` and so on is refused
    without `columns` (422), and so is a file without a list. `POST /api/v1/imports/preview`
    proposes columns.
    """
    with ExitStack() as closed:
        kept, size = await _kept(file)
        closed.callback(kept.close)
        name = file.filename or ""
        import_id = await actions.begin(acting, kept, choice, name=name, size=size)
        closed.pop_all()
    backfill = rule or context.settings.backfill
    work.add_task(_carry_out, acting, import_id, kept, backfill, choice)
    async with context.database.read() as transaction:
        return _body(await imports.get(transaction, import_id))


@router.get("/imports/{import_id}")
@needs(Role.VIEWER)
async def get_import(import_id: Number, context: Context) -> ImportBody:
    """Get the progress of an import, and the lines with errors."""
    async with context.database.read() as transaction:
        return _body(await imports.get(transaction, ImportId(import_id)))


@router.post("/imports/preview")
@needs(Role.OPERATOR)
async def preview_import(context: Context, file: ListFile, choice: Chosen) -> ImportPreviewBody:
    """Preview the import of a file. Nothing is added, and nothing is kept."""
    looked = await preview(context.database, file.file, choice)
    found = looked.understood
    return ImportPreviewBody(
        format=found.format,
        columns=[
            ColumnBody(heading=found.heading(place), holds=meaning)
            for place, meaning in enumerate(found.columns.meanings)
        ],
        header=found.columns.header,
        certain=found.certain and not looked.remembered,
        sheets=list(found.sheets),
        sheet=found.sheet,
        users=list(looked.logins),
        tracked=looked.tracked,
        faulty=looked.faulty,
        faults=list(looked.faults),
        more=looked.more,
    )


async def _kept(file: UploadFile) -> tuple[BinaryIO, int]:
    """A copy of an uploaded file, and its size: the form's own file is gone after the answer."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the import)
    file.file.seek(0)
    await asyncio.to_thread(shutil.copyfileobj, file.file, kept)
    size = kept.tell()
    kept.seek(0)
    return kept, size


async def _carry_out(
    acting: Acting,
    import_id: ImportId,
    file: BinaryIO,
    backfill: Backfill,
    choice: Choice | None,
) -> None:
    with file, suppress(GitpipError):  # the import's row says what went wrong
        await actions.carry_out(acting, import_id, file, backfill=backfill, choice=choice)
