"""Logging: what operators read of a running service.

An event is one line with a name such as `gist.found` and fields that are named alike everywhere,
so that one gist can be followed from its discovery to its activity. Everything that is logged in
the process, by whichever library, passes the same steps: secrets out, then one renderer. What is
logged as a warning or an error is counted too (see metrics.py).
"""

import logging
import os
import re
import sys
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from io import TextIOWrapper
from json import dumps
from math import isfinite
from typing import Literal, TextIO
from urllib.parse import quote, quote_plus

import stamina
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from gitpip.observability import metrics

SECRET = "[secret]"  # noqa: S105 (what is shown in a secret's place)
SHORTEST_IN_BASE64 = 8
"""Less of a secret than this is found in any longer text."""


def get_logger() -> FilteringBoundLogger:
    """The logger for our own events: `log.info("gist.found", gist_id=..., user=...)`.

    May be called before `configure_logging`; what is logged afterwards follows it.
    """
    logger: FilteringBoundLogger = structlog.get_logger("gitpip")
    return logger


def configure_logging(
    level: str,
    format: Literal["console", "json"],  # noqa: A002 (as the setting is called)
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send all logging of this process to `stream` (stderr if None); may be called again.

    `level` is the least severity shown. No one of `secrets` is ever written (see `hide`), nor what
    looks like a password in an address or a token in a header or a query.

    `json` writes one object a line with `timestamp` (RFC 3339, UTC), `severity`, `event`, the
    event's fields, and `exception` as text; Google's, Amazon's and Datadog's log systems read it.
    `console` writes one line an event too; only the lines of a traceback follow below, each marked
    by a bar, so that no text from outside can pass for an event.

    uvicorn must be started with `log_config=None`, else it sets up its own output.
    """
    stream = stream or sys.stderr  # which is None in a process started without one
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    _redaction.forget()
    hide(secrets)
    rendering: list[Processor] = (
        [structlog.processors.JSONRenderer()]
        if format == "json"
        else [_for_console, _console_renderer(colors=bool(stream) and stream.isatty())]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_name_access, _name_logger],
        processors=[
            _stamp,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda _logger, _method, event: _cleaned(event, _redaction),
            *rendering,
        ],
        pass_foreign_args=True,
    )
    handler = _Handler(stream) if stream else logging.NullHandler()
    handler.setFormatter(formatter)
    _replace_handlers(handler)
    logging.getLogger().setLevel(level)
    for name, threshold in _TALKATIVE.items():
        logging.getLogger(name).setLevel(max(threshold, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    # A short retry that helps is nobody's concern; one that doesn't is an event of our own.
    stamina.instrumentation.set_on_retry_hooks(())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def log_uncaught() -> None:
    """Log what nobody catches in a thread or a finalizer; Python itself would print secrets too."""

    def log_of_thread(uncaught: threading.ExceptHookArgs) -> None:
        if uncaught.exc_value:
            get_logger().critical("thread.failed", exc_info=uncaught.exc_value)

    def log_of_finalizer(uncaught: "sys.UnraisableHookArgs") -> None:
        if uncaught.exc_value:
            get_logger().error("finalizer.failed", exc_info=uncaught.exc_value)

    threading.excepthook = log_of_thread
    sys.unraisablehook = log_of_finalizer


def hide(secrets: Iterable[str]) -> None:
    """Keep these out of all that is logged from now on, beside those hidden before."""
    _redaction.learn(secrets)


def redacted(text: str) -> str:
    """The text without secrets, as it would be logged; for what is printed."""
    return _redaction(text)


# Below these, libraries write headers, statements with the gists' contents, or noise.
_TALKATIVE = {
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "pgqueuer": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.INFO,
}
_WITH_OWN_OUTPUT = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "py.warnings")


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to a stream that may be gone: a full disk or a closed pipe must not stop the service.

    `logging` itself would print the record, and so a secret, when it can't be rendered.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            event = record.msg.get("event") if isinstance(record.msg, dict) else None
            metrics.logged(str(event), record.name, _severity(record.levelno))
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        error = sys.exception()
        if isinstance(error, OSError) or self.stream.closed:
            return
        try:
            place = f"{record.name} {record.module}:{record.lineno}"
            lost = {"severity": "ERROR", "event": "log.lost", "logger": place}
            self.stream.write(dumps(lost | {"error": type(error).__name__}) + self.terminator)
            self.flush()
        except (OSError, ValueError):
            return


def _replace_handlers(handler: logging.Handler) -> None:
    root = logging.getLogger()
    for other in list(root.handlers):
        if type(other) in (_Handler, logging.StreamHandler):
            root.removeHandler(other)
    root.addHandler(handler)
    for name in (*_WITH_OWN_OUTPUT, *_TALKATIVE, "pgqueuer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.disabled = False


def _name_access(_logger: object, _method: str, event: EventDict) -> EventDict:
    """uvicorn's access line as an event; a query may hold what is nobody's business."""
    arguments = event.pop("positional_args", None)
    if event["_record"].name != "uvicorn.access" or not isinstance(arguments, tuple):
        return event
    try:
        client, method, path, _version, status = arguments
    except ValueError:
        return event
    event["event"] = "http.request"
    event["method"] = method
    event["path"] = str(path).partition("?")[0]
    event["status"] = status
    event["client"] = client
    return event


def _name_logger(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["logger"] = event["_record"].name
    return event


def _stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    return {
        "timestamp": _moment(datetime.fromtimestamp(record.created, UTC)),
        "severity": _severity(record.levelno),
        "event": event.get("event", ""),
        **{name: event[name] for name in event if name not in _RESERVED},
    }


def _moment(time: datetime) -> str:
    """RFC 3339 in UTC, e.g. 2026-01-02T03:04:05.678Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_RESERVED = ("timestamp", "severity", "event")


def _severity(number: int) -> str:
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO):
        if number >= level:
            return logging.getLevelName(level)
    return "DEBUG"


class _Redaction:
    """Puts `[secret]` for every secret in a text, in any of its usual spellings."""

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
            text = self._known.sub(SECRET, text)
        for pattern in _TELLING:
            text = pattern.sub(lambda match: f"{match['before']}{SECRET}", text)
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
    """How it looks in a longer text that is encoded: what of it no neighbour has a share in."""
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
    # Our own keys, which can be told from other words but not known beforehand.
    re.compile(r"(?P<before>gitpip_(?:[0-9a-f]{8}|feed)_)[0-9a-f]{16,}", re.IGNORECASE),
)
_TELLING_NAMES = frozenset(
    {
        *("x-api-token", "authorization", "proxy-authorization", "cookie", "set-cookie"),
        *("api_token", "access_token", "password", "token"),
    }
)
_DEEPEST = 8


def _cleaned(event: EventDict, redact: Callable[[str], str]) -> EventDict:
    """The event with plain values only: texts without secrets, numbers, lists, mappings."""
    kept: EventDict = {name: event[name] for name in ("timestamp", "severity")}
    kept["event"] = _clean(event["event"], redact, 0)
    for name, value in event.items():
        if name not in _RESERVED:
            hidden = _is_telling(name) and value is not None
            kept[redact(_text(name))] = SECRET if hidden else _clean(value, redact, 0)
    return kept


def _clean(value: object, redact: Callable[[str], str], depth: int) -> object:
    if isinstance(value, bool | int | float | None) and not isinstance(value, Enum):
        text = str(value)
        is_number = not isinstance(value, float) or isfinite(value)
        return value if is_number and redact(text) == text else redact(text)
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth == _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {
            redact(_text(key)): SECRET if _is_telling(key) else _clean(item, redact, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple) and len(value) == 2 and _is_telling(value[0]):  # noqa: PLR2004
        return [_text(value[0]), SECRET]
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, redact, depth + 1) for item in value]
    return redact(_text(value))


def _is_telling(name: object) -> bool:
    """Whether a header or field of this name holds a secret."""
    return isinstance(name, str | bytes) and _text(name).lower() in _TELLING_NAMES


def _text(value: object) -> str:
    try:
        if isinstance(value, bytes | bytearray):
            return bytes(value).decode(errors="backslashreplace")
        if isinstance(value, datetime) and value.tzinfo:
            return _moment(value)
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # whatever a foreign object raises, its event is told
        return f"<{type(value).__name__}>"


def _for_console(_logger: object, _method: str, event: EventDict) -> EventDict:
    below = {name: event.pop(name) for name in ("stack", "exception") if name in event}
    shown: EventDict = {on_one_line(name): on_one_line(_text(event[name])) for name in event}
    shown["level"] = shown.pop("severity").lower()
    for name, text in below.items():
        lines = str(text).split("\n")
        shown[name] = "\n".join(f"  | {on_one_line(line)}" for line in lines)
    return shown


def on_one_line(text: str) -> str:
    """The text with line breaks, control characters and invisible ones written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _console_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors and not os.environ.get("NO_COLOR"),
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )
