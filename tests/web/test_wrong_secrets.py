"""A flood of wrong keys costs the database next to nothing, and locks out no right one."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import event

from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.model import Role
from gitpip.store.access import feed_tokens, keys, sessions
from gitpip.store.access.feed_tokens import Parent
from gitpip.store.database import Database, open_database
from gitpip.web.auth.look_ups import MANY, PAUSE
from tests.web.routes import application

pytestmark = pytest.mark.long

LIMIT = 20
FLOOD = 192
PATH = "/api/v1/users"


@dataclass
class Ask:
    """One request, which shows one secret."""

    path: str = PATH
    method: str = "GET"
    key: str = ""
    session: str = ""
    form_key: str = ""

    async def __call__(self, client: httpx2.AsyncClient) -> int:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        if self.session:
            headers["cookie"] = f"gitpip_session={self.session}"
        data = {"key": self.form_key} if self.form_key else None
        return (
            await client.request(self.method, self.path, headers=headers, data=data)
        ).status_code


@dataclass
class Attacked:
    """The application without a socket, and the statements that its database was sent."""

    database: Database
    client: httpx2.AsyncClient
    statements: list[str]

    async def answers(self, asks: Sequence[Ask]) -> Counter[int]:
        return Counter(await asyncio.gather(*(ask(self.client) for ask in asks)))

    async def key(self, name: str) -> keys.IssuedKey:
        async with self.database.begin() as transaction:
            return await keys.create(
                transaction, name=name, role=Role.VIEWER, lifetime=None, now=utc_now()
            )

    async def session(self, key: keys.IssuedKey) -> str:
        now = utc_now()
        async with self.database.begin() as transaction:
            return await sessions.begin(
                transaction, label=key.key.label, now=now, until=now + timedelta(days=1)
            )

    async def feed(self, key: keys.IssuedKey) -> str:
        parent = Parent(key.key.label, key.key.id)
        async with self.database.begin() as transaction:
            issued = await feed_tokens.create(
                transaction, name="reader", viewer="key:x", parent=parent, now=utc_now()
            )
        return f"/feeds/{issued.secret}/gists.atom"


@pytest.fixture
async def attacked(database_url: str, tmp_path: Path) -> AsyncIterator[Attacked]:
    settings = load_settings(
        {
            "GITPIP_DATA_DIR": str(tmp_path),
            "GITPIP_DATABASE_URL": database_url,
            "GITPIP_REQUEST_LIMIT": f"{LIMIT}/hour",
        },
        env_file=None,
    )
    database = open_database(settings.database_url)
    await database.migrate()
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    transport = httpx2.ASGITransport(app=application(database, settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Attacked(database, client, statements)
    await database.close()


@contextmanager
def asks_rarely(attacked: Attacked) -> Iterator[None]:
    """What is asked in this block costs a query for many, or for half a second."""
    attacked.statements.clear()
    began = time.monotonic()
    yield
    pauses = (time.monotonic() - began) / PAUSE.total_seconds()
    assert len(_queries(attacked)) <= FLOOD / MANY + pauses + 2


def _wrong_key() -> str:
    return f"gitpip_{secrets.token_hex(4)}_{secrets.token_hex(24)}"


WRONG: dict[str, Callable[[], Ask]] = {
    "keys": lambda: Ask(key=_wrong_key()),
    "one key": lambda: Ask(key=f"gitpip_{'0' * 8}_{'0' * 48}"),
    "what has no form": lambda: Ask(key="guess"),
    "sessions": lambda: Ask(session=secrets.token_urlsafe(32)),
    "feeds": lambda: Ask(f"/feeds/gitpip_feed_{secrets.token_hex(24)}/gists.atom"),
    "keys to sign in": lambda: Ask("/sign-in", "POST", form_key=_wrong_key()),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_right_secrets_pass_a_flood_of_wrong_ones_that_asks_the_database_rarely(
    attacked: Attacked, kind: str
) -> None:
    wrong = WRONG[kind]
    ada = await attacked.key("ada")
    right = {
        200: [Ask(key=ada.secret), Ask(session=await attacked.session(ada))],
        303: [Ask("/sign-in", "POST", form_key=(await attacked.key("bob")).secret)],
    }
    right[200].append(Ask(await attacked.feed(ada)))
    await attacked.answers([wrong() for _ in range(2 * LIMIT)])

    with asks_rarely(attacked):
        assert await attacked.answers([wrong() for _ in range(FLOOD)]) == {429: FLOOD}

    flood = [wrong() for _ in range(FLOOD)]
    some = [ask for asks in right.values() for ask in asks]
    answers = await attacked.answers([*flood[: FLOOD // 2], *some, *flood[FLOOD // 2 :]])
    assert answers == {429: FLOOD, 200: 3, 303: 1}


async def test_a_revoked_key_is_as_cheap_as_a_wrong_one(attacked: Attacked) -> None:
    """A program that was not told goes on to show it."""
    ada = await attacked.key("ada")
    shown = [Ask(key=ada.secret), Ask(session=await attacked.session(ada))]
    shown.append(Ask(await attacked.feed(ada)))
    assert await attacked.answers(shown) == {200: 3}
    async with attacked.database.begin() as transaction:
        await keys.revoke(transaction, "ada", utc_now())
    for _ in range(LIMIT // 2):
        await attacked.answers(shown)

    flood = [ask for ask in shown for _ in range(FLOOD // 3)]
    with asks_rarely(attacked):
        assert await attacked.answers(flood) == {429: FLOOD}


async def test_wrong_keys_to_sign_in_are_counted_before_they_are_looked_up(
    attacked: Attacked,
) -> None:
    right = Ask("/sign-in", "POST", form_key=(await attacked.key("ada")).secret)
    for _ in range(12):  # right ones are not counted as wrong
        assert await attacked.answers([right]) == {303: 1}
    attacked.statements.clear()

    at_once = [WRONG["keys to sign in"]() for _ in range(MANY)]
    assert await attacked.answers(at_once) == {401: 10, 429: MANY - 10}
    alone = [text for text in _queries(attacked) if "UNION" not in text]
    assert len(alone) == 10


async def test_a_few_look_ups_wait_for_half_a_second_and_share_a_query(attacked: Attacked) -> None:
    ada = await attacked.key("ada")
    await attacked.answers([Ask(key=_wrong_key()) for _ in range(2 * LIMIT)])
    await attacked.answers([Ask(key=_wrong_key())])
    attacked.statements.clear()

    wrong = [Ask(key=_wrong_key()) for _ in range(3)]
    assert await attacked.answers([*wrong, Ask(key=ada.secret)]) == {429: 3, 200: 1}
    shared = [text for text in _queries(attacked) if "UNION" in text]
    assert 1 <= len(shared) <= 2  # two where the first request came after the pause

    # What was found to be wrong is not looked up again.
    attacked.statements.clear()
    assert await attacked.answers([*wrong, *wrong]) == {429: 6}
    assert _queries(attacked) == []


async def test_a_limit_of_its_own_stays_for_each_key(attacked: Attacked) -> None:
    ada = await attacked.key("ada")
    await attacked.answers([Ask(key=_wrong_key()) for _ in range(2 * LIMIT)])
    many = [Ask(key=ada.secret) for _ in range(2 * LIMIT)]
    assert await attacked.answers(many) == {200: LIMIT, 429: LIMIT}


def _queries(attacked: Attacked) -> list[str]:
    return [text for text in attacked.statements if text.lstrip().startswith("SELECT")]
