"""Templates: rendered with everything escaped, and with a few words of our own for people."""

import re
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_environment
from jinja2.ext import Extension
from jinja2.filters import do_truncate
from markupsafe import Markup, escape

from gitpip.actions.words_of_log import act_in_words
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.model import Role
from gitpip.modes import HELD_WORDS
from gitpip.program import program
from gitpip.publication_states import STATES
from gitpip.same_activity import in_words
from gitpip.web.auth.identity import current
from gitpip.web.public_address import local_url, url_prefix
from gitpip.web.render import times
from gitpip.web.render.audit_words import explained
from gitpip.web.render.faults import as_sentence, label
from gitpip.web.render.highlight import visible
from gitpip.web.render.notes import shown_note
from gitpip.web.render.numbers import numbers, up_to

FOLDER = Path(__file__).parents[1] / "pages" / "templates"
PERSON_STATES = {
    "active": "Active",
    "paused": "Paused",
    "unavailable": "Not found on GitHub",
}
VERIFYING = (
    "Pipedrive did not confirm. gitpip checks whether the activity arrived before it sends again, "
    "so nothing is duplicated."
)
ADDRESS = re.compile(
    r'\b(href|src|(?:form)?action|hx-get|hx-post)="(?:\{\{((?:(?!\}\}).)+)\}\}|/)', re.DOTALL
)
"""The start of an attribute that holds an address: an expression, maybe of several lines, or a path
of ours."""
_KIB = 1024


def render(name: str, **values: object) -> str:
    """Render a template; whatever is not markup of the template itself is escaped."""
    return templates().get_template(name).render(values)


def size(number: int) -> str:
    """A number of bytes for people."""
    if number < _KIB:
        return f"{number} B"
    if number < _KIB**2:
        return f"{number / _KIB:.1f} KB"
    if number < _KIB**3:
        return f"{number / _KIB**2:.1f} MB"
    return f"{number / _KIB**3:.1f} GB"


def _may(role: str) -> bool:
    """Return whether the caller has the rights of a role."""
    identity = current.get()
    return identity is not None and identity.role.includes(Role(role))


def _may_change(role: str) -> bool:
    """Return whether the caller may do what needs a role; without any key, no one is an admin."""
    identity = current.get()
    is_let_in = identity is not None and identity.is_open and Role(role) is Role.ADMIN
    return _may(role) and not is_let_in


def _age(time: datetime | None, otherwise: str = "never") -> Markup | str:
    return otherwise if time is None else times.age(time, utc_now())


def _day(date: date) -> str:
    return times.day(date, utc_now())


def _moment(time: datetime) -> Markup:
    return times.moment(time, utc_now())


@pass_environment
def _prose(environment: Environment, sentence: str, at_most: int | None = None) -> Markup:
    """A sentence with nothing hidden, and with times that readers see in their own zone."""
    shown = visible(sentence)
    if at_most is not None:
        shown = do_truncate(environment, shown, at_most)
    return times.in_sentence(shown, utc_now())


def _state(state: str | None) -> Markup:
    title = Markup(' title="{}"').format(VERIFYING) if state == "uncertain" else ""
    return Markup('<span class="state {}"{}>{}</span>').format(
        state or "none", title, STATES.get(state or "", "Not synced")
    )


def _with_code(text: str) -> Markup:
    """A docstring's text, with what stands in backticks as code."""
    plain = re.split(r"`+([^`]+)`+", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(plain)
    )


def _state_words(state: str) -> str:
    return STATES[state]


def duration(length: timedelta | float) -> str:
    """A length of time (or a number of seconds) for people, in one unit."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    for unit, worth in (("day", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= worth:
            number = round(seconds / worth)
            return count(number, unit) if unit == "day" else f"{number} {unit}"
    return f"{max(round(seconds), 1)} s"


class _LocalAddresses(Extension):
    """Lets templates name paths as they are routed, and adds the prefix of GITPIP_PUBLIC_URL.

    Done for every template when it is loaded, because a link without the prefix works wherever
    there is none, and so nobody would notice it.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Add the prefix to each address of a template that is a path of ours."""

        def with_prefix(found: re.Match[str]) -> str:
            attribute, expression = found.groups()
            if expression:
                return f'{attribute}="{{{{ ({expression.strip()}) | local_url }}}}'
            return f'{attribute}="{{{{ url_prefix() }}}}/'

        return ADDRESS.sub(with_prefix, source)


@cache
def templates() -> Environment:
    """All templates; each is compiled when it is first used, and kept."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_LocalAddresses],
        auto_reload=False,
    )
    environment.filters.update(
        visible=visible,
        size=size,
        age=_age,
        moment=_moment,
        day=_day,
        prose=_prose,
        as_sentence=as_sentence,
        label=label,
        state=_state,
        state_words=_state_words,
        count=count,
        person_state=PERSON_STATES.__getitem__,
        with_code=_with_code,
        explained=explained,
        duration=duration,
        up_to=up_to,
        in_words=in_words,
        as_note=shown_note,
        act_in_words=act_in_words,
        local_url=local_url,
    )
    environment.globals.update(
        may=_may,
        may_change=_may_change,
        identity=current.get,
        url_prefix=url_prefix,
        numbers=numbers.get,
        held_words=HELD_WORDS,
        program=program,
    )
    return environment
