"""Times for people."""

from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, in one unit: `5 min ago`."""
    passed = max(now - moment, timedelta(0))
    for unit, length in (
        ("d", timedelta(days=1)),
        ("h", timedelta(hours=1)),
        ("min", timedelta(minutes=1)),
    ):
        if passed >= length:
            return f"{passed // length} {unit} ago"
    return "just now"
