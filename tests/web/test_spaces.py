"""Between two sentences of a template there is a space, though Jinja takes line ends away."""

import re
from pathlib import Path

import pytest

import gitpip.web.pages

TEMPLATES = Path(gitpip.web.pages.__file__).parent / "templates"
APART = "else|elif|macro|endmacro|block|endblock|call|set|include|for|endfor"
"""Tags between which there are other texts, or none."""
INLINE = "a|b|bdi|code|span|strong|time"


def words_of(template: str) -> str:
    """What a template says, as Jinja joins its lines, without its conditions."""
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    text = re.sub(r"(?m)^[ \t]+(?=\{%)", "", text).replace("%}\n", "%}")
    text = re.sub(rf"\{{%-?\s*({APART})\b.*?%\}}", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{%.*?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{\{ \" ", " ", text)
    return re.sub(rf"</?({INLINE})\b[^>]*>", "", text)


def joined(template: str) -> list[str]:
    said = words_of(template)
    return re.findall(r"[^\n]{0,40}[a-z})](?:[.!?](?=[A-Z])|\.(?=\{\{))[^\n]{0,40}", said)


@pytest.mark.parametrize(
    "template",
    ["<p>{% if a %}Done.{% endif %}\nNext</p>", "<p>Done.{% if a %}\n{{ n }}{% endif %}</p>"],
)
def test_sentences_that_are_joined_are_found(template: str) -> None:
    assert joined(template)


def test_no_sentence_begins_without_a_space() -> None:
    assert {
        path.name: found
        for path in sorted(TEMPLATES.glob("*.html"))
        if (found := joined(path.read_text()))
    } == {}
