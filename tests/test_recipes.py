"""The recipes of CONTRIBUTING.md, followed against the tree: their files and examples are there."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WANTED = [
    "A setting",
    "A publishing setting",
    "A command",
    "A page",
    "An API route",
    "A metric",
    "A column",
    "A migration",
    "A destination",
    "An act",
]
FEWEST_FILES = 3
FILES_OF_A_COLUMN = 4
"""So many files change for a column that is shown; a migration is added."""
PATH = re.compile(r"`((?:src|tests|docs|deploy)/[\w./-]+|[A-Z]+\.md)`")


@dataclass(frozen=True)
class Recipe:
    """One recipe: the words of its example, the files it lists, and all files it names."""

    title: str
    words: tuple[str, ...]
    listed: tuple[str, ...]
    named: tuple[str, ...]


def read_recipes() -> list[Recipe]:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    _, *sections = re.split(r"^### ", text[text.index("## Recipes") :], flags=re.MULTILINE)
    recipes = []
    for section in sections:
        title, _, body = section.partition("\n")
        introduction = body[: body.index("\n- ")]
        follow = introduction[introduction.index("Follow ") :].partition(".")[0]
        recipes.append(
            Recipe(
                title=title,
                words=tuple(re.findall(r"`(\w+)`", follow)),
                listed=tuple(re.findall(r"^- `([^`]+)`:", body, re.MULTILINE)),
                named=tuple(PATH.findall(body)),
            )
        )
    return recipes


RECIPES = read_recipes()


def test_each_recipe_is_there() -> None:
    assert [recipe.title for recipe in RECIPES] == WANTED


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_each_file_is_there_and_holds_the_example(recipe: Recipe) -> None:
    assert recipe.words
    assert len(recipe.listed) >= FEWEST_FILES
    assert set(recipe.listed) <= set(recipe.named)
    assert [path for path in recipe.named if not (ROOT / path).is_file()] == []
    # An example may be written in another way: try_now, try-now, GITPIP_TRY_NOW, "try now".
    pattern = "|".join(word.replace("_", "[-_ ]") for word in recipe.words)
    example = re.compile(pattern, re.IGNORECASE)
    elsewhere = [
        path
        for path in recipe.listed
        if not example.search(path) and not example.search((ROOT / path).read_text())
    ]
    assert elsewhere == [], f"these hold nothing of {', '.join(recipe.words)}"


def test_a_column_that_is_shown_changes_few_files() -> None:
    column = next(recipe for recipe in RECIPES if recipe.title == "A column")
    of_source = [path for path in column.listed if path.startswith("src/")]
    changed = [path for path in of_source if "/migrations/" not in path]
    assert len(changed) <= FILES_OF_A_COLUMN
    assert len(of_source) == len(changed) + 1
    (word,) = column.words
    naming = {
        str(path.relative_to(ROOT))
        for kind in ("*.py", "*.html")
        for path in (ROOT / "src" / "gitpip").rglob(kind)
        if re.search(rf"\b{word}\b", path.read_text()) and "migrations" not in path.parts
    }
    # The others compute what it holds, when a user is renamed.
    writing = {path for path in naming if path.startswith("src/gitpip/store/users/")}
    assert naming - writing == set(changed)
