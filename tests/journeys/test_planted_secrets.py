"""Nothing that gitpip writes holds a secret, whatever vendors, proxies and people do."""

import asyncio
import html
import json
import re
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import psycopg
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.network import Certificate, Proxy, in_front_of, nobody_listening
from tests.support.running import Installation

REFUSED_GITHUB = 'planted-gh-OLD/one+1&"q%<'
REFUSED_PIPEDRIVE = 'planted-pd-OLD/two+2&"q%<'
GITHUB = 'planted-gh-new/one+1&"q%<'
PIPEDRIVE = 'planted-pd-new/two+2&"q%<'
DATABASE_PASSWORD = "planted db/pass'word\\+%\"ü"
PROXY_PASSWORD = 'planted proxy/pass+word%"'
ADMIN_KEY = 'planted-admin-key/0123456789+&"<abcdef'
MISTYPED = "planted-but-mistyped-secret"

PATHS = ("/docs", "/openapi.json", "/metrics", "/status", "/health", "/ready", "/users", "/sign-in")


@dataclass
class Evidence:
    """Everything that was written, by where; and what must not be in it, by what it is."""

    written: list[tuple[str, bytes]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def keep(self, where: str, what: str | bytes) -> None:
        self.written.append((where, what.encode() if isinstance(what, str) else what))

    def leaks(self) -> set[str]:
        """Each secret that can be read somewhere, in which form, and where."""
        return {
            f"the {name}, {form}, in {where}"
            for name, secret in self.secrets.items()
            for form, needle in forms(secret)
            for where, what in self.written
            if needle.encode() in what
        }


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """How a secret looks where programs write it."""
    yield "plain", secret
    yield "percent-encoded", quote(secret)
    yield "percent-encoded", quote(secret, safe="")
    yield "as in a form", quote_plus(secret)
    yield "as JSON", json.dumps(secret)[1:-1]
    yield "as JSON", json.dumps(secret, ensure_ascii=False)[1:-1]
    yield "as JSON in JSON", json.dumps(json.dumps(secret))[3:-3]
    yield "as HTML", html.escape(secret)
    yield "as Python", repr(secret)[1:-1]
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(b" " * before + secret.encode()).decode().rstrip("=")
            # The ends depend on what stands next to it.
            yield f"in base64 ({before})", encoded[(before and before + 1) : -1]


@dataclass(frozen=True)
class Refusal:
    """A way for a vendor to say no to requests of one kind."""

    asked: str
    """A regular expression for `METHOD /path`."""
    status: int
    kind: str = "application/json"


class Echo:
    """A vendor that now and then refuses, and then says back all that it was told."""

    def __init__(self, app: ASGIApp, refused_token: str) -> None:
        self._app = app
        self._refused_token = refused_token
        self.refusals: deque[Refusal] = deque()
        self.echoed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = f"{request.method} {request.url.path}"
        if any(self._refused_token in value for value in request.headers.values()):
            refusal = Refusal("", 401)
        elif self.refusals and re.fullmatch(self.refusals[0].asked, asked):
            refusal = self.refusals.popleft()
        else:
            await self._app(scope, receive, send)
            return
        self.echoed += 1
        await self._answer(request, refusal)(scope, receive, send)

    def _answer(self, request: Request, refusal: Refusal) -> Response:
        told = [
            form
            for value in request.headers.values()
            for _, form in forms(value)
            if "planted" in value
        ]
        said = f"no, {request.headers.items()} {' '.join(told)}"
        body = {
            "success": False,
            "error": said[:400],
            "message": said,
            "errors": [{"message": said[:200]}],
        }
        text = json.dumps(body) if "json" in refusal.kind else f"<h1>{said}</h1>"
        headers = {"location": f"http://127.0.0.1:1/?{quote(said)}", "x-echo": quote(said)[:4000]}
        return Response(text, refusal.status, headers, refusal.kind)


@dataclass
class Scenery:
    """A gitpip with planted secrets, in a world that spits them out."""

    gitpip: Installation
    github: GitHub
    github_echo: Echo
    pipedrive: Pipedrive
    pipedrive_echo: Echo
    proxy: Proxy
    secrets_dir: Path
    evidence: Evidence
    every_page: bool = True
    """Whether all pages are read, or those alone that the first one leads to: how the address of
    the database is spelled changes nothing on the others."""

    def plant(self, **secrets: str) -> None:
        """Write secrets into their folder, each at once."""
        for name, text in secrets.items():
            whole = self.secrets_dir.parent / "whole"
            whole.write_text(text)
            whole.replace(self.secrets_dir / name.replace("_", "-"))

    def run(self, *arguments: str) -> str:
        """A command whose output is evidence."""
        answer = self.gitpip.command(*arguments)
        self.evidence.keep(f"gitpip {' '.join(arguments)}", answer.stdout + answer.stderr)
        return answer.stdout + answer.stderr

    def events(self, name: str) -> list[dict[str, object]]:
        return [told for told in self.gitpip.events() if told["event"] == name]


@pytest.fixture(params=["sqlite", "postgres by address", "postgres by keywords"])
def scenery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scenery]:
    github, pipedrive = GitHub(tokens={GITHUB}), Pipedrive(token=PIPEDRIVE)
    github_echo = Echo(github.app, REFUSED_GITHUB)
    pipedrive_echo = Echo(pipedrive.app, REFUSED_PIPEDRIVE)
    certificate = Certificate.make(tmp_path)
    folder, secrets_dir = tmp_path / "gitpip", tmp_path / "secrets"
    folder.mkdir()
    secrets_dir.mkdir()
    with (
        Server(github_echo) as github_server,
        Server(pipedrive_echo) as pipedrive_server,
        in_front_of(github_server.port, certificate) as tls,
        Proxy("user", PROXY_PASSWORD) as proxy,
    ):
        environment = {
            "GITPIP_SECRETS_DIR": str(secrets_dir),
            "GITPIP_DATA_DIR": str(folder),
            "GITPIP_DATABASE_WAIT": "0.1s",
            "GITPIP_PORT": "0",
            "GITPIP_CHECK_INTERVAL": "1h",
            "GITPIP_HTTP_TIMEOUT": "3s",
            "GITPIP_ABSENT_AFTER": "5s",
            "GITPIP_LOG_FORMAT": "json",
            "GITPIP_LOG_LEVEL": "DEBUG",
            "GITHUB_API_URL": f"https://localhost:{tls.port}",
            "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            "HTTPS_PROXY": f"http://user:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(certificate.file),
        }
        evidence = Evidence(
            secrets={
                "GitHub token that was refused": REFUSED_GITHUB,
                "Pipedrive token that was refused": REFUSED_PIPEDRIVE,
                "GitHub token": GITHUB,
                "Pipedrive token": PIPEDRIVE,
                "database password": DATABASE_PASSWORD,
                "proxy password": PROXY_PASSWORD,
                "admin key": ADMIN_KEY,
                "mistyped secret": MISTYPED,
            }
        )
        scenery = Scenery(
            gitpip=Installation(folder, environment),
            github=github,
            github_echo=github_echo,
            pipedrive=pipedrive,
            pipedrive_echo=pipedrive_echo,
            proxy=proxy,
            secrets_dir=secrets_dir,
            evidence=evidence,
            every_page=request.param != "postgres by address",
        )
        scenery.plant(
            github_token=REFUSED_GITHUB,
            pipedrive_token=REFUSED_PIPEDRIVE,
            gitpip_admin_key=ADMIN_KEY,
        )
        if request.param != "sqlite":
            dsn = request.getfixturevalue("postgres_dsn")
            spell = spell_as_address if "address" in request.param else spell_as_keywords
            scenery.plant(postgres_connection_string=spell(dsn))
        yield scenery
        if scenery.gitpip.process:
            scenery.gitpip.stop()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with nobody_listening() as port:
        yield f"127.0.0.1:{port}"


def spell_as_address(dsn: str) -> str:
    return dsn.replace("postgres:", f"postgres:{quote(DATABASE_PASSWORD, safe='')}", 1)


def spell_as_keywords(dsn: str) -> str:
    parts = httpx2.URL(dsn)
    password = re.sub(r"(['\\])", r"\\\1", DATABASE_PASSWORD)
    host, name = parts.params["host"], parts.path.lstrip("/")
    return f"host={host} user=postgres password='{password}' dbname={name}"


def test_no_secret_is_ever_written(scenery: Scenery) -> None:
    evidence, gitpip = scenery.evidence, scenery.gitpip
    scenery.github.add_user("ada")
    for number in range(4):
        scenery.github.add_gist("ada", {f"{number}.txt": "a note"})
    scenery.proxy.to_turn_away = 3
    gitpip.start()
    operator = issue_key(scenery, "operator")
    as_operator = {"authorization": f"Bearer {operator}"}

    # With old tokens, which the vendors say back; then with those that are right.
    assert httpx2.post(f"{gitpip.url}/users/ada/1", headers=as_operator).status_code == 202
    gitpip.wait_for(lambda: scenery.events("watching.paused"), "GitHub to refuse")
    scenery.run("doctor")
    scenery.plant(github_token=GITHUB)
    gitpip.wait_for(lambda: scenery.events("publishing.paused"), "Pipedrive to refuse")
    scenery.pipedrive_echo.refusals += [
        Refusal("POST /api/v2/deals", 500),
        *(Refusal("POST /api/v2/activities", status) for status in (400, 429, 500)),
        Refusal("POST /api/v2/activities", 302, "text/html"),
    ]
    scenery.plant(pipedrive_token=PIPEDRIVE)
    gitpip.wait_for(lambda: not scenery.pipedrive_echo.refusals, "Pipedrive to refuse it all")
    scenery.github_echo.refusals.append(Refusal("POST /graphql", 200))

    def refused_a_query() -> bool:
        # A check that is under way may have asked about everybody before this one was requested.
        asked = httpx2.post(f"{gitpip.url}/api/v1/checks", headers=as_operator)
        assert asked.status_code == 202
        return not scenery.github_echo.refusals

    gitpip.wait_for(refused_a_query, "GitHub to refuse a query")
    scenery.github_echo.refusals += [
        *(Refusal("GET /users/bob", 500, "text/html") for _ in range(3)),
        Refusal("GET /users/cleo", 302),
        Refusal("GET /users/dora", 403),
    ]
    for login in ("bob", "cleo", "dora"):
        scenery.github.add_user(login)
        httpx2.post(f"{gitpip.url}/users/{login}/{login}", headers=as_operator)
    assert not scenery.github_echo.refusals

    look_everywhere(scenery, operator)
    for command in ("status", "settings", "doctor", "check", "publish"):
        scenery.run(command, "--json")
    for words in ("doctor", "latest ada --no-record", "keys list"):
        scenery.run(*words.split())
    assert gitpip.stop() == 0

    evidence.keep("the log", gitpip.log_file.read_bytes())
    for where, what in stored(scenery):
        evidence.keep(where, what)
    assert scenery.github_echo.echoed >= 6
    assert scenery.pipedrive_echo.echoed >= 6
    assert b"[secret]" in gitpip.log_file.read_bytes()
    assert evidence.leaks() == set()


@pytest.mark.parametrize("scenery", ["sqlite"], indirect=True)
def test_no_secret_is_in_what_is_said_of_wrong_settings(scenery: Scenery, nobody: str) -> None:
    right = scenery.gitpip.environment
    password, quoted = DATABASE_PASSWORD, quote(DATABASE_PASSWORD, safe="")
    keywords = re.sub(r"(['\\])", r"\\\1", password)
    proxy_password = quote(PROXY_PASSWORD, safe="")
    mistyped = {
        "PIPEDRIVE_TOKEN": f"{MISTYPED} {MISTYPED}",
        "GITHUB_TOKEN": f"{MISTYPED}\n{MISTYPED}",
        "GITPIP_ADMIN_KEY": MISTYPED,
        "GITPIP_GITHUB_TOKEN": MISTYPED,
        "PIPEDRIVE_API_URL": f"https://user:{MISTYPED}@api.pipedrive.com",
        "GITHUB_API_URL": f"http://{MISTYPED}@{nobody}",
    }
    addresses = [
        f"postgresql://u:{quoted}@{nobody}/gitpip",
        f"postgresql://u:{password}@{nobody}/gitpip",
        f"mysql://u:{quoted}@{nobody}/gitpip",
        f"host=127.0.0.1 port={nobody.partition(':')[2]} password='{keywords}' dbname=gitpip",
        f"host=/nowhere password='{keywords}' x=1",
        f"host=/nowhere sslpassword='{keywords}'",
        f"service=none password='{keywords}'",
        f"host=/nowhere password='{keywords}' target_session_attrs='{keywords}'",
        f"postgresql:///gitpip?host=/nowhere&password={quoted}",
    ]
    proxies = [
        f"socks5://user:{proxy_password}@{nobody}",
        f"http://user:{PROXY_PASSWORD}@{nobody}:port",
        f"http://user:{proxy_password}@{nobody}",
    ]
    for changed, commands in [
        (mistyped, ("serve", "settings", "doctor")),
        *(({"POSTGRES_CONNECTION_STRING": one}, ("serve",)) for one in addresses),
        ({"GITPIP_DATABASE_URL": addresses[-1]}, ("status", "doctor")),
        *(({"HTTPS_PROXY": one}, ("doctor",)) for one in proxies),
    ]:
        scenery.gitpip.environment = {**right, **changed}
        for command in commands:
            assert scenery.run(command)
    assert scenery.evidence.leaks() == set()


@pytest.mark.parametrize("scenery", ["sqlite"], indirect=True)
def test_no_secret_is_in_what_is_said_of_an_exception_that_nobody_foresaw(
    scenery: Scenery,
) -> None:
    gitpip = scenery.gitpip
    gitpip.start()
    assert httpx2.post(
        f"{gitpip.url}/users/ada/1", headers={"authorization": f"Bearer {ADMIN_KEY}"}
    ).is_success
    assert gitpip.stop() == 0
    with closing(sqlite3.connect(gitpip.folder / "gitpip.db")) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        # A row that no gitpip would write: what is wrong with it is in the exception's words.
        database.execute("UPDATE users SET state = ?", (ADMIN_KEY[:20],))
        database.commit()
    scenery.evidence.secrets["beginning of the admin key"] = ADMIN_KEY[:20]
    scenery.plant(github_token=ADMIN_KEY[:20])
    said = scenery.run("users", "list")
    assert "command.failed" in said
    assert "'[secret]' is not a valid UserState" in said
    assert scenery.evidence.leaks() == set()


def issue_key(scenery: Scenery, role: str) -> str:
    """A key; the answer in which it is shown is the one place where it may be."""
    answer = scenery.gitpip.command("keys", "create", f"the-{role}", "--role", role, "--json")
    key = str(json.loads(answer.stdout)["key"])
    scenery.evidence.secrets[f"{role}'s key"] = key
    scenery.evidence.keep("the errors of keys create", answer.stderr)
    return key


def look_everywhere(scenery: Scenery, operator: str) -> None:
    """The pages there is a link to, and every part of the API, in a browser and in a program."""
    url, evidence = scenery.gitpip.url, scenery.evidence
    with httpx2.Client(base_url=url, headers={"origin": url}, timeout=20) as browser:
        wrong = browser.post("/sign-in", data={"key": f"{operator}0"})
        evidence.keep("a sign-in that failed", wrong.text)
        signed_in = browser.post("/sign-in", data={"key": ADMIN_KEY})
        assert signed_in.status_code == 303
        evidence.secrets["session"] = browser.cookies["gitpip_session"]
        made = browser.post("/feeds", data={"name": "reader"}, headers={"accept": "text/html"})
        assert made.status_code == 200, made.text
        (address,) = set(re.findall(r"gitpip_feed_[0-9a-f]{48}", made.text))
        evidence.secrets["feed's address"] = address
        crawl(browser, evidence, whole=scenery.every_page)
        for form in ("atom", "json"):
            feed = httpx2.get(f"{url}/feeds/{address}/gists.{form}")
            assert feed.status_code == 200
            # A feed says where it is to be found: to those who know it.
            evidence.keep(f"the {form} feed", feed.text.replace(address, "itself"))
        browser.post("/sign-out")
    ids = {"login": "ada", "publication_id": "1", "check_id": "1", "visit_id": "1", "name": "x"}
    for key in (ADMIN_KEY, operator, f"{operator}x", "x" * 40):
        headers = {"authorization": f"Bearer {key}"}
        for path in documented(scenery, headers):
            filled = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "1"), path)
            answer = httpx2.get(f"{url}{filled}", headers=headers, params={"key": key}, timeout=20)
            evidence.keep(f"GET {filled}", f"{dict(answer.headers)}\n{answer.text}")


def documented(scenery: Scenery, headers: dict[str, str]) -> list[str]:
    answer = httpx2.get(f"{scenery.gitpip.url}/openapi.json", headers=headers)
    paths = answer.json()["paths"] if answer.status_code == 200 else {}
    return [*PATHS, *(path for path, methods in paths.items() if "get" in methods)]


def crawl(browser: httpx2.Client, evidence: Evidence, *, whole: bool) -> None:
    """Follow every link of every page, or of the first one alone, and keep what is seen."""
    ahead, seen = deque(["/"]), {"/"}
    while ahead and len(seen) < 200:
        path = ahead.popleft()
        answer = browser.get(path, headers={"accept": "text/html"})
        evidence.keep(f"the page {path}", f"{dict(answer.headers)}\n{answer.text}")
        found = {html.unescape(link) for link in re.findall(r'href="(/[^"#]*)"', answer.text)}
        new = {link for link in found if not link.startswith("/static/")} - seen
        ahead.extend(new if whole or path == "/" else ())
        seen |= new
    assert {"/people", "/publications", "/status-page", "/keys", "/audit"} <= seen


def stored(scenery: Scenery) -> Iterator[tuple[str, bytes]]:
    """The database's bytes: SQLite's files, or each value of each row of PostgreSQL's tables."""
    files = sorted(scenery.gitpip.folder.glob("gitpip.db*"))
    connection_string = scenery.secrets_dir / "postgres-connection-string"
    if not connection_string.exists():
        assert files
        with closing(sqlite3.connect(files[0])) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for file in files:
            if file.exists():
                yield f"the file {file.name}", file.read_bytes()
        return
    yield "PostgreSQL's tables", asyncio.run(dumped(connection_string.read_text()))


async def dumped(connection_string: str) -> bytes:
    url = httpx2.URL(connection_string) if "://" in connection_string else None
    if url:
        host, name = url.params["host"], url.path.lstrip("/")
    else:
        host, name = re.findall(r"(?:host|dbname)=(\S+)", connection_string)
    values: list[bytes] = []
    async with await psycopg.AsyncConnection.connect(
        host=host, dbname=name, user="postgres"
    ) as connection:
        tables = await connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (table,) in await tables.fetchall():
            rows = await connection.execute(f"SELECT * FROM {table}")  # noqa: S608
            for row in await rows.fetchall():
                values += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    assert len(values) > 100
    return b"\n".join(values)
