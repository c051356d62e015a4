"""No id occurs twice on a page, and what names an id names one that is there."""

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gitpip.model import Role
from gitpip_standins import Fault
from gitpip_standins.faults import FaultKind
from tests.web.conftest import Served, serving
from tests.web.routes import every_route
from tests.web.test_removed_users import asking, set_the_scene

NAMES_IDS = ("aria-labelledby", "aria-describedby", "aria-controls", "for", "form", "list")
NO_PAGES = ("/api/", "/feed.", "/feeds/", "/metrics", "/openapi.json")
"""How the paths begin that never answer with a page."""
REFUSED = {
    "/people": {"login": "no such login!"},
    "/people/selected": {"act": "tag", "login": "bystander"},
    "/people/bystander/change": {"interval": "soon"},
    "/people/bystander/target": {"target": "nothing"},
    "/inbox/filters": {"name": ""},
    "/settings/publishing": {"activity_due_date": "someday"},
    "/rules": {"name": "", "action": "skip"},
    "/keys": {"name": ""},
    "/feeds": {"name": ""},
}
"""Forms that are shown again, with what is wrong with them."""


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[Served]:
    with serving(tmp_path, database_url, GITPIP_FEED="off") as served:
        yield served


class Ids(HTMLParser):
    """The ids of a page, and those that its attributes name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids = Counter[str]()
        self.named = set[tuple[str, str]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            elif name in NAMES_IDS:
                self.named |= {(name, one) for one in (value or "").split()}

    @property
    def faults(self) -> list[str]:
        """What is wrong, if anything."""
        twice = [f"{one!r} occurs {number} times" for one, number in self.ids.items() if number > 1]
        gone = [f"{name} names {one!r}" for name, one in self.named if one not in self.ids]
        return twice + gone


async def test_ids_are_unique_and_those_that_are_named_are_there(
    world: Served, tmp_path: Path
) -> None:
    known = set_the_scene(world)
    refused = Fault(FaultKind.ERROR, processed=False, status=400)
    world.pipedrive.faults.script(refused, method="POST", path="activities$")
    routes = await every_route(tmp_path)
    pages = 0
    faults = []
    with asking(world, known, Role.ADMIN) as client:
        world.github.add_gist("bystander", {"refused.txt": "refused\n"})
        client.post("/api/v1/checks")
        world.gitpip.wait_for(
            lambda: client.get("/api/v1/publications?state=failed").json()["total"], "a refusal"
        )
        client.headers["origin"] = world.gitpip.url
        answers = [
            (address, client.get(address))
            for route in routes
            if route.method == "GET" and not route.path.startswith(NO_PAGES)
            for address in route.addresses(known.places, known.queries)
        ]
        answers += [(path, client.post(path, data=form)) for path, form in REFUSED.items()]
        for path in REFUSED:
            assert dict(answers)[path].status_code == 422, path
    for address, answer in answers:
        if "<!doctype html>" in answer.text:
            pages += 1
            faults += [f"{address}: {fault}" for fault in Ids(answer.text).faults]
    assert faults == []
    assert pages > 100
