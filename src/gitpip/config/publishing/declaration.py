"""The declaration of a publishing setting: group, meaning, default, and accepted values.

A setting is a field of a frozen dataclass of its group: see `activity.py`. The name of the field is
the name of the setting, and GITPIP_ with that name in capitals its environment variable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from gitpip.validation import any_of

METADATA_KEY = "publishing setting"
"""The key of the declaration in the metadata of a dataclass's field."""
NOT_SET = "none"
"""The word for a value that is not set on purpose."""
LINE_LIMIT = 255

Value = TypeVar("Value")


class Group(StrEnum):
    """The group of a setting. Pages and documents list the settings by group, in this order."""

    ACTIVITY = "activity"
    DEAL = "deal"
    DRIFT = "drift"
    TEMPLATES = "templates"
    MODE = "mode"
    GUARDS = "guards"

    @property
    def heading(self) -> str:
        """The name of the group on pages."""
        return TITLES[self]


TITLES = {
    Group.ACTIVITY: "Activities",
    Group.DEAL: "New deals",
    Group.DRIFT: "Changed deals",
    Group.TEMPLATES: "Templates",
    Group.MODE: "Mode",
    Group.GUARDS: "Guards",
}


@dataclass(frozen=True)
class Declaration:
    """The declaration of a setting, besides its name."""

    group: Group
    label: str
    """The name of the setting on pages."""
    description: str
    parse: Callable[[str], object]
    """The function that parses a text. Raises ValueError with what is wrong, and what to use."""
    canonical: Callable[[str], str]
    """The function that returns the canonical spelling of a text. Raises ValueError as `parse`."""
    default: str
    """The default as a text."""
    allowed: Mapping[str, str]
    """The accepted texts with their names on pages, if these are few; otherwise empty."""
    lines: bool
    """Whether a value can have several lines."""


@dataclass(frozen=True)
class ValueKind(Generic[Value]):
    """The kind of a setting's values, and their spelling."""

    parse: Callable[[str], Value]
    """Raises ValueError with what is wrong, and what to use."""
    show: Callable[[Value], str] = str
    """The inverse of `parse`."""
    allowed: Mapping[str, str] = field(default_factory=dict)
    """See `Declaration`."""
    lines: bool = False


def setting(
    default: Value, kind: ValueKind[Value], *, group: Group, label: str, description: str
) -> Value:
    """Declare the field of a setting."""
    declaration = Declaration(
        group,
        label,
        description,
        kind.parse,
        canonical=lambda text: kind.show(kind.parse(text)),
        default=kind.show(default),
        allowed=kind.allowed,
        lines=kind.lines,
    )
    return field(default=default, metadata={METADATA_KEY: declaration})


def one_of(allowed: Mapping[str, str]) -> ValueKind[str]:
    """Return the kind of these words, in any case, each with its name on pages."""

    def parse(text: str) -> str:
        chosen = text.strip().lower()
        if chosen not in allowed:
            raise ValueError(f"must be {any_of(allowed)}")
        return chosen

    return ValueKind(parse, allowed=allowed)


def one_line(text: str, *, example: str = "Sales") -> str:
    """Return a text of one line that is not empty: the name or id of something in the CRM.

    Raises ValueError, which gives the example.
    """
    line = " ".join(text.split())
    if not line or len(line) > LINE_LIMIT or not line.isprintable():
        raise ValueError(f"must be 1 to {LINE_LIMIT} printable characters, e.g. {example}")
    return line


def whole_number(lowest: int, highest: int, *, example: int) -> ValueKind[int]:
    """Return the kind of whole numbers from `lowest` to `highest`; an error names the `example`."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text.strip()) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}, e.g. {example}")
        return int(text)

    return ValueKind(parse)


def optional(
    parse: Callable[[str], Value], show: Callable[[Value], str] = str
) -> ValueKind[Value | None]:
    """Return the kind of what `parse` reads, or None for the word `none`; `show` writes it."""
    return ValueKind(
        lambda text: None if text.strip().lower() == NOT_SET else parse(text),
        lambda value: NOT_SET if value is None else show(value),
    )


def _yes_or_no(text: str) -> bool:
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    chosen = words.get(text.strip().lower())
    if chosen is None:
        raise ValueError("must be yes or no")
    return chosen


YES_OR_NO = ValueKind(
    _yes_or_no, lambda value: "yes" if value else "no", allowed={"yes": "Yes", "no": "No"}
)
