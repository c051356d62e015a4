"""How long a preview of stored gists under a new template takes, on SQLite.

`python -m benchmarks.templates [GISTS]` (1,000 unless given) stores gists of one file of 2 KB each,
one in fifty of 1 MB, and renders them as `gitpip publishing preview --all` does: under the
built-in templates, and under one that uses every variable. It prints the time of each, of which
rendering alone, and the ratio to reading the same rows.
"""

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from benchmarks import crowd
from gitpip.actions.trial import trials_of
from gitpip.config import load_settings
from gitpip.model import FileKey
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.schema import gist_files
from gitpip.store.schema import gists as gist_rows
from gitpip.templates.template import NOTE_LIMIT
from gitpip.templates.variables import VARIABLES, Kind, Type

USERS = 100
SMALL, LARGE = 2_000, 1_000_000
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    asyncio.run(_measure(size))


async def _measure(size: int) -> None:
    async with _filled(size) as database:
        read = min([await _read(database) for _ in range(ROUNDS)])
        print(f"{size:,} gists: reading their rows takes {read:.2f} s")
        for name, note in (("the built-in template", None), ("every variable", _everything())):
            took = min([await _preview(database, note, size) for _ in range(ROUNDS)])
            print(f"{name}: the preview takes {took:.2f} s, x{took / read:.1f}")


def _everything() -> str:
    shown = {Type.TEXTS: "|join", Type.TIME: "|date", Type.NUMBER: "|number"}
    parts = [
        f"<p>{name}: {{{{ {name}{shown.get(variable.type, '')} }}}}</p>"
        for name, variable in VARIABLES.items()
        if Kind.NOTE in variable.kinds and variable.type is not Type.MARKUP
    ]
    return "".join([*parts, "{{ content }}"])


async def _read(database: Database) -> float:
    started = time.perf_counter()
    async with database.read() as transaction:
        after, keys = FileKey(0), await gists.keys_after(transaction, FileKey(0), 200)
        while keys:
            await gists.some(transaction, keys, content_limit=NOTE_LIMIT + 1)
            after = keys[-1]
            keys = await gists.keys_after(transaction, after, 200)
    return time.perf_counter() - started


async def _preview(database: Database, note: str | None, size: int) -> float:
    settings = load_settings({"GITPIP_DATA_DIR": tempfile.gettempdir()}, env_file=None)
    started = time.perf_counter()
    async with database.read() as transaction:
        trials = await trials_of(transaction, settings, None, note)
        count = await trials.everything(transaction)
    assert count.files == size
    return time.perf_counter() - started


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
