"""The validators of the kinds of values.

Each function without a docstring takes the value of the setting with its name, as a text or a
secret, and returns it as gitpip uses it; None means not set. It raises a ValueError that says what
the value must be, with an example.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from pydantic import SecretStr, TypeAdapter, ValidationError

from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.config.dsn import SQLITE, parse_postgres, sqlite_url
from gitpip.model import Anonymous, OnDelete, OnEdit
from gitpip.validation import any_of, read_decimal

LONGEST_DURATION = timedelta(days=366)
SHORTEST_PATIENCE = timedelta(seconds=5)
FEWEST_DATABASE_CONNECTIONS = 3
"""The fewest connections: one is the scheduler's, and one shows life while another is busy."""

_DURATIONS = "e.g. 45 s, 90 min, 3 h, 2 days"
_FOLDER = "e.g. /var/lib/gitpip"
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def parse_duration(text: str) -> timedelta:
    """Return the duration of `45s`, `10m`, `1 hour 30 min`, plain seconds, or ISO 8601 (`PT3H`).

    ValueError says what is wrong, also for one that is not above zero or longer than 366 days.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
            duration = timedelta(seconds=_seconds(text))
        elif units := re.fullmatch(
            r"(?:(\d{1,6})d(?:ays?)?)?(?:(\d{1,6})h(?:ours?)?)?(?:(\d{1,9})m(?:in(?:utes?)?)?)?"
            r"(?:(\d{1,9}(?:\.\d{1,6})?)s(?:ec(?:onds?)?)?)?",
            re.sub(r"(?<=\d) (?=[a-z])|(?<=[a-z]) (?=\d)", "", text),
            re.ASCII,
        ):
            days, hours, minutes, seconds = (float(number or 0) for number in units.groups())
            duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        else:
            duration = TypeAdapter(timedelta).validate_python(text)
    except (ValidationError, OverflowError):
        raise ValueError(f"must be a duration, {_DURATIONS}") from None
    if duration <= timedelta(0):
        raise ValueError(f"must be longer than zero, {_DURATIONS}")
    if duration > LONGEST_DURATION:
        raise ValueError(f"must be at most {LONGEST_DURATION.days} days, {_DURATIONS}")
    return duration


def _seconds(text: str) -> float:
    try:
        return read_decimal(text)
    except ValueError:  # 1.000 may be a thousand
        raise ValueError(f"must be a duration with its unit, {_DURATIONS}, not {text!r}") from None


def format_duration(duration: timedelta) -> str:
    """Return a duration as `parse_duration` reads it: `3h`, `1h30m`, `0.25s`."""
    minutes, rest = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counted = zip((days, hours, minutes), "dhm", strict=True)
    parts = [f"{number}{unit}" for number, unit in counted if number]
    if rest or not parts:
        seconds = f"{rest.seconds}.{rest.microseconds:06}"
        parts.append(f"{seconds.rstrip('0').rstrip('.')}s")
    return "".join(parts)


def token(secret: SecretStr | None) -> SecretStr | None:
    text = secret.get_secret_value() if secret else ""
    # Unlike a shell, `docker run --env-file` and a secret's own file leave quotes in the value.
    if text.startswith(("'", '"')) or text.endswith(("'", '"')):
        raise ValueError("must be a token without quotes around it, e.g. 0123456789abcdef")
    if secret and not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            "must be printable ASCII without spaces, as the vendor shows the token,"
            " e.g. 0123456789abcdef"
        )
    return secret


def admin_key(secret: SecretStr | None) -> SecretStr | None:
    if secret and not re.fullmatch(r"[!-~]{32,}", secret.get_secret_value()):
        raise ValueError(
            "must be at least 32 printable ASCII characters without spaces, e.g. what"
            " `openssl rand -hex 24` prints"
        )
    return secret


def anonymous(text: str) -> Anonymous:
    return Anonymous(_one_of(text, Anonymous))


def proxies(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, re.split(r"[\s,]+", text)))
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise ValueError(
                "must be addresses or networks separated by commas, e.g. 10.0.0.0/8, "
                f"not {name[:60]!r}{_network_of(name)}"
            ) from None
    return names


def _network_of(address: str) -> str:
    """Return the advice for an address with the length of a network, such as 10.0.0.1/8."""
    try:
        return f"; write {ip_network(address, strict=False)}"
    except ValueError:
        return ""


def request_limit(text: str) -> RateLimitItem | Literal["off"]:
    if text.lower() == "off":
        return "off"
    try:
        limit = parse(text)
    except ValueError:
        limit = None
    if limit is None or limit.amount < 1 or limit.multiples < 1:
        raise ValueError(
            "must be off or a number of requests in a time, e.g. 3000/minute or 50/second"
        )
    return limit


def organization(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text):
        raise ValueError(
            "must be the part before .pipedrive.com in your company's address, e.g. acme"
        )
    return text.lower()


def api_url(text: str) -> str:
    """Return an http(s) address without a trailing slash, safe from listeners in between."""
    example = "e.g. https://api.example.com"
    try:
        parts = urlsplit(text)
        port_given = parts.port is not None
    except ValueError:
        raise ValueError(
            f"must be an address with a host and, if it has one, a port up to 65535, {example}"
        ) from None
    if not re.fullmatch(r"[!-~]+", text) or parts.scheme not in ("https", "http"):
        raise ValueError(f"must be an address that begins with https://, {example}")
    if not parts.hostname or (parts.netloc.endswith(":") and not port_given):
        raise ValueError(f"must be an address with a host, {example}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"must be an address without user, query and fragment, {example}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"must begin with https://, {example} (http would send the token in clear text)"
        )
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is only this machine."""
    host = host.lower().removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_%-]+", text):
        raise ValueError("must be an address to listen on, e.g. 127.0.0.1, ::1 or 0.0.0.0")
    return text


def port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:  # noqa: PLR2004
        raise ValueError("must be a port number from 1 to 65535, e.g. 8080 (0 = any free port)")
    return int(text)


def connections(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) < FEWEST_DATABASE_CONNECTIONS:
        raise ValueError(f"must be a number from {FEWEST_DATABASE_CONNECTIONS} to 9999, e.g. 10")
    return int(text)


def hold_above(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("must be a number of files, e.g. 300 (0 = never ask)")
    return int(text)


def patience(text: str) -> timedelta:
    chosen = parse_duration(text)
    if chosen < SHORTEST_PATIENCE:
        shortest = format_duration(SHORTEST_PATIENCE)
        raise ValueError(f"must be at least {shortest}, e.g. 3m")
    return chosen


def folder(text: str) -> Path:
    try:
        chosen = Path(text).expanduser().absolute()
        if chosen.exists() and not chosen.is_dir():
            raise ValueError(f"must be a folder that exists or can be created, {_FOLDER}")
    except (RuntimeError, OSError) as error:
        raise ValueError(f"must be a usable folder, {_FOLDER} ({reason(error)})") from None
    return chosen


def secrets_dir(text: str) -> Path:
    chosen = folder(text)
    try:
        next(chosen.iterdir(), None)
    except OSError as error:
        raise ValueError(
            "must be a readable folder with a file for each secret, e.g. /run/secrets"
            f" ({reason(error)})"
        ) from None
    return chosen


def backfill(text: str) -> Backfill:
    chosen = Backfill.parse(text)
    if chosen.since and chosen.since > utc_now():
        raise ValueError("must be a date in the past, e.g. since:2026-01-31")
    return chosen


def on_or_off(text: str) -> bool:
    chosen = {"on": True, "off": False}.get(text.lower())
    if chosen is None:
        raise ValueError("must be on or off")
    return chosen


def share(text: str) -> float:
    try:
        chosen = read_decimal(text)
    except ValueError:
        chosen = 0.0
    if not 0 < chosen <= 1:
        raise ValueError("must be a number above 0 and up to 1, e.g. 0.8")
    return chosen


def on_edit(text: str) -> OnEdit:
    return OnEdit(_one_of(text, OnEdit))


def on_delete(text: str) -> OnDelete:
    return OnDelete(_one_of(text, OnDelete))


def _one_of(text: str, choices: Iterable[str]) -> str:
    if text.lower() not in list(choices):
        raise ValueError(f"must be {any_of(choices)}")
    return text.lower()


def log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"must be {any_of(_LOG_LEVELS)}")
    return text.upper()


def log_format(text: str) -> str:
    if text.lower() not in ("console", "json"):
        raise ValueError("must be console or json")
    return text.lower()


def connection_string(secret: SecretStr | None) -> SecretStr | None:
    text = secret.get_secret_value() if secret else ""
    if SQLITE.match(text):
        raise ValueError(
            "must be a PostgreSQL address, e.g. postgresql://USER:PASSWORD@HOST/NAME (an SQLite"
            " address belongs in GITPIP_DATABASE_URL)"
        )
    if secret:
        parse_postgres(text)
    return secret


def database(secret: SecretStr | None) -> SecretStr | None:
    if secret:
        text = secret.get_secret_value()
        sqlite_url(text) if SQLITE.match(text) else parse_postgres(text)
    return secret


def reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


LEAST_ABSENCE = timedelta(minutes=5)
NETWORK = timedelta(seconds=150)
"""The longest time that an abandoned request can live in the network. Retransmissions end after
30 s by TCP_USER_TIMEOUT (see `gitpip.http_client`), and a packet lives for at most two minutes (the
maximum segment lifetime of RFC 9293). How long a proxy keeps a request is not known."""


def absence(request_timeout: timedelta) -> timedelta:
    """Return the time after which something not found in Pipedrive did not arrive.

    With the usual time-out of 20 s a request is over after at most three minutes, and lists may lag
    behind the writes by two.
    """
    return max(LEAST_ABSENCE, 2 * request_timeout + NETWORK)
