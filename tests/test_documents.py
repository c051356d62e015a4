"""The documents lead to files that exist, and the plan of the source names every module."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from gitpip.cli.main import app
from gitpip.config.publishing.policy import registry
from gitpip.program import PANELS
from tests.web.test_access import NEEDED

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
SOURCE = re.compile(r"`((?:src|tests|docs|deploy|benchmarks)/[\w./-]+)`")
ROOM = re.compile(r"^### `(src/gitpip/[\w/]*)`", re.MULTILINE)


def names(document: Path) -> str:
    return str(document.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_link_leads_to_a_file(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_path_exists(document: Path) -> None:
    # What the changelog names of earlier versions may be gone.
    if document.name != "CHANGELOG.md":
        paths = SOURCE.findall(document.read_text())
        assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_plan_names_every_module_in_its_room() -> None:
    plan = (ROOT / "docs" / "modules.md").read_text()
    rooms = dict(zip(ROOM.findall(plan), ROOM.split(plan)[2::2], strict=True))
    named = {path for path in SOURCE.findall(plan) if path.endswith(".py")}
    for room, section in rooms.items():
        package = ""
        for row in re.findall(r"^\| .* \|$", section, re.MULTILINE):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            of_packages = len(cells) == 3
            if of_packages:
                package = cells[0].strip("`") or package
            for name in re.findall(r"`([\w/]+\.py)`", cells[1 if of_packages else 0]):
                if not name.startswith("src/"):
                    named.add(f"{room}{package if of_packages else ''}{name}")
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "src" / "gitpip").rglob("*.py")
        if "versions" not in path.parts
        and (path.name != "__init__.py" or path.parent.name == "gitpip")
    }
    assert sorted(modules - named) == [], "give these a line in docs/modules.md"
    assert sorted(named - modules) == [], "docs/modules.md names these, and they are gone"


def test_the_import_rules_are_those_of_the_contracts() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    told = re.findall(r"```\n(cli\n.*?)```", text, re.DOTALL)[0].split("\n")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    assert [line for line in told if line] == [line.replace("gitpip.", "") for line in layers]


def test_what_the_plan_says_of_a_module_is_there() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    modules = defaultdict(list)
    for path in (ROOT / "src" / "gitpip").rglob("*.py"):
        modules[path.stem].append(path.read_text())  # a noun has a module in several rooms
    named = [
        (module, name)
        for module, name in re.findall(r"`(\w+)\.(\w+)`", text)
        if module in modules and name != "py"
    ]
    assert len(named) > 20
    assert [
        f"{module}.{name}"
        for module, name in named
        if not any(
            re.search(rf"^(?:(?:async )?(?:def|class) )?{name}\b", source, re.MULTILINE)
            for source in modules[module]
        )
    ] == []


def test_no_line_of_a_template_is_longer_than_120_columns() -> None:
    templates = sorted((ROOT / "src/gitpip/web/pages/templates").glob("*.html"))
    assert templates
    long = [
        f"{template.name}:{number}"
        for template in templates
        for number, line in enumerate(template.read_text().splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []


def test_the_table_of_publishing_settings_is_theirs() -> None:
    rows = re.findall(
        r"^\| `(\w+)`, `(\w+)` \| (?:`(.*?)`|\[.*\]\(templates\.md#.*\)) \|",
        (ROOT / "docs" / "publishing.md").read_text(),
        re.MULTILINE,
    )
    assert rows == [
        (one.name, one.variable, "" if "\n" in default else default)
        for one, default in ((one, one.declaration.default) for one in registry().values())
    ]


def test_the_index_leads_to_every_document() -> None:
    docs = ROOT / "docs"
    linked = {path.partition("#")[0] for path in LINK.findall((docs / "README.md").read_text())}
    assert {path.name for path in docs.glob("*.md")} - linked == {"README.md"}
    assert "docs/README.md" in LINK.findall((ROOT / "README.md").read_text())


def commands(command: object, *names: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from commands(each, *names, name)
    elif isinstance(command, TyperCommand):
        yield " ".join(("gitpip", *names))


def test_the_document_of_commands_has_each_of_them() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    # Words after a command are arguments, like github and pipedrive.
    shown = set(re.findall(r"`(gitpip(?: [a-z][a-z-]*)+)", text))
    there = set(commands(typer.main.get_command(app)))
    found = {name: {each for each in there if f"{name} ".startswith(f"{each} ")} for name in shown}
    assert [name for name in shown if not found[name]] == []
    assert there - set().union(*found.values()) == set()
    sections = dict(re.findall(r"(?ms)^## (.+?)$(.+?)(?=^## |\Z)", text))
    assert list(sections) == list(PANELS)
    for panel, section in sections.items():
        first = dict.fromkeys(re.findall(r"(?m)^\| `gitpip ([a-z][a-z-]*)", section))
        assert tuple(first) == tuple(PANELS[panel])


def test_the_document_of_pages_has_each_of_them() -> None:
    shown = set(re.findall(r"`(/[^`]*)`", (ROOT / "docs" / "pages.md").read_text()))
    routes = {route.partition(" ")[2] for route in NEEDED if route.startswith("GET ")}
    assert shown - routes == set()
    others = re.compile(r".*\{|/api/|/(static|health|ready|metrics|status|users|openapi|feed\.)\b")
    assert {path for path in routes if not others.match(path)} - shown == set()


def test_the_document_of_the_api_names_every_noun_and_only_what_is_there() -> None:
    text = (ROOT / "docs" / "http-api.md").read_text()
    shown = set(re.findall(r"`([A-Z]+ /[^`?]*)", text))
    assert shown - {route.replace("/{user_id}", "/{id}") for route in NEEDED} == set()
    nouns = {noun for route in NEEDED for noun in re.findall(r" (/api/v1/\w[\w-]*)", route)}
    assert {noun for noun in nouns if noun not in text} == set()
