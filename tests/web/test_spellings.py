"""No spelling of a path leads around the role of a route: what is matched is what is asked for."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.model import Role
from tests.web.conftest import Served, serving
from tests.web.test_access import BY_SECRET, NEEDED, PATHS

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BLANKS = [chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029)]
BLANKS += ["\u202f", "\u205f", "\u2060", "\u3000", "\ufeff"]
MARKS = [quote(mark, safe="") for mark in CONTROLS + BLANKS] + ["%85", "%a0", "%FF", "%C0%8A"]
"""Each control and blank character as a path holds it, and some that are no UTF-8."""
AT_ONCE = 100


@dataclass(frozen=True)
class Answer:
    """What one spelling was answered."""

    status: int
    location: str

    @property
    def lets_in(self) -> bool:
        """Whether the caller got something, or something may have been done for them.

        A page to sign in is nothing, and neither is the same path without its last slash: its
        route asks for the role again.
        """
        is_redirect = self.status == 307 or self.location.startswith("/sign-in")
        return self.status < 400 and not is_redirect


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gitpip")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    with serving(folder, database, GITPIP_REQUEST_LIMIT="off") as served:
        yield served


@pytest.fixture(scope="module")
def keys(served: Served) -> Mapping[Role | None, str | None]:
    """A key of each role, and none."""
    made: dict[Role | None, str | None] = {None: None}
    for role in Role:
        options = ("keys", "create", f"a-{role}", "--role", role, "--json")
        made[role] = json.loads(served.gitpip.command(*options).stdout)["key"]
    return made


async def test_no_spelling_of_a_path_passes_its_role(
    served: Served, keys: Mapping[Role | None, str | None]
) -> None:
    before = _rows(served.gitpip.folder)
    marks = cycle(MARKS)
    tried = 0
    for route, needed in NEEDED.items():
        method, _, template = route.partition(" ")
        path = PATHS[route] or template
        below = [role for role in (None, *Role) if needed and not (role and role.includes(needed))]
        for role in below:
            spellings = list(_spellings(path, marks))
            answers = await _ask(served.gitpip.url, method, spellings, keys[role])
            for spelling, answer in zip(spellings, answers, strict=True):
                assert not answer.lets_in, (method, spelling, role, answer)
            tried += len(spellings)
    for path in BY_SECRET.values():
        for answer in await _ask(served.gitpip.url, "GET", list(_spellings(path, marks)), None):
            assert not answer.lets_in

    assert tried > 10_000
    assert _rows(served.gitpip.folder) == before


REFUSED = [
    (route, role)
    for route, needed in NEEDED.items()
    for role in (None, *Role)
    if needed and not (role and role.includes(needed))
]
"""Each route with each caller that it refuses."""


@given(
    refused=st.sampled_from(REFUSED),
    marked=st.lists(
        st.tuples(st.sampled_from(MARKS), st.floats(0, 1), st.sampled_from(["", *MARKS])),
        min_size=30,
        max_size=60,
    ),
)
@settings(max_examples=100, deadline=None)
def test_no_mark_at_any_place_passes_a_role(
    served: Served,
    keys: Mapping[Role | None, str | None],
    refused: tuple[str, Role | None],
    marked: Sequence[tuple[str, float, str]],
) -> None:
    """The test above goes through the marks in turn; this one takes any for any place."""
    route, role = refused
    method, _, template = route.partition(" ")
    path = PATHS[route] or template
    spellings = []
    for mark, place, last in marked:
        at = round(place * len(path))
        spellings.append(path[:at] + mark + path[at:] + last)
    before = _rows(served.gitpip.folder)
    answers = asyncio.run(_ask(served.gitpip.url, method, spellings, keys[role]))
    for spelling, answer in zip(spellings, answers, strict=True):
        assert not answer.lets_in, (method, spelling, role, answer)
    assert _rows(served.gitpip.folder) == before


@pytest.mark.parametrize(
    ("route", "role", "status"),
    [
        ("POST /api/v1/keys", Role.OPERATOR, 403),
        ("POST /api/v1/users", Role.VIEWER, 403),
        ("POST /imports", Role.VIEWER, 403),
        ("PUT /api/v1/keys", Role.VIEWER, 403),
        ("POST /api/v1/keys", None, 401),
        ("POST /nothing", None, 401),
    ],
)
async def test_a_caller_is_refused_before_the_body_is_read(
    served: Served,
    keys: Mapping[Role | None, str | None],
    route: str,
    role: Role | None,
    status: int,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.gitpip.url).port)
    lines = [f"{route} HTTP/1.1", "host: 127.0.0.1", "content-length: 60000"]
    lines += [f"authorization: Bearer {keys[role]}"] if role else []
    writer.write("\r\n".join([*lines, "", ""]).encode())

    async with asyncio.timeout(60):  # the body never comes
        answer = await _answer(reader)
    writer.close()
    await writer.wait_closed()
    assert answer.status == status


@pytest.mark.parametrize("mark", ["%0A", "%00", "%7F", "%C2%85", "%0d%0a"])
def test_control_characters_in_a_path_are_refused_for_everybody(
    served: Served, keys: Mapping[Role | None, str | None], mark: str
) -> None:
    headers = {"authorization": f"Bearer {keys[Role.ADMIN]}"}
    for path in (f"/api/v1/keys{mark}", f"/health{mark}", f"/static/{mark}", f"/people/a{mark}b"):
        answer = httpx2.get(served.gitpip.url + path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "control-characters"), path


def test_a_slash_at_the_end_is_forgiven_to_callers_who_may_read(
    served: Served, keys: Mapping[Role | None, str | None]
) -> None:
    url = served.gitpip.url
    headers = {"authorization": f"Bearer {keys[Role.VIEWER]}"}

    redirect = httpx2.get(f"{url}/people/?q=%C3%A4", headers=headers)
    assert (redirect.status_code, redirect.headers["location"]) == (307, "/people?q=%C3%A4")
    assert httpx2.get(f"{url}/nothing/", headers=headers).status_code == 404
    assert httpx2.get(f"{url}//elsewhere.example/", headers=headers).status_code == 404
    assert httpx2.get(f"{url}/people/").status_code == 401
    assert httpx2.get(f"{url}/nothing/").status_code == 401


def _spellings(path: str, marks: Iterator[str]) -> Iterator[str]:
    """The path as it might be written to be taken for another one."""
    path, question, query = path.partition("?")
    rest = question + query
    yield path + rest
    for mark in MARKS:
        yield path + mark + rest
    places = {0, 1, len(path) - 1, *(match.start() for match in re.finditer("/", path))}
    for place in sorted(places | {place + 1 for place in places}):
        yield path[:place] + next(marks) + path[place:] + rest
    for number, letter in enumerate(path):
        if number:
            yield f"{path[:number]}%{ord(letter):02x}{path[number + 1 :]}{rest}"
    for spelled in (
        *(path + end for end in ("/", "//", "/.", "/..", "/./", "%2F", "%2f%2F", ";", ";a=b")),
        *(path + end for end in ("%3F", "%23", "%3F/static/x", ".json", "%2500", "%250A", "*")),
        *(start + path for start in ("/", "/.", "/./", "//", "/static/..", "/static/../", "/%2e")),
        *(start + path for start in ("/health/..", "/sign-in/../", "/%2e%2e", "/\\")),
        *(path.replace("/", other) for other in ("//", "/./", "%2F", "/x/../", "\\", "%5C")),
        *(path.upper(), path.title(), path.swapcase()),
        *(path.replace("e", "\u0435"), path.replace("k", "\u212a"), path.replace("s", "\u017f")),
    ):
        yield quote(spelled, safe="/%;=*\\.~") + rest


async def _ask(url: str, method: str, paths: Sequence[str], key: str | None) -> list[Answer]:
    """Send the paths as they are written; a client of a library would mend them."""
    port = urlsplit(url).port
    answers: list[Answer] = []
    for start in range(0, len(paths), AT_ONCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        batch = paths[start : start + AT_ONCE]
        for path in batch:
            lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "content-length: 2"]
            lines += ["content-type: application/json", "accept: text/html,application/json"]
            lines += [f"authorization: Bearer {key}"] if key else []
            writer.write("\r\n".join([*lines, "", "{}"]).encode())
        answers += [await _answer(reader) for _ in batch]
        writer.close()
        await writer.wait_closed()
    return answers


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split()[1]), headers.get("location", ""))


def _rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a caller could have changed."""
    with closing(sqlite3.connect(folder / "gitpip.sqlite3")) as database:
        return {
            table: database.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608
            for table, columns in {
                "access_keys": "name, role, label, hash, revoked_at",
                "users": "login, state",
                "imports": "name",
                "visits": "viewer",
                "home_visits": "viewer",
                "sessions": "hash",
                "feed_addresses": "hash",
                "audit": "action, subject",
            }.items()
        }
