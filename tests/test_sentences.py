"""What happened is a value: no code reads it out of a sentence that is for people."""

import ast
from collections.abc import Collection, Iterator
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
    "stderr",
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
SEARCHES = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")
"""Methods of a pattern, and functions of `re`: they read an argument."""
KEYS = ("expected",)
"""Keys whose values are sentences of a library."""
NOT_A_SENTENCE = "a message of ASGI"
PYDANTIC = "pydantic tells the accepted values only so: docs.pydantic.dev/latest/errors"
ALLOWED = {
    (
        "store/postgres.py",
        "'FATAL: ' in str(error)",
    ): "libpq has no code for a connection that a server refuses; asked for at once, never stored",
    (
        "store/database.py",
        "NO_CONNECTION_FREE.search(str(error))",
    ): "libpq has no code for a connection that a server refuses",
    ("store/events.py", "one.detail in hidden"): "the very lines that were asked about",
    ("store/users/imports.py", "fault in shown"): "the very lines that were asked about",
    (
        "publish/pipedrive/answers.py",
        "each in said",
    ): "Pipedrive has no code for the field: its page core-api-concepts-http-status-codes",
    (
        "watch/github/transport.py",
        "RATE_LIMITED.search(answer.message)",
    ): "GitHub documents the words: its page troubleshooting-the-rest-api#rate-limit-errors",
    (
        "web/render/times.py",
        "_IN_SENTENCE.finditer(sentence)",
    ): "times become elements of the page, and nothing is decided by them",
    (
        "web/request_faults.py",
        "details.get('ctx', {}).get('expected') == \"''\"",
    ): PYDANTIC,
    (
        "web/request_faults.py",
        "re.findall(\"'([^']*)'\", details.get('ctx', {}).get('expected', ''))",
    ): PYDANTIC,
    ("web/errors.py", "detail == status.phrase"): "whether Starlette has put in its own words",
    ("web/middleware.py", "message['type'] == 'http.response.start'"): NOT_A_SENTENCE,
    ("web/public_address.py", "message['type'] == 'http.response.start'"): NOT_A_SENTENCE,
}
"""By file and expression: why it stays."""
Aliases = Collection[str]
"""Variables that hold a sentence."""


def _is_sentence(node: ast.AST, aliases: Aliases) -> bool:
    match node:
        case ast.Name(id=name) if name in aliases:
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower().rpartition("_")[2] in SENTENCES
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name) | ast.Attribute(attr=name)]):
            return name in ERRORS
    return False


def _reads_sentence(node: ast.AST, aliases: Aliases) -> bool:
    """Whether an operand is a sentence, or made of one."""
    match node:
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
            return any(_reads_sentence(part, aliases) for part in parts)
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=key), *_]) if (
            key in KEYS
        ):
            return True
        case ast.Call(func=ast.Attribute(value=value)) | ast.Subscript(value=value):
            return _reads_sentence(value, aliases)
    return _is_sentence(node, aliases)


def _aliases(function: ast.AST) -> Aliases:
    """The variables of a function to which a sentence, or something made of one, is assigned."""
    found: set[str] = set()
    while True:
        before = len(found)
        for node in ast.walk(function):
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                    | ast.NamedExpr(target=ast.Name(id=name), value=value)
                ) if _reads_sentence(value, found):
                    found.add(name)
        if len(found) == before:
            return found


def comparisons(source: str) -> set[str]:
    """The expressions that look into a sentence, or compare it with another text."""
    tree = ast.parse(source)
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {*_comparisons(tree, ())}.union(
        *(_comparisons(function, _aliases(function)) for function in functions)
    )


def _comparisons(within: ast.AST, aliases: Aliases) -> Iterator[str]:
    for node in ast.walk(within):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments):
                reads = name in READS and _reads_sentence(value, aliases)
                searches = name in SEARCHES and any(
                    _reads_sentence(argument, aliases) for argument in arguments
                )
                if reads or searches:
                    yield ast.unparse(node)
            case ast.Compare(left=left, ops=ops, comparators=others):
                operands = (left, *others)
                if any(map(_is_member, operands)):
                    continue
                if any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in ops) and (
                    any(_reads_sentence(operand, aliases) for operand in operands)
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
        "RATE_LIMITED.search(answer.message)",
        "re.findall('a', str(error))",
        "'Password' in done.stderr.decode()",
        "details.get('expected', '') == 'one'",
    ],
)
def test_a_comparison_is_found(code: str) -> None:
    assert comparisons(code) == {ast.unparse(ast.parse(code))}


def test_a_variable_that_holds_a_sentence_is_followed() -> None:
    code = """
def refused(answer):
    words = said = None
    said = answer.reason.lower()
    words: str = said[:10]
    return "currency" in words


def other(words):
    return words == "currency"
"""
    assert comparisons(code) == {"'currency' in words"}


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
    assert not comparisons(code)


def test_no_code_compares_a_sentence() -> None:
    found = {
        (str(path.relative_to(SOURCE)), expression)
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts
        for expression in comparisons(path.read_text())
    }
    assert found == set(ALLOWED)
