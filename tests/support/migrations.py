"""A database as a former version left it."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from gitpip.store.database import MIGRATIONS


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the migrations up to this revision, such as "0042"."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)
