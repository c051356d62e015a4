"""Pipedrive's stand-in: what it accepts, what it refuses, what its lists show."""

from datetime import timedelta

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitpip_standins import Pipedrive, Server
from tests.support.clocks import Clock
from tests.support.trials import trials

ACTIVITIES = "/api/v2/activities"
DEALS = "/api/v2/deals"


@pytest.fixture
def pipedrive(clock: Clock) -> Pipedrive:
    return Pipedrive(token="secret", clock=clock, burst=None, search_burst=None)


def test_an_activity_from_creation_to_removal(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    deal_id = pipedrive.add_deal("ada")
    body = {"subject": "x", "type": "task", "deal_id": deal_id, "note": "<b>n</b>", "done": False}
    made = pipedrive_client.post(ACTIVITIES, json=body).json()
    assert made["success"]
    assert made["data"] | body == made["data"]
    url = f"{ACTIVITIES}/{made['data']['id']}"
    clock.advance(timedelta(minutes=1))
    changed = pipedrive_client.patch(url, json={"done": True}).json()["data"]
    assert changed["update_time"] == "2026-03-04T05:07:07Z"
    assert changed["marked_as_done_time"] == changed["update_time"]
    assert pipedrive_client.get(url).json()["data"] == changed
    assert pipedrive_client.delete(url).json()["data"] == {"id": changed["id"]}
    assert pipedrive_client.get(url).status_code == 404
    assert pipedrive_client.get(ACTIVITIES).json()["data"] == []
    assert pipedrive.activities[0]["is_deleted"]


@pytest.mark.parametrize(
    "body",
    [
        {"person_id": 1},
        {"done": 1},
        {"busy": 0},
        {"colour": "red"},
        {"subject": "x" * 256},
        {"subject": None},
        {"note": "ä" * (50 * 1024) + "x"},
        {"type": "unheard-of"},
        {"deal_id": 999},
        {"deal_id": "1"},
        {"owner_id": 999},
        {"due_date": "2026-02-30"},
        {"due_date": "01.02.2026"},
        {"due_time": "25:00"},
        {"participants": [{"person": 1}]},
        {"location": "Berlin"},
        {"priority": "high"},
    ],
)
def test_activities_it_refuses(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, body: dict[str, object]
) -> None:
    answer = pipedrive_client.post(ACTIVITIES, json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {
        "success",
        "error",
        "error_info",
        "data",
        "additional_data",
        "code",
    }
    assert pipedrive.activities == []


def test_the_largest_note_and_subject_pass(pipedrive_client: httpx2.Client) -> None:
    body = {"subject": "x" * 255, "note": "ä" * (50 * 1024)}
    assert pipedrive_client.post(ACTIVITIES, json=body).status_code == 200


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b'{"note": "\\ud800"}'])
def test_bodies_that_are_no_objects(pipedrive_client: httpx2.Client, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = pipedrive_client.post(ACTIVITIES, content=content, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=x",
        "sort_by=subject",
        "sort_direction=up",
        "updated_since=2026-01-01T10:20:00.5Z",
        "updated_since=2026-01-01",
        "ids=1,x",
        "ids=" + ",".join(["1"] * 101),
        "deal_id=x",
        "done=1",
        "subject=x",
    ],
)
def test_lists_it_refuses(pipedrive_client: httpx2.Client, query: str) -> None:
    assert pipedrive_client.get(f"{ACTIVITIES}?{query}").status_code == 400


def test_lists_filter_and_sort(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    deals = [pipedrive.add_deal("ada"), pipedrive.add_deal("bob")]
    for n in range(6):
        body = {"subject": str(n), "deal_id": deals[n % 2]}
        pipedrive_client.post(ACTIVITIES, json=body)
        clock.advance(timedelta(minutes=1))

    def subjects(**query: object) -> list[str]:
        answer = pipedrive_client.get(ACTIVITIES, params={k: str(v) for k, v in query.items()})
        return [activity["subject"] for activity in answer.json()["data"]]

    assert subjects() == ["0", "1", "2", "3", "4", "5"]
    assert subjects(deal_id=deals[0]) == ["0", "2", "4"]
    assert subjects(ids="2,3") == ["1", "2"]
    assert subjects(sort_by="update_time", sort_direction="desc", limit=2) == ["5", "4"]
    at = "2026-03-04T05:08:07Z"
    assert subjects(updated_since=at) == ["2", "3", "4", "5"]
    assert subjects(updated_until=at) == ["0", "1"]
    pipedrive.edit_activity(1, done=True)
    assert subjects(done="true") == ["0"]
    assert subjects(sort_by="update_time", sort_direction="desc", limit=1) == ["0"]


@settings(max_examples=trials(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(0, 30),
    size=st.integers(1, 10),
    sort=st.sampled_from(["id", "update_time", "add_time", "due_date"]),
    direction=st.sampled_from(["asc", "desc"]),
)
def test_cursors_lead_to_every_activity_once(
    count: int, size: int, sort: str, direction: str
) -> None:
    pipedrive = Pipedrive(token="secret", burst=None, daily_tokens=None)
    with (
        Server(pipedrive.app) as server,
        httpx2.Client(base_url=server.url, headers={"x-api-token": "secret"}) as client,
    ):
        for n in range(count):
            client.post(ACTIVITIES, json={"due_date": f"2026-01-{1 + n % 3:02}"})
        seen: list[int] = []
        query = {"limit": str(size), "sort_by": sort, "sort_direction": direction}
        while True:
            page = client.get(ACTIVITIES, params=query).json()
            assert len(page["data"]) <= size
            seen += [activity["id"] for activity in page["data"]]
            if page["additional_data"]["next_cursor"] is None:
                break
            query["cursor"] = page["additional_data"]["next_cursor"]
    assert sorted(seen) == list(range(1, count + 1))
    assert len(seen) == count


def test_lists_and_searches_lag_behind(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, clock: Clock
) -> None:
    pipedrive.list_lag, pipedrive.search_lag = timedelta(seconds=5), timedelta(seconds=9)
    pipedrive_client.post(DEALS, json={"title": "Ada"})

    def shown() -> tuple[int, int]:
        searched = pipedrive_client.get(f"{DEALS}/search?term=ada&fields=title").json()["data"]
        return len(pipedrive_client.get(DEALS).json()["data"]), len(searched["items"])

    assert shown() == (0, 0)
    assert pipedrive_client.get(f"{DEALS}/1").status_code == 200
    clock.advance(timedelta(seconds=5))
    assert shown() == (1, 0)
    clock.advance(timedelta(seconds=4))
    assert shown() == (1, 1)
    pipedrive_client.patch(f"{DEALS}/1", json={"title": "Bob"})
    assert pipedrive_client.get(DEALS).json()["data"][0]["title"] == "Ada"
    clock.advance(timedelta(seconds=5))
    assert pipedrive_client.get(DEALS).json()["data"][0]["title"] == "Bob"


@pytest.mark.parametrize(
    "body",
    [{}, {"title": ""}, {"title": "x", "colour": 1}, {"title": "x", "custom_fields": {"0": "y"}}],
)
def test_deals_it_refuses(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client, body: dict[str, object]
) -> None:
    assert pipedrive_client.post(DEALS, json=body).status_code == 400
    assert pipedrive.deals == []


def test_custom_fields_must_be_made_first(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    body = {"field_name": "GitHub", "field_type": "varchar"}
    code = pipedrive_client.post("/api/v2/dealFields", json=body).json()["data"]["field_code"]
    assert len(code) == 40
    listed = pipedrive_client.get("/api/v2/dealFields").json()["data"]
    assert code in [field["field_code"] for field in listed]
    good = {"title": "x", "custom_fields": {code: "ada"}}
    assert pipedrive_client.post(DEALS, json=good).json()["data"]["custom_fields"] == {code: "ada"}
    empty = {"title": "x", "custom_fields": {code: ""}}
    assert pipedrive_client.post(DEALS, json=empty).status_code == 400


def test_open_deals_are_capped(pipedrive: Pipedrive, pipedrive_client: httpx2.Client) -> None:
    pipedrive.deal_cap = 1
    assert pipedrive_client.post(DEALS, json={"title": "a"}).status_code == 200
    refused = pipedrive_client.post(DEALS, json={"title": "b"})
    assert (refused.status_code, refused.json()["code"]) == (403, "feature_capping_deals_limit")
    pipedrive.archive_deal(1)
    assert pipedrive_client.post(DEALS, json={"title": "b"}).status_code == 200


def test_archived_deals_are_listed_apart_and_stay_as_they_are(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    deal_id = pipedrive.add_deal("ada")
    pipedrive.archive_deal(deal_id)
    assert pipedrive_client.get(DEALS).json()["data"] == []
    (archived,) = pipedrive_client.get(f"{DEALS}/archived").json()["data"]
    assert archived["is_archived"]
    assert pipedrive_client.patch(f"{DEALS}/{deal_id}", json={"title": "x"}).status_code == 400


def test_deals_people_delete_take_no_activities(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    deal_id = pipedrive.add_deal("ada")
    pipedrive.delete_deal(deal_id)
    assert pipedrive_client.get(f"{DEALS}/{deal_id}").status_code == 404
    assert pipedrive_client.post(ACTIVITIES, json={"deal_id": deal_id}).status_code == 400


def test_search(pipedrive: Pipedrive, pipedrive_client: httpx2.Client) -> None:
    for title in ("GitHub ada", "github Ada-2", "bob"):
        pipedrive.add_deal(title)

    def titles(query: str) -> list[str]:
        answer = pipedrive_client.get(f"{DEALS}/search?{query}").json()
        return [found["item"]["title"] for found in answer["data"]["items"]]

    assert titles("term=ADA&fields=title") == ["GitHub ada", "github Ada-2"]
    assert titles("term=GITHUB ADA&exact_match=true") == ["GitHub ada"]
    assert pipedrive_client.get(f"{DEALS}/search?term=a").status_code == 400
    assert pipedrive_client.get(f"{DEALS}/search?term=a&exact_match=true").status_code == 200


def test_the_token_belongs_into_the_header(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    assert pipedrive_client.get(f"{DEALS}?api_token=secret").status_code == 401
    assert pipedrive.abuse == ["the token in the URL"]
    refused = pipedrive_client.get(DEALS, headers={"x-api-token": "wrong"})
    assert (refused.status_code, refused.json()["errorCode"]) == (401, 401)


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_what_only_v1_has(pipedrive_client: httpx2.Client, prefix: str) -> None:
    assert pipedrive_client.get(f"{prefix}/users/me").json()["data"]["is_you"]
    types = pipedrive_client.get(f"{prefix}/activityTypes").json()["data"]
    assert "task" in [kind["key_string"] for kind in types]
    assert pipedrive_client.get(f"{prefix}/deals").status_code == 404


def test_the_company_of_the_token_is_what_it_is_told_to_be(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.company_id, pipedrive.company_name, pipedrive.user_id = 7, "Other Ltd", 3
    user = pipedrive_client.get("/v1/users/me").json()["data"]
    assert (user["company_id"], user["company_name"], user["id"]) == (7, "Other Ltd", 3)


def test_a_field_that_was_deleted_is_an_unknown_key(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    body = {"field_name": "who", "field_type": "varchar"}
    code = pipedrive_client.post("/api/v2/dealFields", json=body).json()["data"]["field_code"]
    assert pipedrive.deal_fields == {code: "who"}
    deal = {"title": "ada", "custom_fields": {code: "101"}}
    assert pipedrive_client.post(DEALS, json=deal).json()["data"]["custom_fields"] == {code: "101"}
    pipedrive.delete_deal_field(code)
    assert pipedrive_client.post(DEALS, json=deal).status_code == 400
    again = pipedrive_client.post("/api/v2/dealFields", json=body).json()["data"]["field_code"]
    assert again != code


def test_not_everybody_may_make_fields(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    pipedrive.fields_allowed = False
    body = {"field_name": "who", "field_type": "varchar"}
    assert pipedrive_client.post("/api/v2/dealFields", json=body).status_code == 403


def test_what_a_person_adds_is_the_persons(
    pipedrive: Pipedrive, pipedrive_client: httpx2.Client
) -> None:
    number = pipedrive.add_activity("a call")
    listed = pipedrive_client.get(ACTIVITIES).json()["data"]
    assert [one["creator_user_id"] for one in listed] == [7]
    pipedrive.empty_account()
    assert pipedrive_client.get(f"{ACTIVITIES}/{number}").status_code == 404
