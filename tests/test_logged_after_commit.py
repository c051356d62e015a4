"""What is logged and counted has happened: nothing is, before its transaction is committed."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import gitpip

SOURCE = Path(gitpip.__file__).parent
LOGS = {"info", "warning", "error", "exception", "critical"}
COUNTS = {"inc", "observe", "labels"}
EXCEPTIONS: Mapping[str, str] = {}
"""What may be logged in a transaction that writes, as `file:function`, and why."""


def told_in(tree: ast.Module) -> Iterator[str]:
    """Yield the functions in which a transaction that writes holds a log line or a count."""
    functions = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, function in functions.items():
        for block in ast.walk(function):
            if isinstance(block, ast.AsyncWith) and any(map(_writes, block.items)):
                inside = [node for line in block.body for node in ast.walk(line)]
                if _tells(inside, functions, frozenset({name})):
                    yield name


def _writes(item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and not call.args and _called(call)[1] == "begin"


def _tells(
    nodes: list[ast.AST],
    functions: Mapping[str, ast.AST],
    seen: frozenset[str],
) -> bool:
    """Return whether these log or count, themselves or by functions of the same module."""
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        of, name = _called(call)
        if (of == "log" and name in LOGS) or (of and name in COUNTS):
            return True
        if of in {"", "self"} and name in functions and name not in seen:
            further = list(ast.walk(functions[name]))
            if _tells(further, functions, seen | {name}):
                return True
    return False


def _called(call: ast.Call) -> tuple[str, str]:
    """Return what is called: the text before the last dot, and the name after it."""
    of, _, name = ast.unparse(call.func).rpartition(".")
    return of, name


def test_nothing_is_logged_or_counted_before_the_commit() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{name}"
        for path in SOURCE.rglob("*.py")
        for name in told_in(ast.parse(path.read_text()))
    }
    assert found == EXCEPTIONS.keys(), "log and count after the block, or say here why not"


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("log.info('done')", True),
        ("DONE.labels('a').inc()", True),
        ("self._tell()", True),
        ("log.debug('tried')", False),
        ("await note(transaction)", False),
    ],
)
def test_what_is_searched_for_is_found(line: str, is_found: bool) -> None:
    source = (
        "class Worker:\n"
        "    async def act(self):\n"
        "        async with self.database.begin() as transaction:\n"
        f"            {line}\n"
        "        log.info('after')\n"
        "    def _tell(self):\n"
        "        log.warning('told')\n"
    )
    assert list(told_in(ast.parse(source))) == (["act"] if is_found else [])
