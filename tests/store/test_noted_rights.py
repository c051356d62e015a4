"""What is derived from a right without a row ends with that right's own time."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.store.access import feed_tokens, noted, sessions
from gitpip.store.access.feed_tokens import ANONYMOUS, IssuedAddress, Parent
from gitpip.store.database import Database, Transaction, open_database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY, OTHER = "a-key-of-the-settings", "another-key-of-the-settings"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


async def test_a_key_that_comes_back_brings_nothing_back(database: Database) -> None:
    async with database.begin() as transaction:
        label = sessions.label_of_settings_key(KEY)
        other = sessions.label_of_settings_key(OTHER)
        former = await _derived(transaction, label)
        # The first note, as after an upgrade, and the next start or replica change nothing.
        for _ in range(2):
            await noted.note_settings_key(transaction, KEY)
            assert await _hold(transaction, former, KEY)
        await noted.note_settings_key(transaction, OTHER)
        of_other = await _derived(transaction, other)

        await noted.note_settings_key(transaction, KEY)

        assert not await _hold(transaction, former, KEY)
        assert await _hold(transaction, of_other, OTHER)  # another replica may still hold that key
        former = await _derived(transaction, label)
        await noted.note_settings_key(transaction, None)
        await noted.note_settings_key(transaction, KEY)
        assert not await _hold(transaction, former, KEY)


async def test_reading_without_a_key_that_is_allowed_again_brings_nothing_back(
    database: Database,
) -> None:
    async with database.begin() as transaction:
        made = (await _address(transaction, ANONYMOUS)).secret

        async def leads_on() -> bool:
            parents = feed_tokens.valid_parents(None, without_key=True)
            found = await feed_tokens.presented(transaction, made, parents=parents, now=NOW)
            return found is not None

        await noted.note_without_key(transaction, "everybody")
        await noted.note_without_key(transaction, "everybody")
        assert await leads_on()
        await noted.note_without_key(transaction, "")
        await noted.note_without_key(transaction, "everybody")

        assert not await leads_on()


async def _derived(transaction: Transaction, label: str) -> tuple[str, str]:
    """A session and a feed address of a key."""
    until = NOW + timedelta(days=30)
    session = await sessions.begin(transaction, label=label, now=NOW, until=until)
    return session, (await _address(transaction, label)).secret


async def _address(transaction: Transaction, label: str) -> IssuedAddress:
    parent = Parent(label, None)
    return await feed_tokens.create(transaction, name="r", viewer="v", parent=parent, now=NOW)


async def _hold(transaction: Transaction, derived: tuple[str, str], key: str) -> bool:
    session, address = derived
    parents = feed_tokens.valid_parents(key, without_key=False)
    opens = [
        await sessions.label_of(transaction, session, NOW) is not None,
        await feed_tokens.presented(transaction, address, parents=parents, now=NOW) is not None,
    ]
    assert len(set(opens)) == 1
    return opens[0]
