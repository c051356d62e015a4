"""What happened is a value: no code reads it out of a sentence that is for people."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "gitpip"
SENTENCES = (
    "because",
    "detail",
    "failure",
    "fault",
    "message",
    "reason",
    "sentence",
)
ERRORS = ("error", "exc", "exception")
READS = (
    "contains",
    "endswith",
    "find",
    "in_",
    "index",
    "like",
    "partition",
    "regexp_match",
    "removeprefix",
    "removesuffix",
    "replace",
    "split",
    "startswith",
)
NOT_A_SENTENCE = "a message of ASGI"
ALLOWED = {
    (
        "store/postgres.py",
        "'FATAL: ' in str(error)",
    ): "libpq has no code for a connection that a server refuses; asked for at once, never stored",
    ("store/events.py", "one.detail in hidden"): "the very lines that were asked about",
    ("store/users/imports.py", "fault in shown"): "the very lines that were asked about",
    ("web/errors.py", "detail == status.phrase"): "whether Starlette has put in its own words",
    ("web/middleware.py", "message['type'] == 'http.response.start'"): NOT_A_SENTENCE,
    ("web/public_address.py", "message['type'] == 'http.response.start'"): NOT_A_SENTENCE,
}
"""By file and expression: why it stays."""


def _is_sentence(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower().rpartition("_")[2] in SENTENCES
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name) | ast.Attribute(attr=name)]):
            return name in ERRORS
    return False


def _reads_sentence(node: ast.AST) -> bool:
    """Whether an operand is a sentence, or made of one."""
    match node:
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
            return any(map(_reads_sentence, parts))
        case ast.Call(func=ast.Attribute(value=value)):
            return _reads_sentence(value)
        case ast.Subscript(value=value):
            return _reads_sentence(value)
    return _is_sentence(node)


def comparisons(source: str) -> Iterator[str]:
    """The expressions that look into a sentence, or compare it with another text."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in READS:
                if _reads_sentence(value):
                    yield ast.unparse(node)
            case ast.Compare(left=left, ops=ops, comparators=others):
                if any(map(_is_member, (left, *others))):
                    continue
                if any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in ops) and (
                    any(map(_reads_sentence, (left, *others)))
                ):
                    yield ast.unparse(node)


def _is_member(node: ast.AST) -> bool:
    """Whether it is one of the values of an enum, which a sentence never is."""
    match node:
        case ast.Attribute(value=ast.Name(id="HeldBecause")):
            return True
    return False


@pytest.mark.parametrize(
    "code",
    [
        "user.failure.startswith(NOT_SHOWN)",
        "(user.failure or '').removeprefix('not shown: ')",
        "users.c.failure.endswith(same(login), autoescape=True)",
        "publications.c.reason.like('could not%')",
        "reason == f'no user {login}'",
        "'://' in str(error)",
        "str(error).lower().find('timeout')",
        "problem.sentence.replace(SEE_DOCTOR, '')",
        "trouble.skipped_because in REASONS",
    ],
)
def test_a_comparison_is_found(code: str) -> None:
    assert [*comparisons(code)] == [ast.unparse(ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    [
        "reason is None",
        "failure_kind == KIND",
        "failures == 3",
        "failure and 'a' in names",
        "row.held_because == HeldBecause.FLOOD",
    ],
)
def test_other_comparisons_are_not_reported(code: str) -> None:
    assert not [*comparisons(code)]


def test_no_code_compares_a_sentence() -> None:
    found = {
        (str(path.relative_to(SOURCE)), expression)
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts
        for expression in comparisons(path.read_text())
    }
    assert found == set(ALLOWED)
