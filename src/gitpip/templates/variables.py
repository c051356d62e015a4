"""The variables of templates about a gist file: their types and their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Self

from gitpip.model import GistFile
from gitpip.templates.safe_text import in_a_line

TEXT_LIMIT = 5_000
"""The most characters of one value that are shown."""
MOST_ITEMS = {
    "gist.files": 300,
    "activity.files": 50,
    "activity.languages": 50,
    "user.tags": 100,
    "remarks": 10,
}
"""The longest list of each kind. GitHub shows at most 300 files of a gist."""


class TextKind(StrEnum):
    """The kind of text that a template makes."""

    SUBJECT = "subject"
    NOTE = "note"
    DEAL_TITLE = "deal title"

    @property
    def field(self) -> str:
        """The name of the setting, as in errors."""
        return f"{self.replace(' ', '_')}_template"


class Type(Enum):
    """The type of a value, which decides what can be done with it."""

    TEXT = auto()
    NUMBER = auto()
    TIME = auto()
    FLAG = auto()
    TEXTS = auto()
    MARKUP = auto()

    def __str__(self) -> str:
        return _NAMES[self]


_NAMES = {
    Type.TEXT: "text",
    Type.NUMBER: "number",
    Type.TIME: "time",
    Type.FLAG: "yes or no",
    Type.TEXTS: "list of texts",
    Type.MARKUP: "HTML",
}


@dataclass(frozen=True)
class Variable:
    """A name that templates can use."""

    type: Type
    meaning: str
    kinds: frozenset[TextKind]


_IN_ACTIVITIES = frozenset({TextKind.SUBJECT, TextKind.NOTE})
_EVERYWHERE = frozenset(TextKind)
_IN_NOTES = frozenset({TextKind.NOTE})

VARIABLES: Mapping[str, Variable] = {
    "gist.id": Variable(Type.TEXT, "GitHub's id of the gist", _IN_ACTIVITIES),
    "gist.url": Variable(Type.TEXT, "the gist's page at GitHub", _IN_ACTIVITIES),
    "gist.description": Variable(
        Type.TEXT, "its description; empty if it has none", _IN_ACTIVITIES
    ),
    "gist.created_at": Variable(Type.TIME, "when it was created", _IN_ACTIVITIES),
    "gist.updated_at": Variable(Type.TIME, "when it was last changed", _IN_ACTIVITIES),
    "gist.files": Variable(
        Type.TEXTS, "the names of its files, in the order they were found", _IN_ACTIVITIES
    ),
    "activity.files": Variable(
        Type.TEXTS,
        "the names of the files that the activity holds, the first one first",
        _IN_ACTIVITIES,
    ),
    "activity.languages": Variable(
        Type.TEXTS,
        "their languages at GitHub, each once, without unknown ones",
        _IN_ACTIVITIES,
    ),
    "activity.size": Variable(Type.NUMBER, "their total size in bytes", _IN_ACTIVITIES),
    "file.name": Variable(Type.TEXT, "the name of the file", _IN_ACTIVITIES),
    "file.language": Variable(
        Type.TEXT, "its language at GitHub, like Python; empty if unknown", _IN_ACTIVITIES
    ),
    "file.size": Variable(Type.NUMBER, "its size in bytes", _IN_ACTIVITIES),
    "file.raw_url": Variable(Type.TEXT, "the address of its content at GitHub", _IN_ACTIVITIES),
    "file.revision": Variable(
        Type.NUMBER, "1 for the first content, 2 after the first edit", _IN_ACTIVITIES
    ),
    "file.truncated": Variable(
        Type.FLAG, "whether only a part of the content, or none, is stored", _IN_ACTIVITIES
    ),
    "user.login": Variable(Type.TEXT, "the owner's login at GitHub", _EVERYWHERE),
    "user.external_id": Variable(Type.TEXT, "your customer ID of the owner", _IN_ACTIVITIES),
    "user.tags": Variable(Type.TEXTS, "your tags of the owner", _IN_ACTIVITIES),
    "found_at": Variable(Type.TIME, "when gitpip found the file", _IN_ACTIVITIES),
    "remarks": Variable(
        Type.TEXTS, "what happened since: edited, deleted, by your rules for both", _IN_NOTES
    ),
    "content": Variable(
        Type.MARKUP, "the content, with a link to the rest where it had to be cut", _IN_NOTES
    ),
}
"""All variables, from which the lists of the documentation and of error messages are made."""


@dataclass(frozen=True)
class Surroundings:
    """The values that are not in the file's own row, read only if a template uses them."""

    filenames: tuple[str, ...] = ()
    external_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class GistValues:
    """The values of `gist`."""

    id: str
    url: str
    description: str
    created_at: datetime
    updated_at: datetime
    files: tuple[str, ...]


@dataclass(frozen=True)
class FileValues:
    """The values of `file`."""

    name: str
    language: str
    size: int
    raw_url: str
    revision: int
    truncated: bool


@dataclass(frozen=True)
class UserValues:
    """The values of `user`."""

    login: str
    external_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ActivityValues:
    """The values of `activity`: of all files that it holds."""

    files: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    size: int = 0

    @classmethod
    def of(cls, first: GistFile, others: Sequence[GistFile] = ()) -> Self:
        """Return the values for an activity that holds these files."""
        files = (first, *others)
        languages = dict.fromkeys(file.language[:200] for file in files if file.language)
        return cls(
            _texts(tuple(file.filename for file in files), "activity.files"),
            _texts(tuple(languages), "activity.languages"),
            sum(file.size for file in files),
        )


@dataclass(frozen=True)
class Values:
    """The values for a template: each text in one line, none longer than TEXT_LIMIT."""

    gist: GistValues
    file: FileValues
    user: UserValues
    found_at: datetime
    remarks: tuple[str, ...] = ()
    activity: ActivityValues = field(default_factory=ActivityValues)


def values_of(
    file: GistFile, around: Surroundings, *, revision: int = 1, remarks: tuple[str, ...] = ()
) -> Values:
    """Return the values for a revision of a file."""
    description = file.description or ""
    name, language = _text(file.filename), _text((file.language or "")[:200])
    return Values(
        gist=GistValues(
            id=_text(file.gist_id),
            url=_text(file.html_url),
            # Without the invisible characters, only the signs in their place would remain.
            description=_text(description if description.strip() else ""),
            created_at=file.created_at,
            updated_at=file.updated_at,
            files=_texts(around.filenames, "gist.files"),
        ),
        file=FileValues(
            name=name,
            language=language,
            size=file.size,
            raw_url=_text(file.raw_url),
            revision=revision,
            truncated=file.truncated or file.content is None,
        ),
        user=UserValues(
            login=_text(file.login),
            external_id=_text(around.external_id),
            tags=_texts(around.tags, "user.tags"),
        ),
        found_at=file.found_at,
        remarks=_texts(remarks, "remarks"),
        # Made of cleaned values: a preview fills a template a thousand times.
        activity=ActivityValues((name,), (language,) if language else (), file.size),
    )


def _text(text: str) -> str:
    return in_a_line(text)[:TEXT_LIMIT]


def _texts(texts: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(_text(text) for text in texts[: MOST_ITEMS[name]])
