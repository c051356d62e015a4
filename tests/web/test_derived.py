"""Whatever is derived from a right to read ends with it: sessions and addresses of feeds."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from gitpip.store.access import sessions
from tests.web.conftest import Served, serving

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16
OTHER_KEY = "another-key-of-the-settings-" + "k" * 16


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3") as served:
        yield served


@pytest.fixture(scope="module")
def with_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gitpip")
    database = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
    with serving(folder, database, GITPIP_ADMIN_KEY=ADMIN_KEY) as served:
        yield served


def _rotate(served: Served, name: str) -> None:
    assert served.gitpip.command("keys", "rotate", name).returncode == 0


def _revoke(served: Served, name: str) -> None:
    assert served.gitpip.command("keys", "revoke", name).returncode == 0


def _revoke_and_make_again(served: Served, name: str) -> None:
    _revoke(served, name)
    _make(served, name)


def _expire(served: Served, name: str) -> None:
    with closing(sqlite3.connect(served.gitpip.folder / "gitpip.sqlite3")) as database, database:
        database.execute(
            "UPDATE access_keys SET expires_at = '2020-01-01 00:00:00' WHERE name = ?", (name,)
        )


def _make(served: Served, name: str) -> str:
    made = served.gitpip.command("keys", "create", name, "--role", "viewer", "--json")
    return str(json.loads(made.stdout)["key"])


@pytest.mark.parametrize("end", [_rotate, _revoke, _revoke_and_make_again, _expire])
def test_what_is_derived_from_a_key_ends_with_it(
    with_key: Served, end: Callable[[Served, str], None]
) -> None:
    name = f"ada{end.__name__}"
    cookies = _sign_in(with_key, _make(with_key, name))
    feed = _make_feed(with_key, cookies)
    admin = _make_feed(with_key, _sign_in(with_key, ADMIN_KEY))
    assert (_reads(with_key, feed), _is_signed_in(with_key, cookies)) == (200, True)

    end(with_key, name)

    assert (_reads(with_key, feed), _is_signed_in(with_key, cookies)) == (404, False)
    assert _reads(with_key, admin) == 200
    # With the next address, those that have ended are deleted.
    _make_feed(with_key, _sign_in(with_key, ADMIN_KEY))
    with closing(sqlite3.connect(with_key.gitpip.folder / "gitpip.sqlite3")) as database:
        for table, label in (("feed_addresses", "parent"), ("sessions", "label")):
            left = database.execute(f"SELECT DISTINCT {label} FROM {table}").fetchall()  # noqa: S608
            assert [row[0][:1] for row in left] == ["="]


@pytest.mark.parametrize("later", [{"GITPIP_ADMIN_KEY": OTHER_KEY}, {}])
def test_what_is_derived_from_the_key_of_the_settings_ends_with_it(
    served: Served, later: Mapping[str, str]
) -> None:
    _restart(served, {"GITPIP_ADMIN_KEY": ADMIN_KEY})
    _make(served, "another")  # so that it stays closed
    cookies = _sign_in(served, ADMIN_KEY)
    feed = _make_feed(served, cookies)
    _restart(served, {"GITPIP_ADMIN_KEY": ADMIN_KEY})
    assert (_reads(served, feed), _is_signed_in(served, cookies)) == (200, True)

    _restart(served, later)

    assert (_reads(served, feed), _is_signed_in(served, cookies)) == (404, False)
    # Nor does the same key bring them back: it may be another person's by then.
    _restart(served, {"GITPIP_ADMIN_KEY": ADMIN_KEY})
    assert (_reads(served, feed), _is_signed_in(served, cookies)) == (404, False)


def test_a_key_in_a_file_that_comes_back_brings_nothing_back(served: Served) -> None:
    file = served.gitpip.folder / "admin-key"

    def hold(key: str) -> None:
        file.write_text(key)

        def is_held() -> bool:
            headers = {"authorization": f"Bearer {key}"}
            return served.gitpip.get("/api/v1/users", headers).status_code == 200

        served.gitpip.wait_for(is_held, "the key to be followed")

    file.write_text(ADMIN_KEY)
    _restart(served, {"GITPIP_ADMIN_KEY_FILE": str(file)})
    cookies = _sign_in(served, ADMIN_KEY)
    feed = _make_feed(served, cookies)
    hold(OTHER_KEY)
    assert (_reads(served, feed), _is_signed_in(served, cookies)) == (404, False)
    served.gitpip.wait_for(lambda: _noted(served) != _label(ADMIN_KEY), "the other key's note")

    hold(ADMIN_KEY)

    served.gitpip.wait_for(lambda: _reads(served, feed) == 404, "the address to end")
    assert not _is_signed_in(served, cookies)


def test_an_address_made_without_a_key_is_valid_while_none_is_needed(served: Served) -> None:
    _restart(served, {"GITPIP_ALLOW_ANONYMOUS": "read"})
    feed = _make_feed(served, {})
    assert _reads(served, feed) == 200

    _restart(served, {"GITPIP_ADMIN_KEY": ADMIN_KEY})
    assert _reads(served, feed) == 404
    assert (
        "Reader"
        not in httpx2.get(
            f"{served.gitpip.url}/feeds", headers={"authorization": f"Bearer {ADMIN_KEY}"}
        ).text
    )
    _restart(served, {"GITPIP_ALLOW_ANONYMOUS": "read"})
    assert _reads(served, feed) == 404
    feed = _make_feed(served, {})
    _restart(served, {"GITPIP_ALLOW_ANONYMOUS": "read"})
    assert _reads(served, feed) == 200


def test_what_was_made_before_the_first_key_ends_with_it(served: Served) -> None:
    feed = _make_feed(served, {})
    assert _reads(served, feed) == 200

    viewer = {"name": "first", "role": "viewer"}
    for refused in (
        httpx2.post(f"{served.gitpip.url}/keys", data=viewer),
        httpx2.post(f"{served.gitpip.url}/api/v1/keys", json=viewer),
    ):
        assert refused.status_code == 422
        assert "must be admin for the first key" in refused.text
    assert _reads(served, feed) == 200
    first = {"name": "first", "role": "admin", "code": served.gitpip.code}
    made = httpx2.post(f"{served.gitpip.url}/keys", data=first)

    assert made.status_code == 200
    assert _reads(served, feed) == 404


def _label(key: str) -> str:
    return sessions.label_of_settings_key(key)


def _noted(served: Served) -> str:
    with closing(sqlite3.connect(served.gitpip.folder / "gitpip.sqlite3")) as database:
        found = database.execute("SELECT held FROM noted_rights WHERE name = 'settings key'")
        return str(found.fetchone()[0])


def _restart(served: Served, settings: Mapping[str, str]) -> None:
    served.gitpip.stop()
    kept = {
        name: value
        for name, value in served.gitpip.environment.items()
        if not name.startswith(("GITPIP_ADMIN_KEY", "GITPIP_ALLOW_ANONYMOUS"))
    }
    served.gitpip.environment = {**kept, **settings}
    served.gitpip.start()


def _sign_in(served: Served, key: str) -> dict[str, str]:
    answer = httpx2.post(f"{served.gitpip.url}/sign-in", data={"key": key})
    assert answer.status_code == 303
    return dict(answer.cookies)


def _is_signed_in(served: Served, cookies: Mapping[str, str]) -> bool:
    return httpx2.get(f"{served.gitpip.url}/people", cookies=dict(cookies)).status_code == 200


def _make_feed(served: Served, cookies: Mapping[str, str]) -> str:
    made = httpx2.post(
        f"{served.gitpip.url}/feeds",
        data={"name": "Reader"},
        cookies=dict(cookies),
        headers={"origin": served.gitpip.url},
    )
    found = re.search(r"/feeds/gitpip_feed_[0-9a-f]{48}/gists\.json", made.text)
    assert found, made.text
    return found[0]


def _reads(served: Served, feed: str) -> int:
    return httpx2.get(served.gitpip.url + feed).status_code
