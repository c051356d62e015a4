"""Events by API and command: what happens to users, gists, publications and pauses is told."""

import getpass
import json

from sqlalchemy import text

from gitpip.store.database import open_database
from gitpip_standins import Fault
from tests.web.conftest import Served

USED_UP = Fault.limited({"x-daily-ratelimit-token-remaining": "0"})


def happened(served: Served, query: str = "") -> list[tuple[str, str | None, str | None]]:
    body = served.api("GET", f"/events?limit=500{query}").json()
    return [(event["kind"], event["login"], event["detail"]) for event in body["items"]]


def test_what_happens_to_a_user_is_told_in_its_order(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "1\n", "two.py": "2\n"})
    ada = served.github.user_of("ada")
    assert ada
    served.gitpip.wait_for(
        lambda: len(happened(served, "&kind=publication.published")) == 2, "both to be published"
    )
    first = served.api("GET", "/events?limit=500").json()
    assert [event["kind"] for event in first["items"]][:2] == ["user.added", "gist.found"]
    gist = next(event for event in first["items"] if event["kind"] == "gist.found")
    assert gist["detail"] == "one.py, two.py"
    served.github.edit_gist(gist["gist_id"], {"one.py": "3\n"})
    served.github.rename(ada.id, "countess")
    assert served.gitpip.post("/api/v1/checks").status_code == 202
    served.gitpip.wait_for(
        lambda: (
            {"gist.edited", "user.renamed"}
            <= {kind for kind, *_ in happened(served, f"&after={first['last']}")}
        ),
        "the edit and the rename",
    )
    assert ("user.renamed", "countess", "formerly ada") in happened(served)
    assert served.api("PATCH", "/users/countess", {"paused": True}).status_code == 200
    assert served.api("PATCH", "/users/countess", {"paused": False}).status_code == 200
    told = happened(served, "&kind=user.paused&kind=user.resumed&user=countess")
    assert told == [("user.paused", "countess", None), ("user.resumed", "countess", None)]
    assert served.api("DELETE", "/users/countess").status_code == 204
    assert happened(served) == []


def test_a_pause_is_told_once_and_its_end(served_from_any: Served) -> None:
    served = served_from_any
    served.pipedrive.faults.script(USED_UP, method="POST")
    served.track("ada", {"one.txt": "1"})
    served.gitpip.wait_for(lambda: happened(served, "&kind=publishing.paused"), "the pause")
    assert served.gitpip.command("try-now", "publishing").returncode == 0
    served.gitpip.wait_for(lambda: happened(served, "&kind=publishing.resumed"), "its end")
    ((_, login, reason),) = happened(served, "&kind=publishing.paused")
    assert login is None
    assert reason


def test_what_people_decide_about_publishing_is_told(served_from_any: Served) -> None:
    served = served_from_any
    for _ in range(2):
        command = ("publishing", "settings", "set", "publishing_mode=ask")
        assert served.gitpip.command(*command).returncode == 0
    served.track("ada", {"one.py": "1\n", "two.py": "2\n", "three.py": "3\n"})
    served.gitpip.wait_for(
        lambda: served.api("GET", "/publications?state=held").json()["total"] == 3,
        "the files to be held",
    )
    ids = {
        one["filename"]: one["id"]
        for one in served.api("GET", "/publications?state=held").json()["items"]
    }
    before = served.api("GET", "/events?limit=500").json()["last"]
    assert served.gitpip.command("publications", "skip", str(ids["one.py"])).returncode == 0
    approved = served.api("POST", "/publications/approve", {"ids": [ids["two.py"]]})
    assert approved.status_code == 200
    answered = served.gitpip.command("held", "ada", "--approve", "none")
    assert answered.returncode == 0, answered.stderr
    assert served.api("PATCH", "/users/ada", {"publishing_mode": "dry-run"}).status_code == 200
    for rule in (
        ("add", "skip", "--name", "no drafts"),
        ("change", "1", "hold", "--name", "no forks"),
        ("add", "skip", "--name", "no tests"),
        ("move", "1", "2"),
        ("remove", "1"),
    ):
        done = served.gitpip.command("rules", *rule)
        assert done.returncode == 0, done.stderr
    assert served.gitpip.command("publishing", "pause").returncode == 0
    assert served.gitpip.command("publishing", "resume").returncode == 0
    assert [
        one for one in happened(served, f"&after={before}") if one[0] != "publication.published"
    ] == [
        ("publications.skipped", "ada", "one.py"),
        ("publications.approved", "ada", "1 file: approved by a person"),
        ("publications.skipped", "ada", "1 file: skipped by a person"),
        ("user.mode_changed", "ada", "dry-run"),
        ("rule.added", None, "1: skip no drafts"),
        ("rule.changed", None, "1: hold no forks"),
        ("rule.added", None, "2: skip no tests"),
        ("rule.moved", None, "2: hold no forks"),
        ("rule.removed", None, "2: hold no forks"),
        ("publishing.paused", None, f"by {getpass.getuser()}"),
        ("publishing.resumed", None, None),
    ]
    told = happened(served, "&kind=publishing.mode_changed")
    assert told == [("publishing.mode_changed", None, "automatic → ask")]
    assert ("publications.held", "ada") in {(kind, login) for kind, login, _ in happened(served)}


def test_the_command_shows_and_follows(served: Served) -> None:
    served.track("ada", {"one.py": "1\n"})
    rows = json.loads(served.gitpip.command("events", "--json", "--kind", "gist.found").stdout)
    assert [(row["kind"], row["login"], row["detail"]) for row in rows] == [
        ("gist.found", "ada", "one.py")
    ]
    assert rows[0]["happened_at"].endswith("Z")
    shown = served.gitpip.command("events", "--user", "ADA", "--limit", "2").stdout
    assert len(shown.splitlines()) == 2
    assert "ada" in shown
    after = served.gitpip.command("events", "--json", "--after", str(rows[0]["id"])).stdout
    assert "user.added" not in after
    assert {row["id"] for row in json.loads(after)} <= {
        row["id"] for row in served.api("GET", f"/events?after={rows[0]['id']}").json()["items"]
    }
    restored = served.gitpip.command("events", "--after", "1000000")
    assert restored.returncode == 1
    assert "begin again without after" in restored.stderr
    unknown = served.gitpip.command("events", "--user", "nobody")
    assert unknown.returncode == 1
    assert "nobody is not tracked" in unknown.stderr


async def test_one_of_a_kind_that_only_a_newer_replica_knows_is_shown(
    served_from_any: Served, database_url: str
) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "1\n"})
    database = open_database(database_url)
    async with database.begin() as transaction:
        await transaction.execute(
            text("UPDATE events SET kind = 'user.starred' WHERE kind = 'user.added'")
        )
    await database.close()
    assert ("user.starred", "ada", None) in happened(served)
    assert ("gist.found", "ada", "one.py") in happened(served)
    assert "user.starred  ada" in served.gitpip.command("events").stdout
    rows = json.loads(served.gitpip.command("events", "--json").stdout)
    assert {"user.starred", "gist.found"} <= {row["kind"] for row in rows}


def test_impossible_filters_are_refused(served: Served) -> None:
    for query, field in (
        ("after=1&before=2", "before"),
        ("kind=gist.lost", "kind"),
        ("after=-1", "after"),
        ("limit=0", "limit"),
    ):
        answer = served.api("GET", f"/events?{query}")
        assert answer.status_code == 422, query
        assert field in answer.text
    assert served.api("GET", "/events?user=nobody").status_code == 404
    unknown = served.api("GET", "/events?after=1000000")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "event-unknown")
    assert "the database may have been restored" in unknown.json()["detail"]
