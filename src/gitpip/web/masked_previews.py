"""Lists and feeds of gists that were held for credentials, without what was found in them.

A filename is shown as it is: it identifies the file; see docs/rules.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gitpip.model import FileKey, GistFile
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.credentials.findings import EXAMINED_CHARACTERS, masked
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.inbox.entries import InboxEntry, with_credentials
from gitpip.store.visits.home import UserNews


async def without_credentials(
    database: Database, listed: Sequence[InboxEntry]
) -> Sequence[InboxEntry]:
    """Return the entries with each credential in a title or a preview left out."""
    keys = [one.preview.key for one in listed if one.has_credentials and one.preview]
    clean = await _clean(database, keys)
    return [
        replace(one, preview=file, description=file.description)
        if one.preview and (file := clean.get(one.preview.key))
        else one
        for one in listed
    ]


async def news_without_credentials(
    database: Database, news: Sequence[UserNews]
) -> Sequence[UserNews]:
    """Return the files of an earlier visit with each credential in them left out."""
    clean = iter(
        await files_without_credentials(database, [file for one in news for file in one.files])
    )
    return [replace(one, files=tuple(next(clean) for _ in one.files)) for one in news]


async def files_without_credentials(
    database: Database, files: Sequence[GistFile]
) -> Sequence[GistFile]:
    """Return the files with each credential in a description or a content left out."""
    async with database.read() as transaction:
        found = await with_credentials(transaction, {file.gist_id for file in files})
    clean = await _clean(database, [file.key for file in files if file.gist_id in found])
    return [clean.get(file.key, file) for file in files]


async def _clean(database: Database, keys: Collection[FileKey]) -> Mapping[FileKey, GistFile]:
    """Return these files without credentials.

    The detector reads more of a file than a preview shows: a key is recognised by its end.
    """
    if not keys:
        return {}
    async with database.read() as transaction:
        files = await gists.some(transaction, list(keys), content_limit=EXAMINED_CHARACTERS)
    return {file.key: await _masked(file) for file in files}


async def _masked(file: GistFile) -> GistFile:
    shown = masked(file, await DETECTOR.examine(file))
    if shown is file:
        return file
    # What is kept of shown contents is found by this hash.
    return replace(shown, filename=file.filename, blob_hash=f"{file.blob_hash} masked")
