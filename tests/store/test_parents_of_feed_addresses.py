"""An address made before its parent was kept gets the parent it can only have come from."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, text

from gitpip.store.database import open_database
from gitpip.store.schema_access import access_keys, feed_addresses
from tests.support.migrations import upgrade_to

BEFORE = "0017"
MADE = datetime(2026, 2, 1, tzinfo=UTC)
KEYS = [
    (1, "held", "aaaaaaaa", MADE - timedelta(days=1)),
    (2, "rotated", "bbbbbbbb", MADE + timedelta(days=1)),
]
"""Row, name, label, and when the present secret was made."""
ADDRESSES = {
    "made with a key": ("key:held", 1, "aaaaaaaa"),
    "made with a secret that was rotated since": ("key:rotated", 2, ""),
    "made with a key of the settings": ("key:gitpip_admin_key", None, ""),
    "made without a key": ("browser:0123", None, "anonymous"),
}
"""The viewer, the row of the key, and the parent to be found."""


def _before(connection: Connection) -> None:
    upgrade_to(connection, BEFORE)
    for row, name, label, issued in KEYS:
        connection.execute(
            insert(access_keys).values(
                id=row,
                name=name,
                role="viewer",
                label=label,
                hash=label,
                created_at=MADE,
                issued_at=issued,
            )
        )
    for name, (viewer, key, _) in ADDRESSES.items():
        connection.execute(
            insert(feed_addresses).values(
                hash=name, name=name, viewer=viewer, key_id=key, created_at=MADE
            )
        )


async def test_addresses_get_their_parents_and_doubtful_ones_none(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(_before)

    await database.migrate()

    async with database.read() as transaction:
        rows = await transaction.execute(text("SELECT name, parent FROM feed_addresses"))
        parents = {row.name: row.parent for row in rows}
    await database.close()
    assert parents == {name: parent for name, (_, _, parent) in ADDRESSES.items()}
