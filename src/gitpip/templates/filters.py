"""The filters of templates, with the types that they accept and return."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from gitpip.templates import safe_text
from gitpip.templates.variables import TEXT_LIMIT, Type

_LONGEST_ARGUMENT = 100
_DIRECTIVES = "YmdHMSyjaAbB%"


@dataclass(frozen=True)
class TemplateFilter:
    """A filter: the types that it accepts and returns, and its argument, if it has one."""

    run: Callable[..., str | int]
    takes: tuple[Type, ...]
    gives: Type
    meaning: str
    argument: Type | None = None
    needs_argument: bool = False
    fault: Callable[[str | int], str | None] | None = None
    """A function that returns the fault of an argument, or None; None if it may be a variable."""


def _upper(text: str) -> str:
    return text.upper()


def _lower(text: str) -> str:
    return text.lower()


def _truncate(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _default(text: str, otherwise: str) -> str:
    return text or otherwise


def _join(texts: tuple[str, ...], separator: str = ", ") -> str:
    return separator.join(texts)[:TEXT_LIMIT]


def _length(value: str | tuple[str, ...]) -> int:
    return len(value)


def _date(time: datetime, form: str = "%Y-%m-%d") -> str:
    return time.strftime(form)


def _number(number: int) -> str:
    return f"{number:,}"


def _link(url: str, text: str | None = None) -> Markup:
    return Markup(safe_text.link(url, text))  # noqa: S704 (it escapes both)


def _fault_of_length(argument: str | int) -> str | None:
    longest = TEXT_LIMIT
    if isinstance(argument, int) and 1 <= argument <= longest:
        return None
    return f"use a number of characters from 1 to {longest:,}"


def _fault_of_text(argument: str | int) -> str | None:
    if isinstance(argument, str) and len(argument) <= _LONGEST_ARGUMENT:
        return None
    return f"use a text of at most {_LONGEST_ARGUMENT} characters"


def _fault_of_date(argument: str | int) -> str | None:
    if fault := _fault_of_text(argument):
        return fault
    if re.sub(f"%[{_DIRECTIVES}]", "", str(argument)).count("%"):
        known = ", ".join(f"%{letter}" for letter in _DIRECTIVES)
        return f"use {known} and other text, like %d.%m.%Y"
    return None


FILTERS: Mapping[str, TemplateFilter] = {
    "upper": TemplateFilter(_upper, (Type.TEXT,), Type.TEXT, "in upper case"),
    "lower": TemplateFilter(_lower, (Type.TEXT,), Type.TEXT, "in lower case"),
    "truncate": TemplateFilter(
        _truncate,
        (Type.TEXT,),
        Type.TEXT,
        "its first characters, with … where some are missing",
        argument=Type.NUMBER,
        needs_argument=True,
        fault=_fault_of_length,
    ),
    "default": TemplateFilter(
        _default,
        (Type.TEXT,),
        Type.TEXT,
        "another text in the place of an empty one",
        argument=Type.TEXT,
        needs_argument=True,
        fault=_fault_of_text,
    ),
    "join": TemplateFilter(
        _join,
        (Type.TEXTS,),
        Type.TEXT,
        'the texts in a row, with ", " or another text between',
        argument=Type.TEXT,
        fault=_fault_of_text,
    ),
    "length": TemplateFilter(
        _length,
        (Type.TEXT, Type.TEXTS),
        Type.NUMBER,
        "how many characters or texts it has",
    ),
    "date": TemplateFilter(
        _date,
        (Type.TIME,),
        Type.TEXT,
        'a time (UTC) as a date like 2026-01-31, or as "%d.%m.%Y %H:%M" says',
        argument=Type.TEXT,
        fault=_fault_of_date,
    ),
    "number": TemplateFilter(_number, (Type.NUMBER,), Type.TEXT, "with commas, like 12,345"),
    "link": TemplateFilter(
        _link,
        (Type.TEXT,),
        Type.MARKUP,
        "an address as a link, which shows the address or another text; only in notes",
        argument=Type.TEXT,
    ),
}
"""All filters. Jinja's own are not available."""
