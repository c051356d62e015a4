"""Types of columns, with Python's values: times, durations, enums, rules and lists of lines."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator

from gitpip.backfill import Backfill
from gitpip.same_activity import SentWith
from gitpip.targets import Target

Member = TypeVar("Member", bound=StrEnum)

# SQLite numbers rows only in a column that is exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database; SQLite stores no zone, so it is added when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Seconds(TypeDecorator[timedelta]):
    """A duration, stored in seconds, without fractions."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


class LongSeconds(Seconds):
    """A duration beyond 68 years: a wrong clock can be ahead by more."""

    impl = BigInteger
    cache_ok = True


class Flag(TypeDecorator[bool]):
    """Yes or no, stored as 1 or 0. Compare it with these: SQLAlchemy writes `true` for True."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class OneOf(TypeDecorator[Member]):
    """A member of an enum, stored as its value; other values are refused."""

    impl = String
    cache_ok = True

    def __init__(self, members: type[Member], length: int) -> None:
        self.members = members
        self.length = length
        super().__init__(length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.members(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> Member | None:
        return None if value is None else self.members(value)


class OneOfOr(OneOf[Member]):
    """A member of an enum; a value that only a newer gitpip knows is read as `other`."""

    cache_ok = True

    def __init__(self, members: type[Member], length: int, *, other: Member | None) -> None:
        self.other = other
        super().__init__(members, length)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Member | None:
        try:
            return super().process_result_value(value, dialect)
        except ValueError:
            return self.other


class OneOfOrText(TypeDecorator[str]):
    """A member of an enum; a value that only a newer gitpip knows is read as its text.

    Such a value is not written.
    """

    impl = String
    cache_ok = True

    def __init__(self, members: type[StrEnum], length: int) -> None:
        self.members = members
        self.length = length
        super().__init__(length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.members(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        try:
            return None if value is None else self.members(value)
        except ValueError:
            return value


class Rule(TypeDecorator[Backfill]):
    """The rule for a new user's existing gists, stored as `Backfill.parse` reads it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Backfill | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Backfill | None:
        return None if value is None else _parsed(value)


class AnyTarget(TypeDecorator[Target]):
    """The target of activities, stored as `Target.parse` reads it."""

    impl = String(60)
    cache_ok = True

    def process_bind_param(self, value: Target | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Target | None:
        return None if value is None else Target.parse(value)


class Lines(TypeDecorator[tuple[str, ...]]):
    """Texts, stored a line each; without any, the column is empty, or NULL if it may be."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str | None:
        if isinstance(value, str):  # it is a collection of letters, too
            raise TypeError(f"{value[:40]!r} is one text, and lines are wanted")
        return None if value is None else "\n".join(" ".join(line.split()) for line in value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(value.splitlines()) if value else ()


class NumberSet(TypeDecorator[frozenset[int]]):
    """A set of numbers, stored as words."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> str | None:
        return None if value is None else " ".join(map(str, sorted(value)))

    def process_result_value(self, value: str | None, dialect: Dialect) -> frozenset[int]:
        return frozenset(map(int, value.split())) if value else frozenset()


class Times(TypeDecorator[Mapping[str, datetime]]):
    """Times by name, stored as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, datetime] | None, dialect: Dialect) -> str:
        return json.dumps({name: at.isoformat() for name, at in (value or {}).items()})

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, datetime]:
        times: dict[str, str] = json.loads(value or "{}")
        return {name: datetime.fromisoformat(at) for name, at in times.items()}


class TextSet(TypeDecorator[tuple[str, ...]]):
    """Texts without commas that `aggregate_strings` joined, sorted; they are only read."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(sorted(value.split(","))) if value else ()


class FilesOfActivity(TypeDecorator[tuple[SentWith, ...]]):
    """Ids and names, with a slash after each but the last; they are only read.

    GitHub allows no slash in the name of a gist's file.
    """

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[SentWith, ...]:
        words = value.split("/") if value else []
        found = [
            SentWith(int(key), name) for key, name in zip(words[::2], words[1::2], strict=True)
        ]
        return tuple(sorted(found, key=lambda one: one.id))


# Millions of users have a few rules.
_parsed = lru_cache(maxsize=1_000)(Backfill.parse)
