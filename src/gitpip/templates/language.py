"""The language of templates: what one may hold, decided before it first runs.

With Jinja's sandbox alone, a template can fail, loop for minutes and make megabytes. Here every
node has a cost, every expression has a type, and everything not named is refused. So an accepted
template can't fail on any gist, and takes at most STEPS steps.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jinja2 import nodes

from gitpip.templates.expressions import (
    Expressions,
    InvalidTemplate,
    Scope,
    check_characters,
    path_of,
    refuse,
)
from gitpip.templates.markup import MarkupFault, opened
from gitpip.templates.variables import MOST_ITEMS, VARIABLES, TextKind, Type

MAX_STEPS = 60_000
"""The most steps of a template. A step takes some microseconds in the worst case."""
_NESTED_LOOPS = 2
_TITLE_TEXT = 100
_LOGIN_HERE = "\0"
"""The character that stands for the login in a title. No template can hold it."""


@dataclass(frozen=True)
class TemplateUse:
    """The variables that a template uses, and the most steps that it takes."""

    uses: frozenset[str]
    steps: int


@dataclass(frozen=True)
class _Block(Scope):
    """The surroundings of a node."""

    tags: tuple[str, ...] = ()
    """The HTML tags that are open around the node."""


@dataclass
class _Cost:
    steps: int = 0
    contents: int = 0
    """The most times that the content is shown."""


def check(template: nodes.Template, kind: TextKind) -> TemplateUse:
    """Return what a template uses and costs. Raises Refused."""
    checker = _Checker(kind)
    cost = checker.body(template.body, _Block())
    if kind is TextKind.DEAL_TITLE:
        _check_title(template)
    if cost.contents > 1:
        raise InvalidTemplate(1, "the content is shown more than once; show it in one place")
    if cost.steps > MAX_STEPS:
        raise InvalidTemplate(
            1,
            f"it could take {cost.steps:,} steps, and {MAX_STEPS:,} are allowed: a loop over"
            f" gist.files runs up to {MOST_ITEMS['gist.files']} times; make loops smaller, or do"
            " not nest them",
        )
    return TemplateUse(frozenset(checker.uses), cost.steps)


class _Checker:
    def __init__(self, kind: TextKind) -> None:
        self._kind = kind
        self._expressions = Expressions(kind)

    @property
    def uses(self) -> set[str]:
        return self._expressions.uses

    def body(self, body: Sequence[nodes.Node], block: _Block) -> _Cost:
        """Return the cost of the nodes of a block together; its tags are closed in it."""
        cost, inside, line = _Cost(), tuple[str, ...](), 1
        for node in body:
            line = node.lineno
            within = replace(block, tags=block.tags + inside)
            match node:
                case nodes.Output():
                    for part in node.nodes:
                        inside = self._part(part, block, inside, cost)
                case nodes.If():
                    self._if(node, within, cost)
                case nodes.For():
                    self._for(node, within, cost)
                case _:
                    refuse(node)
        if inside:
            raise InvalidTemplate(
                line, f"<{inside[-1]}> is not closed in the block in which it is opened"
            )
        return cost

    def _part(
        self, part: nodes.Expr, block: _Block, inside: tuple[str, ...], cost: _Cost
    ) -> tuple[str, ...]:
        """Add the cost of a part of the output; return the tags that are open after it."""
        cost.steps += 2
        if isinstance(part, nodes.TemplateData):
            return self._literal(part, block, inside)
        if self._kind is TextKind.NOTE and isinstance(part, nodes.Name) and part.name == "content":
            if block.loops:
                raise InvalidTemplate(
                    part.lineno, "the content can't be in a loop; show it in one place"
                )
            if around := (*block.tags, *inside):
                raise InvalidTemplate(
                    part.lineno,
                    f"the content can't be inside <{around[-1]}>, because it is a block",
                )
            self.uses.add("content")
            cost.contents += 1
            return inside
        checked = self._expressions.check(part, block)
        if checked.type is Type.TEXTS:
            raise InvalidTemplate(part.lineno, "this is a list; write {{ gist.files|join }}")
        cost.steps += checked.steps
        return inside

    def _literal(
        self, data: nodes.TemplateData, block: _Block, inside: tuple[str, ...]
    ) -> tuple[str, ...]:
        check_characters(data.data, data.lineno)
        if self._kind is not TextKind.NOTE:
            return inside
        try:
            return opened(data.data, block.tags, inside)
        except MarkupFault as fault:
            line = data.lineno + fault.after.count("\n")
            raise InvalidTemplate(line, str(fault)) from None

    def _if(self, node: nodes.If, block: _Block, cost: _Cost) -> None:
        block = _inside(block, node)
        tests = [node.test, *(other.test for other in node.elif_)]
        cost.steps += sum(1 + self._expressions.check(test, block).steps for test in tests)
        branches = [node.body, node.else_, *(other.body for other in node.elif_)]
        costs = [self.body(branch, block) for branch in branches]
        cost.steps += max(branch.steps for branch in costs)
        cost.contents += max(branch.contents for branch in costs)

    def _for(self, node: nodes.For, block: _Block, cost: _Cost) -> None:
        path = path_of(node.iter) if isinstance(node.iter, nodes.Name | nodes.Getattr) else ""
        if path not in MOST_ITEMS:
            lists = ", ".join(self._expressions.known(Type.TEXTS))
            raise InvalidTemplate(node.lineno, f"a loop must go over one of the lists {lists}")
        self._expressions.check(node.iter, block)
        if node.test is not None or node.recursive:
            raise InvalidTemplate(
                node.lineno, "conditions of loops are not supported; write {% if %} inside the loop"
            )
        if block.loops == _NESTED_LOOPS:
            raise InvalidTemplate(node.lineno, f"loops are nested more than {_NESTED_LOOPS} deep")
        if not isinstance(node.target, nodes.Name):
            raise InvalidTemplate(
                node.lineno, "a loop must have one name, like {% for name in gist.files %}"
            )
        name = node.target.name
        if name == "loop" or name in {known.partition(".")[0] for known in VARIABLES}:
            raise InvalidTemplate(
                node.lineno, f"{name} is already used; choose another name for the item"
            )
        block = _inside(block, node)
        within = replace(block, items=block.items | {name}, loops=block.loops + 1)
        cost.steps += 1 + (1 + self.body(node.body, within).steps) * MOST_ITEMS[path]
        otherwise = self.body(node.else_, block)
        cost.steps += otherwise.steps
        cost.contents += otherwise.contents


def _inside(block: _Block, node: nodes.Node) -> _Block:
    return replace(block, depth=block.deeper(node.lineno).depth)


def _check_title(template: nodes.Template) -> None:
    """Refuse a title by which two users' deals could have one title, or one another's login.

    See `DealIndex`.
    """
    parts = [part for node in template.body for part in getattr(node, "nodes", (node,))]
    shown = "".join(
        part.data if isinstance(part, nodes.TemplateData) else _LOGIN_HERE for part in parts
    )
    before, here, after = shown.partition(_LOGIN_HERE)
    names = [part for part in parts if not isinstance(part, nodes.TemplateData)]
    if not here or len(names) != 1 or not isinstance(names[0], nodes.Getattr):
        raise InvalidTemplate(
            1, "a deal is found by its title, so use {{ user.login }} once, and text"
        )
    if re.search("[A-Za-z0-9_-]$", before) or re.match("[A-Za-z0-9_-]", after):
        raise InvalidTemplate(
            1,
            "the title could be another user's login; put a space, or another character that is"
            " not in logins, next to {{ user.login }}",
        )
    if len(before) + len(after) > _TITLE_TEXT:
        raise InvalidTemplate(1, f"a title has at most {_TITLE_TEXT} characters besides the login")
