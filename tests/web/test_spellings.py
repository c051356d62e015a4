"""No spelling of a path leads around the role of a route: what is matched is what is asked for."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.model import Role
from tests.support.trials import trials
from tests.web.conftest import Served, serving
from tests.web.test_access import BY_SECRET, NEEDED, PATHS

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BLANKS = [chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029)]
BLANKS += ["\u202f", "\u205f", "\u2060", "\u3000", "\ufeff"]
MARKS = [quote(mark, safe="") for mark in CONTROLS + BLANKS] + ["%85", "%a0", "%FF", "%C0%8A"]
"""Each control and blank character as a path holds it, and some that are no UTF-8."""
AT_ONCE = 100


JSON, FORM = "application/json", "application/x-www-form-urlencoded"
UPLOAD = "multipart/form-data; boundary=b"
FILE = (
    '--b\r\ncontent-disposition: form-data; name="file"; filename="users.txt"\r\n\r\n'
    "cy\r\n--b--\r\n"
)
BODIES = {
    "POST /api/v1/users": (JSON, '{"login": "bob", "id": "id-of-bob"}'),
    "POST /users/{login}/{user_id}": (JSON, ""),
    "POST /api/v1/forecast": (JSON, '{"login": "ada"}'),
    "PATCH /api/v1/users/{login}": (JSON, '{"tags": ["changed"]}'),
    "POST /api/v1/users/{login}/held": (JSON, '{"approve": "all"}'),
    "POST /api/v1/targets/search": (JSON, '{"term": "ada"}'),
    "POST /api/v1/feeds": (JSON, '{"name": "another"}'),
    "POST /api/v1/keys": (JSON, '{"name": "another", "role": "admin"}'),
    "POST /api/v1/publishing/pause": (JSON, '{"for": "1h"}'),
    "POST /api/v1/publications/approve": (JSON, '{"all": true}'),
    "POST /api/v1/publications/hold": (JSON, '{"all": true}'),
    "POST /api/v1/held": (JSON, '{"approve": "all"}'),
    "POST /api/v1/opt-outs": (JSON, '{"login": "zoe"}'),
    "POST /api/v1/publishing/preview": (JSON, '{"subject_template": "changed"}'),
    "PATCH /api/v1/publishing/settings": (JSON, '{"settings": {"activity_done": "no"}}'),
    "POST /api/v1/publishing/rules": (JSON, '{"name": "another", "action": "publish"}'),
    "PUT /api/v1/publishing/rules/{rule_id}": (JSON, '{"name": "changed", "action": "publish"}'),
    "POST /api/v1/publishing/rules/{rule_id}/move": (JSON, '{"position": 2}'),
    "POST /api/v1/repairs": (JSON, '{"act": "hold", "all": true}'),
    "POST /api/v1/repairs/preview": (JSON, '{"act": "hold", "all": true}'),
    "POST /repairs": (FORM, "act=hold&everything=true&shown=0"),
    "POST /api/v1/undos": (JSON, '{"login": "fay"}'),
    "POST /api/v1/undos/plan": (JSON, '{"login": "fay"}'),
    "POST /undos": (FORM, "user=fay"),
    "POST /publications/held": (FORM, "approve=all"),
    "POST /publications/selected": (FORM, "number=1&act=hold"),
    "POST /opt-outs": (FORM, "login=zoe"),
    "POST /rules": (FORM, "name=one-more&action=publish"),
    "POST /api/v1/imports": (UPLOAD, FILE),
    "POST /api/v1/imports/preview": (UPLOAD, FILE),
    "POST /imports": (UPLOAD, FILE),
    "POST /people": (FORM, "login=bob&id=id-of-bob"),
    "POST /people/selected": (FORM, "login=ada&act=pause"),
    "POST /people/{login}/change": (FORM, "tags=changed"),
    "POST /people/{login}/target": (FORM, "target=deal-by-title"),
    "POST /people/{login}/targets": (FORM, "term=ada"),
    "POST /people/{login}/held": (FORM, "approve=all"),
    "POST /seen": (FORM, "everything=1"),
    "POST /inbox/filters": (FORM, "name=own&tag=vip"),
    "POST /api/v1/inbox/filters": (JSON, '{"name": "vip", "tag": "vip"}'),
    "POST /api/v1/inbox/marks": (JSON, '{"everything": true}'),
    "POST /seen/{visit_id}/undo": (FORM, ""),
    "POST /feeds": (FORM, "name=another"),
    "POST /keys": (FORM, "name=one-more&role=admin"),
}
"""What a route takes; the others take nothing."""
NAMES = {
    "/users/nobody/1": "/users/bob/id-of-bob",
    "/api/v1/keys/nobody": "/api/v1/keys/another-spare",
    "/keys/nobody": "/keys/spare",
    "/api/v1/feeds/1": "/api/v1/feeds/2",
    "/api/v1/inbox/filters/1": "/api/v1/inbox/filters/2",
    "/api/v1/opt-outs/nobody": "/api/v1/opt-outs/dee",
    "/opt-outs/nobody": "/opt-outs/eve",
    "/rules/1/remove": "/rules/2/remove",
    # The first visits were by marking everything, which is undone.
    "/api/v1/visits/1": "/api/v1/visits/3",
    "/nobody": "/ada",
}
"""What stands for the names that the tests of roles ask for, and that nobody has."""


@dataclass(frozen=True)
class Answer:
    """What one spelling was answered."""

    status: int
    location: str
    code: str
    """Of an error, as programs get it."""

    @property
    def is_refusal(self) -> bool:
        """Whether the caller got nothing, and nothing of a route was run for them.

        A page to sign in is nothing, and neither is the same path without its last slash: its
        route asks for the role again. A 404 is that of a path that no route matches, and a 405 of
        one that takes another method.
        """
        match self.status:
            case 303:
                return self.location.startswith("/sign-in")
            case 307 | 401 | 405 | 414:
                return True
            case 400 | 403 | 404:
                return self.code in {"control-characters", "role-missing", "not-found"}
        return False


@dataclass(frozen=True)
class Request:
    """What a route takes from a caller who may ask it; nothing but the path is ever spelled."""

    method: str
    path: str
    kind: str
    body: str

    @classmethod
    def of(cls, route: str, gist: str) -> "Request":
        method, _, template = route.partition(" ")
        path = PATHS[route] or template
        for name, real in NAMES.items():
            path = path.replace(name, real)
        return cls(method, path.replace("/abc", f"/{gist}"), *BODIES.get(route, (JSON, "")))

    def sent(self, path: str, key: str | None) -> bytes:
        """The request as it is written, with another spelling of its path."""
        lines = [f"{self.method} {path} HTTP/1.1", "host: 127.0.0.1", "accept: application/json"]
        lines += [f"content-type: {self.kind}", f"content-length: {len(self.body)}"]
        lines += [f"authorization: Bearer {key}"] if key else []
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True)
class World:
    """A gitpip with something of each kind that routes name, and a key of each role, and none."""

    served: Served
    keys: Mapping[Role | None, str | None]
    gist: str


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    with serving(folder, database, GITPIP_REQUEST_LIMIT="off", GITPIP_FEED="off") as served:
        for login in ("bob", "cy"):
            served.github.add_user(login)
        served.track("ada", {"1.txt": "one"})
        (gist,) = served.github.all_gists()
        served.track("fay", {"2.txt": "two"})
        gitpip = served.gitpip
        gitpip.wait_for(
            lambda: gitpip.get("/api/v1/publications?state=published").json()["total"] == 2,
            "two published files",
        )
        made: dict[Role | None, str | None] = {None: None}
        for role in reversed(Role):  # the first key must be an admin's
            options = ("keys", "create", f"a-{role}", "--role", role, "--json")
            made[role] = json.loads(gitpip.command(*options).stdout)["key"]
        for name in ("spare", "another-spare"):
            gitpip.command("keys", "create", name, "--role", Role.VIEWER)
        for login in ("dee", "eve"):
            gitpip.command("opt-outs", "add", login)
        for name in ("a-rule", "another-rule"):
            gitpip.command("rules", "add", "publish", "--name", name)
        asks: dict[Role, tuple[str, ...]] = {
            Role.OPERATOR: (
                *("POST /imports", "POST /api/v1/repairs", "POST /api/v1/audits"),
                "POST /api/v1/undos",
            )
        }
        asks[Role.VIEWER] = (
            "POST /seen",
            "POST /feeds",
            "POST /feeds",
            "POST /inbox/filters",
            "POST /api/v1/inbox/filters",
        )
        asks[Role.VIEWER] += ("POST /api/v1/users/{login}/visits",)
        for role, routes in asks.items():
            for route in routes:
                request = Request.of(route, gist.id)
                (answer,) = asyncio.run(_ask(gitpip.url, request, [request.path], made[role]))
                assert answer.status < 400, answer
        yield World(served, made, gist.id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("gitpip")) as world:
        yield world


@pytest.fixture(scope="module")
def served(world: World) -> Served:
    return world.served


@pytest.fixture(scope="module")
def keys(world: World) -> Mapping[Role | None, str | None]:
    return world.keys


NO_NUMBERS = {"/imports/.", "/imports/.."}
"""Meant for the form of imports, and taken for one import, which viewers may ask for."""
IMPOSSIBLE = {
    "POST /api/v1/publications/{publication_id}/retry",
    "POST /api/v1/publications/{publication_id}/skip",
    # Nothing is undone, and a second undo finds nothing.
    "POST /api/v1/undos",
    "POST /api/v1/undos/{undo_id}/resume",
    "POST /undos",
    "POST /undos/{undo_id}/resume",
    "POST /publications/{publication_id}/{act}",
    "POST /publications/selected",
    "POST /api/v1/adoption/others/adopt",
    "POST /adoption/adopt",
    "POST /api/v1/accounts/{vendor}/switch",
    "POST /status-page/accounts/{vendor}/switch",
}
"""What conflicts with the rows: the file is published, the account has not changed, and nothing was
searched for."""


def test_callers_with_the_role_get_what_would_show_that_a_role_was_passed(tmp_path: Path) -> None:
    impossible = set()
    with a_world(tmp_path) as world:
        for route, needed in sorted(NEEDED.items(), key=_destroys):
            if needed is None or route == "POST /sign-out":  # it leads to the sign-in itself
                continue
            request = Request.of(route, world.gist)
            asking = _ask(world.served.gitpip.url, request, [request.path], world.keys[needed])
            (answer,) = asyncio.run(asking)
            assert not answer.is_refusal, (route, answer)
            if answer.status >= 400:
                assert answer.status == 409, (route, answer)
                impossible.add(route)
    assert impossible == IMPOSSIBLE


def _destroys(route: tuple[str, object]) -> int:
    """What comes later, as it takes away what other routes name; a search ends when it likes."""
    if route[0].endswith(("/adoption/adopt", "/others/adopt")):
        return -1
    return 2 if route[0].startswith("DELETE") else int(route[0].endswith("{act}"))


async def test_no_spelling_of_a_path_passes_its_role(
    served: Served, keys: Mapping[Role | None, str | None], world: World
) -> None:
    before = _rows(served.gitpip.folder)
    marks = cycle(MARKS)
    tried = 0
    for number, (route, needed) in enumerate(NEEDED.items()):
        request = Request.of(route, world.gist)
        below = [role for role in (None, *Role) if needed and not (role and role.includes(needed))]
        for role in below:
            # Which route a path finds depends on no caller: strangers try all, others some of it.
            spellings = list(_spellings(request.path, marks, number))
            if role is not None:
                spellings = spellings[number % 4 :: 4]
            answers = await _ask(served.gitpip.url, request, spellings, keys[role])
            for spelling, answer in zip(spellings, answers, strict=True):
                if answer.status != 422 or spelling not in NO_NUMBERS:
                    assert answer.is_refusal, (route, spelling, role, answer)
            tried += len(spellings)
    for path in BY_SECRET.values():
        request = Request("GET", path, JSON, "")
        spellings = list(_spellings(path, marks, 0))
        for answer in await _ask(served.gitpip.url, request, spellings, None):
            assert answer.is_refusal or answer.code == "feed-not-found"

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
@settings(max_examples=trials(100), deadline=None)
def test_no_mark_at_any_place_passes_a_role(
    served: Served,
    keys: Mapping[Role | None, str | None],
    world: World,
    refused: tuple[str, Role | None],
    marked: Sequence[tuple[str, float, str]],
) -> None:
    """The test above goes through the marks in turn; this one takes any for any place."""
    route, role = refused
    request = Request.of(route, world.gist)
    path = request.path
    spellings = []
    for mark, place, last in marked:
        at = round(place * len(path))
        spellings.append(path[:at] + mark + path[at:] + last)
    before = _rows(served.gitpip.folder)
    answers = asyncio.run(_ask(served.gitpip.url, request, spellings, keys[role]))
    for spelling, answer in zip(spellings, answers, strict=True):
        assert answer.is_refusal, (route, spelling, role, answer)
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


def _spellings(path: str, marks: Iterator[str], turn: int) -> Iterator[str]:
    """The path as it might be written to be taken for another one.

    A third of all marks stand at its end, another third at the next turn.
    """
    path, question, query = path.partition("?")
    rest = question + query
    yield path + rest
    for mark in MARKS[turn % 3 :: 3]:
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


async def _ask(url: str, request: Request, paths: Sequence[str], key: str | None) -> list[Answer]:
    """Send the paths as they are written; a client of a library would mend them."""
    port = urlsplit(url).port
    answers: list[Answer] = []
    for start in range(0, len(paths), AT_ONCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        batch = paths[start : start + AT_ONCE]
        for path in batch:
            writer.write(request.sent(path, key))
        answers += [await _answer(reader) for _ in batch]
        writer.close()
        await writer.wait_closed()
    return answers


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    is_problem = headers.get("content-type", "").startswith("application/problem+json")
    code = json.loads(body)["code"] if is_problem else ""
    return Answer(int(head[0].split()[1]), headers.get("location", ""), code)


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
