"""Keys open while they hold, and nothing of them is kept that would open."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gitpip.errors import InvalidInput, KeyConflict, KeyNotFound
from gitpip.model import Role
from gitpip.store.access import audit_log, keys
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, open_database
from gitpip.store.schema_access import Via

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


async def _create(
    database: Database, name: str = "ada", role: Role = Role.VIEWER, days: int | None = None
) -> keys.IssuedKey:
    lifetime = days * DAY if days else None
    async with database.begin() as transaction:
        return await keys.create(transaction, name=name, role=role, lifetime=lifetime, now=NOW)


async def _opens(database: Database, secret: str, after: timedelta = DAY) -> str | None:
    async with database.read() as transaction:
        key = await keys.presented(transaction, secret, NOW + after)
        return None if isinstance(key, keys.Refusal) else f"{key.name} {key.role}"


async def test_a_key_opens_until_it_expires_is_rotated_or_revoked(database: Database) -> None:
    lasting = await _create(database, "lasting", Role.ADMIN)
    short = await _create(database, "short", days=3)

    assert await _opens(database, lasting.secret, 10_000 * DAY) == "lasting admin"
    assert await _opens(database, short.secret, 3 * DAY - timedelta(seconds=1)) == "short viewer"
    assert await _opens(database, short.secret, 3 * DAY) is None

    async with database.begin() as transaction:
        rotated = await keys.rotate(transaction, "SHORT", lifetime=None, now=NOW + 5 * DAY)
    assert rotated.key.expires_at == NOW + 8 * DAY
    assert await _opens(database, short.secret, 2 * DAY) is None
    assert await _opens(database, rotated.secret, 7 * DAY) == "short viewer"

    async with database.begin() as transaction:
        revoked = await keys.revoke(transaction, "short", NOW + 6 * DAY)
    assert revoked.state(NOW + 6 * DAY) == "revoked"
    assert await _opens(database, rotated.secret, 6 * DAY) is None
    assert await _opens(database, lasting.secret, 6 * DAY) == "lasting admin"


async def test_no_secret_is_stored(database: Database) -> None:
    issued = await _create(database)

    async with database.read() as transaction:
        row = (await transaction.execute(text("SELECT * FROM access_keys"))).one()

    secret = issued.secret.rpartition("_")[2]
    assert len(secret) == 48
    assert secret not in str(tuple(row))
    assert issued.key.label in issued.secret


async def test_names_are_taken_until_their_key_is_revoked(database: Database) -> None:
    await _create(database, "Ada", days=1)
    with pytest.raises(KeyConflict, match="ada"):
        await _create(database, "ada")
    async with database.begin() as transaction:
        await keys.revoke(transaction, "ADA", NOW)
        with pytest.raises(KeyNotFound, match="ada"):
            await keys.revoke(transaction, "ada", NOW)
        with pytest.raises(KeyNotFound, match="nobody"):
            await keys.rotate(transaction, "nobody", lifetime=None, now=NOW)
    again = await _create(database, "ada")

    async with database.read() as transaction:
        listed = [(key.name, key.state(NOW)) for key in await keys.everyone(transaction)]
    assert listed == [("ada", "active"), ("Ada", "revoked")]
    assert await _opens(database, again.secret) == "ada viewer"


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a\0", "é", "a" * 61, "a/b", "<b>"])
async def test_names_that_can_be_none(database: Database, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        await _create(database, name)


@pytest.mark.parametrize("name", ["\N{KELVIN SIGN}ey", "key\0", "\0key", " key", "key\n"])
async def test_another_spelling_than_that_of_a_name_finds_no_key(
    database: Database, name: str
) -> None:
    issued = await _create(database, "key")
    async with database.begin() as transaction:
        with pytest.raises(KeyNotFound):
            await keys.rotate(transaction, name, lifetime=None, now=NOW)
        with pytest.raises(KeyNotFound):
            await keys.revoke(transaction, name, NOW)
        assert (await keys.find(transaction, "KEY")).id == issued.key.id


async def test_whether_keys_exist_and_whether_one_is_usable(database: Database) -> None:
    async def known(after: timedelta) -> tuple[bool, bool]:
        async with database.read() as transaction:
            return (
                await keys.any_exists(transaction),
                await keys.any_is_usable(transaction, NOW + after),
            )

    assert await known(DAY) == (False, False)
    await _create(database, days=2)
    assert await known(DAY) == (True, True)
    assert await known(2 * DAY) == (True, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_whatever_is_not_the_key_opens_nothing(database: Database) -> None:
    secret = (await _create(database)).secret
    digits = "0123456789abcdef"

    def changed(place: int) -> str:
        other = digits[(digits.find(secret[place]) + 1) % 16]
        return secret[:place] + other + secret[place + 1 :]

    near = [changed(place) for place in range(7, len(secret))]
    for text_ in [*near, secret[:-1], secret + "0", secret.upper(), f" {secret}", secret + "\n"]:
        assert await _opens(database, text_) is None


async def test_the_last_use_is_kept_by_the_minute(database: Database) -> None:
    key = (await _create(database)).key
    assert keys.use_is_news(key.used_at, NOW)

    async with database.begin() as transaction:
        await keys.note_use(transaction, key, NOW + DAY)
        used = await keys.find(transaction, "ada")

    assert used.used_at == NOW + DAY
    assert not keys.use_is_news(used.used_at, NOW + DAY + timedelta(seconds=59))
    assert keys.use_is_news(used.used_at, NOW + DAY + timedelta(seconds=60))


async def test_the_audit_tells_the_latest_first(database: Database) -> None:
    ada, bob = Actor("ada", Via.PAGE), Actor("bob\U0001f980", Via.COMMAND)
    async with database.begin() as transaction:
        await audit_log.record(transaction, ada, "user.added", "octocat", NOW)
        await audit_log.record(transaction, bob, "key.created", "x\0y" * 200, NOW + DAY)
    async with database.read() as transaction:
        page = await audit_log.page(transaction, offset=0, limit=1)
        rest = await audit_log.page(transaction, offset=1, limit=10)

    assert (page.total, page.items[0].actor, page.items[0].via) == (2, bob.name, "command")
    assert page.items[0].subject == ("xy" * 200)[:300]
    assert [(e.at, e.action, e.subject) for e in rest.items] == [(NOW, "user.added", "octocat")]


def test_each_role_includes_those_before_it() -> None:
    included = {role: {other for other in Role if role.includes(other)} for role in Role}

    assert included == {
        Role.VIEWER: {Role.VIEWER},
        Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
        Role.ADMIN: {Role.VIEWER, Role.OPERATOR, Role.ADMIN},
    }
