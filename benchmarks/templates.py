"""How long a preview of stored gists under a new template takes, on SQLite.

`python -m benchmarks.templates [GISTS]` (1,000 unless given) stores gists of one file of 2 KB each,
one in fifty of 1 MB, and previews them under the built-in templates, and under one that uses every
variable: all of them as `gitpip publishing preview --all` does, and as many as the page and the API
show of one user. It prints how long each takes, the time of a processor in it, and the ratio to
reading all rows; it ends with 1 where all of them take a second or longer.
"""

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx2
from sqlalchemy import insert

from benchmarks import crowd
from gitpip.actions.trial import MAX_TRIALS, trials_of
from gitpip.config import Settings, load_settings
from gitpip.model import FileKey
from gitpip.observability.logging import configure_logging
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.schema import gist_files
from gitpip.store.schema import gists as gist_rows
from gitpip.templates.template import NOTE_LIMIT
from gitpip.templates.variables import VARIABLES, TextKind, Type
from tests.web.routes import application

USERS = 100
SMALL, LARGE = 2_000, 1_000_000
ROUNDS = 3
LIMIT = 1.0


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    configure_logging("ERROR", "console", secrets=())
    sys.exit(asyncio.run(_measure(size)))


async def _measure(size: int) -> bool:
    slow = False
    async with _filled(size) as database:
        read = min([await _timed(_read(database)) for _ in range(ROUNDS)])
        print(f"{size:,} gists: reading their rows takes {read}")
        for name, note in (("the built-in template", None), ("every variable", _everything())):
            took = min([await _timed(_preview(database, note, size)) for _ in range(ROUNDS)])
            too_slow = took.seconds >= LIMIT
            slow |= too_slow
            ratio = took.seconds / read.seconds
            print(f"{name}: all of them take {took}, x{ratio:.1f}{', too slow' * too_slow}")
            for path, fields in _asked(note).items():
                took = min([await _timed(_ask(database, path, fields)) for _ in range(ROUNDS)])
                print(f"{name}: {path} takes {took}")
    return slow


class Took(NamedTuple):
    """How long something took; on a busy machine, of a processor it takes less."""

    seconds: float
    of_processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.of_processor:.2f} s of a processor)"


async def _timed(work: Awaitable[None]) -> Took:
    started, used = time.perf_counter(), time.process_time()
    await work
    return Took(time.perf_counter() - started, time.process_time() - used)


def _asked(note: str | None) -> Mapping[str, Mapping[str, object]]:
    """What is asked of the page and of the API: one user, and as many activities as they show."""
    return {
        "/settings/publishing/preview": {"of": "user-1", "note_template": note or ""},
        "/api/v1/publishing/preview": {"of": "user-1", "note_template": note, "limit": MAX_TRIALS},
    }


async def _ask(database: Database, path: str, fields: Mapping[str, object]) -> None:
    app = application(database, _settings())
    is_page = not path.startswith("/api")
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.post(
            path,
            data=fields if is_page else None,
            json=None if is_page else fields,
            headers={"origin": "http://127.0.0.1"},
        )
    assert answer.status_code == HTTPStatus.OK, answer.text


def _settings() -> Settings:
    environment = {"GITPIP_DATA_DIR": tempfile.gettempdir(), "GITPIP_ALLOW_ANONYMOUS": "all"}
    return load_settings(environment, env_file=None)


def _everything() -> str:
    shown = {Type.TEXTS: "|join", Type.TIME: "|date", Type.NUMBER: "|number"}
    parts = [
        f"<p>{name}: {{{{ {name}{shown.get(variable.type, '')} }}}}</p>"
        for name, variable in VARIABLES.items()
        if TextKind.NOTE in variable.kinds and variable.type is not Type.MARKUP
    ]
    return "".join([*parts, "{{ content }}"])


async def _read(database: Database) -> None:
    async with database.read() as transaction:
        after, keys = FileKey(0), await gists.keys_after(transaction, FileKey(0), 200)
        while keys:
            await gists.some(transaction, keys, content_limit=NOTE_LIMIT + 1)
            after = keys[-1]
            keys = await gists.keys_after(transaction, after, 200)


async def _preview(database: Database, note: str | None, size: int) -> None:
    async with database.read() as transaction:
        trials = await trials_of(transaction, _settings(), None, note)
        count = await trials.everything(transaction)
    assert count.files == size


@asynccontextmanager
async def _filled(size: int) -> AsyncIterator[Database]:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite+aiosqlite:///{Path(folder) / 'gitpip.db'}")
        await database.migrate()
        await crowd.fill(database, USERS)
        async with database.begin() as transaction:
            for number in range(size):
                key, gist_id = number + 1, hashlib.sha256(str(number).encode()).hexdigest()[:32]
                content = "x = '<&>'  # é\n" * ((LARGE if number % 50 == 0 else SMALL) // 15)
                user_key = 1 + number % USERS
                await transaction.execute(
                    insert(gist_rows).values(
                        id=gist_id,
                        user_key=user_key,
                        description="A gist & what it does",
                        html_url=f"https://gist.github.com/user/{gist_id}",
                        created_at=now,
                        updated_at=now,
                        found_at=now,
                    )
                )
                await transaction.execute(
                    insert(gist_files).values(
                        key=key,
                        gist_id=gist_id,
                        user_key=user_key,
                        filename=f"file-{number}.py",
                        sequence=number,
                        blob_hash=gist_id + "0" * 8,
                        size=len(content),
                        language="Python",
                        content=content,
                        truncated=False,
                        raw_url=f"https://gist.githubusercontent.com/user/{gist_id}/raw",
                        found_at=now,
                    )
                )
        yield database
        await database.close()


if __name__ == "__main__":
    main()
