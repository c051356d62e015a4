"""A JSON array of any length, without holding up the other requests of this process."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import TypeVar

from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

Item = TypeVar("Item")

IN_MEMORY = 1024 * 1024
"""How many bytes of an answer are kept in memory; one that is longer is kept in a file."""
PIECE = 64 * 1024


async def json_array(
    pages: AsyncIterable[Sequence[Item]], adapter: TypeAdapter[list[Item]]
) -> StreamingResponse:
    """The answer that FastAPI would give for the items of all pages together, byte for byte.

    The event loop is free between two pages. The answer is complete before its first byte is sent:
    no transaction stays open as long as a client takes to read, and a database that fails halfway
    is a proper error and no array that ends early.
    """
    kept = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed once it is sent)
    try:
        kept.write(b"[")
        between = b""
        async for page in pages:
            if page:
                kept.write(between + adapter.dump_json(list(page))[1:-1])
                between = b","
        kept.write(b"]")
        size = kept.tell()
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return StreamingResponse(
        _pieces(kept), media_type="application/json", headers={"content-length": str(size)}
    )


async def _pieces(kept: SpooledTemporaryFile[bytes]) -> AsyncIterator[bytes]:
    with kept:
        while piece := kept.read(PIECE):
            yield piece
