"""Templates: rendered with everything escaped."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

FOLDER = Path(__file__).parent / "templates"


def render(name: str, **values: object) -> str:
    """Render a template; whatever is not markup of the template itself is escaped."""
    return _template(name).render(values)


@cache
def _template(name: str) -> Template:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
