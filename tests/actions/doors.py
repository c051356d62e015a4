"""The three doors by which a person acts, and what an act did: rows, audit, wakes, and its error.

The page and the API are the real application, asked without a socket; a command is a process. Each
door gets a database of its own with the same rows in it.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import httpx2
from fastapi import FastAPI
from sqlalchemy import delete, select

from gitpip.clock import utc_now
from gitpip.config import Settings, load_settings
from gitpip.model import Role
from gitpip.modes import PublishingMode
from gitpip.runtime.worker import Worker, reaching
from gitpip.store import ledger, schema_access
from gitpip.store.access import keys
from gitpip.store.database import Database, Transaction, open_database
from gitpip.store.publications import note_updates, outbox
from gitpip.store.publications.permission import Present
from gitpip.store.schema import metadata
from gitpip.store.schema_undo import is_open, undone, undos
from gitpip.store.status import checks
from gitpip.store.surveys import surveys
from gitpip.store.users import schedule
from gitpip.web.context import AppContext
from tests.actions.rooms import LATER, LONG_AGO, furnish
from tests.support.running import Installation
from tests.web.routes import application

Rows = dict[str, list[tuple[object, ...]]]
OF_CLIENTS = {"github_limits", "services"}
"""Tables in which a process notes how much it asked GitHub, and that it runs."""
MASKED = {
    "hash",
    "label",
    "parent",
    "set_by",
    "viewer",
    "approved_by",
    "replaced_by",
    "created_by",
    "paused_by",
    "begun_by",
    "begun_via",
    "requested_by",
    "asked_by",
}
"""Columns that hold what is random, or made of it: each browser without a key is a new viewer. And
who acts, which each door knows under another name."""

SKIPPED_BY = re.compile("skipped by .+")


@dataclass(frozen=True)
class Request:
    """What is sent to a page or to the API."""

    method: str
    path: str
    fields: dict[str, object] = field(default_factory=dict)
    file: tuple[str, bytes] | None = None
    after: "Request | None" = None
    """What is asked for before, and is no part of the act: only what it leaves counts."""

    @property
    def earlier(self) -> "list[Request]":
        """All that is asked for before, the first one first."""
        return [*self.after.earlier, self.after] if self.after else []


@dataclass(frozen=True)
class Refused:
    """The error of an act: what the API says about its kind, and the sentence of each door."""

    status: int
    code: str
    sentence: str


@dataclass(frozen=True)
class Done:
    """What an act did."""

    rows: Rows
    """Those that were not there before, or not so, and those that are gone, by table."""
    audit: list[tuple[str, str]]
    via: set[str]
    due: set[str]
    """For which works a sweep finds something in the rows."""
    woken: list[str] | None
    """For what the workers were woken; None for a command, which leaves it to the sweep."""
    refused: Refused | None
    """None where it was not refused; a page and a command know neither status nor code."""
    printed: str = ""
    """What a command printed."""
    exit_code: int = 0
    """That of a command."""


@dataclass
class House:
    """A database with the rows that all acts begin with, and the doors to it."""

    folder: Path
    url: str
    before: Rows
    github_url: str
    key: str = ""
    """The access key that pages and the API are asked with, if the house is locked."""

    def lock(self) -> None:
        """From now on, only the admin key root lets admins in. It is valid for half a day."""
        self.key, self.before = asyncio.run(_locked(self.url))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GITPIP_DATA_DIR": str(self.folder),
            "GITPIP_DATABASE_URL": self.url,
            "GITPIP_ALLOW_ANONYMOUS": "" if self.key else "all",
            "GITHUB_API_URL": self.github_url,
            "GITPIP_HTTP_TIMEOUT": "30s",
        }

    def ask(self, request: Request, *, as_page: bool) -> Done:
        """Act by a page, or by the API."""
        return asyncio.run(self._ask(request, as_page=as_page))

    def command(self, *arguments: str) -> Done:
        """Act by a command."""
        done = Installation(self.folder, self.environment).command(*arguments)
        refused = None
        if done.returncode:
            said = re.fullmatch(r"gitpip: (.*)\n", done.stderr)
            assert said, (arguments, done.stderr)
            refused = Refused(0, "", said[1])
        else:
            assert not re.search("Traceback|Error", done.stderr), done.stderr
        found = asyncio.run(self._what_was_done(woken=None, refused=refused))
        return replace(found, printed=done.stdout, exit_code=done.returncode)

    async def _ask(self, request: Request, *, as_page: bool) -> Done:
        settings = load_settings(self.environment, env_file=None)
        database = open_database(self.url)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            worker = await stack.enter_async_context(reaching(settings, database))
            app, woken = _application(database, settings, worker)
            client = await stack.enter_async_context(
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1", timeout=60
                )
            )
            accept = {"accept": "text/html" if as_page else "application/json"}
            if self.key:
                accept["authorization"] = f"Bearer {self.key}"
            for before in request.earlier:
                file = {"file": before.file} if before.file else None
                made = await client.post(
                    before.path, headers=accept, files=file, data=None if file else before.fields
                )
                assert made.status_code < 400, made.text
            if request.after:
                async with database.begin() as transaction:
                    await transaction.execute(delete(schema_access.audit))
            with_json = not as_page and request.file is None and request.method != "DELETE"
            answer = await client.request(
                request.method,
                request.path,
                headers=accept,
                data=request.fields if as_page and request.file is None else None,
                json=request.fields if with_json else None,
                files={"file": request.file} if request.file else None,
            )
        refused = None
        if answer.status_code >= 400:
            refused = _refused_by_page(answer) if as_page else _refused_by_api(answer)
        return await self._what_was_done(woken=woken, refused=refused)

    async def _what_was_done(self, *, woken: list[str] | None, refused: Refused | None) -> Done:
        database = open_database(self.url)
        try:
            async with database.read() as transaction:
                after = await _rows(transaction)
                due = await _due(transaction)
        finally:
            await database.close()
        audit = after.pop("audit")
        return Done(
            rows={
                name: sorted(set(after[name]) ^ set(self.before[name]), key=repr)
                for name in after
                if name not in OF_CLIENTS and after[name] != self.before[name]
            },
            audit=[(str(row[4]), str(row[5])) for row in audit],
            via={str(row[3]) for row in audit},
            due=due,
            woken=woken,
            refused=refused,
        )


async def furnished(url: str) -> Rows:
    """Put the rows that all acts begin with into an empty database; gives all of its rows."""
    database = open_database(url)
    try:
        async with database.begin() as transaction:
            await furnish(transaction)
        async with database.read() as transaction:
            assert await _due(transaction) == set()
            return await _rows(transaction)
    finally:
        await database.close()


async def _locked(url: str) -> tuple[str, Rows]:
    """Make an admin key whose next use is no news; gives the key and all rows."""
    database, now = open_database(url), utc_now()
    try:
        async with database.begin() as transaction:
            issued = await keys.create(
                transaction, name="root", role=Role.ADMIN, lifetime=timedelta(hours=12), now=now
            )
            await keys.note_use(transaction, issued.key, now + timedelta(days=1))
        async with database.read() as transaction:
            return issued.secret, await _rows(transaction)
    finally:
        await database.close()


def _application(
    database: Database, settings: Settings, worker: Worker
) -> tuple[FastAPI, list[str]]:
    app = application(database, settings)
    woken: list[str] = []

    async def wake(work: str) -> None:
        async with database.read() as transaction:  # what wakes before the commit finds nothing
            woken.append(work if work in await _due(transaction) else f"{work} for nothing")

    context: AppContext = app.state.context
    app.state.context = replace(
        context,
        wake=wake,
        find_account=worker.find_account,
        look_up=worker.look_up,
    )
    return app, woken


def _refused_by_api(answer: httpx2.Response) -> Refused:
    said = answer.json()
    return Refused(answer.status_code, said["code"], said["detail"])


def _refused_by_page(answer: httpx2.Response) -> Refused:
    """What the page says: all of its text, in which the sentence must be.

    Pages show times as readers write them; commands and the API as here.
    """
    text = re.sub(
        r'<time datetime="([-0-9]+)T([0-9:]{5})[^>]*>[^<]*</time>', r"\1 \2 UTC", answer.text
    )
    return Refused(0, "", re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", text))))


async def _due(transaction: Transaction) -> set[str]:
    """The works for which a running service finds something to do, though nobody wakes it."""
    now, state = utc_now(), await ledger.read(transaction)
    present = Present(now, PublishingMode.AUTOMATIC)
    due = set()
    if await schedule.any_due(transaction, now) or await checks.any_open(transaction):
        due.add("check")
    if (
        await outbox.any_due(transaction, present)
        or await note_updates.any_due(transaction, present)
        or await _anything_to_undo(transaction)
        or state.requested_at
        or not state.compared_at
    ):
        due.add("publish")
    if await surveys.any_due(transaction, now):
        due.add("survey")
    return due


async def _anything_to_undo(transaction: Transaction) -> bool:
    """Return whether an undo that is not stopped has anything left, even if it waits."""
    going_on = select(undone.c.id).join(undos, undos.c.id == undone.c.undo_id)
    left = going_on.where(is_open, undos.c.stopped_at.is_(None)).limit(1)
    return await transaction.scalar(left) is not None


async def _rows(transaction: Transaction) -> Rows:
    """Every row of every table, with what is random masked and each new time as one."""
    rows: Rows = {}
    for table in metadata.sorted_tables:
        found = await transaction.execute(select(table))
        names = [column.name for column in table.columns]
        rows[table.name] = [
            tuple(_shown(name, value) for name, value in zip(names, row, strict=True))
            for row in found
        ]
    return rows


def _shown(name: str, value: object) -> object:
    if name in MASKED and value is not None:
        return "masked"
    if name == "reason" and isinstance(value, str):
        return SKIPPED_BY.sub("skipped by masked", value)
    if isinstance(value, datetime) and LONG_AGO < value < LATER:
        return "now"
    return value
