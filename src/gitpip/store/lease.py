"""Leases of rows, measured by one clock for all processes, regardless of their own clocks.

On PostgreSQL it is the database's clock. SQLite has one machine, so there it is our own.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Interval, bindparam, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gitpip.store.column_types import UTCDateTime

NOW = bindparam("now", type_=UTCDateTime())
"""The present time in a query that is built once, and executed with `now`."""
Now = datetime | BindParameter[datetime]
"""The time by our own clock."""
NO_CLAIM = {"token": None, "lease_until": None}
"""The columns of a row that nothing has claimed."""
CUT_SHORT_AFTER = timedelta(minutes=2)
"""A repair or an import that makes no progress for this long was cut short."""


def until(ours: datetime, lease: timedelta) -> ColumnElement[datetime]:
    """Return the end of a lease that begins now; `ours` is the time by our own clock."""
    return _Time(literal(ours + lease, UTCDateTime), literal(lease, Interval))


def is_over(lease_until: ColumnElement[Any], ours: Now) -> ColumnElement[bool]:
    """Return the condition that a lease has ended."""
    return lease_until < _at(ours)


def lasts(lease_until: ColumnElement[Any], ours: Now) -> ColumnElement[bool]:
    """Return the condition that there is a lease, and it has not ended."""
    return lease_until >= _at(ours)


def _at(ours: Now) -> ColumnElement[datetime]:
    time = literal(ours, UTCDateTime) if isinstance(ours, datetime) else ours
    return _Time(time, literal(timedelta(0), Interval))


def is_free(lease_until: ColumnElement[Any], ours: Now) -> ColumnElement[bool]:
    """Return the condition that a row is free: it has no lease, or one that has ended."""
    return or_(lease_until.is_(None), is_over(lease_until, ours))


class _Time(FunctionElement[datetime]):
    """A time by the leases' clock: first by our clock, then as the distance from the present."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(_Time)
def _ours(element: _Time, compiler: SQLCompiler, **options: Any) -> str:
    time, _ = element.clauses
    return compiler.process(time, **options)


@compiles(_Time, "postgresql")
def _databases(element: _Time, compiler: SQLCompiler, **options: Any) -> str:
    _, off = element.clauses
    # Not clock_timestamp(), which is evaluated for each row, and keeps indexes from being used.
    return f"(statement_timestamp() + {compiler.process(off, **options)})"
