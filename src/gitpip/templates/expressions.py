"""The expressions that a template may hold: each has a type and a cost before it first runs."""

from dataclasses import dataclass, field, replace
from typing import NoReturn

from jinja2 import nodes

from gitpip.templates.filters import FILTERS
from gitpip.templates.safe_text import UNSAFE, UNSEEN
from gitpip.templates.variables import VARIABLES, TextKind, Type

FILTER_STEPS = 20
"""The steps of a filter or a concatenation, which processes a complete text."""
_DEEPEST_EXPRESSION = 30
_MOST_OPERANDS = 20
_LARGEST_NUMBER = 10**9
_LOOP = {"index": Type.NUMBER, "first": Type.FLAG, "last": Type.FLAG}
_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Call: "calls are not supported; use filters, like {{ gist.created_at|date }}",
    nodes.Getitem: "brackets are not supported; write gist.url",
    nodes.Assign: "{% set %} is not supported; write the value where it is needed",
    nodes.Test: "tests with `is` are not supported; write {% if gist.description %}",
    nodes.BinExpr: "arithmetic is not supported; use numbers and texts as they are",
    nodes.UnaryExpr: "arithmetic is not supported; use numbers and texts as they are",
    nodes.Scope: "{% autoescape %} is not supported: values are always escaped",
    nodes.Macro: "macros are not supported",
    nodes.FilterBlock: "{% filter %} is not supported; write {{ gist.description|upper }}",
}


class InvalidTemplate(Exception):
    """A template holds something that is not allowed; `line` says where."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


def refuse(node: nodes.Node) -> NoReturn:
    """Refuse a node that is not allowed in a template."""
    known = next((text for type_, text in _REFUSED.items() if isinstance(node, type_)), None)
    raise InvalidTemplate(
        node.lineno,
        known
        or f"{type(node).__name__} is not supported; a template has texts, variables,"
        " filters, {% if %} and {% for %}",
    )


@dataclass(frozen=True)
class Scope:
    """The surroundings of an expression."""

    items: frozenset[str] = frozenset()
    """The names of the items of the loops around it."""
    loops: int = 0
    depth: int = 0

    def deeper(self, line: int) -> "Scope":
        """Return the scope of an inner expression. Raises Refused with `line` if it is too deep."""
        if self.depth == _DEEPEST_EXPRESSION:
            raise InvalidTemplate(
                line, f"expressions are nested more than {_DEEPEST_EXPRESSION} deep"
            )
        return replace(self, depth=self.depth + 1)


@dataclass(frozen=True)
class CheckedExpression:
    """The type of an expression, and its number of steps."""

    type: Type
    steps: int = 1


@dataclass
class Expressions:
    """Checks the expressions of one template of a kind."""

    kind: TextKind
    uses: set[str] = field(default_factory=set)
    """The variables that were used."""

    def check(self, node: nodes.Node, scope: Scope) -> CheckedExpression:
        """Return the type and the cost of an expression. Raises Refused."""
        scope = scope.deeper(node.lineno)
        match node:
            case nodes.Const():
                checked = CheckedExpression(_constant(node))
            case nodes.Name() | nodes.Getattr():
                checked = CheckedExpression(self._variable(node, scope))
            case nodes.Filter():
                checked = self._filter(node, scope)
            case nodes.Not():
                checked = CheckedExpression(Type.FLAG, self.check(node.node, scope).steps)
            case nodes.And() | nodes.Or():
                left, right = self.check(node.left, scope), self.check(node.right, scope)
                type_ = left.type if left.type is right.type else Type.FLAG
                checked = CheckedExpression(type_, left.steps + right.steps)
            case nodes.Compare():
                checked = self._compare(node, scope)
            case nodes.CondExpr():
                checked = self._choice(node, scope)
            case nodes.Concat():
                checked = self._concat(node, scope)
            case _:
                refuse(node)
        return checked

    def known(self, type_: Type | None = None) -> list[str]:
        """Return the variables of this kind of template, or those of a type."""
        return [
            name
            for name, variable in VARIABLES.items()
            if self.kind in variable.kinds and type_ in (None, variable.type)
        ]

    def _variable(self, node: nodes.Name | nodes.Getattr, scope: Scope) -> Type:
        path = path_of(node)
        if path in scope.items:
            return Type.TEXT
        root, _, rest = path.partition(".")
        if root == "loop" and scope.loops and rest in _LOOP:
            return _LOOP[rest]
        known = VARIABLES.get(path)
        if known is None or self.kind not in known.kinds:
            names = [*self.known(), *sorted(scope.items)]
            names += [f"loop.{name}" for name in _LOOP] if scope.loops else []
            elsewhere = f" in a {self.kind}" if known else ""
            raise InvalidTemplate(
                node.lineno, f"there is no variable {path}{elsewhere}; use {', '.join(names)}"
            )
        if path == "content":
            raise InvalidTemplate(
                node.lineno, "write {{ content }} alone, without filters and conditions"
            )
        self.uses.add(path)
        return known.type

    def _filter(self, node: nodes.Filter, scope: Scope) -> CheckedExpression:
        known = FILTERS.get(node.name)
        if known is None or node.node is None:
            names = ", ".join(FILTERS)
            raise InvalidTemplate(node.lineno, f"there is no filter {node.name}; use {names}")
        value = self.check(node.node, scope)
        if value.type not in known.takes:
            takes = " or ".join(map(str, known.takes))
            raise InvalidTemplate(
                node.lineno, f"the filter {node.name} is for {takes}, not for {value.type}"
            )
        if known.gives is Type.MARKUP and self.kind is not TextKind.NOTE:
            raise InvalidTemplate(
                node.lineno, f"a {self.kind} has no links; leave out |{node.name}"
            )
        if node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > 1:
            raise InvalidTemplate(
                node.lineno, f"the filter {node.name} takes one value, without a name"
            )
        if known.needs_argument and not node.args:
            raise InvalidTemplate(
                node.lineno, f"the filter {node.name} needs a value: {known.meaning}"
            )
        arguments = sum(self._argument(node, argument, scope) for argument in node.args)
        return CheckedExpression(known.gives, value.steps + arguments + FILTER_STEPS)

    def _argument(self, node: nodes.Filter, argument: nodes.Expr, scope: Scope) -> int:
        known = FILTERS[node.name]
        if known.argument is None:
            raise InvalidTemplate(node.lineno, f"the filter {node.name} takes no value")
        checked = self.check(argument, scope)
        if checked.type is not known.argument:
            raise InvalidTemplate(node.lineno, f"the filter {node.name} takes a {known.argument}")
        if known.fault is not None:
            if not isinstance(argument, nodes.Const):
                raise InvalidTemplate(
                    node.lineno, f"the filter {node.name} takes a fixed {known.argument}"
                )
            if fault := known.fault(argument.value):
                raise InvalidTemplate(node.lineno, f"the filter {node.name}: {fault}")
        return checked.steps

    def _compare(self, node: nodes.Compare, scope: Scope) -> CheckedExpression:
        left = self.check(node.expr, scope)
        steps = left.steps
        for operand in node.ops:
            right = self.check(operand.expr, scope)
            if not _comparable(left.type, operand.op, right.type):
                raise InvalidTemplate(
                    node.lineno, f"a {left.type} can't be compared with a {right.type} like this"
                )
            steps += right.steps + FILTER_STEPS
            left = right
        return CheckedExpression(Type.FLAG, steps)

    def _choice(self, node: nodes.CondExpr, scope: Scope) -> CheckedExpression:
        if node.expr2 is None:
            raise InvalidTemplate(node.lineno, "this `if` needs an `else`: {{ 'a' if … else 'b' }}")
        test, one, other = (self.check(n, scope) for n in (node.test, node.expr1, node.expr2))
        if one.type is not other.type:
            raise InvalidTemplate(
                node.lineno, f"both values are to be of one type, not {one.type} and {other.type}"
            )
        return CheckedExpression(one.type, test.steps + one.steps + other.steps)

    def _concat(self, node: nodes.Concat, scope: Scope) -> CheckedExpression:
        if len(node.nodes) > _MOST_OPERANDS:
            raise InvalidTemplate(
                node.lineno, f"more than {_MOST_OPERANDS} values are joined with ~"
            )
        steps = 0
        for part in node.nodes:
            checked = self.check(part, scope)
            if checked.type not in (Type.TEXT, Type.NUMBER):
                raise InvalidTemplate(
                    node.lineno, f"~ joins texts and numbers, not a {checked.type}"
                )
            steps += checked.steps + FILTER_STEPS
        return CheckedExpression(Type.TEXT, steps)


def _comparable(left: Type, how: str, right: Type) -> bool:
    match how:
        case "in" | "notin":
            return left is Type.TEXT and right in (Type.TEXT, Type.TEXTS)
        case "eq" | "ne":
            return left is right
        case _:
            return left is right and left in (Type.NUMBER, Type.TIME)


def path_of(node: nodes.Expr) -> str:
    """Return a name as it is written, such as `gist.url`. Raises Refused."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{path_of(node.node)}.{node.attr}"
    raise InvalidTemplate(node.lineno, "a dot must follow a name, as in gist.url")


def _constant(node: nodes.Const) -> Type:
    match node.value:
        case bool():
            return Type.FLAG
        case int() as number:
            if number > _LARGEST_NUMBER:
                raise InvalidTemplate(node.lineno, f"a number must be at most {_LARGEST_NUMBER:,}")
            return Type.NUMBER
        case str() as text:
            check_characters(text, node.lineno)
            return Type.TEXT
        case _:
            raise InvalidTemplate(
                node.lineno, "a value must be a text, a whole number, true or false"
            )


def check_characters(text: str, line: int) -> None:
    """Refuse a text of the template with invisible characters."""
    found = UNSAFE.search(text) or UNSEEN.search(text)
    if found:
        line += text[: found.start()].count("\n")
        raise InvalidTemplate(line, f"it contains the invisible character U+{ord(found[0]):04X}")
