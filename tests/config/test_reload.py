"""Which news in a secret's file count at once, and which wait for the next start."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gitpip.config import load_settings
from gitpip.config.reload import Credentials
from gitpip.observability.redaction import redacted

ADDRESS = "postgresql://ann:first-word@db:5432/gitpip"
SAME = (
    "postgresql://ann:second-word@db:5432/gitpip",
    "postgresql://bob:second-word@db:5432/gitpip",
    "postgresql://ann@db:5432/gitpip?password=second-word",
    "postgresql://db:5432/gitpip?user=ann&sslpassword=second-word",
    "postgresql://db:5432/gitpip",
    "host=db port=5432 dbname=gitpip user=ann password=second-word",
)
ANOTHER = (
    "postgresql://ann:second-word@other:5432/gitpip",
    "postgresql://ann:second-word@db:5433/gitpip",
    "postgresql://ann:second-word@db:5432/other",
    "postgresql://ann:second-word@db:5432/gitpip?sslmode=require",
    "postgresql://db:5432?user=gitpip&password=second-word&host=/run/postgresql",
    "sqlite:////var/lib/gitpip/gitpip.db",
)


def reread(before: str, after: str, file: Path) -> tuple[Credentials, str]:
    """The credentials after their file has changed, and what was logged of that."""
    file.write_text(before)
    settings = load_settings({"GITPIP_DATABASE_URL_FILE": str(file)}, env_file=None)
    credentials = Credentials(settings)
    assert not credentials.reread()
    file.write_text(after)
    with capture_logs() as events:
        changed = credentials.reread()
    (event,) = events
    assert changed is (event["event"] == "secret.changed")
    return credentials, str(event["event"])


@pytest.mark.parametrize("address", SAME)
def test_another_login_at_the_same_database_counts_at_once(address: str, tmp_path: Path) -> None:
    credentials, told = reread(ADDRESS, address, tmp_path / "address")
    assert told == "secret.changed"
    now = load_settings({"GITPIP_DATABASE_URL": address}, env_file=None)
    assert credentials.settings.database_url == now.database_url
    assert credentials.settings.postgres_dsn == now.postgres_dsn
    assert "word" not in redacted("first-word or second-word")


@pytest.mark.parametrize("address", ANOTHER)
def test_another_database_waits_for_the_next_start(address: str, tmp_path: Path) -> None:
    credentials, told = reread(ADDRESS, address, tmp_path / "address")
    assert told == "secret.waits_for_restart"
    assert credentials.settings.database_url == ADDRESS
    if "second-word" in address:
        assert "second-word" not in redacted("second-word")


def test_a_database_that_is_called_like_its_user_is_another_for_another_user(
    tmp_path: Path,
) -> None:
    address = tmp_path / "address"
    before = "postgresql://ann:first-word@db"
    _, told = reread(before, "postgresql://bob:second-word@db", address)
    assert told == "secret.waits_for_restart"
    _, told = reread(before, "postgresql://ann:second-word@db", address)
    assert told == "secret.changed"


def test_an_address_that_is_not_in_use_changes_no_database(tmp_path: Path) -> None:
    file = tmp_path / "gitpip-database-url"
    file.write_text("postgresql://ann:first-word@db/one")
    environ = {"GITPIP_SECRETS_DIR": str(tmp_path), "POSTGRES_CONNECTION_STRING": ADDRESS}
    credentials = Credentials(load_settings(environ, env_file=None))
    file.write_text("postgresql://ann:first-word@db/two")
    assert credentials.reread()
    assert credentials.settings.postgres_dsn == ADDRESS
    (tmp_path / "github-token").write_text("a-token")
    assert credentials.reread()
    assert credentials.settings.postgres_dsn == ADDRESS
