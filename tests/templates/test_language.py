"""A template is refused with what is wrong and what helps, or it is accepted and can't fail."""

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.errors import TemplateInvalid
from gitpip.templates import TextKind, compile_template
from gitpip.templates.template import NOTE_LIMIT
from tests.support.trials import trials

REFUSED = {
    "{{ file.name": (1, "unexpected end of template"),
    "{% if %}x{% endif %}": (1, "Expected an expression"),
    "<p>\n{{ gist.title }}</p>": (2, "no variable gist.title; use gist.id, gist.url"),
    "{{ gist }}": (1, "no variable gist; use"),
    "{{ gist.files }}": (1, "write {{ gist.files|join }}"),
    "{{ gist.__class__ }}": (1, "no variable gist.__class__"),
    "{{ ''.__class__.__mro__ }}": (1, "a dot must follow a name"),
    "{{ gist['__class__'] }}": (1, "brackets are not supported; write gist.url"),
    "{{ file.name|attr('__class__') }}": (1, "no filter attr"),
    "{{ self }}{{ cycler }}": (1, "no variable self"),
    "{{ lipsum() }}": (1, "calls are not supported"),
    "{{ file.name|safe }}": (1, "no filter safe; use upper, lower"),
    "{% autoescape false %}{{ file.name }}{% endautoescape %}": (None, "always escaped"),
    "{% for number in range(1000000000) %}x{% endfor %}": (1, "one of the lists gist.files"),
    "{% for name in gist.files recursive %}{{ loop(name) }}{% endfor %}": (1, "of loops"),
    "{{ 'x' * 10000000 }}": (1, "arithmetic is not supported"),
    "{{ 9 ** 9 ** 9 }}": (1, "arithmetic is not supported"),
    f"{{{{ {'9' * 5_000} }}}}": (None, "number that is too large"),
    f"{{{{ {'(' * 2_000}1{')' * 2_000} }}}}": (None, "nests too deeply"),
    f"{'{% if 1 %}' * 40}x{'{% endif %}' * 40}": (1, "nested more than"),
    "x" * 10_001: (None, "10,001 characters, and 10,000 are allowed"),
    " \n": (None, "it is empty"),
    "{% macro m() %}{{ m() }}{% endmacro %}": (1, "macros"),
    "{% include 'x' %}": (1, "Include is not supported"),
    "{% import 'x' as y %}": (1, "Import is not supported"),
    "{% extends 'x' %}": (1, "Extends is not supported"),
    "{% set x = 1 %}": (1, "{% set %} is not supported"),
    "{% call x() %}{% endcall %}": (1, "CallBlock is not supported"),
    "{{ gist.id is defined }}": (1, "write {% if gist.description %}"),
    "{{ 'a' if file.name }}": (1, "needs an `else`"),
    "{{ file.size|upper }}": (1, "the filter upper is for text, not for number"),
    "{{ file.name|truncate }}": (1, "needs a value"),
    "{{ file.name|truncate(0) }}": (1, "from 1 to 5,000"),
    "{{ file.name|truncate(file.size) }}": (1, "a fixed number"),
    "{{ found_at|date('%c') }}": (1, "use %Y, %m, %d"),
    "{% if file.size > file.name %}x{% endif %}": (1, "can't be compared"),
    "{{ '\\x00' }}": (1, "U+0000"),
    "a\n\u202e": (2, "U+202E"),
    "<p>\n<script>x</script></p>": (2, "<script> is not allowed in a note; use a, b"),
    "<p>\n<img src=x></p>": (2, "a tag has no attributes"),
    "<p {{ file.name }}>": (1, "and no variable"),
    '<a href="{{ gist.url }}">x</a>': (1, "write {{ gist.url|link }}"),
    '<a href="javascript:alert(1)">x</a>': (1, "a tag has no attributes"),
    "<!-- the rest is hidden": (1, "comments"),
    "1 < 2": (1, "write &lt;"),
    "<p>x": (1, "<p> is not closed"),
    "{% if file.name %}<p>{% endif %}x</p>": (1, "<p> is not closed in the block"),
    "<p>{% if file.name %}</p>{% endif %}": (1, "in the block in which it was opened"),
    "<b>" * 11 + "</b>" * 11: (1, "more than 10 tags"),
    "<p>{{ content }}</p>": (1, "inside <p>"),
    "{{ content }}{% if file.name %}{{ content }}{% endif %}": (1, "more than once"),
    "{% for name in gist.files %}{{ content }}{% endfor %}": (1, "can't be in a loop"),
    "{{ content|upper }}": (1, "write {{ content }} alone"),
    "{% for content in gist.files %}x{% endfor %}": (1, "is already used"),
    "{% for a in gist.files %}{% for b in gist.files %}{{ a }}{% endfor %}{% endfor %}": (
        1,
        "60,000 are allowed",
    ),
    "{% for a in remarks %}{% for b in remarks %}{% for c in remarks %}x" + "{% endfor %}" * 3: (
        1,
        "loops are nested more than 2 deep",
    ),
    "{% for name in gist.files %}{{ name }}{{ name }}{% endfor %}": (
        None,
        "for a gist of 300 files with the longest names it makes more than 100 KB",
    ),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_is_refused(text: str) -> None:
    line, expected = REFUSED[text]
    with pytest.raises(TemplateInvalid) as caught:
        compile_template(text, TextKind.NOTE)
    error = caught.value
    assert (error.field, error.line) == ("note_template", line)
    assert expected in error.message
    assert len(error.message) < 600
    assert line is None or error.message.startswith(f"line {line}: ")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("{{ content }}", TextKind.SUBJECT, "no variable content in a subject"),
        ("{{ gist.url|link }}", TextKind.SUBJECT, "a subject has no links"),
        ("{{ file.name }}", TextKind.DEAL_TITLE, "no variable file.name in a deal title"),
        ("lead-{{ user.login }}", TextKind.DEAL_TITLE, "could be another user's login"),
        ("x" * 99 + " .{{ user.login }}", TextKind.DEAL_TITLE, "at most 100 characters"),
        ("customer", TextKind.DEAL_TITLE, "use {{ user.login }} once, and text"),
        ("{{ user.login }}{{ user.login }}", TextKind.DEAL_TITLE, "use {{ user.login }} once"),
        ("{{ user.login|truncate(1) }}", TextKind.DEAL_TITLE, "use {{ user.login }} once"),
    ],
)
def test_each_kind_has_its_own_variables(text: str, kind: TextKind, expected: str) -> None:
    with pytest.raises(TemplateInvalid, match=re.escape(expected)):
        compile_template(text, kind)


@settings(max_examples=trials(150))
@given(
    st.lists(
        st.sampled_from(
            [
                *("{{", "}}", "{%", "%}", "{#", "#}", "if", "else", "endif", "for", "endfor"),
                *("in", "gist.files", "file.name", "content", "x", "|", "upper", "(", ")", "'"),
                *("1", "~", "<p>", "</p>", "<", ">", "-", " ", "\n", ".", "not", "set", "raw"),
            ]
        ),
        max_size=14,
    ).map(" ".join)
)
def test_any_text_is_accepted_or_refused_with_a_sentence(text: str) -> None:
    template = None
    with suppress(TemplateInvalid):
        template = compile_template(text, TextKind.NOTE)
    assert template is None or template.found.steps <= 60_000


def test_a_template_stops_at_its_limit() -> None:
    loops = "{% for a in user.tags %}{% for b in remarks %}" + "x" * 2_000 + "{% endfor %}" * 2
    template = compile_template(loops, TextKind.NOTE)
    values = {"user": type("User", (), {"tags": ("t",) * 100}), "remarks": ("r",) * 10}
    pieces = template.fill(values, NOTE_LIMIT)
    assert not pieces.ended
    assert NOTE_LIMIT < len(pieces.before) < NOTE_LIMIT + 10_000
