"""Templates: rendered with everything escaped, and with a few words of our own for people."""

from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from gitpip.show.highlight import visible
from gitpip.show.times import ago, utc_now

FOLDER = Path(__file__).parent / "templates"
GITHUB_HOSTS = frozenset(
    {"github.com", "gist.github.com", "gist.githubusercontent.com", "www.github.com"}
)
STATES = {
    "pending": "waiting to be sent",
    "sending": "being sent",
    "uncertain": "being looked for",
    "published": "in Pipedrive",
    "failed": "refused",
    "skipped": "not sent",
    "held": "held back",
}
_KIB = 1024


def render(name: str, **values: object) -> str:
    """Render a template; whatever is not markup of the template itself is escaped."""
    return _template(name).render(values)


def github_link(url: str, *, enterprise: str | None = None) -> str | None:
    """The address if it may be linked: https, and GitHub's (or that of your Enterprise Server)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    known = GITHUB_HOSTS | ({enterprise, f"gist.{enterprise}"} if enterprise else set())
    safe = parts.scheme == "https" and host in known and port is None and not parts.username
    return url if safe and url.isprintable() and " " not in url else None


def size(number: int) -> str:
    """A number of bytes for people."""
    if number < _KIB:
        return f"{number} B"
    if number < _KIB * _KIB:
        return f"{number / _KIB:.1f} KB"
    return f"{number / _KIB / _KIB:.1f} MB"


def _age(moment: datetime | None, otherwise: str = "never") -> Markup | str:
    if moment is None:
        return otherwise
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%d %H:%M} UTC",
        ago(moment, utc_now()),
    )


def _state(state: str | None) -> Markup:
    return Markup('<span class="state {}">{}</span>').format(
        state or "none", STATES.get(state or "", "not planned")
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible, github_link=github_link, size=size, age=_age, state=_state, count=_count
    )
    return environment.get_template(name)
