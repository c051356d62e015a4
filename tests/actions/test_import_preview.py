"""The preview of an import opens a spreadsheet once, and shows what the import then does."""

import asyncio
import io
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitpip.actions import imports as actions
from gitpip.actions.acting import Acting
from gitpip.actions.import_preview import preview
from gitpip.backfill import Backfill
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, open_database
from gitpip.store.schema import former_logins, users
from gitpip.store.schema_access import Via
from gitpip.store.users import bulk, imports
from gitpip.store.users.bulk import UserToAdd
from tests.support.scene import wake_nobody
from tests.support.spreadsheets import xlsx
from tests.support.trials import trials

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ALL = Backfill.parse("all")
LOGINS = ("ada", "ADA", "bob", "cy")
CELLS = st.tuples(st.sampled_from((*LOGINS, "no login")), st.sampled_from(("", "1", "2", "bob")))
TRACKED = st.lists(st.tuples(st.sampled_from(LOGINS), st.sampled_from("12")), max_size=2)


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does."""
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_spreadsheet_is_opened_once(database_url: str) -> None:
    content = xlsx(
        {"Kunden": [["Kunde", "Konto"], ["Analytics AG", "@ada"], ["Bau", "@bob"], ["A", "@Ada"]]}
    )
    file = Counted(content)
    database = open_database(database_url)

    shown = await preview(database, file)

    await database.close()
    assert shown.logins == ("ada", "bob")
    # It is read once to tell what it is, which takes its first bytes, and once to open it.
    assert file.count <= 2 * len(content)


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_import_does_what_its_preview_shows(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = open_database(database_url)

        @settings(
            max_examples=trials(60), deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        @given(rows=st.lists(CELLS, max_size=4), tracked=TRACKED, renamed=st.booleans())
        def agree(
            rows: list[tuple[str, str]], tracked: list[tuple[str, str]], renamed: bool
        ) -> None:
            text = "".join(f"{login},{id_}\n" for login, id_ in [("login", "id"), *rows])
            runner.run(_agree(database, io.BytesIO(text.encode()), tracked, renamed=renamed))

        agree()
        runner.run(database.close())


async def _agree(
    database: Database, file: io.BytesIO, tracked: list[tuple[str, str]], *, renamed: bool
) -> None:
    """Preview and import a file while these users are tracked; `renamed` ones were called cy."""
    async with database.begin() as transaction:
        await transaction.execute(users.delete())
        known = [UserToAdd(login, id_, ALL) for login, id_ in tracked]
        await bulk.add_many(transaction, known, NOW)
        if renamed:
            keys = (await transaction.execute(users.select())).all()
            for row in keys:
                await transaction.execute(
                    former_logins.insert().values(user_key=row.key, login="cy")
                )

    shown = await preview(database, file)

    acting = Acting(database, Actor("eve", Via.API), wake_nobody, lambda: NOW)
    import_id = await actions.begin(acting, file, name="list.csv", size=0)
    done = await actions.carry_out(acting, import_id, file, backfill=ALL)
    assert (len(shown.new), shown.faulty, shown.faults) == (
        done.added,
        len(done.faults),
        done.faults,
    )
    async with database.read() as transaction:
        of_import = users.select().where(users.c.import_id == import_id)
        added = (await transaction.execute(of_import.order_by(users.c.key))).all()
        assert (await imports.get(transaction, import_id)).known == done.known
    assert [row.login for row in added] == [row.login for row in shown.new]
    assert shown.tracked <= done.known
    assert shown.tracked == 0 or tracked
