"""No file and no function is longer than what is read at one go, or takes too many parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 500, 60
PARAMETERS = 6


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


def test_no_function_of_the_web_takes_more_than_6_parameters() -> None:
    """Ruff checks all others. What an address or a form may hold are the parameters of its route,
    or of what `Depends` calls."""
    many = [
        f"{path}:{node.lineno} {node.name}"
        for path in (SOURCE / "gitpip" / "web").rglob("*.py")
        for tree in [ast.parse(path.read_text())]
        for depends in [_called_by_depends(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _parameters(node) > PARAMETERS
        and node.name not in depends
        and not any(ast.unparse(one).startswith("router.") for one in node.decorator_list)
    ]
    assert many == []


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = node.args
    return len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])


def _called_by_depends(tree: ast.AST) -> set[str]:
    return {
        ast.unparse(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Depends" and node.args
    }
