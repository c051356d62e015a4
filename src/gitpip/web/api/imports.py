"""`/api/v1/imports`: lists of users, from a file."""

import asyncio
import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, BinaryIO

from fastapi import APIRouter, BackgroundTasks, File, UploadFile

from gitpip.actions import imports as actions
from gitpip.actions.acting import Acting
from gitpip.errors import GitpipError
from gitpip.model import Backfill, Role
from gitpip.store.users import imports
from gitpip.store.users.imports import Import, ImportId
from gitpip.web.api.parameters import Number
from gitpip.web.api.schemas import PROBLEMS, NounBody
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context, CurrentActing

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["users"], responses=PROBLEMS)


class ImportBody(NounBody[Import]):
    """How far an import is. `size` and `read` are bytes of the file; times are UTC."""

    id: int
    name: str
    size: int
    read: int
    added: int
    known: int
    faulty: int
    """How many lines could not be taken."""
    faults: list[str]
    """The first of them, each with its reason."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
    failure: str | None
    """Why it could not go on to the end; null if it did, or is under way."""


@router.post("/imports", status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def import_file(
    context: Context,
    acting: CurrentActing,
    work: BackgroundTasks,
    file: Annotated[UploadFile, File(description="CSV, JSON, or a login a line.")],
) -> ImportBody:
    """Take a file of users; they are added after the answer, and `GET` shows how far that is.

    Users who are tracked already (`known`) stay as they are. GitHub is asked for the logins after
    the import: a user whose login it does not show counts as added here, and is then shown under
    `/api/v1/users` with the state `unavailable`.
    """
    import_id = await take_in(file, work, context, acting)
    async with context.database.read() as transaction:
        return ImportBody.of(await imports.get(transaction, import_id))


@router.get("/imports/{import_id}")
@needs(Role.VIEWER)
async def get_import(import_id: Number, context: Context) -> ImportBody:
    """How far an import is, and which lines were wrong."""
    async with context.database.read() as transaction:
        return ImportBody.of(await imports.get(transaction, ImportId(import_id)))


async def take_in(
    file: UploadFile, work: BackgroundTasks, context: AppContext, acting: Acting
) -> ImportId:
    """Keep an uploaded file, and import it after the answer."""
    # The form's own file is gone once the answer is sent.
    kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the import)
    await asyncio.to_thread(shutil.copyfileobj, file.file, kept)
    size = kept.tell()
    kept.seek(0)
    import_id = await actions.begin(acting, name=file.filename or "", size=size)
    work.add_task(_carry_out, acting, import_id, kept, context.settings.backfill)
    return import_id


async def _carry_out(
    acting: Acting, import_id: ImportId, file: BinaryIO, backfill: Backfill
) -> None:
    with file, suppress(GitpipError):  # the import's row says what went wrong
        await actions.carry_out(acting, import_id, file, backfill=backfill)
