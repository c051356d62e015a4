"""A task that runs alongside a block and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def in_background(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run this work until the block ends, then cancel it.

    The end of the block raises the error of the work, unless the block raises one of its own. An
    awaited cancelled task would hide that the block itself is being cancelled, so we `wait`.
    """
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
