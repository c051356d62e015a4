"""The first key takes a code that only the running process's own output shows."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.web.conftest import Served, serving

FIRST = {"name": "first", "role": "admin"}
PAGE, API = "/keys", "/api/v1/keys"
BROWSER = {"accept": "text/html"}


@pytest.fixture
def fresh(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, database_url) as served:
        yield served


def _make(served: Served, path: str, **further: str) -> httpx2.Response:
    url = served.gitpip.url + path
    if path == PAGE:
        return httpx2.post(url, data={**FIRST, **further}, headers=BROWSER)
    return httpx2.post(url, json={**FIRST, **further})


@pytest.mark.parametrize("path", [PAGE, API])
def test_a_caller_that_looks_local_makes_no_key_without_the_code(fresh: Served, path: str) -> None:
    """nginx from 1.29.7 on passes a stranger's request on as this: HTTP/1.1, and no header."""
    without, wrong = _make(fresh, path), _make(fresh, path, code="0" * 32)
    right = fresh.gitpip.code

    assert (without.status_code, wrong.status_code) == (403, 403)
    assert "the first key needs one" in without.text
    assert "not the one of the running process" in wrong.text
    for refused in (without, wrong):
        assert "printed when gitpip started" in refused.text
        assert "gitpip keys create NAME --role admin" in refused.text
    short_lived = _make(fresh, path, code=right, expires="23h")
    assert (short_lived.status_code, "at least 1d" in short_lived.text) == (422, True)
    assert fresh.gitpip.get(API).json() == []

    made = _make(fresh, path, code=f" {right} ", expires="1d")
    assert made.status_code in {200, 201}
    assert re.search(r"gitpip_[0-9a-f]{8}_[0-9a-f]{48}", made.text)
    # From now on the code opens nothing.
    assert _make(fresh, API, name="second", code=right).status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_flood_of_wrong_codes_is_refused_and_locks_out_nobody(fresh: Served) -> None:
    statuses = [_make(fresh, API, code=f"{guess:032x}").status_code for guess in range(13)]

    assert statuses == [403] * 10 + [429] * 3
    by_api, by_page = _make(fresh, API, code="1"), _make(fresh, PAGE, code="2")
    assert "more than 10 wrong ones in a minute" in by_api.json()["detail"]
    for refused in (by_api, by_page):
        assert refused.status_code == 429
        seconds = refused.headers["retry-after"]
        assert 1 <= int(seconds) <= 60
        assert f"try again in {seconds} seconds" in refused.text
    assert _make(fresh, API, code=fresh.gitpip.code).status_code == 201


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_code_stands_in_the_output_once_and_nowhere_else(fresh: Served) -> None:
    code = fresh.gitpip.code
    form = fresh.gitpip.get(PAGE, BROWSER).text
    assert 'name="code" value=""' in form
    faulty = _make(fresh, PAGE, name="a b", code=code)
    assert faulty.status_code == 422
    assert fresh.gitpip.get(f"/nothing/{code}").status_code == 404

    assert code not in form + faulty.text
    assert fresh.gitpip.log_file.read_text().count(code) == 1
    assert all(code not in str(event) for event in fresh.gitpip.events())
    stored = b"".join(file.read_bytes() for file in fresh.gitpip.folder.glob("gitpip.sqlite3*"))
    assert code.encode() not in stored


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_process_has_a_code_of_its_own(fresh: Served) -> None:
    former = fresh.gitpip.code
    fresh.gitpip.stop()
    fresh.gitpip.start()

    assert fresh.gitpip.code != former
    assert _make(fresh, API, code=former).status_code == 403
    assert _make(fresh, API, code=fresh.gitpip.code).status_code == 201
    printed = fresh.gitpip.log_file.read_text().count("No access key exists yet")
    fresh.gitpip.stop()
    fresh.gitpip.start()
    assert fresh.gitpip.get("/health").status_code == 200
    assert fresh.gitpip.log_file.read_text().count("No access key exists yet") == printed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_act_of_an_admin_is_open_and_those_of_an_operator_are(fresh: Served) -> None:
    code = fresh.gitpip.code
    for method, path in (
        ("POST", "/api/v1/accounts/pipedrive/switch"),
        ("POST", "/status-page/accounts/pipedrive/switch"),
        ("POST", "/api/v1/keys/nobody/rotate"),
        ("DELETE", "/api/v1/keys/nobody"),
        ("POST", "/keys/nobody/revoke"),
    ):
        body = {"code": code}
        refused = httpx2.request(method, fresh.gitpip.url + path, json=body)
        assert refused.status_code == 403, path
        assert "Only admins can do this. Create an admin key first" in refused.json()["detail"]

    assert fresh.api("POST", "/checks").status_code == 202
    assert fresh.gitpip.get("/audit", BROWSER).status_code == 200
    assert "the code that gitpip printed" in fresh.gitpip.get(PAGE, BROWSER).text


def test_who_is_let_in_by_the_settings_needs_no_code(tmp_path: Path) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with serving(tmp_path, database, GITPIP_ALLOW_ANONYMOUS="all") as served:
        assert "No access key exists yet" not in served.gitpip.log_file.read_text()
        assert 'name="code"' not in served.gitpip.get(PAGE, BROWSER).text
        assert _make(served, API).status_code == 201
