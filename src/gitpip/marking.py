"""The markers of activities and edits, and the content tag in a note's footer.

The first activity of a file is marked by its gist and name: see `marker_of`. An edit is marked by
its content, because each database counts its own revisions. After a restore, or in a new one, a
number would stand for another content than in Pipedrive.
"""

import base64
import hashlib
from enum import Enum, auto

from gitpip import digests
from gitpip.model import GistId

CONTENT_TAG_LENGTH = 16
"""The hexadecimal digits of a blob hash in the footer of a note."""
MARKED_BY_NUMBER = range(2, 51)
"""The revisions whose activities may have been marked by number, as was done at first."""


class ContentMatch(Enum):
    """The comparison of an activity's content with another one."""

    SAME = auto()
    OTHER = auto()
    UNKNOWN = auto()
    """Its note has no content tag, and not exactly that content: it may be cut or cleaned."""


def marker_of(gist_id: GistId, filename: str, revision: int = 1) -> str:
    """Return the short token that identifies the activity of a gist file: 60 bits of a hash."""
    return marker(gist_id, filename, *((str(revision),) if revision > 1 else ()))


def marker(*parts: str) -> str:
    """Return the token for these parts, which is always the same."""
    found = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
    return "gp-" + base64.b32encode(found)[:12].decode().lower()


def next_marker(marker_before: str) -> str:
    """Return the marker of an activity that a person has sent again, after one with this marker.

    It follows from the previous marker, so a database that was set back finds the same one.
    """
    return marker(marker_before, "again")


def marker_of_content(gist_id: GistId, filename: str, blob_hash: str, times: int = 0) -> str:
    """Return the marker of an edit; `times` is how often the file had this content before."""
    again = (str(times),) if times else ()
    return marker(gist_id, filename, f"content {blob_hash}", *again)


def markers_by_number(gist_id: GistId, filename: str) -> tuple[str, ...]:
    """Return the markers that edits of a file had when they were marked by number."""
    return tuple(marker_of(gist_id, filename, number) for number in MARKED_BY_NUMBER)


def content_tag_of(blob_hash: str) -> str:
    """Return the tag of a content in the footer of a note."""
    return blob_hash[:CONTENT_TAG_LENGTH]


def blob_hash_of(content: str) -> str:
    """Return Git's hash of a content."""
    return digests.blob_hash(content.encode(errors="surrogatepass"))


def match(seen: str | None, blob_hash: str) -> ContentMatch:
    """Compare an activity's content tag or complete hash with that of a content.

    Only a content tag proves a difference: Pipedrive may have changed the text of a note.
    """
    if seen is not None and blob_hash.startswith(seen):
        return ContentMatch.SAME
    return (
        ContentMatch.OTHER
        if seen is not None and len(seen) == CONTENT_TAG_LENGTH
        else ContentMatch.UNKNOWN
    )
