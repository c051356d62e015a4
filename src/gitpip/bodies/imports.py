"""Bodies of imports, and of their previews."""

from datetime import datetime

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.store.users.imports import Import


class ImportBody(NounBody[Import]):
    """The progress of an import. `size` and `read` are bytes of the file; times are UTC."""

    id: int
    name: str
    size: int
    read: int
    added: int
    known: int
    faulty: int
    """The number of lines that could not be imported."""
    faults: list[str]
    """The first of them, each with its reason."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
    failure: str | None
    """The reason why it stopped before the end; null if it did not, or is under way."""
    confirmed_at: datetime | None
    """Null while the file waits for a person who confirms it on its page."""
    not_on_github: list[str]
    """Usernames that GitHub does not show, of the first `asked` ones."""
    asked: int


class ColumnBody(BaseModel):
    """A column of a table: what it is called, and what it holds; null for nothing."""

    heading: str
    holds: str | None


class ImportPreviewBody(BaseModel):
    """A preview of an import. At most the first 1,000 rows are read for it."""

    format: str
    """The format, such as `a table separated by semicolons, in Windows-1252`."""
    columns: list[ColumnBody]
    header: bool
    """True if the first row holds headings."""
    certain: bool
    """True if nothing was guessed. Otherwise give `columns` with the import."""
    sheets: list[str]
    sheet: str | None
    users: list[str]
    """The usernames of the rows that were read, each once."""
    tracked: int
    """The number of them that are tracked already."""
    faulty: int
    faults: list[str]
    """The first rows that can't be taken, each with its reason."""
    more: bool
    """True if there are more rows than were read."""
