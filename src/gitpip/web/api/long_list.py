"""Lists of any length as JSON, written without holding up the other requests of this process."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import TypeVar

from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from gitpip.bodies.gists import FileBody
from gitpip.bodies.visits import VisitBody
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.visits.visits import Visit

Item = TypeVar("Item")

IN_MEMORY = 1024 * 1024
"""The most bytes of an answer that are kept in memory; a longer one is kept in a file."""
CHUNK_BYTES = 64 * 1024


FILES = TypeAdapter(list[FileBody])


async def json_array(
    pages: AsyncIterable[Sequence[Item]],
    adapter: TypeAdapter[list[Item]],
    *,
    before: bytes = b"",
    after: bytes = b"",
    status_code: int = 200,
) -> StreamingResponse:
    """The answer that FastAPI would give for the items of all pages together, byte for byte.

    `before` and `after` are what an object has around its array.

    The event loop is free between two pages. The answer is complete before its first byte is sent.
    So no transaction stays open while a client reads, and a database that fails halfway is an
    error, not an array that ends early.
    """
    kept = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed once it is sent)
    try:
        kept.write(before + b"[")
        between = b""
        async for page in pages:
            if page:
                kept.write(between + adapter.dump_json(list(page))[1:-1])
                between = b","
        kept.write(b"]" + after)
        size = kept.tell()
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return StreamingResponse(
        _pieces(kept),
        status_code=status_code,
        media_type="application/json",
        headers={"content-length": str(size)},
    )


async def visit_body(
    transaction: Transaction, visit: Visit, *, status_code: int = 200
) -> StreamingResponse:
    """The answer with a visit and what it showed."""
    body = VisitBody.of(visit).model_dump_json().encode()
    empty = b"[]}"
    if not body.endswith(empty):
        raise TypeError("the files must be the last field of VisitBody")
    return await json_array(
        files_shown_by(transaction, visit),
        FILES,
        before=body.removesuffix(empty),
        after=b"}",
        status_code=status_code,
    )


async def files_shown_by(transaction: Transaction, visit: Visit) -> AsyncIterator[list[FileBody]]:
    """The files that a visit shows, oldest first, some at a time."""
    async for page in gists.in_pages(
        transaction, visit.user_key, after=visit.after, up_to=visit.up_to
    ):
        yield [FileBody.of(file) for file in page]


async def _pieces(kept: SpooledTemporaryFile[bytes]) -> AsyncIterator[bytes]:
    with kept:
        while piece := kept.read(CHUNK_BYTES):
            yield piece
            # A client that reads as fast as we write would never make us wait.
            await asyncio.sleep(0)
