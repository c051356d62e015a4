"""The page about templates is right about variables, filters, tags and limits."""

import re
from pathlib import Path

import pytest

from gitpip.templates import TextKind, compile_template
from gitpip.templates.filters import FILTERS
from gitpip.templates.language import MAX_STEPS
from gitpip.templates.markup import TAGS
from gitpip.templates.template import DEAL_TITLE, NOTE, SUBJECT, TEMPLATE_LIMIT
from gitpip.templates.variables import MOST_ITEMS, TEXT_LIMIT, VARIABLES

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()


def table(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_table_of_variables_is_complete() -> None:
    assert table("Variables") == [
        [
            f"`{name}`",
            variable.meaning,
            str(variable.type),
            ", ".join(kind for kind in TextKind if kind in variable.kinds),
        ]
        for name, variable in VARIABLES.items()
    ]


def test_the_table_of_filters_is_complete() -> None:
    assert table("Filters") == [
        [f"`{name}`", known.meaning, ", ".join(map(str, known.takes))]
        for name, known in FILTERS.items()
    ]


def test_the_built_in_templates_are_shown() -> None:
    shown = re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL)
    assert shown[:3] == [f"{text}\n" for text in (SUBJECT, NOTE, DEAL_TITLE)]


def test_the_tags_and_limits_are_named() -> None:
    tags = PAGE.partition("## HTML of a note")[2].partition("A link that")[0]
    assert tuple(re.findall("`([a-z0-9]+)`", tags)) == TAGS
    words = " ".join(PAGE.split())
    for number in (TEXT_LIMIT, TEMPLATE_LIMIT, MAX_STEPS):
        assert f"{number:,}" in words
    files, tags_of_user, remarks = (
        MOST_ITEMS[name] for name in ("gist.files", "user.tags", "remarks")
    )
    assert f"{files} files, {tags_of_user} tags and {remarks} remarks" in words


@pytest.mark.parametrize("example", re.findall(r"`(\w+\([^`]+\))`", PAGE))
def test_the_examples_of_filters_can_be_used(example: str) -> None:
    name = example.partition("(")[0]
    by_type = {"text": "file.name", "list of texts": "gist.files", "time": "found_at"}
    value = by_type[str(FILTERS[name].takes[0])]
    assert compile_template(f"{{{{ {value}|{example} }}}}", TextKind.NOTE)


@pytest.mark.parametrize("example", re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_can_be_used(example: str) -> None:
    assert compile_template(example, TextKind.NOTE)
