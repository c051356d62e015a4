"""Bodies of gist files."""

from datetime import datetime

from pydantic import Field

from gitpip.bodies.noun import NounBody
from gitpip.model import GistFile, PublicationState


class FileBody(NounBody[GistFile]):
    """A gist file; `id` is the gist's. Times are UTC."""

    id: str = Field(validation_alias="gist_id")
    owner: str = Field(validation_alias="login")
    filename: str
    language: str | None
    size: int
    blob_hash: str
    raw_url: str
    html_url: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    found_at: datetime
    sequence: int
    published: bool
    publication: PublicationState | None
    activity_id: int | None


class FileWithContent(FileBody):
    """A gist file with what it holds; null where it is stored by reference only."""

    content: str | None
