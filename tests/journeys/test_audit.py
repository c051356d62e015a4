"""An audit by command and by service, from outside: what it says, its CSV, and its exit code."""

import csv
import io
import json

import pytest

from tests.journeys.conftest import World

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NAMES = {"=cmd.py": "print('one')\n", "two.py": "print('two')\n"}


@pytest.fixture
def published(world: World) -> World:
    """Two files of one gist in Pipedrive, one with a name that is a formula."""
    world.github.add_user("octocat")
    world.github.add_gist("octocat", NAMES)
    for command in (("users", "add", "octocat", "--backfill", "all"), ("check",), ("publish",)):
        done = world.gitpip.command(*command)
        assert done.returncode == 0, done.stderr
    assert len(world.pipedrive.activities) == 2
    return world


@SQLITE
def test_a_command_compares_all_three_and_exits_with_1_for_a_difference(published: World) -> None:
    good = published.gitpip.command("audit")
    assert good.returncode == 0, good.stdout + good.stderr

    (gone,) = (one for one in published.pipedrive.activities if "two.py" in str(one["subject"]))
    published.pipedrive.delete_activity(int(str(gone["id"])))
    # It was published right before: within ten minutes a list may lag behind.
    early = published.gitpip.command("audit", "--json")
    assert early.returncode == 0, early.stdout
    told = json.loads(early.stdout)
    assert {one["filename"]: one["explanation"] for one in told["lines"]} == {
        "=cmd.py": None,
        "two.py": "published-meanwhile",
    }
    assert told["tokens"] == 2 + 10 + 10

    stranger = "gp-aaaaaaaaaaaa"
    published.pipedrive.add_activity(
        f"x.py · octocat [{stranger}]", note=f"<p>gitpip {stranger}</p>", creator_user_id=1
    )
    bad = published.gitpip.command("audit")
    assert bad.returncode == 1
    assert "unknown-marker" in bad.stdout
    written = published.gitpip.command("audit", "--csv", "-")
    assert written.returncode == 1
    rows = {row["filename"]: row for row in csv.DictReader(io.StringIO(written.stdout))}
    assert rows["'=cmd.py"]["verdict"] == "same"
    assert rows[""]["explanation"] == "unknown-marker"
    file = published.gitpip.folder / "audit.csv"
    listed = published.gitpip.command("audit", "--json", "--csv", str(file))
    assert len(json.loads(listed.stdout)["lines"]) == len(file.read_text().splitlines()) - 1 == 3
    full = published.gitpip.command("audit", "--csv", "/dev/full")
    assert (full.returncode, full.stderr) == (
        1,
        "gitpip: /dev/full can't be written: No space left on device\n",
    )


@SQLITE
def test_wrong_options_are_named(world: World) -> None:
    log = world.gitpip.command("audit", "--limit", "5")
    assert log.returncode == 2
    assert "gitpip log" in " ".join(log.stderr.split())
    date = world.gitpip.command("audit", "--since", "yesterday")
    assert date.returncode == 2
    assert "--since" in date.stderr
    for beside in ("--json", "--no-wait"):
        both = world.gitpip.command("audit", "--csv", "-", beside)
        assert both.returncode == 2
        assert "--csv" in both.stderr
    nowhere = world.gitpip.command("audit", "--csv", "/nowhere/audit.csv")
    assert nowhere.returncode == 1
    assert "/nowhere/audit.csv can't be written: No such file" in nowhere.stderr
    assert world.pipedrive.journal.requests == [], "no token is spent on an audit without a file"
    for options in (("--last-search",), ("--from-others", "--acknowledge")):
        wrong = world.gitpip.command("adopt", *options)
        assert wrong.returncode == 2, wrong.stderr


def test_a_service_audits_and_adopts_what_was_there_before(world: World) -> None:
    deal = world.pipedrive.add_deal("octocat")
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"old.py": "print('made by the original program')\n"})
    mine = world.pipedrive.add_activity(
        "old.py", note="print('made by the original program')\n", deal_id=deal
    )
    world.gitpip.start()
    gitpip = world.gitpip
    assert gitpip.command("publishing", "pause").returncode == 0
    added = gitpip.command("users", "add", "octocat", "--backfill", "all")
    assert added.returncode == 0, added.stderr
    gitpip.wait_for(
        lambda: gitpip.get("/api/v1/publications").json()["total"] == 1, "the file to be found"
    )
    said = gitpip.command("adopt", "--from-others", "--dry-run")
    assert said.stdout.startswith("Activities that other tools made: ")
    dry = gitpip.command("adopt", "--from-others", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    (found,) = json.loads(dry.stdout)
    assert (found["activity_id"], found["confidence"]) == (mine, "certain")
    assert gitpip.post("/api/v1/adoption/others/adopt").json() == {"adopted": 1}
    assert gitpip.command("publishing", "resume").returncode == 0

    audit = gitpip.post("/api/v1/audits").json()["id"]
    gitpip.wait_for(
        lambda: gitpip.get(f"/api/v1/audits/{audit}").json()["ended_at"], "the audit to end"
    )
    (line,) = gitpip.get(f"/api/v1/audits/{audit}/lines").json()["items"]
    assert (line["explanation"], line["activity_id"]) == ("adopted-from-others", mine)
    downloaded = gitpip.get(f"/api/v1/audits/{audit}/lines.csv")
    assert downloaded.headers["content-type"] == "text/csv; charset=utf-8"
    assert "adopted-from-others" in downloaded.text
    for page in ("/audits", f"/audits/{audit}?verdict=explained", "/adoption"):
        assert gitpip.get(page).status_code == 200
    assert len(world.pipedrive.activities) == 1
    assert gitpip.get(f"/api/v1/audits/{audit}").json()["failure"] is None
    world.pipedrive.company_id, world.pipedrive.company_name = 2, "Other Ltd"
    failed = gitpip.post("/api/v1/audits").json()["id"]
    gitpip.wait_for(
        lambda: gitpip.get(f"/api/v1/audits/{failed}").json()["ended_at"], "the audit to fail"
    )
    assert "Other Ltd" in gitpip.get(f"/api/v1/audits/{failed}").json()["failure"]
    log = gitpip.get("/api/v1/audit").json()["items"]
    assert {"audit.requested", "others.searched", "others.adopted"} <= {
        entry["action"] for entry in log
    }
