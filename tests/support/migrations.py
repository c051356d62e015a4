"""A database as an older version left it, with the values that the rows of its tables need."""

from datetime import UTC, datetime

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from gitpip.store.database import MIGRATIONS

LONG_AGO = datetime(2026, 2, 1, tzinfo=UTC)


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the migrations up to this revision, such as "0042"."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)


def user(key: int, login: str) -> dict[str, object]:
    """The values of a user who was added long ago."""
    names = {"login": login, "external_id": login, "backfill": "all", "state": "active"}
    return {"key": key, **names, "created_at": LONG_AGO, "next_check_at": LONG_AGO}


def gist(gist_id: str) -> dict[str, object]:
    """The values of a gist of the user with the key 1."""
    times = dict.fromkeys(("created_at", "updated_at", "found_at"), LONG_AGO)
    return {"id": gist_id, "user_key": 1, "html_url": "https://", **times}


def gist_file(key: int, gist_id: str, filename: str) -> dict[str, object]:
    """The values of a file of a gist of the user with the key 1."""
    content = {"blob_hash": "0", "size": 1, "truncated": False, "raw_url": "https://"}
    names = {"key": key, "sequence": key, "gist_id": gist_id, "user_key": 1, "filename": filename}
    return {**names, **content, "found_at": LONG_AGO}
