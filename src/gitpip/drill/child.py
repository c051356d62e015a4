"""A process that the drill starts: it answers questions, a line of JSON each, and ends with us."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gitpip.errors import ServiceFailed

INHERITED: Final = ("PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
"""The variables of our environment that a process of the drill gets, besides libpq's variables.

The addresses and tokens of the vendors are not among them, and no proxy.
"""
LONGEST_ANSWER: Final = 2**30
"""A report of a million files has some 60 MB."""


def clean_environment() -> dict[str, str]:
    """Return the environment of a drill's processes; libpq completes an address with the rest."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or (name.startswith("PG") and name.isupper())
    }


class Child:
    """A module of the drill that runs in a process of its own. It ends when its input does."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    async def ask(self, question: str, **details: object) -> Any:
        """Return its answer. Raises ServiceFailed if it has ended."""
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise ServiceFailed(f"the {self._name} of the drill has no input or output")
        with suppress(ConnectionError):
            writer.write(json.dumps({"question": question} | details).encode() + b"\n")
            await writer.drain()
        line = await reader.readline()
        if not line:
            raise ServiceFailed(f"the {self._name} of the drill ended before it was stopped")
        return json.loads(line)


@asynccontextmanager
async def child(module: str, name: str, folder: Path) -> AsyncIterator[Child]:
    """Run a module of the drill until the block ends."""
    with (folder / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=clean_environment(),
            limit=LONGEST_ANSWER,
            start_new_session=True,  # Ctrl-C is for us alone: we end the others
        )
    try:
        yield Child(process, name)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
