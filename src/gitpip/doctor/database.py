"""The database as the doctor sees it, and what its rows say about access and running services."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from gitpip.actions.access_mode import AccessMode, access_mode_of
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.errors import DatabaseTooNew, DatabaseUnavailable, DatabaseUnsuitable
from gitpip.runtime.account_access import tokens_of_service
from gitpip.runtime.vendors import NOTHING_KNOWN, VendorFacts
from gitpip.status.findings import Finding, failure, ok, warning
from gitpip.status.problem import ProblemKind, Remedy, Severity
from gitpip.status.reading import ProcessFacts, read
from gitpip.store.database import Database, open_database, wait_until_reachable
from gitpip.store.postgres import UNREACHABLE_ADVICE
from gitpip.store.publications import publishing_settings

TOLD_ELSEWHERE = frozenset({ProblemKind.NO_WORKER, ProblemKind.DESTINATION_TOKEN_MISSING})
ADVICE: Mapping[Remedy | None, str] = {
    Remedy.TRY_NOW: "wait, or fix the problem and run gitpip try-now",
    Remedy.RESUME_UNDO: "fix the problem, then run gitpip undos resume",
    Remedy.RESUME_REPAIR: "run gitpip publications repair --resume, or start a service",
    Remedy.UPLOAD_AGAIN: "upload the file again under Import people, or with gitpip users import",
    Remedy.REVIEW_AUDITS: "see CRM audits, or run gitpip audit",
    Remedy.RETRY_FAILED: "fix the problem, then retry or skip them under CRM sync",
    Remedy.CHANGE_SETTINGS: "change it under Settings, or with gitpip publishing settings",
    Remedy.CHANGE_RULES: "change or remove it under Rules, or with gitpip rules",
    Remedy.DECIDE_HELD: "decide under CRM sync, or with gitpip held LOGIN --approve",
    Remedy.REVIEW_CREDENTIALS: "approve or skip each of them under CRM sync",
    Remedy.RETRY_NOTES: "fix the problem, then retry under Status",
    Remedy.REVIEW_USERS: "see People, or gitpip users list",
    Remedy.SET_CLOCK: "turn on NTP on this machine",
    Remedy.SWITCH_ACCOUNT: "set the former account again, or run gitpip accounts switch",
    Remedy.COMPARE: "fix it in Pipedrive, then run gitpip adopt",
    Remedy.MEND_SECRET_FILE: "fix the file",
    Remedy.RESTART: "read the log and restart gitpip serve",
}
LITTLE_SPACE, TOO_LITTLE_SPACE = 2**30, 100 * 2**20


async def examine_database(settings: Settings) -> AsyncGenerator[Finding]:
    """Look at the disk, the database, who may ask, and who runs; a finding each, as it comes."""
    advice = UNREACHABLE_ADVICE
    if file := settings.sqlite_file:
        yield _space(file)
        if not await asyncio.to_thread(os.access, file, os.F_OK):
            yield _new_file(file)
            return
        advice = "make it writable for this user, or set GITPIP_DATA_DIR to another folder"
    try:
        async with _open(settings) as database:
            yield ok("database", f"{file or settings.masked_database_url} (read and write)")
            yield await _migrations(database)
            yield await _access(settings, database)
            for finding in await _service(settings, database):
                yield finding
    except DatabaseTooNew as error:
        yield failure("migrations", str(error), "use the newer gitpip")
    except DatabaseUnsuitable as error:
        yield failure("database", error.found, error.advice)
    except DatabaseUnavailable as error:
        yield failure("database", error.found, error.advice or advice)


async def known_to_database(settings: Settings) -> VendorFacts:
    """Return what the rows say about tokens and publishing settings, as far as they can be read."""
    if (file := settings.sqlite_file) and not await asyncio.to_thread(os.access, file, os.F_OK):
        return NOTHING_KNOWN
    try:
        async with _open(settings) as database:
            if not await database.is_migrated():
                return NOTHING_KNOWN
            async with database.read() as transaction:
                return VendorFacts(
                    await tokens_of_service(transaction) or NOTHING_KNOWN.tokens,
                    await publishing_settings.values(transaction),
                )
    except (DatabaseTooNew, DatabaseUnsuitable, DatabaseUnavailable):
        return NOTHING_KNOWN


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.database_url)
    try:
        await wait_until_reachable(database, timedelta(0))
        await database.try_to_write()
        yield database
    finally:
        await database.close()


def _space(file: Path) -> Finding:
    folder = _folder_above(file)
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free in {folder}"
    if free >= LITTLE_SPACE:
        return ok("disk", found)
    advice = "free some space, or move the database with GITPIP_DATA_DIR"
    return (failure if free < TOO_LITTLE_SPACE else warning)("disk", found, advice)


def _new_file(file: Path) -> Finding:
    folder = _folder_above(file)
    if os.access(folder, os.W_OK | os.X_OK):
        return ok("database", f"{file} does not exist yet; gitpip serve creates it")
    return failure(
        "database",
        f"{file} can't be created: this user has no access to {folder}",
        "give this user write access, or set GITPIP_DATA_DIR to another folder",
    )


def _folder_above(file: Path) -> Path:
    """The nearest folder that is there."""
    return next(folder for folder in file.absolute().parents if os.access(folder, os.F_OK))


async def _migrations(database: Database) -> Finding:
    revision = await database.revision()
    if revision and await database.is_migrated():
        return ok("migrations", f"up to date ({revision})")
    found = f"out of date ({revision})" if revision else "no schema yet"
    return warning("migrations", found, "start gitpip serve, which updates the schema")


async def _access(settings: Settings, database: Database) -> Finding:
    where = f"GITPIP_HOST is {settings.host}"
    if settings.public_url:
        where += f" and GITPIP_PUBLIC_URL {settings.public_url}"
    here_alone = settings.serves_only_this_machine
    make_one = "create one with gitpip keys create NAME --role admin, or set GITPIP_ADMIN_KEY"
    match await access_mode_of(settings, database):
        case AccessMode.THIS_MACHINE | AccessMode.EVERYBODY if here_alone:
            return ok("access", f"{where}, so programs on this machine need no key")
        case AccessMode.THIS_MACHINE | AccessMode.EVERYBODY:
            return warning(
                "access",
                f"{where}, and GITPIP_ALLOW_ANONYMOUS={settings.allow_anonymous} lets everyone in",
                "unless a firewall protects this address, unset it and create access keys "
                "(gitpip keys create)",
            )
        case AccessMode.KEY_HOLDERS:
            return ok("access", f"{where}, and access keys are required")
        case AccessMode.NOBODY if here_alone:
            return warning("access", "every access key is revoked or has expired", make_one)
        case AccessMode.NOBODY:
            return failure(
                "access",
                f"{where}, which other machines can reach, and there is no valid access key",
                make_one,
            )


async def _service(settings: Settings, database: Database) -> Sequence[Finding]:
    """Report whether a service runs, and each problem that it or the rows show."""
    if not await database.is_migrated():
        return (warning("service", "not running", "start gitpip serve"),)
    process = ProcessFacts(settings)
    async with database.read() as transaction:
        condition = await read(transaction, process, utc_now())
    found = "; ".join(f"{one.version} ({one.part})" for one in condition.instances)
    service = (
        ok("service", f"{found} is running")
        if condition.works
        else warning("service", "no service is checking and syncing", "start gitpip serve")
    )
    return (
        service,
        *(
            (failure if problem.severity is Severity.ERROR else warning)(
                str(problem.kind).replace("-", " "),
                problem.described,
                problem.advice or ADVICE.get(problem.act, "wait, and see the log"),
            )
            for problem in condition.problems
            if problem.severity is not Severity.INFO and problem.kind not in TOLD_ELSEWHERE
        ),
    )
