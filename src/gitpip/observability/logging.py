"""Logging: the events of a running service, for operators.

An event is one line with a name such as `gist.found` and fields with the same names everywhere, so
that one gist can be followed from its discovery to its activity. Everything that any library logs
in the process passes the same steps: secrets are removed, then one renderer writes it. Warnings and
errors are also counted (see metrics.py).
"""

import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from io import TextIOWrapper
from json import dumps
from typing import Literal, TextIO

import stamina
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from gitpip import colours
from gitpip.observability import metrics
from gitpip.observability.redaction import (
    RESERVED_FIELDS,
    as_text,
    clean_event,
    forget,
    format_time,
    hide,
)


def get_logger() -> FilteringBoundLogger:
    """Return the logger for our own events: `log.info("gist.found", gist_id=..., user=...)`.

    May be called before `configure_logging`, which applies to later events.
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
    `console` also writes one line for each event. Only the lines of a traceback follow below, each
    marked by a bar, so that no text from outside looks like an event.

    uvicorn must be started with `log_config=None`, else it sets up its own output.
    """
    stream = stream or sys.stderr  # which is None in a process started without one
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    forget()
    hide(secrets)
    rendering: list[Processor] = (
        [structlog.processors.JSONRenderer()]
        if format == "json"
        else [_for_console, _console_renderer(colors=colours.are_wanted(stream))]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_name_access, _name_logger],
        processors=[
            _stamp,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda _logger, _method, event: clean_event(event),
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
    # A short retry that helps needs no log; one that does not help is an event of our own.
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
    """Log errors that a thread or a finalizer does not catch; Python would print secrets, too."""

    def log_of_thread(uncaught: threading.ExceptHookArgs) -> None:
        if uncaught.exc_value:
            get_logger().critical("thread.failed", exc_info=uncaught.exc_value)

    def log_of_finalizer(uncaught: "sys.UnraisableHookArgs") -> None:
        if uncaught.exc_value:
            get_logger().error("finalizer.failed", exc_info=uncaught.exc_value)

    threading.excepthook = log_of_thread
    sys.unraisablehook = log_of_finalizer


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
    """Writes to a stream that may have ended: a full disk or closed pipe must not stop the service.

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
    """Return uvicorn's access line as an event, without the query, which may be private."""
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
        "timestamp": format_time(datetime.fromtimestamp(record.created, UTC)),
        "severity": _severity(record.levelno),
        "event": event.get("event", ""),
        **{name: event[name] for name in event if name not in RESERVED_FIELDS},
    }


def _severity(number: int) -> str:
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO):
        if number >= level:
            return logging.getLevelName(level)
    return "DEBUG"


def _for_console(_logger: object, _method: str, event: EventDict) -> EventDict:
    below = {name: event.pop(name) for name in ("stack", "exception") if name in event}
    shown: EventDict = {on_one_line(name): on_one_line(as_text(event[name])) for name in event}
    shown["level"] = shown.pop("severity").lower()
    for name, text in below.items():
        lines = str(text).split("\n")
        shown[name] = "\n".join(f"  | {on_one_line(line)}" for line in lines)
    return shown


def on_one_line(text: str) -> str:
    """Return text with line breaks, control characters and invisible ones as escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _console_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors,
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )
