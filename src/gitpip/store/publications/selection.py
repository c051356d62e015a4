"""Selections: one filter of publications for lists, counts and acts on many.

Publications of removed users are never selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select

from gitpip.counts import count
from gitpip.errors import InvalidInput
from gitpip.model import PublicationId, PublicationState
from gitpip.publication_states import STATES
from gitpip.store.publications.publication_rows import is_in
from gitpip.store.schema import gist_files, publications, user_tags
from gitpip.store.users import former_logins
from gitpip.store.visibility import of_removed
from gitpip.validation import without_nul

MAX_IDS_CHOSEN = 1_000
MAX_NAMED_IDS = 20
"""The most ids that a sentence names."""
KEY_LENGTH = 12
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)
"""The bounds of days: nothing was found before, and a day beyond may not exist in every zone."""
NUMBERS = r"(?<![0-9])(?<!answered )(?<!rejected it \()(?<!” \()(?<!responding \()[0-9]+"
"""Every number in a reason but the status that Pipedrive answered (`publish/pipedrive/answers.py`).

Ids and counts differ, and the cause does not. PostgreSQL and Python read this pattern alike.
"""
# Literals, as PostgreSQL does not see that two parameters of a grouped query are the same.
cause = func.regexp_replace(
    publications.c.reason,
    literal_column(f"'{NUMBERS}'"),
    literal_column("'N'"),
    literal_column("'g'"),
)
"""The reason without what differs between publications; NULL without a reason."""
cause_key = func.substr(func.md5(cause), literal_column("1"), literal_column(str(KEY_LENGTH)))
"""The value that stands for a cause in addresses and commands."""


@dataclass(frozen=True)
class PublicationFilter:
    """A filter of publications; an empty field does not narrow."""

    ids: tuple[PublicationId, ...] = ()
    states: tuple[PublicationState, ...] = ()
    cause: str = ""
    """The key of a cause; see `causes`."""
    login: str = ""
    tag: str = ""
    """The tag of the users."""
    check_id: int | None = None
    """The check that found the publications."""
    found_on: date | None = None
    published_on: date | None = None
    zone: tzinfo = field(default=UTC, compare=False)
    """The time zone of these days."""
    everything: bool = False
    """Whether everything is selected on purpose; lists do not need it."""

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out; every state together leaves out nothing."""
        some_states = bool(self.states) and set(self.states) != set(PublicationState)
        return some_states or replace(self, states=(), everything=False) != PublicationFilter()

    @property
    def finds_few(self) -> bool:
        """Whether an index finds few of them in all states."""
        named = self.ids or self.login or self.check_id is not None
        return bool(named or self.found_on or self.published_on)

    def check(self) -> None:
        """Raise InvalidInput unless it narrows, or says that everything is meant."""
        if len(self.ids) > MAX_IDS_CHOSEN:
            raise InvalidInput(
                "ids",
                f"must be at most {MAX_IDS_CHOSEN:,}, not {len(self.ids):,}; or give a filter",
            )
        if self.narrows and self.everything:
            raise InvalidInput("all", "can't be combined with IDs or a filter")
        if not self.narrows and not self.everything:
            raise InvalidInput("ids", "give IDs of publications, a filter, or all")

    @property
    def condition(self) -> ColumnElement[bool]:
        """The selection as a condition on publications."""
        of = publications.c
        wanted: list[ColumnElement[bool]] = [~of_removed(of.user_key)]
        if self.ids:
            wanted.append(of.id.in_(self.ids))
        if self.states:
            wanted.append(or_(*map(is_in, self.states)))
        if self.cause:
            wanted.append(and_(of.reason.is_not(None), cause_key == without_nul(self.cause)))
        if self.login:
            wanted.append(of.user_key.in_(former_logins.found_by(without_nul(self.login))))
        if self.tag:
            tagged = select(user_tags.c.user_key).where(user_tags.c.tag == without_nul(self.tag))
            wanted.append(of.user_key.in_(tagged))
        if self.published_on:
            wanted.append(_within(of.published_at, self.published_on, self.zone))
        if self.check_id is not None:
            wanted.append(of.check_id == self.check_id)
        if self.found_on:
            on_day = _within(gist_files.c.found_at, self.found_on, self.zone)
            found = select(gist_files.c.key).where(on_day)
            wanted.append(of.file_key.in_(found))
        return and_(*wanted)

    def __str__(self) -> str:
        """Return the selection for the audit log and for commands, which take ids and keys."""
        if self.ids:
            return _named(self.ids)
        zone = "" if self.zone is UTC else f" in {self.zone}"
        parts = [
            " or ".join(self.states),
            f"cause {self.cause}" if self.cause else "",
            f"of {self.login}" if self.login else "",
            f"tag {self.tag}" if self.tag else "",
            f"check {self.check_id}" if self.check_id is not None else "",
            f"found on {self.found_on}{zone}" if self.found_on else "",
            f"published on {self.published_on}{zone}" if self.published_on else "",
        ]
        return ", ".join(part for part in parts if part) or "all"

    @property
    def in_words(self) -> str:
        """The selection for pages: without ids of rows and the keys of causes."""
        if self.ids:
            return count(len(self.ids), "chosen file")
        parts = [
            " or ".join(STATES[state] for state in self.states),
            "with the same reason" if self.cause else "",
            f"of {self.login}" if self.login else "",
            f"of people tagged {self.tag}" if self.tag else "",
            f"found by check {self.check_id}" if self.check_id is not None else "",
            f"found on {self.found_on}" if self.found_on else "",
            f"sent on {self.published_on}" if self.published_on else "",
        ]
        return ", ".join(part for part in parts if part) or "all files"


EVERYTHING = PublicationFilter(everything=True)


def _named(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:MAX_NAMED_IDS])) + (" ..." if len(ids) > MAX_NAMED_IDS else "")


def _within(column: ColumnElement[datetime], day: date, zone: tzinfo) -> ColumnElement[bool]:
    first = min(max(day, FIRST_DAY), LAST_DAY)
    start, end = (datetime.combine(one, time(), zone) for one in (first, first + timedelta(days=1)))
    return and_(column >= start, column < end)
