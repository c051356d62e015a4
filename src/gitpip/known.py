"""What the store knows of gists and files, as far as a list of GitHub can differ from it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KnownGist:
    """What the store knows of a gist, as far as a list can differ from it."""

    updated_at: datetime
    deleted: bool


@dataclass(frozen=True)
class KnownFile:
    """What the store knows of a gist file, as far as a list can differ from it."""

    blob_hash: str
    removed: bool
