"""Targets by page, API and command: found by a search, checked when given, and shown."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.web.conftest import Served


@pytest.fixture
def people(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        yield client


def test_a_target_is_searched_for_chosen_and_shown(served: Served, people: httpx2.Client) -> None:
    crm = served.pipedrive
    organization = crm.contacts.add_organization("Engines Ltd")
    deal = crm.add_deal("Engines for Ada", org_id=organization)
    lost = crm.add_deal("Engines of old", status="lost")
    served.track("ada", {"1.txt": "one"})

    found = served.api("POST", "/targets/search", {"term": "engines"}).json()["items"]

    assert {hit["target"]: hit["fault"] for hit in found} == {
        f"deal:{deal}": None,
        f"deal:{lost}": "is lost in Pipedrive",
        f"organization:{organization}": None,
    }
    assert found[0]["organization"] == "Engines Ltd"

    page = people.post("/people/ada/targets", data={"term": "engines"})
    assert f'value="deal:{deal}"' in page.text
    assert f'value="deal:{lost}"' not in page.text
    people.post("/people/ada/target", data={"target": f"deal:{deal}"})
    user = served.api("GET", "/users/ada").json()
    assert (user["target"], user["target_title"]) == (f"deal:{deal}", "Engines for Ada")
    assert "Engines for Ada" in people.get("/people/ada").text


def test_what_can_not_be_a_target_is_refused_with_the_reason(
    served: Served, people: httpx2.Client
) -> None:
    lost = served.pipedrive.add_deal("Engines of old", status="lost")
    served.track("ada", {"1.txt": "one"})

    for target, words in (
        ("deal:4711", "there is no deal 4711 in this Pipedrive account"),
        (f"deal:{lost}", f"deal {lost} is lost in Pipedrive"),
        ("person:8", "there is no person 8 in this Pipedrive account"),
        ("lead:adf21080-0e10-11eb-879b-05d71fb426ec", "there is no lead adf21080"),
        ("company:8", "must be deal:ID, lead:UUID"),
    ):
        answer = served.api("PATCH", "/users/ada", {"target": target})
        assert answer.status_code == 422
        assert words in json.dumps(answer.json())
        assert words in people.post("/people/ada/target", data={"target": target}).text
    assert served.api("GET", "/users/ada").json()["target"] is None
