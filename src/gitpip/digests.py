"""The hashes that represent a secret, a token or a content; stored, so they must stay the same."""

import hashlib

REDACTED = "[secret]"
"""The text that replaces a secret."""


def digest(content: str | bytes) -> str:
    """Return the digest of a content. It is all that is stored of a secret with enough random
    bits."""
    data = content if isinstance(content, bytes) else content.encode(errors="replace")
    return hashlib.sha256(data).hexdigest()


def fingerprint(api_url: str, token: str | None) -> str:
    """Return a fingerprint that tells one token of a vendor from another and reveals neither."""
    return digest(f"{api_url}\0{token}")[:12]


def blob_hash(content: bytes) -> str:
    """Return Git's own hash of a file's content."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
