"""Browsers sign in with a key; feed readers have an address of their own; both can be ended."""

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
import pytest

from tests.web.conftest import Served, serving

OURS: Mapping[str, str] = {}
"""Headers of a form on a page of ours."""
ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, database_url, GITPIP_ADMIN_KEY=ADMIN_KEY) as served:
        yield served


def _key(served: Served, name: str, role: str = "viewer") -> str:
    made = served.gitpip.command("keys", "create", name, "--role", role, "--json")
    return str(json.loads(made.stdout)["key"])


class Browser:
    """What a browser sends: its cookies, and which page a form is of."""

    def __init__(self, served: Served) -> None:
        self.url = served.gitpip.url
        self.cookies = httpx2.Cookies()

    def open(self, path: str, **headers: str) -> httpx2.Response:
        return self._ask("GET", path, None, headers)

    def send(
        self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] = OURS
    ) -> httpx2.Response:
        own = {"origin": self.url} if headers is OURS else {}
        return self._ask("POST", path, form or {}, {**headers, **own})

    def sign_in(self, key: str, next_page: str = "/") -> httpx2.Response:
        return self.send("/sign-in", {"key": key, "next": next_page})

    @property
    def session(self) -> str:
        return self.cookies["gitpip_session"]

    def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        answer = httpx2.request(
            method,
            self.url + path,
            data=form,
            headers={"accept": "text/html", **headers},
            cookies=self.cookies,
            timeout=20,
        )
        self.cookies.extract_cookies(answer)
        return answer


def test_a_session_opens_pages_until_it_is_signed_out(guarded: Served) -> None:
    browser = Browser(guarded)
    asked = browser.open("/people?q=ada")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/sign-in?next=%2Fpeople%3Fq%3Dada",
    )
    assert 'value="/people?q=ada"' in browser.open(asked.headers["location"]).text

    signed = browser.sign_in(f" {_key(guarded, 'ada', 'operator')}\n", "/people?q=ada")

    assert (signed.status_code, signed.headers["location"]) == (303, "/people?q=ada")
    cookie = SimpleCookie(signed.headers["set-cookie"])["gitpip_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert not cookie["secure"]
    people = browser.open("/people")
    assert "ada" in people.text
    assert people.headers["cache-control"] == "no-store"
    former = browser.session
    browser.sign_in(_key(guarded, "grace"))
    stolen = browser.session

    def opens(session: str) -> bool:
        answer = Browser(guarded).open("/people", cookie=f"gitpip_session={session}")
        return answer.status_code == 200

    assert not opens(former)
    assert opens(stolen)
    assert browser.send("/sign-out").headers["location"] == "/sign-in"
    assert browser.open("/people").status_code == 303
    assert not opens(stolen)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_signing_in_leads_on_to_a_long_address_or_to_the_inbox(guarded: Served) -> None:
    key = _key(guarded, "ada")
    long, too_long = f"/?q=a&name={'x' * 4_000}", f"/?q=a&name={'%20' * 2_700}"
    for wanted, shown in ((long, long), (too_long, "/")):
        browser = Browser(guarded)
        asked = browser.open(wanted)
        form = browser.open(asked.headers["location"])
        [carried] = re.findall('name="next" value="([^"]*)"', form.text)
        assert unescape(carried) == shown
        signed = browser.sign_in(key, shown)
        assert (signed.status_code, signed.headers["location"]) == (303, shown)
        refused = Browser(guarded).send("/seen", {}, {"referer": guarded.gitpip.url + wanted})
        assert f'value="{carried}"' in refused.text


def test_a_session_ends_with_its_key(guarded: Served) -> None:
    by_rotation, by_revoking, by_settings = (Browser(guarded) for _ in range(3))
    by_rotation.sign_in(_key(guarded, "rotated"))
    by_revoking.sign_in(_key(guarded, "revoked"))
    by_settings.sign_in(ADMIN_KEY)
    assert [b.open("/").status_code for b in (by_rotation, by_revoking, by_settings)] == [200] * 3

    guarded.gitpip.command("keys", "rotate", "rotated")
    guarded.gitpip.command("keys", "revoke", "revoked")

    assert [b.open("/").status_code for b in (by_rotation, by_revoking)] == [303] * 2
    assert by_settings.open("/keys").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_is_signed_out_meanwhile_hears_that_nothing_was_done(guarded: Served) -> None:
    browser = Browser(guarded)
    browser.sign_in(_key(guarded, "ada", "operator"))
    guarded.gitpip.command("keys", "revoke", "ada")
    page = f"{browser.url}/people?tag=new"

    answer = browser.send("/people", {"login": "octocat"}, {"referer": page, "origin": browser.url})

    assert answer.status_code == 401
    assert "Nothing changed: you aren&#39;t signed in. Sign in and try again." in answer.text
    assert 'value="/people?tag=new"' in answer.text
    assert "aria-invalid" not in answer.text
    # What a page asks for of its own accord leads back to it, too, and to no other site.
    update = browser.open("/people", **{"hx-request": "true", "referer": page})
    assert update.headers["hx-redirect"] == "/sign-in?next=%2Fpeople%3Ftag%3Dnew"
    elsewhere = {"hx-request": "true", "referer": "https://elsewhere.example/people"}
    assert browser.open("/people", **elsewhere).headers["hx-redirect"] == "/sign-in"


def test_forged_cookies_open_nothing(guarded: Served) -> None:
    browser = Browser(guarded)
    browser.sign_in(_key(guarded, "ada", "admin"))
    real = browser.session
    for forged in (real[:-1], real + "A", real[::-1], "", ADMIN_KEY, "' OR 1=1 --"):
        browser.cookies.clear()
        answer = browser.open("/keys", cookie=f"gitpip_session={forged}")
        assert answer.status_code == 303, forged


def test_only_our_own_pages_change_something(guarded: Served) -> None:
    browser = Browser(guarded)
    browser.sign_in(_key(guarded, "ada", "operator"))

    for headers in (
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": browser.url, "sec-fetch-site": "cross-site"},
        {"origin": browser.url, "sec-fetch-site": "same-site"},
    ):
        assert browser.send("/people/check", headers=headers).status_code == 403, headers
    silent = browser.send("/people/check", headers={"accept-language": "en"})
    assert silent.status_code == 403
    assert "Sec-Fetch-Site" in silent.text
    assert browser.send("/people/check").status_code == 303


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "elsewhere",
    [
        "//elsewhere.example",
        "https://elsewhere.example",
        "/\\elsewhere.example",
        "javascript:1",
        "http:///x",
        "/\nx",
        "people",
    ],
)
def test_signing_in_leads_to_no_other_site(guarded: Served, elsewhere: str) -> None:
    assert Browser(guarded).sign_in(ADMIN_KEY, elsewhere).headers["location"] == "/"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_wrong_keys_are_limited_by_address_and_look_alike(guarded: Served) -> None:
    browser = Browser(guarded)
    answers = [browser.sign_in(f"gitpip_{number:08x}_{'0' * 48}") for number in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 10
    assert len({re.sub(r"\s", "", answer.text) for answer in answers}) == 1
    assert browser.sign_in("wrong").status_code == 429

    # The address is taken from a trusted proxy; so others can still be told that they are wrong.
    elsewhere = browser.send("/sign-in", {"key": "wrong"}, {"x-forwarded-for": "203.0.113.7"})
    assert elsewhere.status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_log_names_keys_and_addresses_and_no_secret(guarded: Served) -> None:
    key = _key(guarded, "ada")
    revoked = _key(guarded, "revoked")
    guarded.gitpip.command("keys", "revoke", "revoked")
    url = guarded.gitpip.url
    unknown = f"gitpip_{'1' * 8}_{'2' * 48}"
    foreign = "some-password-of-somebody"
    for text in (key, revoked, unknown, foreign, key[:-8] + "0" * 8):
        httpx2.get(f"{url}/users", headers={"authorization": f"Bearer {text}"})
        Browser(guarded).sign_in(text)
    httpx2.get(f"{url}/people/{unknown}")
    httpx2.get(f"{url}/users", headers={"x-forwarded-for": "203.0.113.7"})

    def requests() -> list[tuple[object, ...]]:
        names = ("method", "path", "status", "address", "key")
        return [tuple(e.get(n) for n in names) for e in guarded.gitpip.logged("http.request")]

    guarded.gitpip.wait_for(
        lambda: ("GET", "/users", 401, "203.0.113.7", None) in requests(), "the last request"
    )
    assert ("GET", "/users", 200, "127.0.0.1", "ada") in requests()
    assert ("POST", "/sign-in", 303, "127.0.0.1", "ada") in requests()
    assert ("GET", "/users", 401, "127.0.0.1", None) in requests()
    refused = [
        (e["reason"], e["label"], e["address"]) for e in guarded.gitpip.logged("key.refused")
    ]
    label, label_of_revoked = key.split("_")[1], revoked.split("_")[1]
    assert refused == [
        (reason, shown, "127.0.0.1")
        for reason, shown in (
            ("revoked", label_of_revoked),
            ("unknown", "1" * 8),
            ("malformed", None),
            ("unknown", label),
        )
        for _ in ("by the API", "by the page")
    ]
    log = guarded.gitpip.log_file.read_text()
    for secret in (key, revoked, unknown, foreign, ADMIN_KEY):
        assert secret.rpartition("_")[2] not in log


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_behind_tls_the_cookie_is_kept_off_plain_http(guarded: Served) -> None:
    signed = Browser(guarded).send("/sign-in", {"key": ADMIN_KEY}, {"x-forwarded-proto": "https"})
    assert SimpleCookie(signed.headers["set-cookie"])["gitpip_session"]["secure"]
    assert signed.headers["strict-transport-security"]
    assert signed.headers["cache-control"] == "private, no-cache"


def test_each_key_has_visits_of_its_own(guarded: Served) -> None:
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    url = guarded.gitpip.url
    guarded.github.add_user("mona")
    guarded.github.add_gist("mona", {"a.py": "print(1)"})
    httpx2.post(f"{url}/users/mona/1", headers=admin)
    guarded.gitpip.wait_for(
        lambda: httpx2.get(f"{url}/api/v1/gists", headers=admin).json()["total"] == 1, "a gist"
    )
    ada, bob = Browser(guarded), Browser(guarded)
    ada_key = _key(guarded, "Ada")
    ada.sign_in(ada_key)
    bob.sign_in(_key(guarded, "bob"))

    ada.send("/seen", {"everything": "1"})

    assert "a.py" not in ada.open("/").text
    assert "a.py" in bob.open("/").text
    again = Browser(guarded)
    again.sign_in(ada_key)
    assert "a.py" not in again.open("/").text

    def new_for(**parameters: str) -> httpx2.Response:
        return httpx2.get(
            f"{url}/api/v1/users/mona/gists",
            params={"since": "visit", **parameters},
            headers={"authorization": f"Bearer {ada_key}"},
        )

    assert new_for().json()["total"] == 0
    refused = new_for(viewer="key:bob")
    assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")
    assert "operator" in refused.json()["detail"]
    shared = httpx2.post(f"{url}/latestgists/mona", headers={"authorization": f"Bearer {ada_key}"})
    assert [file["filename"] for file in shared.json()] == ["a.py"]


def test_a_feed_has_a_secret_address_that_can_be_revoked(guarded: Served) -> None:
    browser = Browser(guarded)
    browser.sign_in(_key(guarded, "ada"))
    made = browser.send("/feeds", {"name": "Reader of Ada"})
    addresses = re.findall(r"http://[^<\s]+/gists\.(?:atom|json)", made.text)
    assert len(addresses) == 2
    secret = addresses[0].split("/")[-2]

    for address in addresses:
        answer = httpx2.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/")
    assert secret not in browser.open("/feeds").text
    assert "Reader of Ada" in browser.open("/feeds").text
    # It opens the feeds, and nothing else.
    for path in (f"/feeds/{secret}/", "/feed.atom", "/"):
        assert httpx2.get(guarded.gitpip.url + path).status_code == 401
    other = Browser(guarded)
    other.sign_in(_key(guarded, "bob"))
    assert "Reader of Ada" not in other.open("/feeds").text
    assert other.send("/feeds/1/revoke").status_code == 404
    assert httpx2.get(addresses[0]).status_code == 200

    assert browser.send("/feeds/1/revoke").status_code == 303

    gone = httpx2.get(addresses[0])
    assert (gone.status_code, gone.json()["code"]) == (404, "feed-not-found")
    assert secret not in gone.text
    log = guarded.gitpip.log_file.read_text()
    assert "/feeds/[secret]/gists.atom" in log
    assert secret not in log
    with_key = browser.send("/feeds", {"name": "Another"})
    another = re.findall(r"http://[^<\s]+/gists\.atom", with_key.text)[0]
    assert httpx2.get(another).status_code == 200
    guarded.gitpip.command("keys", "revoke", "ada")
    assert httpx2.get(another).status_code == 404


def test_keys_are_made_on_the_page_and_everything_is_audited(guarded: Served) -> None:
    browser = Browser(guarded)
    browser.sign_in(ADMIN_KEY)
    made = browser.send("/keys", {"name": "bob", "role": "operator", "expires": "90d"})
    found = re.search(r"gitpip_[0-9a-f]{8}_[0-9a-f]{48}", made.text)
    assert found
    assert made.headers["cache-control"] == "no-store"
    key = found[0]
    assert key not in browser.open("/keys").text
    headers = {"authorization": f"Bearer {key}"}
    guarded.github.add_user("mona")
    url = guarded.gitpip.url
    assert httpx2.post(f"{url}/users/mona/1", headers=headers).status_code == 201
    assert httpx2.delete(f"{url}/api/v1/users/mona", headers=headers).status_code == 204
    for wrong in (
        {"name": "a b", "role": "viewer"},
        {"name": "bob", "role": "viewer"},
        {"name": "c", "role": "king"},
        {"name": "c", "role": "viewer", "expires": "soon"},
    ):
        refused = browser.send("/keys", wrong)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
    rotated = browser.send("/keys/bob/rotate")
    assert key not in rotated.text
    assert httpx2.get(f"{url}/users", headers=headers).status_code == 401
    assert browser.send("/keys/bob/revoke").status_code == 303
    guarded.gitpip.command("keys", "create", "carol", "--role", "viewer")

    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    entries = httpx2.get(f"{url}/api/v1/audit", headers=admin).json()["items"]
    done = [(entry["actor"], entry["via"], entry["action"], entry["subject"]) for entry in entries]
    assert done[1:] == [
        ("GITPIP_ADMIN_KEY", "page", "key.revoked", "bob"),
        ("GITPIP_ADMIN_KEY", "page", "key.rotated", "bob"),
        ("bob", "api", "user.removed", "mona"),
        ("bob", "api", "user.added", "mona"),
        ("GITPIP_ADMIN_KEY", "page", "key.created", "bob"),
        ("GITPIP_ADMIN_KEY", "page", "session.begun", "GITPIP_ADMIN_KEY"),
    ]
    assert done[0][1:] == ("command", "key.created", "carol")
    assert "Stopped tracking mona" in browser.open("/audit").text


def test_one_caller_can_not_ask_without_end(tmp_path: Path) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    settings = {"GITPIP_ADMIN_KEY": ADMIN_KEY, "GITPIP_REQUEST_LIMIT": "20/hour"}
    with serving(tmp_path, database, **settings) as served:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        url = f"{served.gitpip.url}/api/v1/users"
        answers = [httpx2.get(url, headers=headers) for _ in range(21)]

        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
        assert "GITPIP_REQUEST_LIMIT" in answers[-1].json()["detail"]
        assert served.gitpip.get("/health").status_code == 200
        assert httpx2.get(url).status_code == 401


def test_a_page_offers_only_what_its_reader_may_do(guarded: Served) -> None:
    guarded.github.add_user("mona")
    guarded.github.add_gist("mona", {"a.py": "print(1)"})
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    url = guarded.gitpip.url
    httpx2.post(f"{url}/users/mona/1", headers=admin)
    published = f"{url}/api/v1/publications?state=published"
    guarded.gitpip.wait_for(
        lambda: httpx2.get(published, headers=admin).json()["total"], "the file to be published"
    )
    offered, boxes = {}, {}
    for role in ("viewer", "operator", "admin"):
        browser = Browser(guarded)
        browser.sign_in(_key(guarded, f"a-{role}", role))
        pages = [browser.open(path) for path in ("/", "/people", "/people/mona", "/publications/1")]
        text = "".join(page.text for page in pages)
        assert [page.status_code for page in pages] == [200] * 4
        boxes[role] = 'form="selection"' in text
        offered[role] = set(re.findall(r'(?:form)?action="(/[^"?]*)', text)) | set(
            re.findall(r'href="(/(?:keys|audit|imports|people/mona/remove))"', text)
        )

    assert boxes == {"viewer": False, "operator": True, "admin": True}
    assert offered["viewer"] == {"/", "/inbox/filters", "/people", "/seen", "/sign-out"}
    assert offered["operator"] - offered["viewer"] >= {
        *("/people/mona/check", "/people/mona/pause", "/people/mona/change", "/people/check"),
        *("/imports", "/people/mona/remove", "/people/selected"),
    }
    assert offered["admin"] - offered["operator"] == {"/keys", "/audit"}
