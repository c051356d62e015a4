"""An act does the same by every door: the same rows, audit entry, wake and error."""

import asyncio
import importlib
import inspect
import pkgutil
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import gitpip.actions
from gitpip.actions import (
    access_mode,
    accounts,
    adoption,
    checks,
    feeds,
    imports,
    keys,
    pauses,
    publications,
    users,
)
from gitpip.actions.acting import Acting
from gitpip.clock import utc_now
from gitpip.status.problem import until
from gitpip_standins import GitHub, Server
from tests.actions.doors import House, Refused, Request, Rows, furnished
from tests.actions.rooms import FAILED, LATER, PUBLISHED, WAITING
from tests.conftest import PostgresServer
from tests.support.running import Installation


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
    refused_by: tuple[str, ...] = ("page", "api", "command")
    file: tuple[str, bytes] | None = None
    """A file that the command finds in its folder."""


READS = {access_mode.access_mode_of, feeds.owner_named, feeds.addresses}
"""What else there is in actions: it changes nothing."""


def post(path: str, **fields: object) -> Request:
    return Request("POST", path, fields)


def api(method: str, path: str, **fields: object) -> Request:
    return Request(method, f"/api/v1{path}", fields)


NOBODY = Refused(404, "user-not-tracked", "nobody is not tracked")
NO_LOGIN = Refused(
    404, "user-not-tracked", "'no.login' can't be a login, so nobody of that name is tracked"
)
TOO_LONG = Refused(
    422,
    "invalid-input",
    f"tags: {'x' * 51!r} can't be a tag; one has 1 to 50 printable characters without spaces, "
    "commas and semicolons",
)

USERS = [
    Case(
        "a user is added",
        users.add_user,
        post("/people", login="cleo", id="3", tags="new vip"),
        api("POST", "/users", login="cleo", id="3", tags=["new", "vip"]),
        ("users", "add", "cleo", "--id", "3", "--tag", "new", "--tag", "vip"),
        audit=(("user.added", "cleo"),),
        wakes=("check",),
        tables=("users", "user_tags"),
    ),
    Case(
        "a user who is tracked already is not added",
        users.add_user,
        post("/people", login="ada", id="id-of-ada"),
        Request("POST", "/users/ada/id-of-ada"),
        ("users", "add", "ada", "--id", "id-of-ada"),
    ),
    Case(
        "an id that is taken",
        users.add_user,
        post("/people", login="cleo", id="id-of-ada"),
        api("POST", "/users", login="cleo", id="id-of-ada"),
        ("users", "add", "cleo", "--id", "id-of-ada"),
        refused=Refused(409, "user-conflict", "the id id-of-ada is taken already, by ada"),
    ),
    Case(
        "a login that GitHub does not know",
        users.add_user,
        post("/people", login="zoe"),
        api("POST", "/users", login="zoe"),
        ("users", "add", "zoe"),
        refused=Refused(404, "github-user-not-found", "GitHub shows no user zoe; check the login"),
    ),
    Case(
        "tags and an interval are changed",
        users.change,
        post("/people/ada/change", tags="a b", interval="30m"),
        api("PATCH", "/users/ada", tags=["a", "b"], interval="30m"),
        ("users", "change", "ada", "--tag", "a", "--tag", "b", "--interval", "30m"),
        audit=(("user.changed", "ada"),),
        wakes=("check",),
        tables=("users", "user_tags"),
    ),
    Case(
        "a change to what is so already",
        users.change,
        post("/people/ada/change", tags="vip", interval=""),
        api("PATCH", "/users/ada", tags=["vip"], interval="general"),
        ("users", "change", "ada", "--tag", "vip", "--interval", "general"),
    ),
    Case(
        "a tag that can't be one",
        users.change,
        post("/people/ada/change", tags="x" * 51),
        api("PATCH", "/users/ada", tags=["x" * 51]),
        ("users", "change", "ada", "--tag", "x" * 51),
        refused=TOO_LONG,
    ),
    Case(
        "a user is paused",
        users.change,
        post("/people/ada/pause"),
        api("PATCH", "/users/ada", paused=True),
        ("users", "change", "ada", "--pause"),
        audit=(("user.paused", "ada"),),
        tables=("users",),
    ),
    Case(
        "a user who is paused already",
        users.change,
        post("/people/bob/pause"),
        api("PATCH", "/users/bob", paused=True),
        ("users", "change", "bob", "--pause"),
    ),
    Case(
        "a user is resumed",
        users.change,
        post("/people/bob/resume"),
        api("PATCH", "/users/bob", paused=False),
        ("users", "change", "bob", "--resume"),
        audit=(("user.resumed", "bob"),),
        wakes=("check",),
        tables=("users",),
    ),
    Case(
        "a change of nobody",
        users.change,
        post("/people/nobody/pause"),
        api("PATCH", "/users/nobody", paused=True),
        ("users", "change", "nobody", "--pause"),
        refused=NOBODY,
    ),
    Case(
        "a user is checked",
        users.check,
        post("/people/ada/check"),
        api("POST", "/users/ada/check"),
        ("users", "check", "ada"),
        audit=(("user.check_requested", "ada"),),
        wakes=("check",),
        tables=("users",),
    ),
    Case(
        "a check of what is no login",
        users.check,
        post("/people/no.login/check"),
        api("POST", "/users/no.login/check"),
        ("users", "check", "no.login"),
        refused=NO_LOGIN,
    ),
    Case(
        "a user is removed",
        users.remove,
        post("/people/ada/remove"),
        api("DELETE", "/users/ada"),
        ("users", "remove", "ada"),
        audit=(("user.removed", "ada"),),
        tables=("users",),
    ),
    Case(
        "nobody is removed",
        users.remove,
        post("/people/nobody/remove"),
        api("DELETE", "/users/nobody"),
        ("users", "remove", "nobody"),
        refused=NOBODY,
    ),
    Case(
        # By the other doors each is named alone.
        "selected users are paused",
        users.act_on_selected,
        post("/people/selected", login=["ada", "bob"], act="pause"),
        None,
        None,
        audit=(("user.paused", "ada"),),
        tables=("users",),
    ),
    Case(
        "selected users are checked",
        users.act_on_selected,
        post("/people/selected", login=["ada", "bob"], act="check"),
        None,
        None,
        audit=(("user.check_requested", "ada"), ("user.check_requested", "bob")),
        wakes=("check",),
        tables=("users",),
    ),
]
GONE = Refused(404, "publication-not-found", "there is no publication 77")
PUBLICATIONS = [
    Case(
        "a failed publication is sent again",
        publications.retry,
        post(f"/publications/{FAILED}/retry"),
        api("POST", f"/publications/{FAILED}/retry"),
        ("publications", "retry", str(FAILED)),
        audit=(("publication.retried", str(FAILED)),),
        wakes=("publish",),
        tables=("publications",),
    ),
    Case(
        "a publication that is not there is sent again",
        publications.retry,
        post("/publications/77/retry"),
        api("POST", "/publications/77/retry"),
        ("publications", "retry", "77"),
        refused=GONE,
    ),
    Case(
        "a publication that waits is skipped",
        publications.skip,
        post(f"/publications/{WAITING}/skip"),
        api("POST", f"/publications/{WAITING}/skip"),
        ("publications", "skip", str(WAITING)),
        audit=(("publication.skipped", str(WAITING)),),
        tables=("publications",),
    ),
    Case(
        "a publication that is in Pipedrive is skipped",
        publications.skip,
        post(f"/publications/{PUBLISHED}/skip"),
        api("POST", f"/publications/{PUBLISHED}/skip"),
        ("publications", "skip", str(PUBLISHED)),
        refused=Refused(
            409,
            "publication-state",
            f"publication {PUBLISHED} is published; only one that is failed or held or pending "
            "can become skipped",
        ),
    ),
    Case(
        "what is held is published",
        publications.decide_held,
        post("/people/ada/held", approve="all"),
        api("POST", "/users/ada/held", approve="all"),
        ("held", "ada", "--approve", "all"),
        audit=(("held.decided", "ada: all, 1 to publish, 0 skipped"),),
        wakes=("publish",),
        tables=("publications",),
    ),
    Case(
        "what is held is skipped",
        publications.decide_held,
        post("/people/ada/held", approve="none"),
        api("POST", "/users/ada/held", approve="none"),
        ("held", "ada", "--approve", "none"),
        audit=(("held.decided", "ada: none, 0 to publish, 1 skipped"),),
        tables=("publications",),
    ),
    Case(
        "nothing is held of a user",
        publications.decide_held,
        post("/people/bob/held", approve="all"),
        api("POST", "/users/bob/held", approve="all"),
        ("held", "bob", "--approve", "all"),
    ),
    Case(
        "a decision about nobody",
        publications.decide_held,
        post("/people/nobody/held", approve="all"),
        api("POST", "/users/nobody/held", approve="all"),
        ("held", "nobody", "--approve", "all"),
        refused=NOBODY,
    ),
    Case(
        "refused notes are written once more",
        publications.settle_failed_notes,
        post("/status-page/notes/retry"),
        api("POST", "/notes/retry"),
        ("notes", "retry"),
        audit=(("notes.retried", "1"),),
        wakes=("publish",),
        tables=("publications", "amendments"),
    ),
    Case(
        "refused notes are left",
        publications.settle_failed_notes,
        post("/status-page/notes/leave"),
        api("POST", "/notes/leave"),
        ("notes", "leave"),
        audit=(("notes.left", "1"),),
        tables=("publications",),
    ),
]
NO_KEY = Refused(404, "key-not-found", "no key named none is in use")
KEYS = [
    Case(
        "a key is made",
        keys.create,
        post("/keys", name="eve", role="operator", expires="90d"),
        api("POST", "/keys", name="eve", role="operator", expires="90d"),
        ("keys", "create", "eve", "--role", "operator", "--expires", "90d"),
        audit=(("key.created", "eve"),),
        tables=("access_keys",),
    ),
    Case(
        "a key is made of a name that is taken",
        keys.create,
        post("/keys", name="OPS", role="viewer"),
        api("POST", "/keys", name="OPS", role="viewer"),
        ("keys", "create", "OPS", "--role", "viewer"),
        refused=Refused(
            409,
            "key-conflict",
            "a key named OPS exists already; rotate or revoke it, or choose another name",
        ),
    ),
    Case(
        "a key is rotated",
        keys.rotate,
        post("/keys/ops/rotate"),
        api("POST", "/keys/ops/rotate"),
        ("keys", "rotate", "ops"),
        audit=(("key.rotated", "ops"),),
        tables=("access_keys",),
    ),
    Case(
        "no key is rotated",
        keys.rotate,
        post("/keys/none/rotate"),
        api("POST", "/keys/none/rotate"),
        ("keys", "rotate", "none"),
        refused=NO_KEY,
    ),
    Case(
        "a key is revoked",
        keys.revoke,
        post("/keys/ops/revoke"),
        api("DELETE", "/keys/ops"),
        ("keys", "revoke", "ops"),
        audit=(("key.revoked", "ops"),),
        tables=("access_keys",),
    ),
    Case(
        "no key is revoked",
        keys.revoke,
        post("/keys/none/revoke"),
        api("DELETE", "/keys/none"),
        ("keys", "revoke", "none"),
        refused=NO_KEY,
    ),
]
MISSING = "activities-missing"
WORK = [
    # gitpip check makes the check as well; see below.
    Case(
        "a check of all users",
        checks.request,
        post("/people/check"),
        api("POST", "/checks"),
        None,
        audit=(("check.requested", "1"),),
        wakes=("check",),
        tables=("checks", "users"),
    ),
    Case(
        "a pause is ended",
        pauses.try_now,
        post("/status-page/try/publishing"),
        api("POST", "/pauses/publishing/try"),
        ("try-now", "publishing"),
        audit=(("pause.ended", "publishing"),),
        wakes=("publish",),
        tables=("pauses", "publications"),
    ),
    Case(
        "what is not paused is tried",
        pauses.try_now,
        post("/status-page/try/watching"),
        api("POST", "/pauses/watching/try"),
        ("try-now", "watching"),
    ),
    Case(
        "a pause that GitHub asked for",
        pauses.try_now,
        post("/status-page/try/sweeping"),
        api("POST", "/pauses/sweeping/try"),
        ("try-now", "sweeping"),
        refused=Refused(
            409,
            "pause-kept",
            f"sweeping is paused {until(LATER, utc_now())} because GitHub asked to wait that long; "
            "asking earlier can get the token banned, so it can't be ended",
        ),
    ),
    Case(
        "the account is switched",
        accounts.switch,
        post("/status-page/accounts/pipedrive/switch"),
        api("POST", "/accounts/pipedrive/switch"),
        ("accounts", "switch", "pipedrive"),
        audit=(("account.switched", "pipedrive Next Ltd"),),
        wakes=("publish",),
        tables=("accounts", "kept_publications", "ledger", "publications"),
    ),
    Case(
        "no other account is set",
        accounts.switch,
        post("/status-page/accounts/github/switch"),
        api("POST", "/accounts/github/switch"),
        None,  # where no service runs, a command first notes which account is set
        refused=Refused(
            409, "account-unchanged", "no change of the github account waits to be confirmed"
        ),
    ),
    Case(
        # gitpip adopt compares by itself.
        "a comparison with Pipedrive",
        adoption.request_comparison,
        post("/status-page/adopt"),
        api("POST", "/adoption"),
        None,
        audit=(("adoption.requested", "pipedrive"),),
        wakes=("publish",),
        tables=("ledger",),
    ),
    Case(
        "what is missing is acknowledged",
        adoption.acknowledge,
        post(f"/status-page/acknowledge/{MISSING}"),
        api("POST", f"/problems/{MISSING}/acknowledge"),
        ("adopt", "--acknowledge"),
        audit=(("problem.acknowledged", f"{MISSING}: 2"),),
        tables=("ledger",),
    ),
    Case(
        "nothing to acknowledge",
        adoption.acknowledge,
        post("/status-page/acknowledge/activities-doubled"),
        api("POST", "/problems/activities-doubled/acknowledge"),
        None,
    ),
]
FEEDS = [
    Case(
        "a feed's address is made",
        feeds.create,
        post("/feeds", name="phone"),
        api("POST", "/feeds", name="phone"),
        ("feeds", "create", "phone"),
        audit=(("feed_address.created", "phone"),),
        tables=("feed_addresses",),
    ),
    Case(
        "a feed's address is made without a name",
        feeds.create,
        post("/feeds", name=""),
        api("POST", "/feeds", name=""),
        ("feeds", "create", ""),
        refused=Refused(
            422,
            "invalid-input",
            "name: '' can't name an address; it must be 1 to 60 printable characters, e.g. the "
            "name of your feed reader",
        ),
    ),
    Case(
        "a feed's address is revoked",
        feeds.revoke,
        post("/feeds/1/revoke"),
        api("DELETE", "/feeds/1"),
        ("feeds", "revoke", "1"),
        audit=(("feed_address.revoked", "reader"),),
        tables=("feed_addresses",),
    ),
    Case(
        "no feed's address is revoked",
        feeds.revoke,
        post("/feeds/77/revoke"),
        api("DELETE", "/feeds/77"),
        ("feeds", "revoke", "77"),
        refused=Refused(
            404,
            "feed-address-not-found",
            "there is no address 77 of yours that could be revoked",
        ),
    ),
]
IMPORT = ("users", "import", "list.csv")


def importing(name: str, act: Callable[..., object], text: bytes, **what: Any) -> Case:
    file = ("list.csv", text)
    page = Request("POST", "/imports", file=file)
    by_api = Request("POST", "/api/v1/imports", file=file)
    audit = (("users.imported", "list.csv"),)
    return Case(name, act, page, by_api, IMPORT, audit=audit, file=file, **what)


IMPORTS = [
    importing(
        "a list of users is imported",
        imports.begin,
        b"login,tags\ncleo,vip\nada,\n",
        wakes=("check",),
        tables=("imports", "user_tags", "users"),
    ),
    importing(
        "a list of users who are tracked is imported",
        imports.carry_out,
        b"ada\nbob\n",
        tables=("imports",),
    ),
    importing(
        # Page and API answer before they read the file; its row says what was wrong.
        "a list without a header is imported",
        imports.carry_out,
        b"name,tags\ncleo,vip\n",
        tables=("imports",),
        refused=Refused(0, "", "header: found the columns 'name', 'tags', separated by commas"),
        refused_by=("command",),
    ),
]
CASES = [*USERS, *PUBLICATIONS, *KEYS, *WORK, *FEEDS, *IMPORTS]
NAMED = (
    "tags and an interval are changed",
    "what is held is published",
    "the account is switched",
)
ON_POSTGRES = [case for case in CASES if case.name in NAMED]
"""A few, since the statements are the same, and each door takes a database of its own."""


@pytest.fixture(scope="module")
def github() -> Iterator[str]:
    github = GitHub()
    github.add_user("cleo")
    with Server(github.app) as server:
        yield server.url


@pytest.fixture(scope="module")
def furnished_file(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> tuple[Path, Rows]:
    """An SQLite database to be copied, and its rows."""
    path = tmp_path_factory.mktemp("furnished") / "gitpip.sqlite3"
    shutil.copy(migrated_file, path)
    return path, asyncio.run(furnished(f"sqlite+aiosqlite:///{path}"))


@pytest.fixture(scope="module")
def furnished_template(postgres: PostgresServer, migrated_template: str) -> tuple[str, Rows]:
    """A PostgreSQL database to be copied, and its rows."""
    postgres.psql(f"CREATE DATABASE furnished TEMPLATE {migrated_template};")
    return "furnished", asyncio.run(furnished(_address(postgres, "furnished")))


def _address(postgres: PostgresServer, name: str) -> str:
    return postgres.get_uri(name).replace("postgresql:", "postgresql+asyncpg:", 1)


@pytest.fixture
def house(tmp_path: Path, furnished_file: tuple[Path, Rows], github: str) -> Callable[[], House]:
    """Makes houses, each with a database of its own on SQLite."""
    path, rows = furnished_file

    def make() -> House:
        folder = tmp_path / uuid4().hex
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        return House(folder, f"sqlite+aiosqlite:///{folder}/{path.name}", rows, github)

    return make


@pytest.fixture
def house_on_postgres(
    tmp_path: Path,
    postgres: PostgresServer,
    furnished_template: tuple[str, Rows],
    github: str,
) -> Iterator[Callable[[], House]]:
    """The same on PostgreSQL."""
    template, rows = furnished_template
    names: list[str] = []

    def make() -> House:
        names.append(f"test_{uuid4().hex}")
        postgres.psql(f"CREATE DATABASE {names[-1]} TEMPLATE {template};")
        return House(tmp_path, _address(postgres, names[-1]), rows, github)

    yield make
    for name in names:
        postgres.psql(f"DROP DATABASE {name} WITH (FORCE);")


def check_doors(case: Case, house: Callable[[], House]) -> None:
    done = {}
    shared = house() if case.refused and not case.tables else None  # nothing is changed there
    if case.page:
        done["page"] = (shared or house()).ask(case.page, as_page=True)
    if case.api:
        done["api"] = (shared or house()).ask(case.api, as_page=False)
    if case.command:
        own = shared or house()
        if case.file:
            (own.folder / case.file[0]).write_bytes(case.file[1])
        done["command"] = own.command(*case.command)
    for door, one in done.items():
        assert one.audit == list(case.audit), door
        assert one.via == ({door} if case.audit else set()), door
        assert one.due == set(case.wakes), door
        assert one.woken == (None if door == "command" else list(case.wakes)), door
        assert set(one.rows) == set(case.tables), (door, one.rows)
        if case.refused is None or door not in case.refused_by:
            assert one.refused is None, door
            continue
        assert one.refused, door
        assert case.refused.sentence in one.refused.sentence, door
        if door == "api":
            assert one.refused == case.refused
    rows = [one.rows for one in done.values()]
    assert all(each == rows[0] for each in rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_act_does_the_same_by_every_door(case: Case, house: Callable[[], House]) -> None:
    check_doors(case, house)


@pytest.mark.parametrize("case", ON_POSTGRES, ids=lambda case: case.name)
def test_and_on_postgresql(case: Case, house_on_postgres: Callable[[], House]) -> None:
    check_doors(case, house_on_postgres)


def test_a_check_by_command_is_requested_in_the_same_way(house: Callable[[], House]) -> None:
    own = house()
    Installation(own.folder, own.environment).command("check")
    with sqlite3.connect(own.folder / "gitpip.sqlite3") as database:
        kept = database.execute("SELECT via, action, subject FROM audit").fetchall()
        requested = database.execute("SELECT requested_at FROM checks WHERE id = 1").fetchall()
    assert kept == [("command", "check.requested", "1")]
    assert len(requested) == 1


def functions() -> Iterator[Callable[..., object]]:
    """Every public function of the actions that may read or write the database."""
    for module in pkgutil.iter_modules(gitpip.actions.__path__, "gitpip.actions."):
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            of_it = getattr(value, "__module__", None) == module.name
            waits = inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
            if of_it and waits and not name.startswith("_"):
                yield value


def test_every_act_has_a_case() -> None:
    found = set(functions()) - READS
    assert found - {case.act for case in CASES} == set(), "give these a case"
    for function in found:
        first = next(iter(inspect.signature(function).parameters.values()))
        assert first.annotation is Acting, f"{function} takes no Acting"


def test_nothing_but_acts_and_signing_in_is_recorded_in_the_audit() -> None:
    source = Path(gitpip.actions.__path__[0]).parent
    callers = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"\baudit\.record\(|\bidentity\.did\(", path.read_text())
    }
    assert callers == {"actions/acting.py", "web/auth/authentication.py", "web/auth/identity.py"}


def test_every_act_succeeds_in_one_case_by_all_doors_that_offer_it() -> None:
    for function in {case.act for case in CASES}:
        good = [case for case in CASES if case.act is function and case.refused is None]
        assert any(case.audit for case in good), function
