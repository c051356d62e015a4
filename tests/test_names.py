"""Each constant is used and declared once, and each class has a name of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "gitpip"
SHARED = {"datetime(1970, 1, 1": "clock.py", '"[secret]"': "digests.py"}
"""The beginning of their values, and where these stand."""


def test_each_shared_constant_is_declared_once() -> None:
    texts = {path.relative_to(SOURCE): path.read_text() for path in SOURCE.rglob("*.py")}
    for value, place in SHARED.items():
        assert [str(path) for path, text in texts.items() if value in text] == [place]


def test_no_constant_of_a_module_is_unused() -> None:
    declared: list[tuple[str, str]] = []
    loaded: set[tuple[str, str]] = set()
    elsewhere: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE).as_posix()
        if "migrations" in place:  # Alembic reads them by their names
            continue
        tree = ast.parse(path.read_text())
        for statement in tree.body:
            match statement:
                case ast.Assign(targets=targets):
                    named = [node for target in targets for node in ast.walk(target)]
                case ast.AnnAssign(target=target):
                    named = [target]
                case _:
                    continue
            declared += [(place, node.id) for node in named if isinstance(node, ast.Name)]
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name, ctx=ast.Load()):
                    loaded.add((place, name))
                case ast.Attribute(attr=name):
                    elsewhere.add(name)
                case ast.ImportFrom(names=names):
                    elsewhere.update(each.name for each in names)
    assert len(declared) > 1_000
    unused = [
        f"{place}: {name}"
        for place, name in declared
        if not name.startswith("__") and (place, name) not in loaded and name not in elsewhere
    ]
    assert unused == []


def test_no_two_classes_have_one_name() -> None:
    """A search for a class, and a name in a traceback, leads to one place."""
    places: dict[str, list[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                places.setdefault(statement.name, []).append(path.relative_to(SOURCE).as_posix())
    assert len(places) > 500
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_name_of_a_number_or_duration_has_two_values() -> None:
    """A reader who knows what a constant limits in one module is right about it in every other."""
    values: dict[str, dict[str, list[str]]] = {}
    for path in SOURCE.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for statement in ast.parse(path.read_text()).body:
            for name, value in _constants(statement):
                place = path.relative_to(SOURCE).as_posix()
                values.setdefault(name, {}).setdefault(ast.unparse(value), []).append(place)
    assert len(values) > 400
    assert {name: found for name, found in values.items() if len(found) > 1} == {}


def _constants(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Yield the constants of a statement that are numbers or durations, with their values."""
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            pairs = list(zip(targets, values, strict=True))
        case ast.Assign(targets=[target], value=value):
            pairs = [(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            pairs = [(target, value)]
        case _:
            return
    for target, value in pairs:
        if isinstance(target, ast.Name) and target.id.isupper() and _is_number(value):
            yield target.id, value


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=number):
            return isinstance(number, int | float) and not isinstance(number, bool)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.Call(func=ast.Name(id="timedelta")):
            return True
    return False
