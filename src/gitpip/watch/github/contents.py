"""The contents of one gist: each file that GitHub gives, and the reason for each it does not."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from gitpip.digests import blob_hash
from gitpip.errors import (
    GistNotPublic,
    GitHubError,
    GitHubLimited,
    GitHubUnauthorized,
    GitHubUnavailable,
)
from gitpip.model import GistId, GitHubId, SeenFile, SeenGist
from gitpip.watch.github.addresses import logged
from gitpip.watch.github.encodings import text_of
from gitpip.watch.github.rest_models import (
    GIST,
    LANGUAGE_LIMIT,
    Filename,
    FileShape,
    GistShape,
    Size,
    Text,
    parse,
)
from gitpip.watch.github.transport import ATTEMPTS, AnswerTooLarge, GitHubAnswer, Transport

STORED_CONTENT_LIMIT = 1024 * 1024
"""The size above which a file's content is not stored: GitHub itself gives up to 1 MB."""
GIST_CONTENT_LIMIT = 32 * STORED_CONTENT_LIMIT
"""The most content of one gist that is stored. Files beyond stay at their `raw_url`."""
MOST_NAMES = 3000
"""The most names of a gist's files that are requested."""
TIME_PER_GIST = timedelta(minutes=1)
"""The time after which no further file of a gist is requested, if one of them failed before."""
FEW_FAILURES = 4
"""The failures in a row up to which two requests are sent for an answer.

With one request, of 5,000 gists two were still unread after half an hour if 30 % of the requests
fail (`gitpip drill`).
"""
JSON = "application/vnd.github+json"

ALL_FILES = f"""
query($id: ID!) {{ node(id: $id) {{ ... on Gist {{
  files(limit: {MOST_NAMES}) {{ name size language {{ name }} }}
}} }} }}"""


@dataclass(frozen=True)
class GistToRead:
    """A gist to be read, and what is known of it."""

    gist_id: GistId
    owner_id: GitHubId
    listed: SeenGist | None = None
    """The gist as the list shows it, or None if the list did not change or was not
    interpretable."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The blob hashes of stored files, by name. These files need no request."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """How often files could not be read before, by name; "" is the gist. They are tried last."""

    def attempts(self, *filenames: str) -> int:
        """Return how many requests may be sent for one answer about these files.

        A file that failed a few times is tried twice: its fault may pass. One that always fails is
        tried once per check.
        """
        failures = max((self.failed.get(name, 0) for name in filenames), default=0)
        if failures == 0:
            return ATTEMPTS
        return 2 if failures <= FEW_FAILURES else 1


@dataclass(frozen=True)
class Reading:
    """The readable parts of a gist."""

    gist: SeenGist
    """The gist with the files that could be read."""
    unread: Mapping[str, str]
    """The reasons why the other files could not be read, by name; "" for files without a known
    name."""


class FindListed(Protocol):
    """Finds a gist in its owner's list of gists."""

    async def __call__(self, gist_id: GistId, owner_id: GitHubId) -> SeenGist | None: ...


class Contents:
    """Reads gists with the contents of their files.

    `graphql_url` is used for the names of a gist's files beyond the first 300; None if that is not
    possible. `find_listed` is asked for a gist that is too large for one answer.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        api_url: str,
        graphql_url: str | None,
        find_listed: FindListed,
    ) -> None:
        self._transport = transport
        self._api_url = api_url
        self._graphql_url = graphql_url
        self._find_listed = find_listed

    async def read(self, wanted: GistToRead, *, has_token: bool) -> Reading:
        """Return a gist as it is now, with the contents of its files.

        A content is kept if it is text of up to 1 MB, and agrees with the hash that GitHub gives
        for it. Raises GistNotPublic, and what Transport.get raises about the gist itself.
        """
        url = f"{self._api_url}/gists/{quote(wanted.gist_id, safe='')}"
        try:
            attempts = wanted.attempts(*wanted.failed)
            answer = await self._transport.get(url, accept=JSON, attempts=attempts)
        except AnswerTooLarge:
            listed = wanted.listed or await self._find_listed(wanted.gist_id, wanted.owner_id)
            if listed is None:
                raise
            work = _Files(self._transport, wanted)
            await work.read(listed.files)
            return work.as_reading(listed)
        gist = parse(GIST, answer)
        if not gist.public or (gist.owner and gist.owner.id != wanted.owner_id):
            raise GistNotPublic(f"gist {wanted.gist_id} is no longer a public one of this person")
        return await self._whole(gist, wanted, has_token=has_token)

    async def _whole(self, gist: GistShape, wanted: GistToRead, *, has_token: bool) -> Reading:
        work = _Files(self._transport, wanted)
        by_address = []
        newer = _newer_in_list(gist, wanted.listed)
        for shape in gist.shaped_files():
            if isinstance(shape, FileShape) and shape.filename in newer:
                continue
            if not isinstance(shape, FileShape):
                work.unread[shape.name] = f"GitHub's answer about it can't be used: {shape.reason}"
            elif not work.take_given(shape):
                by_address.append(shape.seen())
        by_address += newer.values()
        if gist.truncated:
            seen = [file.filename for file in (*work.read_files, *by_address)]
            by_address += await self._not_shown(
                gist, wanted, {*seen, *work.unread}, work, has_token
            )
        await work.read(by_address)
        seen_gist = replace(gist.seen(wanted.owner_id), is_fork=gist.fork_of is not None)
        if wanted.listed:
            # Take the list's own time: the rows are compared with lists, not with GraphQL.
            seen_gist = replace(seen_gist, updated_at=wanted.listed.updated_at)
        return work.as_reading(seen_gist)

    async def _not_shown(
        self,
        gist: GistShape,
        wanted: GistToRead,
        seen: Collection[str],
        work: "_Files",
        has_token: bool,
    ) -> list[SeenFile]:
        """Return the files that REST leaves out of a gist with more than 300, without contents."""
        listed = wanted.listed.files if wanted.listed else ()
        others = {file.filename: file for file in listed if file.filename not in seen}
        shown_by_rest = f"GitHub shows only {len(seen)} of this gist's files"
        if self._graphql_url is None or not has_token:
            work.unread[""] = f"{shown_by_rest}. gitpip needs a token to read the others"
            return list(others.values())
        try:
            named = await self._named_by_graphql(self._graphql_url, gist)
        except GitHubError as error:
            work.unread[""] = f"{shown_by_rest}. The others could not be read: {error}"
            return list(others.values())
        if len(named) == MOST_NAMES:
            work.unread[""] = f"the gist has more files than the {MOST_NAMES} that gitpip reads"
        return [*others.values(), *(f for f in named if f.filename not in {*seen, *others})]

    async def _named_by_graphql(self, url: str, gist: GistShape) -> list[SeenFile]:
        pattern = next(
            (
                shape.raw_url[: found.start(1)]
                for shape in gist.shaped_files()
                if isinstance(shape, FileShape)
                and (found := re.search(r"/raw/([0-9a-f]{40,64}/)", shape.raw_url))
            ),
            None,
        )
        if gist.node_id is None or pattern is None:
            raise GitHubUnavailable("GitHub's answer names no address for them")
        query = {"query": ALL_FILES, "variables": {"id": gist.node_id}}
        answer = await self._transport.post(url, query)
        return [
            SeenFile(
                filename=file.name,
                blob_hash="",
                size=file.size,
                language=file.language.name[:LANGUAGE_LIMIT] if file.language else None,
                # Without a hash it leads to the newest revision of the file.
                raw_url=pattern + quote(file.name, safe=""),
            )
            for file in _files_of(answer)
        ]


class _Files:
    """The files of one gist, read one after another."""

    def __init__(self, transport: Transport, wanted: GistToRead) -> None:
        self.read_files: list[SeenFile] = []
        self.unread: dict[str, str] = {}
        self._transport = transport
        self._wanted = wanted
        self._size = 0

    def as_reading(self, gist: SeenGist) -> Reading:
        """Return what was read, in the order in which the gist names its files."""
        places = {file.filename: place for place, file in enumerate(gist.files)}
        last = len(places)
        files = sorted(self.read_files, key=lambda file: places.get(file.filename, last))
        return Reading(replace(gist, files=tuple(files)), self.unread)

    def take_given(self, shape: FileShape) -> bool:
        """Take a file whose content needs no further request; return False if one is needed."""
        file = shape.seen()
        if file.blob_hash and self._wanted.known.get(file.filename) == file.blob_hash:
            self.read_files.append(by_reference(file))
            return True
        if shape.truncated or file.size > STORED_CONTENT_LIMIT:
            return False
        content = shape.octets()
        if content is None or file.blob_hash not in {"", blob_hash(content)}:
            return False
        self._keep(file, content)
        return True

    async def read(self, files: Iterable[SeenFile]) -> None:
        """Read files from their own addresses.

        Raises GitHubLimited, GitHubUnauthorized; any other failure concerns only that file.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + TIME_PER_GIST.total_seconds()
        failures = 0
        for file in sorted(files, key=lambda file: file.filename in self._wanted.failed):
            known = file.blob_hash and self._wanted.known.get(file.filename) == file.blob_hash
            too_large = (
                file.size > STORED_CONTENT_LIMIT or self._size + file.size > GIST_CONTENT_LIMIT
            )
            if known or (too_large and file.raw_url):
                self.read_files.append(by_reference(file))
                continue
            if failures and clock() > until:
                self.unread[file.filename] = "not asked for yet: other files took too long"
                continue
            try:
                await self._read_raw(file)
            except (GitHubLimited, GitHubUnauthorized):
                raise
            except GitHubError as error:
                failures += 1
                self.unread[file.filename] = str(error)

    async def _read_raw(self, file: SeenFile) -> None:
        if not file.raw_url:
            raise GitHubUnavailable("GitHub's list does not say where the file is")
        try:
            answer = await self._transport.get(
                file.raw_url,
                accept="*/*",
                size_limit=STORED_CONTENT_LIMIT,
                attempts=self._wanted.attempts(file.filename),
            )
        except AnswerTooLarge:
            self.read_files.append(by_reference(file))
            return
        if file.blob_hash not in {"", blob_hash(answer.body)}:
            error = GitHubUnavailable(f"the file {file.filename} does not match its own hash")
            raise logged(file.raw_url, error)
        self._keep(file, answer.body)

    def _keep(self, file: SeenFile, content: bytes) -> None:
        self._size += len(content)
        self.read_files.append(with_bytes(file, content))


def _newer_in_list(gist: GistShape, listed: SeenGist | None) -> dict[str, SeenFile]:
    """Return the files that the list shows and an older answer about the gist does not."""
    if listed is None or listed.updated_at <= gist.updated_at:
        return {}
    shown = {
        shape.filename: shape.seen()
        for shape in gist.shaped_files()
        if isinstance(shape, FileShape)
    }
    return {
        file.filename: file
        for file in listed.files
        if file.blob_hash
        and (file.filename not in shown or shown[file.filename].blob_hash != file.blob_hash)
    }


def by_reference(file: SeenFile) -> SeenFile:
    """Return the file without its content, which stays at its address."""
    return replace(file, content=None, truncated=True)


def with_bytes(file: SeenFile, content: bytes) -> SeenFile:
    """Return the file with its content, if that is text."""
    file = replace(file, blob_hash=file.blob_hash or blob_hash(content), size=len(content))
    text = text_of(content)
    return by_reference(file) if text is None else replace(file, content=text, truncated=False)


class _Language(BaseModel):
    name: Text


class _File(BaseModel):
    name: Filename
    size: Size
    language: _Language | None = None


class _Node(BaseModel):
    files: list[_File]


class _Data(BaseModel):
    node: _Node


class _Body(BaseModel):
    data: _Data


_BODY = TypeAdapter(_Body)


def _files_of(answer: GitHubAnswer) -> list[_File]:
    """Return the files that GraphQL names; raises GitHubUnavailable if it names none."""
    return parse(_BODY, answer).data.node.files
