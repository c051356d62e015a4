"""GitHub's addresses in words: sentences name what was requested, and only the log has the URL."""

import re
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from gitpip.errors import GitHubError
from gitpip.observability.logging import get_logger
from gitpip.vendor_values import words

LONGEST_WORDS = 300
LONGEST_ADDRESS_PART = 100
NAMES = (
    (re.compile(r"/gists/public$"), "the public feed"),
    (re.compile(r"/users?/[^/]+/gists$"), "the gist list"),
    (re.compile(r"/users?/[^/]+$"), "the account"),
    (re.compile(r"/gists/([^/]+)$"), "gist {}"),
    (re.compile(r"/raw/(?:[0-9a-f]{40,64}/)?(.+)$"), "the file {}"),
    (re.compile(r"/rate_limit$"), "the rate limits"),
    (re.compile(r"/graphql$"), "a GraphQL query"),
)
"""The end of an address's path, and the name of what is there; `{}` is the matched group."""

Failed = TypeVar("Failed", bound=GitHubError)

log = get_logger()


def called(url: str) -> str:
    """Return the name of what is at an address, for sentences that people read."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return "an invalid address"
    for pattern, name in NAMES:
        if found := pattern.search(path):
            return name.format(
                *(words(unquote(part), LONGEST_ADDRESS_PART) for part in found.groups())
            )
    return "a request"


def shown(url: str) -> str:
    """Return a URL for the log: without its query, and without secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid URL"
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return words(address, LONGEST_WORDS)


def logged(url: str, error: Failed) -> Failed:
    """Write the error of a request to the log, with the URL, and return it."""
    log.info("github.failed", url=shown(url), reason=str(error))
    return error
