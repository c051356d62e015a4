"""No file and no function is longer than what is read at one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 500, 60


def modules() -> Iterator[Path]:
    """Every module but the migrations, which stay as they were."""
    return (path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts)


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in modules()}
    assert {path: length for path, length in lengths.items() if length > LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LINES_OF_A_FUNCTION
    ]
    assert long == []
