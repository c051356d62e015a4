"""The recipes of CONTRIBUTING.md, followed against the tree: their files and examples are there."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WANTED = [
    "A setting",
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
