"""The pages of imports of users, with how far each is."""

import asyncio
import shutil
import tempfile
from typing import Annotated, BinaryIO

from fastapi import APIRouter, BackgroundTasks, File, Path, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.imports import Imported, import_users
from gitpip.clock import utc_now
from gitpip.errors import GitpipError
from gitpip.model import Role
from gitpip.observability.logging import get_logger
from gitpip.store.users import imports
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context
from gitpip.web.render.jinja import render

NAME = 100

router = APIRouter(route_class=RoleRoute, include_in_schema=False)
Number = Annotated[int, Path(ge=1, le=2**53)]
log = get_logger()


@router.get("/imports")
@needs(Role.OPERATOR)
async def ask_for_file(context: Context) -> HTMLResponse:
    """A form for a file of users, and what became of the last ones."""
    return await _ask(context)


async def _ask(context: AppContext, fault: str = "") -> HTMLResponse:
    async with context.database.read() as transaction:
        latest = await imports.latest(transaction, limit=10)
    page = render("imports.html", page="people", latest=latest, fault=fault, now=utc_now())
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/imports")
@needs(Role.OPERATOR)
async def import_file(
    context: Context,
    identity: CurrentIdentity,
    work: BackgroundTasks,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Take a file of users; they are added after the answer, and the next page shows how far."""
    if file is None or not file.filename:
        return await _ask(context, "file: choose one with the users first")
    # The form's own file is gone once the answer is sent.
    kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the import)
    await asyncio.to_thread(shutil.copyfileobj, file.file, kept)
    size = kept.tell()
    kept.seek(0)
    async with context.database.begin() as transaction:
        name = "".join(mark if mark.isprintable() else "?" for mark in file.filename)[:NAME]
        import_id = await imports.begin(transaction, name=name, size=size, now=utc_now())
        await identity.did(transaction, "users.imported", name)
    work.add_task(_import, context, import_id, kept)
    return RedirectResponse(f"/imports/{import_id}", status_code=303)


@router.get("/imports/{import_id}")
@needs(Role.VIEWER)
async def one_import(import_id: Number, context: Context) -> HTMLResponse:
    """How far an import is, and which lines were wrong."""
    async with context.database.read() as transaction:
        found = await imports.get(transaction, imports.ImportId(import_id))
    return HTMLResponse(render("import.html", page="people", work=found, now=utc_now()))


async def _import(context: AppContext, import_id: imports.ImportId, file: BinaryIO) -> None:
    done, failure = Imported(0, 0, ()), None
    try:
        with file:
            async for piece in import_users(
                context.database, file, backfill=context.settings.backfill
            ):
                done += piece
                async with context.database.begin() as transaction:
                    await imports.advance(
                        transaction,
                        import_id,
                        read=file.tell(),
                        added=done.added,
                        known=done.known,
                        faults=done.faults,
                        now=utc_now(),
                    )
    except GitpipError as error:
        failure = str(error)
    except Exception:
        failure = "something went wrong here; the log says what"
        log.exception("users.import_failed", import_id=import_id)
    async with context.database.begin() as transaction:
        await imports.end(transaction, import_id, failure=failure, now=utc_now())
    log.info("users.imported", added=done.added, known=done.known, faults=len(done.faults))
    await context.wake("check")
