"""A row of a list of users: what it may hold, and what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gitpip.backfill import Backfill
from gitpip.config import parse_duration
from gitpip.errors import InvalidInput
from gitpip.modes import PublishingMode
from gitpip.store.users.users import GENERAL, parsed_mode
from gitpip.targets import Target, TargetKind
from gitpip.validation import check_external_id, checked_tags, written_login

COLUMNS = (
    *("login", "id", "tags", "interval", "backfill", "deal", "lead", "person", "organization"),
    "publishing_mode",
)
"""The possible contents of a column. `login` is needed, all others may be left out."""


@dataclass(frozen=True)
class ImportRow:
    """A user of a list; what is None was not given. `place` is the line or the entry."""

    place: str
    login: str
    external_id: str | None = None
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    backfill: Backfill | None = None
    target: Target | None = None
    mode: PublishingMode | None = None


@dataclass(frozen=True)
class RowError:
    """Something in a list that is no user, and why."""

    place: str
    reason: str


def row_of(place: str, fields: Mapping[str, str]) -> ImportRow | RowError:
    """A user as the fields of a row say, by the names in COLUMNS; empty ones are not given."""
    try:
        login = written_login(fields.get("login", ""))
        external_id = fields.get("id") or None
        if external_id is not None:
            check_external_id(external_id)
        return ImportRow(
            place,
            login,
            external_id,
            tags=_tags(fields.get("tags", "")),
            interval=_interval(fields.get("interval", "")),
            backfill=_backfill(fields.get("backfill", "")),
            target=_target(fields),
            mode=_mode(fields.get("publishing_mode", "")),
        )
    except InvalidInput as error:
        # The login's error already names the field.
        return RowError(place, error.message if error.field == "login" else str(error))


def _tags(text: str) -> tuple[str, ...]:
    return checked_tags(tag for tag in re.split(r"[,;\s]+", text) if tag)


def _interval(text: str) -> timedelta | None:
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise InvalidInput("interval", str(error)) from None


def _backfill(text: str) -> Backfill | None:
    try:
        return Backfill.parse(text) if text else None
    except ValueError as error:
        raise InvalidInput("backfill", str(error)) from None


def _mode(text: str) -> PublishingMode | None:
    try:
        mode = parsed_mode(text) if text else GENERAL
    except ValueError as error:
        raise InvalidInput("publishing_mode", str(error)) from None
    return None if mode == GENERAL else mode


def _target(fields: Mapping[str, str]) -> Target | None:
    named = {kind: text for kind in TargetKind if (text := fields.get(kind, ""))}
    if len(named) > 1:
        raise InvalidInput(
            " and ".join(named),
            "give only one of them: a person's activities have one target",
        )
    for kind, text in named.items():
        try:
            return Target.of(kind, text)
        except ValueError as error:
            raise InvalidInput(kind, str(error)) from None
    return None
