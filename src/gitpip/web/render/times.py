"""Times for people."""

from datetime import datetime, timedelta


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, or how soon it will be, in one unit: `5 min ago`, `in 2 h`."""
    passed = abs(now - moment)
    for unit, length in (
        ("d", timedelta(days=1)),
        ("h", timedelta(hours=1)),
        ("min", timedelta(minutes=1)),
    ):
        if passed >= length:
            amount = f"{passed // length} {unit}"
            return f"in {amount}" if moment > now else f"{amount} ago"
    return "in a moment" if moment > now else "just now"
