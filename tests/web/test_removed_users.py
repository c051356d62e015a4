"""After a user is removed, no route shows anything of them; after adding them again, all is back.

The routes and their parameters are read from the application: a route that is added later is asked
too, and the test fails where it does not know what to fill in for a new parameter.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx2
import pytest

from gitpip.model import Role
from tests.web.conftest import Served, serving
from tests.web.routes import Route, every_route

LOGIN, FORMER, OWN_ID = "zubrowka", "formerly-zubr", "customer-zubr-7"
TAG, LANGUAGE = "quagga-tag", "Elixir"
FILE, OTHER_FILE = "quince.ex", "quoll.txt"
DESCRIPTION, CONTENT, OLD_CONTENT = "described-as-quartz", "content_quail", "formerly_quiver"

OWNED = {"login", "gist_id", "key", "publication_id"}
"""Path parameters that name something of one user: the answer after the removal is 404."""
VISIT = "/api/v1/visits/{visit_id}"
TRACKING = {"POST /users/{login}/{user_id}"}
"""What adds a user again."""
FORGOTTEN = {"/api/v1/events"}
"""What does not come back: readers of events were told that the user was removed."""
TELLS_OF_REMOVALS = {"/audit", "/api/v1/audit"}
"""Where admins read who did what, logins included."""


@dataclass
class Known:
    """What existed before the removal: what requests name, and what answers must not hold."""

    keys: Mapping[Role, str]
    places: dict[str, list[str]] = field(default_factory=dict)
    queries: dict[str, list[str]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def shown_in(self, address: str, answer: httpx2.Response) -> frozenset[str]:
        """Which secrets an answer tells that its own request did not hold."""
        asked = unquote_plus(address)
        allowed = (LOGIN, FORMER) if address.partition("?")[0] in TELLS_OF_REMOVALS else ()
        return frozenset(
            secret
            for secret in self.secrets
            if secret in answer.text and secret not in asked and secret not in allowed
        )


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[Served]:
    with serving(tmp_path, database_url, GITPIP_FEED="off") as served:
        yield served


def set_the_scene(served: Served) -> Known:
    """A user with something to show at every route, next to one who stays tracked."""
    gitpip = served.gitpip
    served.track("bystander", {"stays.py": "print('stays')\n"})
    github_id = served.github.add_user(FORMER)
    gist = served.github.add_gist(
        FORMER, {FILE: f"{OLD_CONTENT}\n", OTHER_FILE: "other\n"}, description=DESCRIPTION
    )
    added = served.api("POST", "/users", {"login": FORMER, "id": OWN_ID, "tags": [TAG]})
    assert added.status_code == 201, added.text
    served.wait_for_files(FORMER, 2)
    assert gitpip.post(f"/latestgists/{FORMER}").status_code == 200
    assert gitpip.post(f"/api/v1/users/{FORMER}/visits").status_code == 201
    served.github.rename(github_id, LOGIN)
    served.github.edit_gist(gist, {FILE: f"{CONTENT}\n"})
    gitpip.post("/api/v1/checks")
    gitpip.wait_for(
        lambda: gitpip.get(f"/api/v1/users/{LOGIN}").status_code == 200, "the rename to be seen"
    )
    gitpip.wait_for(lambda: CONTENT in gitpip.get(f"/gist/{gist}").text, "the edit to be seen")
    gitpip.wait_for(
        lambda: served.api("GET", "/publications?state=published").json()["total"] == 3,
        "everything to be published",
    )
    served.github.add_user("somebody-else")
    clash = {"file": ("list.csv", f"login,id\nsomebody-else,{OWN_ID}\n")}
    imported = httpx2.post(f"{gitpip.url}/imports", files=clash, timeout=20)
    httpx2.post(f"{gitpip.url}{imported.headers['location']}/confirm", timeout=20)
    gitpip.wait_for(
        lambda: LOGIN in gitpip.get(imported.headers["location"]).text, "the clash to be told"
    )
    served.github.hide_user(github_id, answers=10)
    gitpip.post("/api/v1/checks")
    failed = gitpip.wait_for(
        lambda: [
            check["id"]
            for check in served.api("GET", "/checks").json()["items"]
            if any(LOGIN in failure for failure in check["failures"])
        ],
        "a check that failed for the user",
    )
    served.github.hide_user(github_id, answers=0)
    gitpip.post("/api/v1/checks")
    gitpip.wait_for(
        lambda: served.api("GET", f"/users/{LOGIN}").json()["failure"] is None,
        "a check that did not fail",
    )
    _post(served, f"/repairs?login={LOGIN}", act="skip", shown="0")
    audit = served.api("POST", "/audits").json()["id"]
    gitpip.wait_for(
        lambda: served.api("GET", f"/audits/{audit}").json()["ended_at"], "the audit to end"
    )
    assert FILE in gitpip.get(f"/api/v1/audits/{audit}/lines").text
    address = re.search("gitpip_feed_[0-9a-f]{48}", _post(served, "/feeds", name="reader"))
    assert address
    made = {
        role: json.loads(gitpip.command("keys", "create", role, "--role", role, "--json").stdout)
        for role in reversed(Role)
    }
    known = Known({role: str(key["key"]) for role, key in made.items()})
    _note_what_exists(
        served,
        known,
        gist=gist,
        address=address[0],
        imported=imported.headers["location"],
        failed=failed,
    )
    return known


def _post(served: Served, path: str, **form: str) -> str:
    answer = httpx2.post(served.gitpip.url + path, data=form, timeout=20)
    assert answer.status_code < 400, answer.text
    return answer.text


def _note_what_exists(
    served: Served,
    known: Known,
    *,
    gist: str,
    address: str,
    imported: str,
    failed: Sequence[int],
) -> None:
    with asking(served, known, Role.ADMIN) as client:
        listed = client.get("/api/v1/publications").json()["items"]
        own = [publication for publication in listed if publication["login"] == LOGIN]
        visits = [visit["id"] for visit in client.get(f"/api/v1/users/{LOGIN}/visits").json()]
        keys = re.findall(f"/gist/{gist}/raw/([0-9]+)", client.get(f"/gist/{gist}").text)
    for role in Role:
        with asking(served, known, role) as client:
            seen = client.post(
                "/seen", data={"everything": "1"}, headers={"origin": served.gitpip.url}
            )
            visits.append(int(seen.headers["location"].partition("seen=")[2]))
    texts = [LOGIN, FORMER, FILE, DESCRIPTION, CONTENT, "quail"]
    known.places = {
        "login": [LOGIN, FORMER],
        "user_id": [OWN_ID],
        "gist_id": [gist],
        "key": list(dict.fromkeys(keys)),
        "publication_id": [str(publication["id"]) for publication in own],
        "visit_id": [str(visit) for visit in visits],
        "audit_id": ["1"],
        "check_id": [str(check) for check in failed],
        "import_id": [imported.rpartition("/")[2]],
        "filter_id": ["1"],
        "repair_id": ["1"],
        "undo_id": ["1"],
        "address": [address],
        "address_id": ["1"],
        "rule_id": ["1"],
        "name": [Role.VIEWER],
        "vendor": ["pipedrive"],
        "act": ["check", "pause", "resume", "remove", "retry", "skip"],
    }
    known.queries = {
        "verdict": ["same", "explained", "unexplained"],
        "q": texts,
        "login": [LOGIN],
        "user": [LOGIN, FORMER],
        "tag": [TAG],
        "tags": [TAG],
        "language": [LANGUAGE],
        "state": ["published", "active"],
        "show": ["unread", "today", "week", "all", "edited", "failed"],
        "by": ["found"],
        "seen": [str(visit) for visit in visits],
        "name": ["a filter"],
        "check": [str(check) for check in failed],
        "import": ["1"],
        "viewer": ["everyone"],
        "since": ["visit", "2020-01-01"],
        "until": ["2100-01-01"],
        "before": ["1", "1000"],
        "after": ["0", "1", "2"],
        "shown": ["1"],
        "gist": [gist],
        "sort": ["found"],
        "kind": ["user.renamed", "gist.found"],
        "cause": ["0123456789ab"],
        "found_on": ["2026-05-04"],
        "published_on": ["2026-05-04"],
        "offset": ["0", "1"],
        "limit": ["500"],
        "credentials": ["mask"],
        "backfill": ["all"],
        "done": ["check"],
        "number": ["1"],
        "known": ["1"],
        "view": ["unified"],
        "select": ["all"],
        "add": texts,
        "which": ["all", "newest", "earlier"],
        "with_deals": ["true"],
        "latest": ["3"],
        "approved": ["1"],
        "queued": ["1"],
        "retried": ["1"],
        "tried": ["publishing"],
        "skipped": ["1"],
        "left": ["1"],
        "unchanged": ["1"],
        "now": ["published"],
        "held": ["1"],
        "edit": ["1"],
        "rule_id": ["1"],
        "saved": ["true"],
        "paused": ["1"],
        "next": [f"/people/{LOGIN}"],
        "users": ["1000"],
        "gists_per_day": ["10"],
        "pipedrive_plan": ["lite"],
        "github_token": ["none"],
        "seats": ["2"],
        "check_interval": ["3h"],
        "files_per_gist": ["2"],
        "bytes_per_file": ["100"],
        "backlog": ["5"],
    }
    known.secrets = {LOGIN, FORMER, OWN_ID, TAG, LANGUAGE, FILE, OTHER_FILE, gist}
    known.secrets |= {DESCRIPTION, CONTENT, OLD_CONTENT}
    known.secrets |= {str(publication["marker"]) for publication in own}


def asking(served: Served, known: Known, role: Role) -> httpx2.Client:
    headers = {"authorization": f"Bearer {known.keys[role]}"}
    return httpx2.Client(base_url=served.gitpip.url, headers=headers, timeout=60)


Told = dict[Route, dict[str, tuple[int, frozenset[str]]]]
"""By route and address: the status, and which secrets were shown."""


def _flat(told: Told) -> Iterator[tuple[Route, str, tuple[int, frozenset[str]]]]:
    for route, answers in told.items():
        for address, answer in answers.items():
            yield route, address, answer


def _read_everything(served: Served, known: Known, routes: Sequence[Route], role: Role) -> Told:
    """What every reading route says to a role."""
    told: Told = {}
    with asking(served, known, role) as client:
        for route in routes:
            if route.method != "GET":
                continue
            told[route] = {}
            for address in route.addresses(known.places, known.queries):
                answer = client.get(address)
                assert answer.status_code < 500, f"{address}: {answer.text}"
                told[route][address] = (answer.status_code, known.shown_in(address, answer))
    return told


async def test_a_removed_user_is_shown_nowhere_and_comes_back_whole(
    world: Served, tmp_path: Path
) -> None:
    routes = await every_route(tmp_path)
    known = set_the_scene(world)
    sent = len(world.pipedrive.activities)

    before = _read_everything(world, known, routes, Role.ADMIN)
    with asking(world, known, Role.OPERATOR) as client:
        looked_at = client.get(f"/api/v1/users/{LOGIN}").json()["checked_at"]
        assert client.delete(f"/api/v1/users/{LOGIN}").status_code == 204
    removed = {role: _read_everything(world, known, routes, role) for role in Role}
    changes = _try_to_change(world, known, routes)
    with asking(world, known, Role.OPERATOR) as client:
        assert client.post(f"/users/{LOGIN}/{OWN_ID}").status_code == 201
        world.gitpip.wait_for(
            lambda: client.get(f"/api/v1/users/{LOGIN}").json()["checked_at"] != looked_at,
            "the user to be looked at again",
        )
    back = _read_everything(world, known, routes, Role.ADMIN)

    assert set().union(*(shown for _, _, (_, shown) in _flat(before))) == known.secrets
    for role, told in removed.items():
        for route, address, (status, shown) in _flat(told):
            assert not shown, f"{address} tells {role} {sorted(shown)}"
            status_before, shown_before = before[route][address]
            theirs = OWNED & set(route.places) or (route.path == VISIT and shown_before)
            if theirs and status_before != 422:
                too_little = status == 403 and role is not Role.ADMIN
                assert status == 404 or too_little, f"{address} answers {status} to {role}"
    for address, status in changes.items():
        assert status in {404, 422}, f"{address} answers {status}"
    for route, address, (status, shown) in _flat(before):
        status_now, shown_now = back[route][address]
        assert status_now == status, f"{address} answered {status}, and now {status_now}"
        if route.path not in FORGOTTEN:
            assert shown_now >= shown, f"{address} misses {sorted(shown - shown_now)}"
    assert len(world.pipedrive.activities) == sent


def _try_to_change(served: Served, known: Known, routes: Sequence[Route]) -> dict[str, int]:
    """What every changing route answers to an admin who names something of the removed user."""
    answers: dict[str, int] = {}
    with asking(served, known, Role.ADMIN) as client:
        for route in routes:
            if route.method == "GET" or str(route) in TRACKING or not OWNED & set(route.places):
                continue
            for address in route.addresses(known.places, known.queries):
                body: dict[str, Any] = {} if route.method == "POST" else {"json": {}}
                answer = client.request(route.method, address, **body)
                answers[f"{route.method} {address}"] = answer.status_code
                assert not known.shown_in(address, answer), address
    return answers
