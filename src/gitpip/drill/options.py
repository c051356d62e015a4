"""The orders of a drill, and those that it refuses."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from gitpip.config import is_loopback
from gitpip.config.dsn import parse_postgres
from gitpip.errors import InvalidInput

VENDOR_ADDRESSES: Final = ("GITHUB_API_URL", "GITHUB_GRAPHQL_URL", "PIPEDRIVE_API_URL")
MOST_DRILL_FILES: Final = 1_000_000
MOST_DRILL_USERS: Final = 10_000
MOST_REPLICAS: Final = 10
MOST_FAULTS: Final = 60
"""Percent. With more, hardly any attempt succeeds, and files fail after eight attempts."""


@dataclass(frozen=True)
class Orders:
    """The size of a drill, and the share of faults in it."""

    files: int = 1_000
    users: int = 25
    replicas: int = 1
    faults: float = 30.0
    """The percentage of all requests, to both vendors, that go wrong."""
    kill_every: timedelta | None = timedelta(seconds=10)
    """None: nothing is killed. A process sends nothing in its first two to four seconds."""
    seed: int = 1
    database: str | None = None
    """A PostgreSQL that holds no table yet; None: an SQLite file of the drill's own."""
    reconciles: bool = True
    """Whether gitpip looks for what may have been sent before it sends it again."""
    time_limit: timedelta = timedelta(minutes=30)


def check(orders: Orders, environ: Mapping[str, str] | None = None) -> None:
    """Refuse what no drill can do. Raises InvalidInput, with the option or variable it is about."""
    _check_environment(os.environ if environ is None else environ)
    for option, value, most in (
        ("--files", orders.files, MOST_DRILL_FILES),
        ("--users", orders.users, MOST_DRILL_USERS),
        ("--replicas", orders.replicas, MOST_REPLICAS),
    ):
        if not 1 <= value <= most:
            raise InvalidInput(option, f"must be from 1 to {most}, not {value}")
    if not 0 <= orders.faults <= MOST_FAULTS:
        raise InvalidInput(
            "--faults", f"must be from 0 to {MOST_FAULTS} percent, not {orders.faults:g}"
        )
    if orders.database is not None:
        _check_database(orders.database)
    elif orders.replicas > 1:
        raise InvalidInput(
            "--replicas",
            f"{orders.replicas} processes need PostgreSQL, because SQLite allows only one; give "
            "the address of an empty database with --database",
        )


def _check_environment(environ: Mapping[str, str]) -> None:
    """Refuse an exported address of a vendor: to ignore it would surprise those who set it."""
    for name in VENDOR_ADDRESSES:
        host = urlsplit(environ.get(name, "")).hostname
        if host is not None and not is_loopback(host):
            raise InvalidInput(
                name,
                f"it is set to {host}; a drill breaks answers and kills processes, so it sends "
                f"requests only to the stand-ins that it starts; unset {name}",
            )


def _check_database(address: str) -> None:
    if re.match(r"sqlite", address, re.IGNORECASE):
        raise InvalidInput(
            "--database",
            "the drill creates its own SQLite file; leave the option out, or give "
            "the address of an empty PostgreSQL database",
        )
    try:
        parse_postgres(address)
    except ValueError as error:
        raise InvalidInput("--database", str(error)) from None
