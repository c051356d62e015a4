"""Previews of gists that were held because of credentials, without what was found in them."""

from collections.abc import Sequence
from dataclasses import replace

from gitpip.model import GistFile
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.credentials.findings import EXAMINED_CHARACTERS, masked
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.inbox.entries import InboxEntry


async def without_credentials(
    database: Database, listed: Sequence[InboxEntry]
) -> Sequence[InboxEntry]:
    """Return the entries with each credential in a title, a filename or a preview left out.

    The detector reads more of a file than a preview shows: a key is recognised by its end.
    """
    keys = [one.preview.key for one in listed if one.has_credentials and one.preview]
    if not keys:
        return listed
    async with database.read() as transaction:
        files = await gists.some(transaction, keys, content_limit=EXAMINED_CHARACTERS)
    clean = {file.gist_id: await _masked(file) for file in files}
    return [_with_preview(one, clean.get(one.gist_id)) for one in listed]


async def _masked(file: GistFile) -> GistFile:
    shown = masked(file, await DETECTOR.examine(file))
    # What is kept of shown contents is found by this hash.
    return file if shown is file else replace(shown, blob_hash=f"{file.blob_hash} masked")


def _with_preview(entry: InboxEntry, file: GistFile | None) -> InboxEntry:
    if file is None:
        return entry
    names = tuple(
        replace(one, filename=file.filename) if one.key == file.key else one for one in entry.files
    )
    return replace(entry, preview=file, description=file.description, files=names)
