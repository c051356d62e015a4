"""Redaction: keeping secrets out of everything that is logged or printed."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from json import dumps
from math import isfinite
from urllib.parse import quote, quote_plus

from structlog.typing import EventDict

from gitpip.digests import REDACTED

SHORTEST_IN_BASE64 = 8
"""The fewest characters: a shorter piece of an encoded secret occurs by chance in any
longer text."""


def hide(secrets: Iterable[str]) -> None:
    """Hide these in everything that is logged from now on, besides those hidden before."""
    _redaction.learn(secrets)


def forget() -> None:
    """Forget all secrets, because logging is set up again."""
    _redaction.forget()


def redacted(text: str) -> str:
    """Return the text without secrets, as it would be logged, for printing."""
    return _redaction(text)


def format_time(time: datetime) -> str:
    """Return a time by RFC 3339 in UTC, such as 2026-01-02T03:04:05.678Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


RESERVED_FIELDS = ("timestamp", "severity", "event")


class _Redaction:
    """Replaces every secret in a text by `[secret]`, in any of its usual spellings."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._spellings: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def learn(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        if spellings <= self._spellings:
            return
        self._spellings |= spellings
        longest_first = sorted(self._spellings, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(REDACTED, text)
        for pattern in _TELLING:
            text = pattern.sub(lambda match: f"{match['before']}{REDACTED}", text)
        return text


_redaction = _Redaction()


def _spellings(secret: str) -> tuple[str, ...]:
    return (
        *_inside_base64(secret.encode()),
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        dumps(secret)[1:-1],
        dumps(secret, ensure_ascii=False)[1:-1],
    )


def _inside_base64(secret: bytes) -> Iterator[str]:
    """Yield how it appears in longer encoded text, without what depends on neighbours."""
    for shift in range(3):
        whole = (shift + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(bytes(shift) + secret)[(shift * 8 + 5) // 6 : whole].decode()
            if len(text) >= SHORTEST_IN_BASE64:
                yield text


_TELLING = (
    # The example of our own hints, USER:PASSWORD@HOST, holds no secret.
    re.compile(
        r"(?P<before>://[^\s/:@]*:)(?!(?<=://USER:)PASSWORD@HOST(?:/NAME|:PORT)\b)[^\s/]+(?=@)"
    ),
    re.compile(
        r"(?P<before>\b(?:x-api-token|authorization)[\"']?\s*[:=,]\s*b?[\"']?)"
        r"(?:(?:bearer|basic|token)\s+)?[^\s\"',;)\]}]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>\b(?:api_token|access_token)=)[^\s&\"'#]+", re.IGNORECASE),
    re.compile(
        r"(?P<before>\b(?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&\"']+)", re.IGNORECASE
    ),
    re.compile(r"(?P<before>\b)(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,})"),
    # Our own keys, which can be recognised but are not known beforehand.
    re.compile(r"(?P<before>gitpip_(?:[0-9a-f]{8}|feed)_)[0-9a-f]{16,}", re.IGNORECASE),
)
_TELLING_NAMES = frozenset(
    {
        *("x-api-token", "authorization", "proxy-authorization", "cookie", "set-cookie"),
        *("api_token", "access_token", "password", "token"),
    }
)
_DEEPEST_EVENT = 8


def clean_event(event: EventDict) -> EventDict:
    """Return the event with plain values: texts without secrets, numbers, lists, mappings."""
    kept: EventDict = {name: event[name] for name in ("timestamp", "severity")}
    kept["event"] = _clean(event["event"], _redaction, 0)
    for name, value in event.items():
        if name not in RESERVED_FIELDS:
            hidden = _is_telling(name) and value is not None
            kept[_redaction(as_text(name))] = REDACTED if hidden else _clean(value, _redaction, 0)
    return kept


def _clean(value: object, redact: Callable[[str], str], depth: int) -> object:
    if isinstance(value, bool | int | float | None) and not isinstance(value, Enum):
        text = str(value)
        is_number = not isinstance(value, float) or isfinite(value)
        return value if is_number and redact(text) == text else redact(text)
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth == _DEEPEST_EVENT:
        return "..."
    if isinstance(value, Mapping):
        return {
            redact(as_text(key)): REDACTED if _is_telling(key) else _clean(item, redact, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple) and len(value) == 2 and _is_telling(value[0]):  # noqa: PLR2004
        return [as_text(value[0]), REDACTED]
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, redact, depth + 1) for item in value]
    return redact(as_text(value))


def _is_telling(name: object) -> bool:
    """Return whether a header or field of this name holds a secret."""
    return isinstance(name, str | bytes) and as_text(name).lower() in _TELLING_NAMES


def as_text(value: object) -> str:
    try:
        if isinstance(value, bytes | bytearray):
            return bytes(value).decode(errors="backslashreplace")
        if isinstance(value, datetime) and value.tzinfo:
            return format_time(value)
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # whatever a foreign object raises, its event is logged
        return f"<{type(value).__name__}>"
