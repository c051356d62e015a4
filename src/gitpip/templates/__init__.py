"""The templates of subjects, notes and deal titles, without I/O.

They are Jinja templates of a small language. `language.py` refuses everything that it does not
name, so an accepted template can't fail, take long or leave out what we add.
"""

from gitpip.templates.template import (
    DEFAULT_DEAL_TITLE,
    DEFAULTS,
    TEMPLATE_LIMIT,
    Pieces,
    Template,
    Templates,
    compile_template,
)
from gitpip.templates.variables import Surroundings, TextKind

__all__ = [
    "DEFAULTS",
    "DEFAULT_DEAL_TITLE",
    "TEMPLATE_LIMIT",
    "Pieces",
    "Surroundings",
    "Template",
    "Templates",
    "TextKind",
    "compile_template",
]
