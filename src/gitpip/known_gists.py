"""Stored gists and files, as far as they are compared with a list of GitHub."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KnownGist:
    """A stored gist, as far as it is compared with a list of GitHub."""

    updated_at: datetime
    deleted: bool


@dataclass(frozen=True)
class KnownFile:
    """A stored gist file, as far as it is compared with a list of GitHub."""

    blob_hash: str
    removed: bool
