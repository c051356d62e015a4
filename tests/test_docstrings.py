"""Docstrings repeat no sentence and no blank line. Those of routes are shown by the API."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_no_docstring_says_something_twice() -> None:
    faults = {
        (str(path.relative_to(SOURCE)), fault)
        for path in SOURCE.rglob("*.py")
        for text in _texts(path)
        for fault in faults_of(text)
    }
    assert faults == set()


def test_a_repeated_sentence_and_a_blank_line_too_many_are_found() -> None:
    assert list(faults_of("One.\n\nTwo, and\nthree.\n\nTwo, and three.")) == ["Two, and three."]
    assert list(faults_of("One.\n\n\nTwo.")) == ["two blank lines"]
    assert not list(faults_of("One: 1. Two: 1.\n\n    code\n"))


def faults_of(text: str) -> Iterator[str]:
    """Yield the sentences that a docstring says twice, and whether it has two blank lines."""
    sentences = re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", text.strip()))
    yield from (one for one, times in Counter(sentences).items() if times > 1)
    if re.search(r"\n\s*\n\s*\n", text.strip()):
        yield "two blank lines"


def _texts(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module, with those below its attributes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED):
            yield from (
                part.value.value
                for part in node.body
                if isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            )
