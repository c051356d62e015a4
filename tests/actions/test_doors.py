"""An act does the same by every door: the same rows, audit entry, wake and error."""

import importlib
import inspect
import json
import pkgutil
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

import gitpip.actions
from gitpip.actions import (
    access_mode,
    adding,
    feeds,
    import_preview,
    publishing_settings,
    repairs,
    trial,
    undo,
)
from gitpip.actions.acting import Acting
from gitpip.cli.json_shapes import SHAPES, fields_of
from gitpip_standins import Pipedrive, Server
from tests.actions.access_cases import FEEDS, KEYS
from tests.actions.cases import Case
from tests.actions.doors import House
from tests.actions.gaps import ELSEWHERE, LEFT_OUT
from tests.actions.inbox_cases import INBOX, UNRECORDED
from tests.actions.publication_cases import PUBLICATIONS, WORK
from tests.actions.rooms import WAITING
from tests.actions.rule_cases import RULES
from tests.actions.setting_cases import SETTINGS
from tests.actions.survey_cases import SURVEYS
from tests.actions.undo_cases import UNDOS
from tests.actions.user_cases import IMPORTS, USERS
from tests.support.running import Installation
from tests.support.tokens import TOKEN

READS = {
    access_mode.access_mode_of,
    adding.preview_people,
    feeds.owner_named,
    feeds.addresses,
    import_preview.preview,
    publishing_settings.shown,
    repairs.counted,
    trial.trials_of,
    undo.plan,
}
"""What else there is in actions: it changes nothing."""


CASES = [
    *(*USERS, *PUBLICATIONS, *KEYS, *WORK, *FEEDS, *IMPORTS, *RULES, *SETTINGS, *SURVEYS),
    *UNDOS,
    *INBOX,
]
NAMED = (
    "tags and an interval are changed",
    "what is held is published",
    "the account is switched",
    "an owner opts out",
    "two publishing settings are changed",
    "all failures are retried",
)
ON_POSTGRES = [case for case in CASES if case.name in NAMED]
"""A few, since the statements are the same, and each door takes a database of its own."""


def house_of(case: Case, house: Callable[[], House]) -> House:
    made = house()
    if case.locked:
        made.lock()
    return made


def via(case: Case, door: str) -> str:
    """What the audit log calls a door: who shows a key in a header is a program, on pages too."""
    return "api" if case.locked and door == "page" else door


def check_doors(case: Case, house: Callable[[], House]) -> None:
    done = {}
    shared = (
        house_of(case, house) if case.refused and not case.tables else None
    )  # nothing is changed there
    if case.page:
        done["page"] = (shared or house_of(case, house)).ask(case.page, as_page=True)
    if case.api:
        done["api"] = (shared or house_of(case, house)).ask(case.api, as_page=False)
    if case.command:
        own = shared or house_of(case, house)
        if case.file:
            (own.folder / case.file[0]).write_bytes(case.file[1])
        # As JSON: it does the same, and says which fields it has.
        as_json = [] if "--json" in case.command else ["--json"]
        done["command"] = own.command(*case.command, *as_json)
        if done["command"].refused is None:
            check_fields(case.command, done["command"].printed)
    for door, one in done.items():
        assert one.audit == list(case.audit), door
        assert one.via == ({via(case, door)} if case.audit else set()), door
        assert one.due == set(case.wakes), door
        assert one.woken == (None if door == "command" else list(case.wakes)), door
        assert set(one.rows) == set(case.tables), (door, one.rows)
        if case.refused is None or door not in case.refused_by:
            assert one.refused is None, door
            continue
        assert one.refused, door
        sentence = case.refused.sentence
        told = case.on_page or on_page(sentence) if door == "page" else sentence
        assert told in one.refused.sentence, door
        if door == "api":
            assert one.refused == case.refused
        if door == "command":
            assert one.exit_code == (2 if case.refused.status == 422 else 1)
    rows = [one.rows for one in done.values()]
    assert all(each == rows[0] for each in rows)


def on_page(sentence: str) -> str:
    """The part of an error that a page says in the same words.

    A page begins a sentence with a capital letter, and names a field as its form does.
    """
    if login := re.fullmatch(r"(\S+) is not tracked", sentence):
        return f"You don't track {login[1]} yet."
    return re.sub(r"^[a-z_]+: ", "", sentence)[1:]


def check_fields(command: Sequence[str], printed: str) -> None:
    """The JSON that a command printed has the fields that it is known to have."""
    depth = next(depth for depth in (3, 2, 1) if shape_of(command[:depth]))
    rows = json.loads(printed)
    for row in rows if isinstance(rows, list) else [rows]:
        assert tuple(row) == fields_of(command[:depth], command[depth:]), command


def shape_of(path: Sequence[str]) -> bool:
    return any(name.partition(" --")[0] == " ".join(path) for name in SHAPES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_act_does_the_same_by_every_door(case: Case, house: Callable[[], House]) -> None:
    check_doors(case, house)


@pytest.mark.parametrize("case", ON_POSTGRES, ids=lambda case: case.name)
def test_and_on_postgresql(case: Case, house_on_postgres: Callable[[], House]) -> None:
    check_doors(case, house_on_postgres)


def test_a_check_by_command_is_requested_in_the_same_way(house: Callable[[], House]) -> None:
    own = house()
    Installation(own.folder, own.environment).command("check")
    with sqlite3.connect(own.folder / "gitpip.sqlite3") as database:
        kept = database.execute(
            "SELECT via, action, subject FROM audit WHERE action NOT LIKE 'repair.%'"
        ).fetchall()
        requested = database.execute("SELECT requested_at FROM checks WHERE id = 1").fetchall()
    assert kept == [("command", "check.requested", "1")]
    assert len(requested) == 1


def test_a_comparison_by_command_is_recorded_with_what_it_adopted(
    house: Callable[[], House],
) -> None:
    own = house()
    pipedrive = Pipedrive(token=TOKEN)
    with closing(sqlite3.connect(own.folder / "gitpip.sqlite3")) as database:
        select = "SELECT marker FROM publications WHERE id = ?"
        (marker,) = database.execute(select, (WAITING,)).fetchone()
        pipedrive.add_activity("a.py", note=f"<p>gitpip {marker}</p>", creator_user_id=1)
        with Server(pipedrive.app) as server:
            address = {"PIPEDRIVE_TOKEN": TOKEN, "PIPEDRIVE_API_URL": f"{server.url}/api"}
            told = Installation(own.folder, {**own.environment, **address}).command("adopt")
        assert told.returncode == 0, told.stderr
        kept = database.execute("SELECT via, action, subject FROM audit").fetchall()
    assert kept == [("command", "activities.adopted", "1")]


def functions() -> Iterator[Callable[..., object]]:
    """Every public function of the actions that may read or write the database."""
    for module in pkgutil.iter_modules(gitpip.actions.__path__, "gitpip.actions."):
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            of_it = getattr(value, "__module__", None) == module.name
            waits = inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
            if of_it and waits and not name.startswith("_"):
                yield value


def test_every_act_says_who_acts() -> None:
    for function in set(functions()) - READS:
        first = next(iter(inspect.signature(function).parameters.values()))
        assert first.annotation is Acting, f"{function} takes no Acting"


def test_only_acts_and_signing_in_are_recorded_in_the_audit_log() -> None:
    source = Path(gitpip.actions.__path__[0]).parent
    callers = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"\b(audit_log|act)\.record\(|\bidentity\.record\(", path.read_text())
    }
    elsewhere = {caller for caller in callers if not caller.startswith("actions/")}
    assert elsewhere == {"web/auth/authentication.py", "web/auth/identity.py"}


def test_only_actions_begin_an_act() -> None:
    source = Path(gitpip.actions.__path__[0]).parent
    callers = {
        path.relative_to(source).parts[0]
        for path in source.rglob("*.py")
        if re.search(r"\bact(ing|ing_on\(.*\))?\.begin\(|\.begin\(\) as act\b", path.read_text())
    }
    assert callers == {"actions"}


BEGIN_THEMSELVES = {
    "web/auth/authentication.py": "sessions and uses of keys: no act of a person",
}


def test_the_doors_begin_no_transaction_that_writes_by_themselves() -> None:
    source = Path(gitpip.actions.__path__[0]).parent
    beginning = {
        str(path.relative_to(source))
        for door in ("web", "cli")
        for path in (source / door).rglob("*.py")
        if ".begin()" in path.read_text()
    }
    assert beginning == BEGIN_THEMSELVES.keys(), "a change by a person is an act of actions"


def test_every_act_succeeds_by_every_door_but_those_that_say_why_not() -> None:
    doors = ("page", "api", "command")
    succeeds = {
        (case.act, door)
        for case in CASES
        for door in doors
        if getattr(case, door) and case.refused is None and (case.audit or case.act in UNRECORDED)
    }
    tried = succeeds | ELSEWHERE
    acts = set(functions()) - READS
    missing = {(act, door) for act in acts for door in doors} - tried
    assert missing - LEFT_OUT.keys() == set(), "give these a case, or say in gaps.py why not"
    assert LEFT_OUT.keys() - missing == set(), "these are no gaps any more"
