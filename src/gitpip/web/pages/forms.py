"""The fields of forms."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Form
from pydantic import BeforeValidator

from gitpip.backfill import Backfill, BackfillKind
from gitpip.errors import InvalidInput
from gitpip.store.publications import held
from gitpip.validation import checked_tags
from gitpip.web.render.faults import FormFault


def written_lines(text: str) -> str:
    """The text of a text area as its page counts it: a browser sends each line break as CRLF."""
    return text.replace("\r\n", "\n")


Field = Annotated[str, Form(max_length=2_000)]
LongText = Annotated[str, Form(max_length=200_000), BeforeValidator(written_lines)]
Value = TypeVar("Value")


@dataclass(frozen=True)
class PauseForm:
    """The fields of the form that pauses sync, as they were sent, and why it was refused."""

    lasts: str = ""
    until: str = ""
    reason: str = ""
    fault: FormFault | None = None


NEW_PAUSE = PauseForm()


def tags_of(text: str) -> tuple[str, ...]:
    """Tags separated by spaces, commas or semicolons; raises InvalidInput."""
    return checked_tags(text.replace(",", " ").replace(";", " ").split())


def read_field(field: str, parse: Callable[[str], Value], text: str) -> Value | None:
    """The value that a field's text stands for, None without one; raises InvalidInput."""
    try:
        return parse(text) if text.strip() else None
    except ValueError as error:
        raise InvalidInput(field, str(error)) from None


def answer_of(approve: str, latest: str) -> Backfill:
    """The answer about held files that a form gives; raises InvalidInput."""
    return held.parse_answer(f"latest:{latest.strip()}" if approve == "latest" else approve)


@dataclass(frozen=True)
class NewPeople:
    """The fields of the form that adds people, as they were sent."""

    login: str = ""
    id: str = ""
    tags: str = ""
    backfill: str = ""
    """A kind of rule, whose number or day stands in a field of its own, or the whole rule."""
    latest: str = "5"
    since: str = ""

    @classmethod
    def by_default(cls, rule: Backfill, login: str = "") -> "NewPeople":
        """An empty form, in which the rule of the settings is chosen."""
        latest = str(rule.count or cls.latest)
        since = f"{rule.since:%Y-%m-%d}" if rule.since else ""
        return cls(login=login, backfill=rule.kind, latest=latest, since=since)

    def rule(self) -> Backfill | None:
        """The rule that is chosen, None without one; raises InvalidInput."""
        text = self.backfill.strip()
        if text == BackfillKind.LATEST:
            text = f"latest:{self.latest.strip()}"
        elif text == BackfillKind.SINCE:
            text = f"since:{self.since.strip()}"
        return read_field("backfill", Backfill.parse, text)


def number_of_people(text: str) -> int:
    """A number of people that a form gives; raises ValueError."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"must be a number of people, e.g. 30, not {text[:40]!r}")
    return int(text)


def number_of_files(text: str) -> int:
    """A number of files that a form gives; raises ValueError."""
    if not re.fullmatch(r" *[0-9]{1,9} *", text):
        raise ValueError(f"must be a number of files, e.g. 300, not {text[:40]!r}")
    return int(text)
