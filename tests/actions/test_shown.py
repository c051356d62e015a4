"""What the commands of the acts print, for people and as JSON."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest
import typer
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

from gitpip.bodies.accounts import AccountBody
from gitpip.bodies.capacity import CapacityBody
from gitpip.bodies.feeds import FeedAddressBody
from gitpip.bodies.gists import FileBody
from gitpip.bodies.keys import KeyBody
from gitpip.bodies.publications import PublicationBody
from gitpip.bodies.publishing import PlanBody
from gitpip.bodies.status import StatusBody
from gitpip.bodies.users import OneUserBody, UserBody
from gitpip.cli.json_shapes import SHAPES
from gitpip.cli.main import app
from gitpip.publish.preview import PreviewedFields
from tests.actions.doors import House
from tests.actions.rooms import FAILED, HELD, LATER, LEAK, PUBLISHED, WAITING
from tests.support.running import Installation

NO_JSON = {"serve", "demo", "setup", "completion"}
"""They run until they are stopped, or print a script."""

READ_ALONE = {
    *("status", "log", "events", "plan", "doctor", "drill", "settings", "held", "targets search"),
    *("users list", "users show", "users forecast", "inbox list", "inbox filters"),
    *(
        "publications list",
        "publications show",
        "publications causes",
        "publications repairs",
        "publishing preview",
    ),
    *("publishing settings show", "rules list", "rules test", "opt-outs list", "undos list"),
    *("undos show", "accounts list", "keys list", "feeds list"),
}
"""They change nothing, or say in `SHAPES` with which option they do."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(house: Callable[[], House]) -> Run:
    own = house()

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = Installation(own.folder, own.environment).command(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    return command


def test_a_user_is_shown_and_changed(run: Run) -> None:
    shown = json.loads(run("users", "show", "ADA", "--json").stdout)
    change = ("users", "change", "ada", "--interval", "30m", "--pause", "--json")
    changed = json.loads(run(*change).stdout)
    text = run("users", "show", "ada").stdout
    removed = json.loads(run("users", "remove", "ada", "--json").stdout)

    assert (shown["login"], shown["id"], shown["tags"]) == ("ada", "id-of-ada", ["vip"])
    assert (shown["interval"], shown["could_not_read"]) == (None, [])
    assert set(shown) == set(OneUserBody.model_fields)
    assert changed == {name: shown[name] for name in changed} | {
        "interval": 1800.0,
        "state": "paused",
        "next_check_at": None,
    }
    assert "tags: vip\ninterval: 30m\n" in text
    assert removed == {"login": "ada", "removed": True}


def test_a_user_without_values_of_their_own_has_the_defaults(house: Callable[[], House]) -> None:
    """The word that is printed is the one that the options take."""
    own = house()
    installation = Installation(own.folder, own.environment)

    shown = installation.command("users", "show", "ada").stdout
    changed = installation.command(
        "users", "change", "ada", "--mode", "default", "--interval", "default"
    ).stdout
    wrong = installation.command("users", "change", "ada", "--mode", "often")

    assert {"interval: default", "publishing mode: default"} <= set(shown.splitlines())
    assert "publishing mode default, " in changed
    assert wrong.returncode == 2
    assert "dry-run or default" in " ".join(wrong.stderr.split())


def test_a_check_of_one_user_says_what_follows(run: Run) -> None:
    assert "If none runs: gitpip check" in run("users", "check", "ada").stdout
    assert (
        "bob is paused. To check again, run: gitpip users change"
        in run("users", "check", "bob").stdout
    )
    checked = json.loads(run("users", "check", "bob", "--json").stdout)
    assert (checked["login"], checked["state"]) == ("bob", "paused")


@pytest.mark.parametrize(
    ("command", "body", "more"),
    [
        (("users", "list"), UserBody, set()),
        (("keys", "list"), KeyBody, set()),
        (("accounts", "list"), AccountBody, {"state"}),
        (("feeds", "list"), FeedAddressBody, set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_list_has_the_fields_of_the_api(
    run: Run, command: tuple[str, ...], body: type[BaseModel], more: set[str]
) -> None:
    run("keys", "create", "eve", "--role", "admin")
    run("feeds", "create", "reader")
    listed = json.loads(run(*command, "--json").stdout)
    assert listed
    for each in listed:
        assert set(each) == {*body.model_fields, *more}


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (("status",), StatusBody),
        (("publish", "--dry-run"), PlanBody),
        (("plan",), CapacityBody),
        (("latest", "ada", "--no-record"), FileBody),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_has_the_fields_of_the_api(
    run: Run, command: tuple[str, ...], body: type[BaseModel]
) -> None:
    printed = json.loads(run(*command, "--json").stdout)
    found = printed if isinstance(printed, list) else [printed]
    assert found
    for each in found:
        assert set(each) >= set(body.model_fields)


def test_publications_are_listed_and_shown(run: Run) -> None:
    everything = json.loads(run("publications", "list", "--json").stdout)
    held = json.loads(run("publications", "list", "--state", "held", "--json").stdout)
    shown = json.loads(run("publications", "show", str(PUBLISHED), "--json").stdout)

    assert [each["id"] for each in everything] == [7, 6, 5, 4, 3, 2, 1]
    assert [(each["id"], each["reason"]) for each in held] == [
        (LEAK, "looks like a token"),
        (HELD, "a flood"),
    ]
    assert (shown["filename"], shown["activity_id"]) == ("4.txt", 4)
    assert "4.txt" in shown["subject"]
    assert "<a href=" in shown["note"]
    for each in everything:
        assert set(each) == set(PublicationBody.model_fields)
    preview = {
        "subject",
        "note",
        "masked",
        "credentials",
        *(field.name for field in fields(PreviewedFields)),
    }
    assert set(shown) == {*PublicationBody.model_fields, *preview}
    cut_off = run("publications", "list", "--limit", "2")
    assert cut_off.stderr == "Showing 2 of 7. Use --limit to show more.\n"
    assert f"id: {PUBLISHED}\n" in run("publications", "show", str(PUBLISHED)).stdout
    assert run("publications", "list", "--state", "uncertain").stderr == (
        "No uncertain publications.\n"
    )


def test_publications_are_retried_and_skipped(run: Run) -> None:
    assert run("publications", "retry", str(FAILED)).stdout == (
        "A running service sends 1.txt of ada within seconds. If none runs: gitpip publish\n"
    )
    assert run("publications", "skip", str(WAITING)).stdout == "Skipped 2.txt of ada.\n"
    # It can't be sent before the pauses of publishing are over.
    held = json.loads(run("publications", "retry", str(HELD), "--json").stdout)
    assert (held["state"], held["due_at"]) == ("pending", f"{LATER:%Y-%m-%dT%H:%M:%SZ}")
    again = json.loads(run("publications", "retry", str(WAITING), "--json").stdout)
    assert (again["id"], again["state"], again["reason"]) == (WAITING, "pending", None)


def test_refused_notes_are_settled_once(run: Run) -> None:
    assert run("notes", "retry").stdout == "Retrying 1 note.\n"
    assert run("notes", "leave").stdout == "No rejected notes.\n"
    assert json.loads(run("notes", "leave", "--json").stdout) == {"notes": 0}


def test_addresses_of_feeds_are_made_and_revoked(run: Run) -> None:
    _, atom, feed = run("feeds", "create", "phone").stdout.splitlines()
    listed = json.loads(run("feeds", "list", "--json").stdout)

    assert atom.startswith("http://127.0.0.1:8080/feeds/gitpip_feed_")
    assert feed == atom.removesuffix("atom") + "json"
    assert [each["name"] for each in listed] == ["phone", "reader"]
    assert run("feeds", "revoke", str(listed[0]["id"])).stdout == (
        "Revoked the feed link for phone.\n"
    )
    assert "phone" not in run("feeds", "list").stdout


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - it listens nowhere
def test_an_address_that_no_reader_can_use_is_not_printed(
    host: str, house: Callable[[], House]
) -> None:
    own = house()
    installation = Installation(own.folder, own.environment | {"GITPIP_HOST": host})
    atom, feed, hint = installation.command("feeds", "create", "phone").stdout.splitlines()[1:]
    environment = own.environment | {"GITPIP_PUBLIC_URL": "https://example.com/gitpip"}
    public = Installation(own.folder, environment | {"GITPIP_HOST": host})

    assert atom.startswith("http://localhost:8080/feeds/gitpip_feed_")
    assert feed == atom.removesuffix("atom") + "json"
    assert hint == (
        "On another machine, replace localhost with this machine's address, or set "
        "GITPIP_PUBLIC_URL."
    )
    published = public.command("feeds", "create", "tablet").stdout
    assert "https://example.com/gitpip/feeds/gitpip_feed_" in published
    assert "localhost" not in published


def test_the_cookie_of_a_browser_that_made_an_address_is_not_shown(
    house: Callable[[], House],
) -> None:
    own, cookie = house(), "0123456789abcdef" * 2
    with sqlite3.connect(own.folder / "gitpip.sqlite3") as database:
        database.execute("UPDATE feed_addresses SET viewer = ?", (f"browser:{cookie}",))
    done = Installation(own.folder, own.environment).command("feeds", "list", "--json")

    [listed] = json.loads(done.stdout)
    assert re.fullmatch("browser:[0-9a-f]{12}", listed["viewer"])
    assert not cookie.startswith(listed["viewer"].removeprefix("browser:"))


def test_a_key_is_created_and_shown_although_another_can_not_be_read(
    house: Callable[[], House],
) -> None:
    own = house()
    with sqlite3.connect(own.folder / "gitpip.sqlite3") as database:
        # As after a newer version that had a role which this one does not know.
        database.execute("UPDATE access_keys SET role = 'owner'")
    done = Installation(own.folder, own.environment).command(
        "keys", "create", "eve", "--role", "viewer"
    )

    assert done.returncode == 0, done.stderr
    assert "gitpip_" in done.stdout
    with sqlite3.connect(own.folder / "gitpip.sqlite3") as database:
        assert database.execute("SELECT name FROM access_keys").fetchall() == [("ops",), ("eve",)]


def commands(group: TyperGroup, *path: str) -> Iterator[tuple[str, TyperCommand]]:
    """Every command with its name, those of groups included."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        else:
            assert isinstance(command, TyperCommand)
            yield " ".join((*path, name)), command


def test_every_command_that_prints_has_json() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    without = {
        name
        for name, command in commands(group)
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == NO_JSON


def test_the_json_of_each_command_that_changes_something_has_known_fields() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    known = {name for name in SHAPES if " --" not in name}
    assert {name for name, _ in commands(group)} == known | READ_ALONE | NO_JSON


def test_an_unknown_field_is_refused_before_anything_is_done(house: Callable[[], House]) -> None:
    own = house()
    done = own.command("users", "remove", "ada", "--json", "login,gone")

    assert (done.rows, done.audit, done.printed) == ({}, [], "")
    assert done.refused is not None
    assert done.refused.sentence == "--json: unknown field 'gone'; fields: login, removed"


def test_users_are_listed_with_their_tags(run: Run) -> None:
    listed = {each["login"]: each for each in json.loads(run("users", "list", "--json").stdout)}

    assert listed["ada"]["tags"] == ["vip"]
    assert listed["bob"]["tags"] == []
    assert re.search(r"^ada\t.*\tvip\t", run("users", "list").stdout, re.MULTILINE)


def test_times_are_as_the_api_answers_them(run: Run) -> None:
    shown = json.loads(run("users", "show", "ada", "--json").stdout)
    events = json.loads(run("events", "--json").stdout)
    audit = json.loads(run("log", "--json").stdout)

    times = [shown["created_at"], *(each["happened_at"] for each in events)]
    times += [each["at"] for each in audit]
    assert len(times) > 1
    for time in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time), time


def test_a_short_interval_says_what_it_costs(run: Run) -> None:
    text = run("users", "change", "ada", "--interval", "1s").stdout
    assert "can take 3,600 requests an hour" in " ".join(text.split())
    assert "requests an hour" not in run("users", "change", "ada", "--interval", "1h").stdout


def test_the_status_names_the_file_of_the_database(run: Run) -> None:
    assert re.search(r"^database: SQLite, /\S+\.sqlite3$", run("status").stdout, re.MULTILINE)


def test_json_has_the_fields_that_are_chosen_or_says_which_there_are(
    house: Callable[[], House],
) -> None:
    own = house()
    command = Installation(own.folder, own.environment).command

    def said(*arguments: str) -> str:
        """The JSON that is printed, in one line."""
        done = command(*arguments)
        assert done.returncode == 0, done.stderr
        return json.dumps(json.loads(done.stdout))

    one = '{"login": "ada"}'
    listed = said("users", "list", "--json", "tags, login")
    assert listed.startswith('[{"tags": ["vip"], "login": "ada"}, {')
    assert said("users", "show", "ada", "--json", "login") == one
    assert said("users", "show", "--json", "login", "ada") == one
    assert said("users", "show", "--json=login", "ada") == one
    assert len(said("users", "show", "--json", "ada")) > len(one)
    assert said("publishing", "settings", "--json", "name").startswith('[{"name": "')
    assert said("status", "--json", "all_good") == '{"all_good": false}'
    assert re.fullmatch(
        r'\[{"kind": "[a-z.]+"}\]', said("events", "--json", "kind", "--limit", "1")
    )
    wrong = command("users", "show", "ada", "--json", "login,tag")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert re.match("gitpip: --json: unknown field 'tag'; fields: .*login.*tags", wrong.stderr)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("plan", "--users", "1", "--gists-per-day", "-1"), 2),
        (("plan", "--users", "1e3", "--gists-per-day", "1"), 2),
        (("plan", "--users", "1", "--gists-per-day", "1", "--check-interval", "soon"), 2),
        (("drill", "--faults", "101"), 2),
        (("drill", "--kill-every", "soon"), 2),
        (("inbox", "read"), 2),
        (("users", "show", "nobody"), 1),
    ],
)
def test_a_wrong_value_exits_with_2_and_a_refusal_with_1(
    house: Callable[[], House], arguments: tuple[str, ...], code: int
) -> None:
    own = house()
    done = Installation(own.folder, own.environment).command(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
