"""Every route asks for a role, and lets in only callers who have it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from gitpip.config import load_settings
from gitpip.config.reload import Credentials
from gitpip.model import Role
from gitpip.runtime.token_tests import CachedTokenTests
from gitpip.store.database import open_database
from gitpip.web.app import create_app
from gitpip.web.auth.roles import OpenMount, RoleRoute, check_routes
from gitpip.web.context import AppContext
from tests.web.conftest import Served, serving

# What each route needs, and an example of its path where it has parameters.
OPEN = {
    "GET /health": "",
    "GET /ready": "",
    "GET /sign-in": "",
    "POST /sign-in": "",
    "GET /static": "/static/gitpip.css",
}
VIEWER = {
    "GET /api/v1/inbox": "",
    "POST /api/v1/inbox/marks": "",
    "POST /api/v1/inbox/marks/{visit_id}/undo": "/api/v1/inbox/marks/1/undo",
    "GET /api/v1/inbox/filters": "",
    "POST /api/v1/inbox/filters": "",
    "DELETE /api/v1/inbox/filters/{filter_id}": "/api/v1/inbox/filters/1",
    "GET /api/v1/audits": "",
    "GET /api/v1/audits/{audit_id}": "/api/v1/audits/1",
    "GET /api/v1/audits/{audit_id}/lines": "/api/v1/audits/1/lines",
    "GET /api/v1/audits/{audit_id}/lines.csv": "/api/v1/audits/1/lines.csv",
    "GET /audits": "",
    "GET /audits/{audit_id}": "/audits/1",
    "GET /api/v1/adoption/others": "",
    "GET /adoption": "",
    "GET /metrics": "",
    "GET /status": "",
    "GET /openapi.json": "",
    "GET /docs": "",
    "GET /users": "",
    "POST /latestgists/{login}": "/latestgists/nobody",
    "GET /api/v1/users": "",
    "GET /api/v1/users/{login}": "/api/v1/users/nobody",
    "GET /api/v1/users/{login}/gists": "/api/v1/users/nobody/gists",
    "GET /api/v1/users/{login}/visits": "/api/v1/users/nobody/visits",
    "POST /api/v1/users/{login}/visits": "/api/v1/users/nobody/visits",
    "GET /api/v1/visits/{visit_id}": "/api/v1/visits/1",
    "GET /api/v1/gists": "",
    "GET /api/v1/gists/{gist_id}": "/api/v1/gists/abc",
    "GET /api/v1/held": "",
    "GET /api/v1/publishing/rules": "",
    "GET /api/v1/publishing/rules/trial": "",
    "GET /api/v1/opt-outs": "",
    "GET /rules": "",
    "GET /api/v1/undos": "",
    "GET /api/v1/undos/{undo_id}": "/api/v1/undos/1",
    "GET /api/v1/undos/{undo_id}/publications": "/api/v1/undos/1/publications",
    "GET /api/v1/undos/{undo_id}/deals": "/api/v1/undos/1/deals",
    "GET /undos/{undo_id}": "/undos/1",
    "GET /api/v1/publications": "",
    "GET /api/v1/publications/causes": "",
    "GET /publications/causes": "",
    "GET /api/v1/repairs": "",
    "GET /api/v1/repairs/{repair_id}": "/api/v1/repairs/1",
    "GET /repairs/{repair_id}": "/repairs/1",
    "GET /api/v1/publications/{publication_id}": "/api/v1/publications/1",
    "GET /api/v1/publications/{publication_id}/preview": "/api/v1/publications/1/preview",
    "GET /api/v1/events": "",
    "GET /api/v1/checks": "",
    "GET /api/v1/checks/{check_id}": "/api/v1/checks/1",
    "GET /api/v1/status": "",
    "GET /api/v1/capacity": "",
    "GET /api/v1/publishing/plan": "",
    "GET /api/v1/accounts": "",
    "GET /api/v1/adoption": "",
    "GET /api/v1/feeds": "",
    "POST /api/v1/feeds": "",
    "DELETE /api/v1/feeds/{address_id}": "/api/v1/feeds/1",
    "GET /": "",
    "GET /inbox/new": "",
    "GET /inbox/rows": "",
    "POST /inbox/filters": "",
    "POST /inbox/filters/{filter_id}/delete": "/inbox/filters/1/delete",
    "POST /seen": "",
    "POST /seen/{visit_id}/undo": "/seen/1/undo",
    "GET /seen/{visit_id}": "/seen/1",
    "GET /people": "",
    "GET /imports/{import_id}": "/imports/1",
    "GET /api/v1/imports/{import_id}": "/api/v1/imports/1",
    "GET /people/{login}": "/people/nobody",
    "GET /checks/{check_id}": "/checks/1",
    "GET /gist/{gist_id}": "/gist/abc",
    "GET /gist/{gist_id}/changes/{key}": "/gist/abc/changes/1",
    "GET /gist/{gist_id}/raw/{key}": "/gist/abc/raw/1",
    "GET /publications": "",
    "GET /publications/{publication_id}": "/publications/1",
    "GET /status-page": "",
    "GET /capacity": "",
    "GET /feed.atom": "",
    "GET /feed.json": "",
    "GET /feeds": "",
    "POST /feeds": "",
    "POST /feeds/{address_id}/revoke": "/feeds/1/revoke",
    "POST /sign-out": "",
}
OPERATOR = {
    "GET /imports": "",
    "GET /setup": "",
    "POST /setup": "",
    "GET /people/{login}/remove": "/people/nobody/remove",
    "POST /users/{login}/{user_id}": "/users/nobody/1",
    "POST /api/v1/users": "",
    "POST /api/v1/forecast": "",
    "PATCH /api/v1/users/{login}": "/api/v1/users/nobody",
    "POST /api/v1/users/{login}/check": "/api/v1/users/nobody/check",
    "DELETE /api/v1/users/{login}": "/api/v1/users/nobody",
    "POST /api/v1/publications/{publication_id}/retry": "/api/v1/publications/1/retry",
    "POST /api/v1/publications/{publication_id}/skip": "/api/v1/publications/1/skip",
    "POST /api/v1/users/{login}/held": "/api/v1/users/nobody/held",
    "POST /people/{login}/held": "/people/nobody/held",
    "POST /api/v1/checks": "",
    "POST /api/v1/audits": "",
    "POST /audits": "",
    "POST /api/v1/adoption/others": "",
    "POST /api/v1/adoption/others/adopt": "",
    "POST /adoption/search": "",
    "POST /adoption/adopt": "",
    "POST /api/v1/pauses/{name}/try": "/api/v1/pauses/publishing/try",
    "POST /status-page/try/{name}": "/status-page/try/publishing",
    "POST /api/v1/publishing/pause": "",
    "POST /api/v1/publishing/resume": "",
    "POST /status-page/publishing/pause": "",
    "POST /status-page/publishing/resume": "",
    "POST /api/v1/adoption": "",
    "POST /status-page/adopt": "",
    "POST /api/v1/problems/{kind}/acknowledge": "/api/v1/problems/activities-missing/acknowledge",
    "POST /status-page/acknowledge/{kind}": "/status-page/acknowledge/activities-doubled",
    "POST /api/v1/notes/{act}": "/api/v1/notes/retry",
    "POST /status-page/notes/{act}": "/status-page/notes/leave",
    "POST /people": "",
    "POST /people/check": "",
    "POST /imports": "",
    "POST /imports/{import_id}/confirm": "/imports/1/confirm",
    "POST /api/v1/imports": "",
    "POST /api/v1/imports/preview": "",
    "POST /people/selected": "",
    "POST /people/{login}/change": "/people/nobody/change",
    "POST /people/{login}/target": "/people/nobody/target",
    "POST /people/{login}/targets": "/people/nobody/targets",
    "POST /api/v1/targets/search": "",
    "POST /people/{login}/{act}": "/people/nobody/pause",
    "POST /publications/{publication_id}/{act}": "/publications/1/retry",
    "POST /publications/selected": "",
    "POST /api/v1/repairs": "",
    "POST /api/v1/repairs/preview": "",
    "POST /api/v1/repairs/{repair_id}/resume": "/api/v1/repairs/1/resume",
    "POST /repairs": "",
    "POST /repairs/{repair_id}/resume": "/repairs/1/resume",
    "POST /api/v1/undos": "",
    "POST /api/v1/undos/plan": "",
    "POST /api/v1/undos/{undo_id}/resume": "/api/v1/undos/1/resume",
    "POST /undos": "",
    "POST /undos/{undo_id}/resume": "/undos/1/resume",
    "GET /undo": "/undo?user=ada",
    "POST /api/v1/publications/approve": "",
    "POST /api/v1/publications/hold": "",
    "GET /api/v1/publishing/settings": "",
    "POST /api/v1/held": "",
    "POST /publications/held": "",
    "POST /api/v1/opt-outs": "",
    "DELETE /api/v1/opt-outs/{login}": "/api/v1/opt-outs/nobody",
    "POST /opt-outs": "",
    "POST /opt-outs/{login}/remove": "/opt-outs/nobody/remove",
    "POST /api/v1/publishing/preview": "",
    "GET /settings/publishing/preview": "",
    "POST /settings/publishing/preview": "",
}
ADMIN = {
    "GET /api/v1/keys": "",
    "POST /api/v1/keys": "",
    "POST /api/v1/keys/{name}/rotate": "/api/v1/keys/nobody/rotate",
    "DELETE /api/v1/keys/{name}": "/api/v1/keys/nobody",
    "GET /api/v1/audit": "",
    "POST /api/v1/accounts/{vendor}/switch": "/api/v1/accounts/pipedrive/switch",
    "POST /status-page/accounts/{vendor}/switch": "/status-page/accounts/pipedrive/switch",
    "PATCH /api/v1/publishing/settings": "",
    "GET /settings/publishing": "",
    "POST /settings/publishing": "",
    "POST /api/v1/publishing/rules": "",
    "PUT /api/v1/publishing/rules/{rule_id}": "/api/v1/publishing/rules/1",
    "POST /api/v1/publishing/rules/{rule_id}/move": "/api/v1/publishing/rules/1/move",
    "DELETE /api/v1/publishing/rules/{rule_id}": "/api/v1/publishing/rules/1",
    "POST /rules": "",
    "POST /rules/{rule_id}/{act}": "/rules/1/remove",
    "GET /keys": "",
    "POST /keys": "",
    "POST /keys/{name}/{act}": "/keys/nobody/revoke",
    "GET /audit": "",
}
# The secret address stands for a key; see test_sign_in.py and test_derived.py.
BY_SECRET = {
    "GET /feeds/{address}/gists.atom": "/feeds/gitpip_feed_0/gists.atom",
    "GET /feeds/{address}/gists.json": "/feeds/gitpip_feed_0/gists.json",
}

NEEDED: Mapping[str, Role | None] = {
    **dict.fromkeys(OPEN, None),
    **dict.fromkeys(VIEWER, Role.VIEWER),
    **dict.fromkeys(OPERATOR, Role.OPERATOR),
    **dict.fromkeys(ADMIN, Role.ADMIN),
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"
PATHS = {**OPEN, **VIEWER, **OPERATOR, **ADMIN}
ONE_WORDING = "no valid access key was given; send one in the header Authorization: Bearer KEY"


def _application(folder: Path) -> FastAPI:
    settings = load_settings({"GITPIP_DATA_DIR": str(folder)}, env_file=None)

    def unused(*_: object, **__: object) -> NoReturn:
        raise AssertionError("routes are listed, and none is asked")

    return create_app(
        AppContext(
            whole_database=open_database(settings.database_url),
            credentials=Credentials(settings),
            find_account=unused,
            wake=unused,
            scheduler_is_alive=unused,
            health_problems=unused,
            instance_id="here",
            forecast=unused,
            look_up=unused,
            preview=unused,
            check_settings=unused,
            check_target=unused,
            search_targets=unused,
            token_tests=CachedTokenTests(lambda: settings),
        )
    )


def test_every_route_declares_its_role(tmp_path: Path) -> None:
    declared = {
        f"{method} {route.path}": route.original_route.requirement.role
        for route in iter_route_contexts(_application(tmp_path).routes)
        for method in (route.methods or {"GET"}) - {"HEAD"}
        if isinstance(route.original_route, RoleRoute | OpenMount)
    }

    assert declared == {**NEEDED, **dict.fromkeys(BY_SECRET, Role.VIEWER)}


def test_the_document_has_each_request_of_the_api_with_its_role() -> None:
    rows = re.findall(r"(?m)^\| `(operator|admin)` \|.*?\| (`.+`) \|$", DOCUMENT.read_text())
    shown = {request: Role(role) for role, cell in rows for request in re.findall("`(.+?)`", cell)}
    of_api = re.compile(r"\w+ /(api|users)/")
    more = {**dict.fromkeys(OPERATOR, Role.OPERATOR), **dict.fromkeys(ADMIN, Role.ADMIN)}
    assert shown == {route: role for route, role in more.items() if of_api.match(route)}


def test_a_route_that_declares_nothing_is_for_admins() -> None:
    router = APIRouter(route_class=RoleRoute)
    router.add_api_route("/forgotten", lambda: "")

    (route,) = router.routes
    assert isinstance(route, RoleRoute)
    assert route.requirement.role is Role.ADMIN


def test_a_route_that_would_ask_nobody_stops_the_application() -> None:
    app = FastAPI(openapi_url=None)
    app.add_api_route("/forgotten", lambda: "")

    with pytest.raises(TypeError, match="/forgotten has the class APIRoute"):
        check_routes(app.routes)


@dataclass(frozen=True)
class Guarded:
    """A running gitpip with keys, and what opens nothing."""

    served: Served
    valid: Mapping[Role, str]
    invalid: Mapping[str, str]

    def ask(self, route: str, key: str | None) -> httpx2.Response:
        method, _, template = route.partition(" ")
        headers = {"authorization": f"Bearer {key}"} if key is not None else {}
        url = self.served.gitpip.url + (PATHS[route] or template)
        return httpx2.request(method, url, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("gitpip")
    with serving(folder, f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3") as served:

        def issue(name: str, role: Role, *options: str) -> str:
            made = served.gitpip.command("keys", *options, name, "--role", role, "--json")
            return str(json.loads(made.stdout)["key"])

        valid = {role: issue(f"a-{role}", role, "create") for role in reversed(Role)}
        revoked = issue("revoked", Role.ADMIN, "create")
        served.gitpip.command("keys", "revoke", "revoked")
        rotated = issue("rotated", Role.ADMIN, "create")
        served.gitpip.command("keys", "rotate", "rotated")
        expired = issue("expired", Role.ADMIN, "create", "--expires", "0.000001s")
        yield Guarded(
            served,
            valid,
            {
                "revoked": revoked,
                "rotated": rotated,
                "expired": expired,
                "unknown": re.sub("[0-9a-f]{8}$", "00000000", valid[Role.ADMIN]),
                "malformed": "Bearer",
                "foreign": "ghp_" + "a" * 36,
            },
        )


@pytest.mark.parametrize("route", NEEDED)
@pytest.mark.parametrize("role", [None, *Role])
def test_a_role_opens_what_it_should_and_nothing_else(
    guarded: Guarded, route: str, role: Role | None
) -> None:
    answer = guarded.ask(route, guarded.valid[role] if role else None)

    needed = NEEDED[route]
    if needed is None:
        assert answer.status_code in {200, 401}, answer.text  # 401: a sign-in without a key
        assert "no-valid-key" not in answer.text
    elif role is None:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["detail"] == ONE_WORDING
    elif not role.includes(needed):
        assert answer.status_code == 403
        assert f"You need the {needed} role." in answer.json()["detail"]
    else:
        assert answer.status_code not in {401, 403}, answer.text
        assert answer.status_code < 500 or answer.json()["code"] == "github-unavailable"


@pytest.mark.parametrize(
    "invalid", ["revoked", "rotated", "expired", "unknown", "malformed", "foreign"]
)
def test_whatever_is_no_valid_key_hears_the_same(guarded: Guarded, invalid: str) -> None:
    for route in ("GET /users", "GET /api/v1/keys", "POST /api/v1/checks", "GET /metrics"):
        answer = guarded.ask(route, guarded.invalid[invalid])
        assert (answer.status_code, answer.json()["detail"]) == (401, ONE_WORDING)


def test_other_schemes_and_unknown_paths_are_closed_too(guarded: Guarded) -> None:
    key = guarded.valid[Role.ADMIN]
    url = guarded.served.gitpip.url

    assert httpx2.get(f"{url}/users", auth=("admin", key)).status_code == 401
    assert httpx2.get(f"{url}/users?key={key}").status_code == 401
    assert httpx2.get(f"{url}/nothing").status_code == 401
    headers = {"authorization": f"bearer {key}"}
    assert httpx2.get(f"{url}/nothing", headers=headers).status_code == 404
    assert httpx2.get(f"{url}/keys/", headers={"accept": "text/html"}).status_code == 303


@pytest.mark.parametrize("host", ["x/static/?", "x/health?", "x/sign-in#", "x/health/../", "[", ""])
def test_no_host_and_no_spelling_of_a_path_leads_around(guarded: Guarded, host: str) -> None:
    url = guarded.served.gitpip.url
    for path in ("/users", "/api/v1/keys", "/%6beys", "/keys%3F", "/keys%23/x/revoke", "//keys"):
        answer = httpx2.get(url + path, headers={"host": host} if host else {})
        assert answer.status_code in {400, 401}, (path, answer.text)
    headers = {"authorization": f"Bearer {guarded.valid[Role.VIEWER]}"}
    for path in ("/%6beys", "/api/v1/%6beys"):
        assert httpx2.get(url + path, headers=headers).status_code == 403, path
