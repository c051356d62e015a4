"""What a case of an act is: how each door is asked for it, and what it is to do."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.actions.doors import Refused, Request


@dataclass(frozen=True)
class Case:
    """One act, as each door is asked for it, and what it is to do."""

    name: str
    act: Callable[..., object]
    page: Request | None
    api: Request | None
    command: tuple[str, ...] | None
    audit: tuple[tuple[str, str], ...] = ()
    wakes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    """The tables in which it changes rows."""
    refused: Refused | None = None
    on_page: str = ""
    """How the page says why it is refused, where it names a field in its own words."""
    refused_by: tuple[str, ...] = ("page", "api", "command")
    locked: bool = False
    """Whether only the holder of the admin key root is let in."""
    file: tuple[str, bytes] | None = None
    """A file that the command finds in its folder."""


def post(path: str, **fields: object) -> Request:
    return Request("POST", path, fields)


def api(method: str, path: str, **fields: object) -> Request:
    return Request(method, f"/api/v1{path}", fields)


NOBODY = Refused(404, "user-not-tracked", "nobody is not tracked")
