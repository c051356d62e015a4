"""The JSON of GitHub's REST API, as far as gists need it: validated, and turned into our models.

A list is validated item by item, and a gist file by file: one odd item affects only that item.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from gitpip.errors import GitHubUnavailable
from gitpip.model import GistId, GitHubId, SeenFile, SeenGist
from gitpip.validation import plain_fault
from gitpip.vendor_values import json_of, storable, utc, words
from gitpip.watch.github.addresses import called, logged
from gitpip.watch.github.transport import GitHubAnswer

Parsed = TypeVar("Parsed")

FILENAME_LIMIT = 500
"""The most characters of a filename: an index of PostgreSQL takes 2,704 bytes, and Linux has names
of 255 bytes."""
GIST_ID = r"^[0-9A-Za-z_-]{1,64}$"
LANGUAGE_LIMIT = 200
DESCRIPTION_LIMIT = 20_000
"""The most characters of a description: PostgreSQL's index of words takes 1 MB of a file, and its
content comes first."""
ADDRESS_LIMIT = 10_000
"""The most characters of an address: a filename of 500 takes up to 6,000 of them."""


def _in_utc(moment: datetime) -> datetime:
    found = utc(moment)
    if found is None:
        raise ValueError("must be a time between the years 2 and 9998")
    return found


Text = Annotated[str, AfterValidator(storable)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Filename = Annotated[Text, Field(min_length=1, max_length=FILENAME_LIMIT)]
Size = Annotated[int, Field(ge=0, lt=2**63)]
AccountId = Annotated[int, Field(gt=0, lt=2**63)]
Login = Annotated[Text, Field(min_length=1, max_length=100)]
GistIdText = Annotated[str, Field(pattern=GIST_ID)]
_Address = Annotated[Text, Field(max_length=ADDRESS_LIMIT)]


class OwnerShape(BaseModel):
    """The owner of a gist."""

    login: Login
    id: AccountId
    node_id: Annotated[Text, Field(min_length=1, max_length=100)] | None = None


class FileShape(BaseModel):
    """A file of a gist; `content` is set if one gist was requested."""

    filename: Filename
    language: Text | None = None
    raw_url: _Address
    size: Size
    truncated: bool = False
    content: str | None = None
    encoding: str | None = None

    def octets(self) -> bytes | None:
        """Return the content as bytes, or None if there is none or it could not be read."""
        try:
            if self.content is None:
                return None
            if self.encoding == "base64":
                return base64.b64decode(self.content)
            return self.content.encode()
        except ValueError:
            return None

    def seen(self) -> SeenFile:
        """Return the file as a model of ours, without content."""
        found = re.search(r"/raw/([0-9a-f]{40}|[0-9a-f]{64})(?:/|$)", self.raw_url)
        return SeenFile(
            filename=self.filename,
            blob_hash=found[1] if found else "",
            size=self.size,
            language=self.language[:LANGUAGE_LIMIT] if self.language else None,
            raw_url=self.raw_url,
        )


@dataclass(frozen=True)
class OddFile:
    """A file of a gist that could not be interpreted; `name` is "" if unusable."""

    name: str
    reason: str


class GistShape(BaseModel):
    """A gist, in a list or alone. Its files are validated one by one."""

    id: GistIdText
    node_id: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    html_url: _Address
    public: bool
    created_at: Moment
    updated_at: Moment
    description: Text | None = None
    owner: OwnerShape | None = None
    truncated: bool = False
    fork_of: object = None
    """The gist that it is a fork of. Only the answer about one gist has it."""
    files: dict[str, object]

    def shaped_files(self) -> Iterator[FileShape | OddFile]:
        """Yield each file, or what is wrong with it."""
        for name, file in self.files.items():
            try:
                yield FileShape.model_validate(file)
            except ValidationError as error:
                yield OddFile(_usable(name), fault_of(error))

    def seen(self, listed_for: GitHubId) -> SeenGist:
        """Return the gist as a model of ours, without contents.

        An odd file is included with its name alone: reading the gist tells more of it.
        """
        return SeenGist(
            id=GistId(self.id),
            owner_id=GitHubId(self.owner.id) if self.owner else listed_for,
            description=self.description and self.description[:DESCRIPTION_LIMIT],
            html_url=self.html_url,
            created_at=self.created_at,
            updated_at=self.updated_at,
            files=tuple(
                file.seen()
                if isinstance(file, FileShape)
                else SeenFile(file.name, blob_hash="", size=0, language=None, raw_url="")
                for file in self.shaped_files()
                if isinstance(file, FileShape) or file.name
            ),
        )


class _Identified(BaseModel):
    id: GistIdText


class _FeedOwner(BaseModel):
    id: AccountId


class PublicFeedShape(BaseModel):
    """The fields of a gist in the public feed that a hint needs."""

    id: GistIdText
    owner: _FeedOwner
    public: object = True
    updated_at: object = None

    def updated(self) -> datetime | None:
        """Return when the gist was last updated (UTC), or None if that could not be interpreted."""
        try:
            return TypeAdapter[datetime](Moment).validate_python(self.updated_at)
        except ValidationError:
            return None


class LimitShape(BaseModel):
    """One of the current limits; `reset` is in seconds since 1970."""

    limit: Annotated[int, Field(ge=0, lt=2**31)]
    remaining: Annotated[int, Field(ge=0, lt=2**31)]
    reset: Annotated[int, Field(ge=0, lt=2**33)]


class LimitsShape(BaseModel):
    """All the limits, by resource."""

    resources: dict[str, LimitShape]


@dataclass(frozen=True)
class OddItem:
    """An item of a list that could not be interpreted. Only its id may be known."""

    gist_id: GistId | None
    reason: str


LIMITS = TypeAdapter(LimitsShape)
OWNER = TypeAdapter(OwnerShape)
GIST = TypeAdapter(GistShape)
_FEED_ITEM = TypeAdapter(PublicFeedShape)
_ITEMS = TypeAdapter(list[object])
_FILENAME = TypeAdapter[str](Filename)


def parse(adapter: TypeAdapter[Parsed], answer: GitHubAnswer) -> Parsed:
    """Return what an answer holds; raises GitHubUnavailable if it is broken."""
    try:
        try:
            return adapter.validate_json(answer.body)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] != "json_invalid":
                raise
        # pydantic refuses a whole body for half a surrogate pair or one wrong byte in some text.
        return adapter.validate_python(json_of(answer.body))
    except ValidationError as error:
        raise _broken(answer, fault_of(error)) from None
    except ValueError:
        raise _broken(answer, "the body is not JSON") from None


def _broken(answer: GitHubAnswer, fault: str) -> GitHubUnavailable:
    error = GitHubUnavailable(f"GitHub gave a broken answer for {called(answer.url)}: {fault}")
    return logged(answer.url, error)


def parse_gists(answer: GitHubAnswer) -> tuple[list[GistShape], list[OddItem]]:
    """Return the gists of a list, and the odd items; raises GitHubUnavailable."""
    return _item_by_item(GIST, answer)


def parse_public_feed(answer: GitHubAnswer) -> tuple[list[PublicFeedShape], list[OddItem]]:
    """Return the gists of the public feed, and the unreadable items, whose owner is unknown."""
    return _item_by_item(_FEED_ITEM, answer)


def _item_by_item(
    adapter: TypeAdapter[Parsed], answer: GitHubAnswer
) -> tuple[list[Parsed], list[OddItem]]:
    good: list[Parsed] = []
    odd: list[OddItem] = []
    for item in parse(_ITEMS, answer):
        try:
            good.append(adapter.validate_python(item))
        except ValidationError as error:
            odd.append(OddItem(_id_of(item), fault_of(error)))
    return good, odd


def _id_of(item: object) -> GistId | None:
    try:
        return GistId(_Identified.model_validate(item).id)
    except ValidationError:
        return None


def _usable(name: str) -> str:
    try:
        return _FILENAME.validate_python(name)
    except ValidationError:
        return ""


def fault_of(error: ValidationError) -> str:
    """Return what is wrong, and where, without the values: GitHub's can be anything."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place = words(".".join(str(part) for part in fault["loc"]), 200) or "the item"
    return f"{place}: {plain_fault(fault)}"
