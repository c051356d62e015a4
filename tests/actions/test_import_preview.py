"""The preview of an import: a large spreadsheet takes seconds to open, so it is opened once."""

import io

import pytest

from gitpip.actions.import_preview import preview
from gitpip.store.database import open_database
from tests.support.spreadsheets import xlsx


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
    content = xlsx({"Kunden": [["Kunde", "Konto"], ["Analytics AG", "@ada"], ["Bau", "@bob"]]})
    file = Counted(content)
    database = open_database(database_url)

    shown = await preview(database, file)

    await database.close()
    assert shown.logins == ("ada", "bob")
    # It is read once to tell what it is, which takes its first bytes, and once to open it.
    assert file.count <= 2 * len(content)
