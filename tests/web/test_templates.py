"""All templates: their addresses get the prefix of the public address, and texts one escaping."""

import re

import pytest

from gitpip.web.render.jinja import FOLDER, templates

NAMES = sorted(path.name for path in FOLDER.glob("*.html"))
STARTS = re.compile(r'\b(?:href|src|action|formaction|hx-get|hx-post)="(?=[/{])')
WITH_PREFIX = re.compile(
    r"\{\{ (?:url_prefix\(\) \}\}/|\((?:(?!\}\}).)+\) \| local_url \}\})", re.DOTALL
)


@pytest.mark.parametrize("name", NAMES)
def test_every_address_of_ours_gets_the_prefix(name: str) -> None:
    source = templates().preprocess((FOLDER / name).read_text())
    bare = [
        source[found.start() : found.end() + 60]
        for found in STARTS.finditer(source)
        if not WITH_PREFIX.match(source, found.end())
    ]
    assert bare == []
    templates().get_template(name)


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ('href="{{ one }}">{{ two }}', 'href="{{ (one) | local_url }}">{{ two }}'),
        ('href="{{\n one if\n two }}" id="', 'href="{{ (one if\n two) | local_url }}" id="'),
        ('href="{{one}}" id="{{ two }}"', 'href="{{ (one) | local_url }}" id="{{ two }}"'),
        ('href="/a" id="{{ two }}"', 'href="{{ url_prefix() }}/a" id="{{ two }}"'),
    ],
)
def test_an_address_may_span_lines_and_ends_with_its_expression(
    written: str, compiled: str
) -> None:
    assert templates().preprocess(written) == compiled


@pytest.mark.parametrize("name", NAMES)
def test_prose_is_made_last_as_it_escapes(name: str) -> None:
    assert re.findall(r"\| prose(?:\([0-9]+\))?\s*\|[^}]*", (FOLDER / name).read_text()) == []
