"""The wording of subjects, notes and deal titles; `gitpip.templates` has the language."""

from collections.abc import Callable
from dataclasses import dataclass

from gitpip.config.publishing.declaration import Group, ValueKind, setting
from gitpip.errors import TemplateInvalid
from gitpip.templates import DEFAULT_DEAL_TITLE, DEFAULTS, Template, compile_template
from gitpip.templates import TextKind as Made


def _template_of(kind: Made) -> Callable[[str], Template]:
    def parse(text: str) -> Template:
        try:
            return compile_template(text.strip(), kind)
        except TemplateInvalid as error:
            raise ValueError(error.message) from None

    return parse


def _template(kind: Made) -> ValueKind[Template]:
    return ValueKind(_template_of(kind), lambda template: template.text, lines=True)


@dataclass(frozen=True)
class TemplateSettings:
    """The templates."""

    subject_template: Template = setting(
        DEFAULTS.subject,
        _template(Made.SUBJECT),
        group=Group.TEMPLATES,
        label="Subject",
        description="the subject of an activity; the username and the sync ID follow it",
    )
    deal_title_template: Template = setting(
        DEFAULT_DEAL_TITLE,
        _template(Made.DEAL_TITLE),
        group=Group.TEMPLATES,
        label="Title of deals",
        description="the title of a new deal, and the title by which an existing deal is found",
    )
    note_template: Template = setting(
        DEFAULTS.note,
        _template(Made.NOTE),
        group=Group.TEMPLATES,
        label="Note",
        description="the note of an activity in HTML; gitpip adds the last line",
    )
