"""The time, as everything here counts it."""

from datetime import UTC, datetime, timedelta

CLOCK_TOLERANCE = timedelta(seconds=30)
"""Clocks that differ by more than this are worth a word."""


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)
