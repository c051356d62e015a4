"""Pipedrive's stand-in as an account: what it has to choose from, and what it refuses to take."""

import httpx2
import pytest

from gitpip_standins import Pipedrive
from gitpip_standins.pipedrive.account import field_of, options
from tests.support.clocks import Clock

KIND = "c" * 40
LISTS = {
    "/v1/users": ["Petra Pipe", "Sam"],
    "/v1/activityTypes": ["Call", "Meeting", "Task", "Deadline", "Email", "Lunch"],
    "/api/v2/pipelines": ["Sales", "Open"],
    "/api/v2/stages": ["Qualified", "Offer", "New"],
}


@pytest.fixture
def pipedrive(clock: Clock) -> Pipedrive:
    pipedrive = Pipedrive(token="secret", clock=clock, burst=None, search_burst=None)
    pipedrive.setup.users[7] = ("Sam", "sam@example.com")
    pipedrive.setup.pipelines[2] = "Open"
    pipedrive.setup.stages[3] = ("New", 2)
    pipedrive.setup.deal_fields.append(
        field_of("Kind", KIND, "enum", custom=True, options=options("Tool", "Library"))
    )
    return pipedrive


@pytest.mark.parametrize("path", LISTS)
def test_what_the_account_has_is_listed(pipedrive_client: httpx2.Client, path: str) -> None:
    assert [each["name"] for each in pipedrive_client.get(path).json()["data"]] == LISTS[path]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("activities", {"subject": "x", "type": "visit"}),
        ("activities", {"subject": "x", "owner_id": 2}),
        ("activities", {"subject": "x", "priority": 1}),
        ("deals", {"title": "x", "owner_id": 2}),
        ("deals", {"title": "x", "pipeline_id": 3}),
        ("deals", {"title": "x", "stage_id": 4}),
        ("deals", {"title": "x", "pipeline_id": 1, "stage_id": 3}),
        ("deals", {"title": "x", "label_ids": [1]}),
        ("deals", {"title": "x", "custom_fields": {KIND: 3}}),
    ],
    ids=str,
)
def test_what_the_account_lacks_is_refused(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, path: str, body: dict[str, object]
) -> None:
    answer = pipedrive_client.post(f"/api/v2/{path}", json=body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert (pipedrive.activities, pipedrive.deals) == ([], [])


def test_what_it_has_is_taken(pipedrive: Pipedrive, pipedrive_client: httpx2.Client) -> None:
    activity = {"subject": "x", "type": "lunch", "owner_id": 7, "priority": 203, "done": True}
    deal = {"title": "x", "owner_id": 7, "stage_id": 3, "label_ids": [11]}
    deal |= {"custom_fields": {KIND: 2}}
    made = pipedrive_client.post("/api/v2/activities", json=activity).json()["data"]
    assert made | activity == made
    assert made["marked_as_done_time"] == made["add_time"]
    made = pipedrive_client.post("/api/v2/deals", json=deal).json()["data"]
    assert made | deal | {"pipeline_id": 2} == made


def test_a_required_field_is_asked_for_in_its_stages(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.setup.require("Kind", 3)
    deals = "/api/v2/deals"
    assert pipedrive_client.post(deals, json={"title": "x"}).status_code == 200
    refused = pipedrive_client.post(deals, json={"title": "x", "stage_id": 3})
    assert (refused.status_code, refused.json()["error"]) == (400, "Kind is required")
    with_it = {"title": "x", "stage_id": 3, "custom_fields": {KIND: 1}}
    assert pipedrive_client.post(deals, json=with_it).status_code == 200


def test_an_activity_of_which_nothing_is_said_is_an_open_call(
    pipedrive_client: httpx2.Client,
) -> None:
    made = pipedrive_client.post("/api/v2/activities", json={"subject": "x"}).json()["data"]
    assert (made["type"], made["done"], made["owner_id"]) == ("call", False, 1)
