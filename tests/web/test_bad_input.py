"""Bad input gets a specific problem document, and changes nothing."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served, serving


@pytest.fixture
def url(served_to_all: Served) -> Iterator[str]:
    yield served_to_all.gitpip.url
    assert served_to_all.gitpip.get("/users").json() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("POST", "/users/not_a_login/1", 422, "login"),
        ("POST", f"/users/{'a' * 40}/1", 422, "login"),
        ("POST", "/users/a--b/1", 404, ""),
        ("POST", "/users/octo%20cat/1", 422, "login"),
        ("POST", "/users/octocat/%20", 422, "id"),
        ("POST", f"/users/octocat/{'1' * 300}", 422, "id"),
        ("POST", "/latestgists/%00", 400, ""),
        ("GET", "/api/v1/users?offset=-1", 422, "offset"),
        ("GET", "/api/v1/users?limit=0", 422, "limit"),
        ("GET", "/api/v1/users?limit=many", 422, "limit"),
        ("GET", "/api/v1/users/%0A", 400, ""),
        ("GET", "/api/v1/publications?user=a%00b", 400, ""),
        ("GET", "/people?q=a%00b", 400, ""),
        ("GET", "/inbox?tag=%00", 400, ""),
        ("GET", "/api/v1/users/stranger", 404, ""),
        ("DELETE", "/api/v1/users/stranger", 404, ""),
        ("GET", "/api/v1/users/stranger/gists?since=yesterday", 422, "since"),
        ("GET", "/api/v1/publications?state=lost", 422, "state"),
        ("GET", "/api/v1/publications/0", 422, "publication_id"),
        ("GET", "/api/v1/publications/1", 404, ""),
        ("GET", "/api/v1/visits/1", 404, ""),
        ("GET", "/api/v1/checks/99999999999999999999", 422, "check_id"),
        ("GET", "/nothing/here", 404, ""),
        ("PUT", "/users", 405, ""),
    ],
)
def test_addresses(url: str, method: str, path: str, status: int, field: str) -> None:
    answer = httpx2.request(method, url + path)

    body = answer.json()
    assert answer.status_code == status, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["detail"]
    if field:
        assert any(field in error["field"] for error in body["errors"]), body


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("POST", "/users/ada", "to track a user, send POST /users/{login}/{id}"),
        ("GET", "/latestgists/ada", "GET /latestgists/ada: use POST"),
        ("GET", "/api/v1/users?limit=many", "limit: must be a whole number"),
        ("GET", "/api/v1/users?limit=0", "limit: must be greater than or equal to 1"),
    ],
)
def test_an_address_is_refused_with_what_to_do(
    url: str, method: str, path: str, detail: str
) -> None:
    assert detail in httpx2.request(method, url + path).json()["detail"]


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("/people?state=xx", "state", "Status: must be active, unavailable or paused."),
        ("/publications?state=xx", "state", "Status: must be pending, sending, "),
        ("/publications?check=abc", "check", "Check: must be a whole number."),
        ("/publications?found_on=abc", "found_on", "Found on: must be "),
        ("/people?done=xx", "done", "Done: must be check, "),
        ("/checks/0", "check_id", "Check number: must be greater than or equal to 1."),
    ],
)
def test_a_page_names_the_field_as_its_form_does(
    url: str, path: str, field: str, words: str
) -> None:
    page = httpx2.get(url + path, headers={"accept": "text/html"})
    answer = httpx2.get(url + path, headers={"accept": "application/json"})

    assert (page.status_code, answer.status_code) == (422, 422)
    assert words in unescape(page.text)
    [fault] = answer.json()["errors"]
    assert fault["field"] == field
    for text in (unescape(page.text), answer.text):
        assert not re.search(r"str-enum|literal\[|constrained|function-", text)


def test_a_page_tells_each_wrong_field_in_a_line_of_its_own(url: str) -> None:
    page = httpx2.get(f"{url}/publications?state=xx&offset=-1", headers={"accept": "text/html"})

    assert page.text.count("<li>Status: must be ") == 1
    assert "<li>Offset: must be greater than or equal to 0.</li>" in page.text


def test_an_error_page_is_a_sentence_under_a_heading_of_ours(url: str) -> None:
    for path, heading, words in (
        ("/checks/999", "Page not found", "There is no check 999."),
        ("/people/nobody", "Not tracked", "You don't track nobody yet."),
        ("/gist/abc", "Page not found", "gitpip has no gist abc."),
    ):
        page = unescape(httpx2.get(url + path, headers={"accept": "text/html"}).text)
        assert f"<h1>{heading}</h1>" in page
        assert words in page
        assert "nobody is not tracked" not in page
    sent = httpx2.post(
        f"{url}/people", headers={"accept": "text/html", "origin": "https://elsewhere.example"}
    )
    assert (sent.status_code, "Forbidden" in sent.text) == (403, False)


@pytest.mark.parametrize(
    ("method", "path", "status", "heading", "words"),
    [
        ("GET", "/people/%00", 400, "Can't open this address", "can't be used, such as %00."),
        ("GET", "/people?q=a%00b", 400, "Can't open this address", "can't be used, such as %00."),
        ("GET", "/inbox/filters", 405, "Can't do that here", "belongs to a form"),
        ("POST", "/publications", 405, "Can't do that here", "This page takes no form."),
        ("GET", f"/?q={'a' * 9000}", 414, "The address is too long", "Search for less text"),
        ("POST", "/seen", 413, "Too large", "gitpip takes at most 64.0 KB here."),
    ],
)
def test_a_request_that_no_page_answers_is_refused_in_plain_words(
    url: str, method: str, path: str, status: int, heading: str, words: str
) -> None:
    content = b"a" * (2**16 + 1) if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    answer = httpx2.request(method, url + path, content=content, headers={"accept": "text/html"})
    page = unescape(on_one_line(answer.text))

    assert answer.status_code == status
    assert f"<h1>{heading}</h1>" in page
    assert words in page
    assert '<a href="/">Back to inbox</a>' in page
    assert not re.search(r"use (GET|POST)|control character|bytes|the body|parameter", page)


@pytest.mark.parametrize(
    ("content", "media_type", "status", "words"),
    [
        (b"{bad", "application/json", 422, "body: not JSON at character 1"),
        (b'{"login": "octocat"}', "text/plain", 422, "body: must be a JSON object"),
        (b"[]", "application/json", 422, "body: must be a JSON object"),
        (
            b'{"login": "octocat", "backfil": "all"}',
            "application/json",
            422,
            "backfil: unknown field; did you mean backfill?",
        ),
        (b'{"login": "octocat", "zzz": 1}', "application/json", 422, "zzz: unknown field"),
        (b"{}", "application/json", 422, "login"),
        (b'{"login": 7}', "application/json", 422, "login"),
        (b'{"login": "octocat", "tgas": []}', "application/json", 422, "tgas"),
        (b'{"login": "octocat", "backfill": "some"}', "application/json", 422, "latest:N"),
        (b'{"login": "octocat", "id": ""}', "application/json", 422, "id"),
        (b'{"login": "a b"}', "application/json", 422, "login"),
        (b'{"login": "' + b"a" * 2**20 + b'"}', "application/json", 413, "1048576"),
    ],
)
def test_bodies(url: str, content: bytes, media_type: str, status: int, words: str) -> None:
    answer = httpx2.post(
        f"{url}/api/v1/users", content=content, headers={"content-type": media_type}
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


IMPOSSIBLE = ("a\0b", "\ud800", 2**70)
"""What a database, or a field that is no text, can't take."""
EXTREME_TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z")
"""Times that ISO 8601 allows, and whose UTC, or the day before, Python can't hold."""


def test_no_field_of_a_body_takes_what_a_database_can_not_store(tmp_path: Path) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    key = "key-of-this-test-" + "k" * 24
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    tried = 0
    with (
        serving(tmp_path, database, GITPIP_ADMIN_KEY=key) as served,
        httpx2.Client(base_url=served.gitpip.url, headers=headers) as client,
    ):
        document = client.get("/openapi.json").json()
        for path, method, name, shape in _fields_of_bodies(document):
            for value in IMPOSSIBLE:
                body = json.dumps({name: _of_shape(shape, name, value)})
                answer = client.request(method, re.sub("{.*?}", "1", path), content=body)
                assert answer.status_code == 422, (method, path, body, answer.text)
                fields = [error["field"] for error in answer.json()["errors"]]
                assert any(name in field for field in fields), (method, path, body, fields)
                tried += 1
            for time in EXTREME_TIMES:
                for value in (time, f"since:{time}"):
                    body = json.dumps({"login": "ada", name: _of_shape(shape, name, value)})
                    answer = client.request(method, re.sub("{.*?}", "1", path), content=body)
                    assert answer.status_code < 500, (method, path, body, answer.text)
        for path, name in _queries_with_text(document):
            for time in EXTREME_TIMES:
                answer = client.get(re.sub("{.*?}", "1", path), params={name: time})
                assert answer.status_code < 500, (path, name, answer.text)
        audit = client.post("/api/v1/audits", json={"since": EXTREME_TIMES[0]})
        assert (audit.status_code, audit.json()["errors"][0]["field"]) == (422, "since")
    assert tried > 100


def _fields_of_bodies(document: Any) -> Iterator[tuple[str, str, str, Any]]:
    """Each field of each JSON body, with its path, method, name and schema."""
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            for reference in re.findall("#/components/schemas/([^'\"]+)", str(schema)):
                for name, shape in schemas[reference].get("properties", {}).items():
                    yield path, method.upper(), name, shape


def _queries_with_text(document: Any) -> Iterator[tuple[str, str]]:
    """Each parameter of an address that can be a text, with its path."""
    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query" and '"string"' in json.dumps(parameter["schema"]):
                yield path, parameter["name"]


def _of_shape(shape: Any, name: str, value: object) -> object:
    """A value, in a list or an object where the schema of a field allows one."""
    kinds = {one.get("type") for one in (shape, *shape.get("anyOf", ()))}
    if "array" in kinds:
        return [value]
    return {name: value} if "object" in kinds else value


def test_a_large_body_without_a_length_is_refused(url: str) -> None:
    answer = httpx2.post(f"{url}/api/v1/users", content=(b"x" * 2**16 for _ in range(17)))

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


BAD_HOSTS = (
    *("[::1]evil", "[::1].evil.example", "localhost:x@evil.example", "localhost:80@evil.example"),
    *("localhost:80.evil.example", "localhost:", "localhost:123456", "localhost:80:80", "::1"),
    *(
        "[::1",
        "[localhost]",
        "user@localhost",
        "localhost/",
        "localhost?",
        "localhost,evil.example",
    ),
    *("localhost evil.example", "localhost#", "local%68ost", "", "l\xf6calhost"),
)
GOOD_HOSTS = ("localhost", "LOCALHOST.:8080", "127.0.0.1:1", "[::1]", "[::1]:65535")


def test_only_a_clean_header_host_is_taken(url: str) -> None:
    """What reads it looks for the name, and each for another part of it."""
    with httpx2.Client() as client:
        for host in BAD_HOSTS:
            answer = client.get(f"{url}/users", headers=[(b"host", host.encode("latin-1"))])
            assert (answer.status_code, answer.json()["code"]) == (400, "bad-host"), host
        for host in GOOD_HOSTS:
            assert client.get(f"{url}/users", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "gitpip.example"}, 400, "foreign-host"),
        ({"origin": "https://elsewhere.example"}, 403, "cross-site"),
        ({"sec-fetch-site": "cross-site"}, 403, "cross-site"),
        (
            {"host": "localhost", "origin": "http://localhost", "x-forwarded-proto": "https"},
            *(403, "cross-site"),
        ),
        ({"host": "localhost", "origin": "null"}, 403, "cross-site"),
    ],
)
def test_other_sites_change_nothing(
    url: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = httpx2.post(f"{url}/users/octocat/1", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    page = httpx2.post(f"{url}/users/octocat/1", headers=headers | {"accept": "text/html"})
    assert page.status_code == status
    detail = answer.json()["detail"]
    assert f"{detail[:1].upper()}{detail[1:]}." in unescape(page.text)


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "Localhost:8080", "127.0.0.1."])
def test_every_spelling_of_this_machine_is_this_machine(url: str, host: str) -> None:
    assert httpx2.get(f"{url}/api/v1/users", headers={"host": host}).status_code == 200
    origin = {"host": host, "origin": f"http://{host.lower()}"}
    assert httpx2.post(f"{url}/api/v1/users", json={}, headers=origin).status_code == 422


@pytest.mark.parametrize(
    "headers", [{"x-long": "a" * 2**15}, {f"x-{number}": "a" * 100 for number in range(320)}]
)
def test_large_headers_are_refused(url: str, headers: dict[str, str]) -> None:
    answer = httpx2.post(f"{url}/users/octocat/1", headers=headers)

    assert 400 <= answer.status_code < 500
    assert httpx2.get(f"{url}/health").text == "Alive"


@pytest.mark.parametrize("asked", ["since=0001-01-01", "until=9999-12-31", "until=0001-01-01"])
def test_the_first_and_the_last_day_of_all_are_days(url: str, asked: str) -> None:
    answer = httpx2.get(f"{url}/?{asked}")

    assert answer.status_code == 200
    assert "You don't track anyone yet" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/people", 200),
        ("/feed.atom", 200),
        ("/health", 200),
        ("/api/v1/users", 200),
        ("/gist/abc", 404),
        ("/seen", 405),
    ],
)
def test_the_head_is_what_the_whole_answer_has(url: str, path: str, status: int) -> None:
    head, whole = httpx2.head(url + path), httpx2.get(url + path)

    assert head.status_code == whole.status_code == status
    assert head.content == b""
    for name in ("content-type", "content-length", "content-security-policy", "etag"):
        assert head.headers.get(name) == whole.headers.get(name), name


def test_an_error_of_ours_is_answered_with_the_headers_of_all_pages(served: Served) -> None:
    served.track("ada", {"a.txt": "a"})
    with closing(sqlite3.connect(served.gitpip.folder / "gitpip.sqlite3")) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("UPDATE users SET state = 'unheard of'")
    sound = httpx2.get(f"{served.gitpip.url}/sign-in").headers

    answer = httpx2.get(f"{served.gitpip.url}/people/ada", headers={"accept": "text/html"})

    assert answer.status_code == 500
    assert "See the log." in answer.text
    for name in ("content-security-policy", "cache-control", "x-content-type-options"):
        assert answer.headers[name] == sound[name]
