"""Commands given something wrong: a clear error, an exit code to rely on, and nothing half done."""

import json
import signal
import socket
import subprocess
from importlib.metadata import version

import httpx2
import pytest

from gitpip_standins import Fault
from gitpip_standins.faults import FaultKind
from tests.journeys.conftest import World
from tests.support.network import nobody_listening
from tests.support.tokens import TOKEN

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

WRONG_LOGINS = ["octo cat", "-" * 40, "octo/cat", "octo--cat_", "", "ünïcode"]


def changed(world: World, **environment: str) -> World:
    world.gitpip.environment = {**world.gitpip.environment, **environment}
    return world


def tracked(world: World) -> list[str]:
    listed = world.gitpip.command("users", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    return [user["login"] for user in json.loads(listed.stdout)]


def make_database(world: World) -> None:
    checked = world.gitpip.command("check")
    assert checked.returncode == 0, checked.stderr


@SQLITE
@pytest.mark.parametrize("login", WRONG_LOGINS)
def test_a_login_that_github_cannot_have(world: World, login: str) -> None:
    added = world.gitpip.command("users", "add", "--", login)

    assert added.returncode == 2
    assert "login" in added.stderr
    assert "letters, digits and hyphens" in added.stderr
    assert tracked(world) == []
    assert world.github.requests == []


@SQLITE
def test_an_unknown_user_an_impossible_id_and_a_wrong_rule(world: World) -> None:
    world.github.add_user("octocat")

    unknown = world.gitpip.command("users", "add", "nobody")
    empty_id = world.gitpip.command("users", "add", "octocat", "--id", " ")
    long_id = world.gitpip.command("users", "add", "octocat", "--id", "x" * 201)
    rule = world.gitpip.command("users", "add", "octocat", "--backfill", "latest:none")
    removed = world.gitpip.command("users", "remove", "octocat")
    latest = world.gitpip.command("latest", "octocat")

    assert (unknown.returncode, empty_id.returncode, long_id.returncode) == (1, 2, 2)
    assert unknown.stderr == "gitpip: GitHub has no user nobody; check the spelling\n"
    assert "id" in empty_id.stderr
    assert "1 to 200" in long_id.stderr
    assert rule.returncode == 2
    assert "latest:N" in rule.stderr
    assert (removed.returncode, latest.returncode) == (1, 1)
    assert removed.stderr == "gitpip: octocat is not tracked\n"
    assert tracked(world) == []


@SQLITE
def test_a_taken_login_or_id_is_refused_and_the_same_pair_is_not(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_user("hubot")
    world.gitpip.command("users", "add", "octocat", "--id", "1")

    again = world.gitpip.command("users", "add", "OCTOCAT", "--id", "1", "--json")
    other_id = world.gitpip.command("users", "add", "octocat", "--id", "2")
    other_login = world.gitpip.command("users", "add", "hubot", "--id", "1")

    assert (again.returncode, json.loads(again.stdout)["new"]) == (0, False)
    assert (other_id.returncode, other_login.returncode) == (1, 1)
    assert "(customer ID 1)" in other_id.stderr
    assert "by octocat" in other_login.stderr
    assert tracked(world) == ["octocat"]


@SQLITE
def test_an_import_takes_the_good_lines_and_names_the_bad_ones(world: World) -> None:
    file = world.gitpip.folder / "users.txt"
    file.write_text("# ours\nlogin,id\noctocat,1\nnot a login\nhubot,1\nhubot,2\n\n")

    imported = world.gitpip.command("users", "import", str(file))
    missing = world.gitpip.command("users", "import", str(file) + ".not-there")

    assert imported.returncode == 1
    assert "Added 2 users. Already tracked: 0.\n" in imported.stdout
    assert "Users it cannot find are shown as unavailable in gitpip users list" in imported.stdout
    assert "users.txt, line 4: 'not a login'" in imported.stderr
    assert "users.txt, line 5: customer ID 1 is taken already, by octocat" in imported.stderr
    assert tracked(world) == ["octocat", "hubot"]
    assert missing.returncode == 2


@SQLITE
def test_an_import_of_csv_with_everything_and_of_json(world: World) -> None:
    table = world.gitpip.folder / "users.csv"
    table.write_text(
        "\ufefflogin,id,tags,interval,backfill,deal\n"
        "octocat,1,lead vip,30m,latest:2,77\n"
        "hubot,,,soon,,\n"
        "mona,,,,,seven\n"
    )
    listed = world.gitpip.folder / "users.json"
    listed.write_text('["hubot", {"login": "mona", "tags": ["vip"]}, {"name": "x"}, 3')
    wrong = world.gitpip.folder / "wrong.csv"
    wrong.write_text("login,tag\nzoe,x\n")

    first = world.gitpip.command("users", "import", "--json", str(table))
    second = world.gitpip.command("users", "import", "--json", "--backfill", "none", str(listed))
    third = world.gitpip.command("users", "import", str(wrong))

    assert json.loads(first.stdout)["added"] == 1
    assert [fault.partition(":")[0] for fault in json.loads(first.stdout)["faults"]] == [
        "users.csv, line 3",
        "users.csv, line 4",
    ]
    assert json.loads(second.stdout)["added"] == 2
    assert len(json.loads(second.stdout)["faults"]) == 2
    assert third.returncode == 2
    assert "header: unknown column 'tag'. " in third.stderr
    again = world.gitpip.command("users", "import", str(table)).stdout
    assert "Added 0 users. Already tracked: 1. Users who are already tracked keep" in again
    assert "on GitHub" not in again
    assert tracked(world) == ["octocat", "hubot", "mona"]
    rules = [
        json.loads(world.gitpip.command("users", "show", login, "--json").stdout)["backfill"]
        for login in ("octocat", "mona")
    ]
    assert rules == ["latest:2", "none"]


@SQLITE
def test_letters_that_the_terminal_does_not_know_are_spelt_out(world: World) -> None:
    world.github.add_user("octocat")
    assert world.gitpip.command("users", "add", "octocat", "--tag", "été").returncode == 0

    listed = changed(world, PYTHONIOENCODING="ascii").gitpip.command("users", "list")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert r"\xe9t\xe9" in listed.stdout


@SQLITE
def test_every_wrong_setting_has_a_line_of_its_own_and_no_secret_in_it(world: World) -> None:
    changed(
        world,
        GITPIP_PORT="eighty",
        GITPIP_CHECK_INTERVAL="soon",
        GITPIP_BACKFILL="some",
        GITHUB_TOKEN="a secret with spaces",
    )

    served = world.gitpip.command("serve")

    lines = served.stderr.strip().splitlines()
    assert served.returncode == 2
    for name in ("GITPIP_PORT", "GITPIP_CHECK_INTERVAL", "GITPIP_BACKFILL", "GITHUB_TOKEN"):
        assert sum(name in line for line in lines) == 1, served.stderr
    assert "a secret with spaces" not in served.stderr + served.stdout


@SQLITE
def test_settings_are_shown_with_their_origin_and_secrets_masked(world: World) -> None:
    (world.gitpip.folder / ".env").write_text("GITPIP_LOG_LEVEL=WARNING\n")

    shown = world.gitpip.command("settings", "--json")

    rows = {row["name"]: row for row in json.loads(shown.stdout)}
    assert rows["GITPIP_LOG_LEVEL"]["value"] == "WARNING"
    assert rows["GITPIP_LOG_LEVEL"]["source"] == ".env"
    assert rows["GITPIP_CHECK_INTERVAL"]["source"] == "environment"
    assert rows["GITPIP_HOST"]["source"] == "default"
    assert TOKEN not in shown.stdout + shown.stderr


@SQLITE
def test_a_port_in_use_is_named(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        served = changed(world, GITPIP_PORT=port).gitpip.command("serve")

    assert served.returncode == 1
    assert f"port {port} on 127.0.0.1 is already in use" in served.stderr
    assert "GITPIP_PORT" in served.stderr


@SQLITE
def test_a_second_service_on_the_same_sqlite_file_is_refused(world: World) -> None:
    world.gitpip.start()

    second = world.gitpip.command("serve")

    assert second.returncode == 1
    assert "another gitpip already uses" in second.stderr
    assert world.gitpip.get("/health").text == "Alive"


@SQLITE
def test_a_closed_terminal_ends_the_service_in_order_and_nohup_lets_it_go_on(world: World) -> None:
    start_with(world, signal.SIG_DFL)
    assert world.gitpip.process
    world.gitpip.send(signal.SIGHUP)

    assert world.gitpip.process.wait(timeout=60) == 0
    assert len(world.gitpip.logged("service.stopped")) == 1

    start_with(world, signal.SIG_IGN)  # as nohup does for its command
    world.gitpip.send(signal.SIGHUP)

    assert world.gitpip.get("/health").text == "Alive"
    assert len(world.gitpip.logged("service.stopping")) == 1


def start_with(world: World, handling: signal.Handlers) -> None:
    """Start the service with this handling of a closed terminal, whatever the tests run with."""
    world.gitpip.inherits = True
    before = signal.signal(signal.SIGHUP, handling)
    try:
        world.gitpip.start()
    finally:
        signal.signal(signal.SIGHUP, before)


@POSTGRES
def test_an_unreachable_postgresql_is_awaited_up_to_a_limit(world: World) -> None:
    with nobody_listening() as port:
        changed(
            world,
            GITPIP_DATABASE_URL=f"postgresql://gitpip:secret-word@127.0.0.1:{port}/gitpip",
            GITPIP_DATABASE_WAIT="2s",
        )
        served = world.gitpip.command("serve")

    assert served.returncode == 1
    assert "database.waiting" in served.stdout + served.stderr
    assert f"127.0.0.1:{port}" in served.stderr
    assert "start it, or correct POSTGRES_CONNECTION_STRING" in served.stderr
    assert "secret-word" not in served.stdout + served.stderr


@SQLITE
def test_a_wrong_word_is_told_without_the_words_of_a_library(world: World) -> None:
    state = world.gitpip.command("publications", "list", "--state", "foo")
    number = world.gitpip.command("publications", "show", "x")
    kind = world.gitpip.command("events", "--kind", "foo")
    assert (state.returncode, number.returncode, kind.returncode) == (2, 2, 2)
    assert "Invalid value for '--kind': 'foo' is not one of 'gist.found'" in kind.stderr
    assert "Invalid value for '--state': 'foo' is not one of 'pending'" in state.stderr
    assert "must be a whole number" in number.stderr


@SQLITE
def test_the_first_key_must_be_an_admins_and_a_later_one_warns_where_none_is(world: World) -> None:
    def create(name: str, role: str) -> subprocess.CompletedProcess[str]:
        return world.gitpip.command("keys", "create", name, "--role", role)

    first, admin, later = create("ann", "operator"), create("ada", "admin"), create("bob", "viewer")
    assert (first.returncode, admin.returncode, later.returncode) == (2, 0, 0)
    assert first.stderr.startswith("gitpip: role: must be admin for the first key: ")
    assert admin.stderr == later.stderr == ""

    world.gitpip.command("keys", "revoke", "ada", "--force")
    assert "Create one: gitpip keys create NAME --role admin" in create("eve", "viewer").stderr


@SQLITE
def test_a_forecast_is_a_sentence(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    told = world.gitpip.command("users", "forecast", "octocat").stdout
    assert told == (
        "octocat has 1 public gist. 1 file would create 1 activity, which takes at least 1 s on "
        "Pipedrive's smallest plan.\n"
    )
    printed = json.loads(world.gitpip.command("users", "forecast", "octocat", "--json").stdout)
    world.gitpip.start()
    answered = httpx2.post(f"{world.gitpip.url}/api/v1/forecast", json={"login": "octocat"})
    assert printed == answered.json()

    world.gitpip.command("users", "add", "octocat")
    again = world.gitpip.command("users", "forecast", "octocat").stdout
    assert again == (
        "octocat is already tracked. Adding octocat again changes nothing and sends nothing.\n"
    )


@SQLITE
def test_files_that_are_no_list_are_refused_with_the_reason(world: World) -> None:
    file = world.gitpip.folder / "users.csv"
    for content, reason in (
        (b"", "the file has no username"),
        (b"PK\x03\x04\x14\x00", "Save the sheet with the usernames as CSV"),
        (b'{"login": "ada"}', "a list was expected"),
        (b"GitHub;id\nada;1\n", "separated by semicolons"),
    ):
        file.write_bytes(content)
        imported = world.gitpip.command("users", "import", str(file))
        assert imported.returncode == 2
        assert reason in imported.stderr
    assert tracked(world) == []


@SQLITE
@pytest.mark.parametrize("status", [404, 502])
def test_a_check_ends_although_graphql_does_not_answer(world: World, status: int) -> None:
    changed(world, GITPIP_CHECK_INTERVAL="1h")  # nobody is due again during a slow check
    world.github.faults.script(Fault.html(status), path="^/graphql", times=None)
    for login in ("ada", "bob", "eve", "mia"):
        world.github.add_user(login)
        world.github.add_gist(login, {"a.txt": login})
        assert world.gitpip.command("users", "add", login).returncode == 0
    for _ in range(2):
        checked = world.gitpip.command("check", "--json")
        assert checked.returncode == 0
        assert json.loads(checked.stdout)["users"] == 4
    assert json.loads(checked.stdout)["ended_at"]
    # The first pause ends after a minute, which two commands can take on a busy machine.
    told = world.gitpip.command("events", "--kind", "sweeping.paused").stdout
    assert "so people are checked one by one" in told


@SQLITE
def test_a_check_in_which_a_look_fails_exits_with_1_and_says_why(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_user("hubot")
    world.github.add_gist("octocat", {"a.txt": "a"})
    for login in ("octocat", "hubot"):
        assert world.gitpip.command("users", "add", login).returncode == 0
    hubot = next(user for user in (world.github.user_of("hubot"),) if user)
    world.github.block_user(hubot.id)

    checked = world.gitpip.command("check")

    assert checked.returncode == 1
    assert "1 failed" in checked.stdout
    assert "hubot" in checked.stdout
    assert "1 new file," in checked.stdout

    world.github.faults.script(Fault.limited({"retry-after": "600"}), times=None)
    nobody = world.gitpip.command("check")
    assert nobody.returncode == 1, nobody.stdout
    assert "2 people not checked." in nobody.stderr


@SQLITE
def test_publishing_without_access_exits_with_1_and_says_why(world: World) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    changed(world, PIPEDRIVE_TOKEN="not-the-token")
    world.gitpip.command("users", "add", "octocat")
    world.gitpip.command("check")

    refused = world.gitpip.command("publish")

    assert refused.returncode == 1
    assert "PIPEDRIVE_TOKEN" in refused.stdout + refused.stderr
    assert "not-the-token" not in refused.stdout + refused.stderr
    assert world.pipedrive.activities == []


def test_publish_tells_of_what_was_refused_until_a_person_settles_it(world: World) -> None:
    """A check publishes, too: of `check && publish` the refusal can be older than `publish`.

    And the checks of others in between must not hide it.
    """
    refusal = Fault(FaultKind.ERROR, processed=False, status=400)
    world.pipedrive.faults.script(refusal, method="POST", path="activities$")
    world.github.add_user("ada")
    world.github.add_gist("ada", {"a.py": "1"})
    assert world.gitpip.command("users", "add", "ada").returncode == 0
    assert world.gitpip.command("check").returncode == 0
    world.gitpip.command("publish")
    assert world.gitpip.command("check").returncode == 0  # somebody else's

    again = world.gitpip.command("publish", "--json")

    assert again.returncode == 1
    assert json.loads(again.stdout)["failed"] == 1
    assert "failed: 1 file to retry or skip." in world.gitpip.command("publish").stdout
    assert world.gitpip.command("publications", "skip", "1").returncode == 0
    assert world.gitpip.command("publish").returncode == 0


@SQLITE
def test_github_out_of_reach_does_not_stop_the_adding(world: World) -> None:
    world.github.faults.script(Fault.error(503), times=None)

    added = world.gitpip.command("users", "add", "octocat", "--json")

    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["confirmed"] is False
    assert tracked(world) == ["octocat"]


def test_the_log_tells_what_commands_did(world: World) -> None:
    world.github.add_user("mona")
    commands = (
        ("users", "add", "mona", "--id", "1"),
        ("users", "change", "mona", "--pause"),
        ("users", "remove", "mona"),
        ("keys", "create", "ada", "--role", "admin"),
        ("keys", "revoke", "ada", "--force"),
    )
    for command in commands:
        done = world.gitpip.command(*command)
        assert done.returncode == 0, done.stderr
    assert "no key is an admin's. Create one: gitpip keys create" in done.stderr
    assert world.gitpip.command("users", "remove", "nobody").returncode == 1
    reserved = world.gitpip.command("keys", "create", "gitpip_admin_key", "--role", "viewer")
    assert "name: GITPIP_ADMIN_KEY is the name" in reserved.stderr

    entries = json.loads(world.gitpip.command("log", "--json").stdout)

    assert [(entry["action"], entry["subject"]) for entry in reversed(entries)] == [
        ("user.added", "mona"),
        ("user.paused", "mona"),
        ("user.removed", "mona"),
        ("key.created", "ada"),
        ("key.revoked", "ada"),
    ]
    assert {entry["via"] for entry in entries} == {"command"}
    assert "Revoked the access key ada" in world.gitpip.command("log", "--limit", "1").stdout


@SQLITE
def test_the_version_is_told_whatever_the_settings_are(world: World) -> None:
    told = changed(world, GITPIP_PORT="none").gitpip.command("--version")

    assert (told.returncode, told.stdout) == (0, f"gitpip {version('gitpip')}\n")


def test_a_plan_stands_beside_what_there_is(world: World) -> None:
    world.github.add_user("ada")
    world.github.add_gist("ada", {"a.txt": "a", "b.txt": "b"})
    assert world.gitpip.command("users", "add", "ada").returncode == 0
    assert world.gitpip.command("publishing", "pause").returncode == 0
    assert world.gitpip.command("check").returncode == 0
    options = ("plan", "--users", "1000", "--gists-per-day", "9000", "--check-interval", "1h")
    present = json.loads(world.gitpip.command("plan", "--json").stdout)

    printed = world.gitpip.command(*options)
    told = json.loads(world.gitpip.command(*options, "--json").stdout)

    assert present["plan"]["files_per_day"] == pytest.approx(1.5 / 7)
    assert printed.returncode == 0
    assert "78,090 (260% of 30,000)" in printed.stdout
    assert "3 seats, or the plan premium, are enough" in printed.stdout
    assert told["plan"]["github_points_per_hour"] == 10
    assert told["today"]["users"] == 1
    assert told["today"]["files_per_day"] == pytest.approx(2 / 7)
    assert told["today"]["database_bytes"] > 0

    assert "users\t1,000\t1\n" in printed.stdout
    unread = world.gitpip.command("latest", "ada", "--no-record").stdout
    assert [line.split("\t")[4] for line in unread.splitlines()] == ["no", "no"]
    undone = world.gitpip.command("undo", "--user", "ada", "--dry-run").stdout
    assert undone.startswith("Undo of user ada: 2 files. 2 files would not be sent. ")

    refused = world.gitpip.command("plan", "--users", "0", "--gists-per-day", "1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "gitpip: users: must be from 1 to 1000000000, not 0\n"
