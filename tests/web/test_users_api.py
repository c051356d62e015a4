"""How users are tracked, changed over the API: tags, intervals, pauses, and the forecast."""

import httpx2
import pytest

from tests.web.conftest import Served


def test_tags_interval_and_pause_are_set_and_taken_back(served: Served) -> None:
    served.github.add_user("ada")
    made = served.api(
        "POST", "/users", {"login": "ada", "tags": ["lead", "vip"], "interval": "45s"}
    )
    assert made.status_code == 201
    assert (made.json()["tags"], made.json()["interval"]) == (["lead", "vip"], 45)

    found = served.api("GET", "/users?tag=vip").json()
    changed = served.api(
        "PATCH", "/users/ada", {"tags": [], "interval": "general", "paused": True}
    ).json()
    resumed = served.api("PATCH", "/users/ada", {"paused": False}).json()

    assert [user["login"] for user in found["items"]] == ["ada"]
    assert (changed["tags"], changed["interval"], changed["state"]) == ([], None, "paused")
    assert served.api("GET", "/users?tag=vip").json()["items"] == []
    assert resumed["state"] == "active"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tags": ["two words"]}, "tags"),
        ({"tags": [f"tag-{number}" for number in range(21)]}, "tags"),
        ({"interval": "soon"}, "interval"),
        ({"interval": "0s"}, "interval"),
        ({"paused": "perhaps"}, "paused"),
        ({"label": "x"}, "label"),
    ],
)
def test_a_wrong_change_is_refused_whole(
    served_to_all: Served, change: dict[str, object], field: str
) -> None:
    if served_to_all.github.user_of("grace") is None:
        served_to_all.github.add_user("grace")
    served_to_all.api("POST", "/users", {"login": "grace", "tags": ["kept"]})
    answer = served_to_all.api("PATCH", "/users/grace", {**change, "backfill": "none"})
    after = served_to_all.api("GET", "/users/grace").json()
    served_to_all.api("DELETE", "/users/grace")
    assert answer.status_code == 422
    assert field in answer.text
    assert (after["tags"], after["backfill"]) == (["kept"], "all")


def test_a_forecast_counts_what_the_rule_lets_through(served: Served) -> None:
    served.github.add_user("ada")
    for number in range(3):
        served.github.add_gist("ada", {"a.txt": str(number), "b.txt": "b"})

    def forecast(login: str, **rule: object) -> httpx2.Response:
        return served.api("POST", "/forecast", {"login": login, **rule})

    every, latest = forecast("ada").json(), forecast("ada", backfill="latest:1").json()
    unknown, wrong = forecast("nobody"), forecast("not one")

    assert (every["gists"], every["activities"]) == (3, 6)
    assert latest["activities"] == 2
    assert every["seconds"] > latest["seconds"] > 0
    assert unknown.status_code == 404
    assert wrong.status_code == 422
    assert served.api("GET", "/users").json()["total"] == 0
