"""`gitpip users import` with lists whose headings are not ours."""

import json
import shutil
from pathlib import Path

import pytest

from gitpip.counts import count
from tests.support.running import Installation
from tests.support.spreadsheets import xlsx

ROWS = (("Kunde", "Konto"), ("Acme", "@ada"), ("Bau", "bob"), ("Other", "no login"))


@pytest.fixture
def gitpip(tmp_path: Path, migrated_file: Path) -> Installation:
    shutil.copy(migrated_file, tmp_path / "gitpip.db")
    (tmp_path / "list.xlsx").write_bytes(xlsx({"Kunden": ROWS, "Other": (("login",), ("eve",))}))
    return Installation(tmp_path, {"GITPIP_DATA_DIR": str(tmp_path)})


def test_a_guess_is_shown_and_not_taken(gitpip: Installation) -> None:
    refused = gitpip.command("users", "import", "list.xlsx")
    assert refused.returncode == 2
    assert "found the columns 'Kunde', 'Konto' in sheet 'Kunden'" in refused.stderr
    shown = gitpip.command("users", "import", "list.xlsx", "--dry-run", "--json")
    assert json.loads(shown.stdout) == {
        "format": "sheet 'Kunden' of a spreadsheet",
        "columns": {"Kunde": None, "Konto": "login"},
        "header": True,
        "users": ["ada", "bob"],
        "tracked": 0,
        "faults": [
            "row 4: 'no login' isn't a valid GitHub username (letters, digits and hyphens, "
            "up to 39)"
        ],
        "more": False,
    }
    words = gitpip.command("users", "import", "list.xlsx", "--dry-run").stdout
    assert "2 users would be added: ada, bob. 0 already tracked, 1 row with errors." in words
    assert "[]" in gitpip.command("users", "list", "--json").stdout


@pytest.mark.parametrize(
    ("options", "added"),
    [
        (("--yes",), ["ada", "bob"]),
        (("--column", "Konto=login", "--column", "Kunde=tags"), ["ada", "bob"]),
        (("--column", "2=login", "--no-header"), ["Konto", "ada", "bob"]),
        (("--column", "login=login", "--sheet", "Other"), ["eve"]),
    ],
)
def test_the_columns_that_a_person_names_are_used(
    gitpip: Installation, options: tuple[str, ...], added: list[str]
) -> None:
    done = gitpip.command("users", "import", "list.xlsx", *options)
    assert f"Added {count(len(added), 'user')}. Already tracked: 0." in done.stdout
    listed = json.loads(gitpip.command("users", "list", "--json").stdout)
    assert [user["login"] for user in listed] == added


def test_columns_that_are_not_named_keep_what_their_headings_say(gitpip: Installation) -> None:
    table = "Username,GitHub account,Labels,Mode,Town\nx-1,ada,vip,ask,Rome\n"
    (gitpip.folder / "list.csv").write_text(table)
    options = ("--column", "GitHub account=login", "--column", "1=id", "--column", "Mode=")
    shown = gitpip.command("users", "import", "list.csv", *options, "--dry-run", "--json")
    assert json.loads(shown.stdout)["columns"] == {
        "Username": "id",
        "GitHub account": "login",
        "Labels": "tags",
        "Mode": None,
        "Town": None,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--column", "Konto"), "is not HEADING=COLUMN"),
        (("--column", "Account=login"), "unknown column 'Account'. The file has 'Kunde', 'Konto'"),
        (("--column", "Konto=name"), "unknown column 'name'"),
        (("--column", "Konto=login", "--sheet", "kunden"), "no sheet 'kunden'"),
        (("--no-header",), "only be used with --column"),
    ],
)
def test_impossible_columns_are_refused(
    gitpip: Installation, options: tuple[str, ...], words: str
) -> None:
    refused = gitpip.command("users", "import", "list.xlsx", *options)
    assert refused.returncode == 2
    assert words in " ".join(refused.stderr.replace("│", " ").split())


def test_a_tracked_user_keeps_the_customer_id(gitpip: Installation) -> None:
    lists = {
        "first.csv": "login,id\nada,A\n",
        "without.csv": "login,tags\nada,vip\n",
        "empty.csv": "login,id\nada,\n",
        "another.csv": "login,id\nada,B\n",
    }
    for name, text in lists.items():
        (gitpip.folder / name).write_text(text)
    assert gitpip.command("users", "import", "first.csv").returncode == 0
    kept = "Users who are already tracked keep their customer IDs, tags and settings."
    for name in ("without.csv", "empty.csv"):
        for options in (("--dry-run",), ()):
            done = gitpip.command("users", "import", name, *options)
            assert done.returncode == 0, done.stderr
            assert kept in done.stdout
            assert done.stderr == ""
    for options in (("--dry-run",), ()):
        refused = gitpip.command("users", "import", "another.csv", *options)
        assert "line 2: ada keeps customer ID A. The file says B" in refused.stderr
    users = json.loads(gitpip.command("users", "list", "--json").stdout)
    assert [(user["login"], user["id"], user["tags"]) for user in users] == [("ada", "A", [])]
