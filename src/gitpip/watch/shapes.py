"""The JSON of GitHub's REST API, as far as gists need it: checked, and turned into our nouns."""

import base64
import re
from datetime import UTC
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from gitpip.errors import GitHubUnavailable
from gitpip.model import GistId, GitHubId, SeenFile, SeenGist
from gitpip.watch.transport import Answer, shown

Parsed = TypeVar("Parsed")


def _storable(text: str) -> str:
    """Text without what a database refuses: U+0000, and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


_Text = Annotated[str, AfterValidator(_storable)]


class OwnerShape(BaseModel):
    """Who owns a gist."""

    login: Annotated[_Text, Field(min_length=1, max_length=100)]
    id: Annotated[int, Field(gt=0, lt=2**63)]
    node_id: Annotated[_Text, Field(min_length=1, max_length=100)] | None = None


class FileShape(BaseModel):
    """A file of a gist; `content` is there where one gist was asked for."""

    filename: Annotated[_Text, Field(min_length=1)]
    language: _Text | None = None
    raw_url: _Text
    size: Annotated[int, Field(ge=0, lt=2**63)]
    truncated: bool = False
    content: str | None = None
    encoding: str | None = None

    def octets(self) -> bytes | None:
        """The content as bytes; None where there is none, or none that could be read."""
        try:
            if self.content is None:
                return None
            if self.encoding == "base64":
                return base64.b64decode(self.content)
            return self.content.encode()
        except ValueError:
            return None

    def seen(self) -> SeenFile:
        """The same as a noun of ours, without content."""
        found = re.search(r"/raw/([0-9a-f]{40}|[0-9a-f]{64})(?:/|$)", self.raw_url)
        return SeenFile(
            filename=self.filename,
            blob_hash=found[1] if found else "",
            size=self.size,
            language=self.language[:200] if self.language else None,
            raw_url=self.raw_url,
        )


class GistShape(BaseModel):
    """A gist, in a list or alone."""

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    html_url: _Text
    public: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    description: _Text | None = None
    owner: OwnerShape | None = None
    truncated: bool = False
    files: dict[str, FileShape]

    def seen(self, listed_for: GitHubId) -> SeenGist:
        """The same as a noun of ours, without contents."""
        return SeenGist(
            id=GistId(self.id),
            owner_id=GitHubId(self.owner.id) if self.owner else listed_for,
            description=self.description,
            html_url=self.html_url,
            created_at=self.created_at.astimezone(UTC),
            updated_at=self.updated_at.astimezone(UTC),
            files=tuple(file.seen() for file in self.files.values()),
        )


class LimitShape(BaseModel):
    """One of the limits, as of now; `reset` in seconds since 1970."""

    limit: Annotated[int, Field(ge=0, lt=2**31)]
    remaining: Annotated[int, Field(ge=0, lt=2**31)]
    reset: Annotated[int, Field(ge=0, lt=2**33)]


class LimitsShape(BaseModel):
    """All the limits, by what they are on."""

    resources: dict[str, LimitShape]


LIMITS = TypeAdapter(LimitsShape)
OWNER = TypeAdapter(OwnerShape)
GIST = TypeAdapter(GistShape)
GISTS = TypeAdapter(list[GistShape])


def parse(adapter: TypeAdapter[Parsed], answer: Answer) -> Parsed:
    """What an answer holds; raises GitHubUnavailable where it is broken."""
    try:
        return adapter.validate_json(answer.body)
    except ValidationError as error:
        # The values stay out of the message: they are GitHub's, and can be anything.
        fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the body"
        raise GitHubUnavailable(
            f"{shown(answer.url)} gave a broken answer: {place}: {fault['type']}"
        ) from None
