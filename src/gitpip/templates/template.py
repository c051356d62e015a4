"""Checked templates, and their output for a file's values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from gitpip.clock import day_and_clock
from gitpip.errors import TemplateInvalid
from gitpip.templates.expressions import InvalidTemplate
from gitpip.templates.filters import FILTERS
from gitpip.templates.language import TemplateUse, check
from gitpip.templates.safe_text import escape
from gitpip.templates.samples import SAMPLES
from gitpip.templates.variables import TEXT_LIMIT, TextKind, Values, values_of

TEMPLATE_LIMIT = 10_000
"""The most characters of a template."""

NOTE_LIMIT = 100_000
"""Pipedrive limits a note to 100 KB. This is in bytes of UTF-8, with a small reserve."""

_CONTENT = "\0"
"""The character in place of the content. Neither a template nor a value can hold it."""


@dataclass(frozen=True)
class Pieces:
    """The output of a template: the text before and after the content, or all of it without one."""

    before: str
    after: str = ""
    shows_content: bool = False
    ended: bool = True
    """Whether it ended. False if it made more than was requested, and was stopped."""


@dataclass(frozen=True)
class Template:
    """A checked template. It fails on no values, and takes at most `found.steps` steps."""

    kind: TextKind
    text: str
    found: TemplateUse
    compiled: Compiled

    def fill(self, values: Values | Mapping[str, object], limit: int) -> Pieces:
        """Return the output for these values, up to some `limit` of bytes."""
        given = values if isinstance(values, Mapping) else _named(values)
        pieces: list[str] = []
        length, ended = 0, True
        for piece in self._generated(given):
            pieces.append(piece)
            length += len(piece.encode())
            if length > limit:
                ended = False
                break
        before, content, after = "".join(pieces).partition(_CONTENT)
        return Pieces(before, after, bool(content), ended)

    def _generated(self, values: Mapping[str, object]) -> Iterator[str]:
        return self.compiled.generate(values, content=Markup(_CONTENT))  # noqa: S704


def compile_template(text: str, kind: TextKind) -> Template:
    """Check a template, and try it with the samples.

    Raises TemplateInvalid, which says what is wrong in which line.
    """
    return _compiled(text, kind)


@lru_cache(maxsize=64)
def _compiled(text: str, kind: TextKind) -> Template:
    if len(text) > TEMPLATE_LIMIT:
        raise TemplateInvalid(
            kind.field, f"it has {len(text):,} characters, and {TEMPLATE_LIMIT:,} are allowed"
        )
    if not text.strip():
        raise TemplateInvalid(kind.field, "it is empty; leave it out to use the built-in one")
    environment = _ENVIRONMENTS[kind]
    try:
        parsed = environment.parse(text)
        found = check(parsed, kind)
        code = environment.compile(parsed)
    except TemplateSyntaxError as error:
        raise TemplateInvalid(kind.field, f"{error.message}", line=error.lineno) from None
    except InvalidTemplate as refused:
        raise TemplateInvalid(kind.field, refused.message, line=refused.line) from None
    except (RecursionError, MemoryError):
        raise TemplateInvalid(kind.field, "it nests too deeply; make it simpler") from None
    except ValueError:  # of int, for a number of thousands of digits
        raise TemplateInvalid(kind.field, "it holds a number that is too large") from None
    template = Template(kind, text, found, Compiled.from_code(environment, code, {}))
    _try(template)
    return template


def _try(template: Template) -> None:
    for sample in SAMPLES:
        values = values_of(
            sample.file, sample.around, revision=sample.revision, remarks=sample.remarks
        )
        if not template.fill(values, NOTE_LIMIT).ended:
            raise TemplateInvalid(
                template.kind.field,
                f"for {sample.name} it makes more than {NOTE_LIMIT // 1000} KB without the"
                " content, and Pipedrive refuses such a note; make it shorter",
            )


def _named(values: Values) -> dict[str, object]:
    return {field.name: getattr(values, field.name) for field in fields(values)}


def _shown(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return day_and_clock(value)
        case _:
            return value


def _in_html(value: object) -> Markup:
    if isinstance(value, Markup):
        return value
    return Markup(escape(str(_shown(value))[:TEXT_LIMIT]))  # noqa: S704 (just escaped)


def _plain(value: object) -> str:
    return str(_shown(value))[:TEXT_LIMIT]


def _environment(kind: TextKind) -> ImmutableSandboxedEnvironment:
    in_html = kind is TextKind.NOTE
    environment = ImmutableSandboxedEnvironment(
        # Subjects and titles are plain text in Pipedrive: escaped, they would show `&amp;`.
        autoescape=in_html,
        finalize=_in_html if in_html else _plain,
        undefined=StrictUndefined,
        cache_size=0,
    )
    environment.filters = {name: known.run for name, known in FILTERS.items()}
    environment.tests = {}
    environment.globals = {}
    return environment


_ENVIRONMENTS = {kind: _environment(kind) for kind in TextKind}


@dataclass(frozen=True)
class Templates:
    """The templates of an activity."""

    subject: Template
    note: Template

    @classmethod
    def of(cls, subject: str | None = None, note: str | None = None) -> "Templates":
        """Return these templates, with the built-in ones for None. Raises TemplateInvalid."""
        return cls(
            compile_template(subject or SUBJECT, TextKind.SUBJECT),
            compile_template(note or NOTE, TextKind.NOTE),
        )

    @property
    def uses(self) -> frozenset[str]:
        """The variables that the templates need."""
        return self.subject.found.uses | self.note.found.uses


SUBJECT = "{{ file.name }}"
NOTE = """\
{%- for remark in remarks %}<p>{{ remark }}</p>{% endfor -%}
{%- if gist.description %}<p>{{ gist.description }}</p>{% endif -%}
<p>{{ gist.url|link }}{% if file.language %} · {{ file.language }}{% endif %}
{{- " · " }}{{ file.size|number }} bytes</p>
{{- content -}}"""
DEAL_TITLE = "{{ user.login }}"
DEFAULTS = Templates.of()
"""The templates that are used if none is set."""
DEFAULT_DEAL_TITLE = compile_template(DEAL_TITLE, TextKind.DEAL_TITLE)
