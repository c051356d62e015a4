"""Addresses of PostgreSQL: libpq gets what was meant, and no one else a piece of a password."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from gitpip.config import Settings
from tests.config.loading import faults, load


def as_libpq_reads(settings: Settings) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(settings.database_url).items()}


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "password", "database"),
    [
        ("postgres://u:p@h/d", "h", None, "u", "p", "d"),
        ("postgresql://u:p@h:6000/d", "h", "6000", "u", "p", "d"),
        ("postgresql+asyncpg://u:p@h:6000/d", "h", "6000", "u", "p", "d"),
        ("postgresql+psycopg://u:p@h:6000/d", "h", "6000", "u", "p", "d"),
        (
            "postgresql://u:p%40%2F%3F%23+%20%25@[::1]:6000/d",
            *("::1", "6000", "u", "p@/?#+ %", "d"),
        ),
        ("postgresql://u:p@q@h/d", "h", None, "u", "p@q", "d"),
        ("postgresql://u:p:q@h/d%20e", "h", None, "u", "p:q", "d e"),
        ("postgresql://u@a:1,b:2/d", "a,b", "1,2", "u", None, "d"),
        ("postgresql:///d?host=/run&user=u&password=a+b", "/run", None, "u", "a+b", "d"),
        ("postgresql://%2Frun:6000/d?user=u", "/run", "6000", "u", None, "d"),
        ("host=h dbname=d user=u password='a b'", "h", None, "u", "a b", "d"),
        (
            r"host = h  port=6000 dbname='' user=u password='a\'\\b'",
            *("h", "6000", "u", r"a'\b", None),
        ),
        (
            r"host=a,b port=1,2 user=u password=x\ y dbname=d",
            *("a,b", "1,2", "u", "x y", "d"),
        ),
        ("postgresql://u@h/?database=d", "h", None, "u", None, "d"),
    ],
)
def test_postgres_spellings(
    text: str, host: str, port: str | None, user: str, password: str | None, database: str | None
) -> None:
    read = as_libpq_reads(load(POSTGRES_CONNECTION_STRING=text))
    names = ("host", "port", "user", "password", "dbname")
    assert tuple(map(read.get, names)) == (host, port, user, password, database)


@pytest.mark.parametrize(
    ("text", "keyword", "value"),
    [
        ("host=h sslmode=require", "sslmode", "require"),
        ("host=h channel_binding=require", "channel_binding", "require"),
        ("host=h connect_timeout=5", "connect_timeout", "5"),
        ("postgres://u@h/d?sslmode=disable", "sslmode", "disable"),
        ("postgres://u@h/d?ssl=true", "sslmode", "require"),
        ("postgres://u@h/d?ssl=verify-full", "sslmode", "verify-full"),
        ("postgres://u@h/d?sslrootcert=/x%20y.pem", "sslrootcert", "/x y.pem"),
        ("postgres://u@h/d?load_balance_hosts=random", "load_balance_hosts", "random"),
        ("service=prod", "service", "prod"),
        ("postgres://u@h/d?application_name=crm", "application_name", "crm"),
        (
            "postgres://u@h/d?options=-c%20statement_timeout%3D5s",
            *("options", "-c statement_timeout=5s"),
        ),
    ],
)
def test_every_option_reaches_libpq(text: str, keyword: str, value: str) -> None:
    assert as_libpq_reads(load(GITPIP_DATABASE_URL=text))[keyword] == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("postgres://u@h/d?hunter22=x", "only known parameters"),
        ("host=h sslmod=require", "did you mean sslmode?"),
        ("host=h hunter22", "must be a connection string"),
        ("host='hunter22", "must be a connection string"),
        ("postgres://u:hunter22%zz@h/d", "must be a connection string"),
        ("postgres://u:hunter22@[::1/d", "in brackets"),
        ("postgres://u:x/hunter22@h/d", "percent-encoded"),
    ],
)
def test_what_libpq_can_not_read_is_told_without_its_pieces(text: str, fault: str) -> None:
    (told,) = faults(POSTGRES_CONNECTION_STRING=text)
    assert fault in told
    assert "hunter22" not in told


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(str.strip)


@given(user=words, password=words, database=words)
def test_any_user_password_and_database_survive(user: str, password: str, database: str) -> None:
    assume(user and password and database)

    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    settings = load(
        POSTGRES_CONNECTION_STRING=f"host=h user={quoted(user)} password={quoted(password)}"
        f" dbname={quoted(database)}"
    )
    found = as_libpq_reads(settings)
    assert (found["user"], found["password"], found["dbname"]) == (user, password, database)
    masked = settings.masked_database_url.partition("@")[0]
    assert masked.endswith(":[secret]")
