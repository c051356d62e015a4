"""The values of templates that are not in a file's own row: other files, customer id, tags."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TypeVar

from sqlalchemy import select

from gitpip.model import FileKey, GistFile, GistId, UserKey
from gitpip.store.database import Transaction
from gitpip.store.schema import gist_files, user_tags, users
from gitpip.templates import Surroundings

_KEYS_AT_A_TIME = 500
Key = TypeVar("Key", GistId, UserKey)


async def of_files(
    transaction: Transaction, files: Sequence[GistFile], uses: Collection[str]
) -> dict[FileKey, Surroundings]:
    """Return the surroundings of each file, as far as the used variables need them.

    Also of files of removed users: it is used for what is sent, as `gists.file` is.
    """
    gist_ids = sorted({file.gist_id for file in files}) if "gist.files" in uses else ()
    keys = sorted({file.user_key for file in files})
    filenames = await _filenames(transaction, gist_ids)
    ids = await _external_ids(transaction, keys if "user.external_id" in uses else ())
    tags = await _tags(transaction, keys if "user.tags" in uses else ())
    return {
        file.key: Surroundings(
            filenames=tuple(filenames[file.gist_id]),
            external_id=ids.get(file.user_key, ""),
            tags=tuple(tags[file.user_key]),
        )
        for file in files
    }


async def _filenames(
    transaction: Transaction, gist_ids: Sequence[GistId]
) -> defaultdict[GistId, list[str]]:
    found: defaultdict[GistId, list[str]] = defaultdict(list)
    for some in _some_at_a_time(gist_ids):
        rows = await transaction.execute(
            select(gist_files.c.gist_id, gist_files.c.filename)
            .where(gist_files.c.gist_id.in_(some), gist_files.c.removed_at.is_(None))
            .order_by(gist_files.c.sequence)
        )
        for gist_id, filename in rows:
            found[GistId(gist_id)].append(filename)
    return found


async def _external_ids(transaction: Transaction, keys: Sequence[UserKey]) -> dict[UserKey, str]:
    found: dict[UserKey, str] = {}
    for some in _some_at_a_time(keys):
        rows = await transaction.execute(
            select(users.c.key, users.c.external_id).where(users.c.key.in_(some))
        )
        found |= {UserKey(key): external_id for key, external_id in rows}
    return found


async def _tags(
    transaction: Transaction, keys: Sequence[UserKey]
) -> defaultdict[UserKey, list[str]]:
    found: defaultdict[UserKey, list[str]] = defaultdict(list)
    for some in _some_at_a_time(keys):
        rows = await transaction.execute(
            select(user_tags.c.user_key, user_tags.c.tag)
            .where(user_tags.c.user_key.in_(some))
            .order_by(user_tags.c.tag)
        )
        for key, tag in rows:
            found[UserKey(key)].append(tag)
    return found


def _some_at_a_time(keys: Sequence[Key]) -> list[Sequence[Key]]:
    return [keys[start : start + _KEYS_AT_A_TIME] for start in range(0, len(keys), _KEYS_AT_A_TIME)]
