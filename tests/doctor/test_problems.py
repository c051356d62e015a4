"""The doctor tells the problems of a service, and sends nobody to itself."""

import shutil
from datetime import timedelta
from pathlib import Path

from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.doctor.database import examine_database
from gitpip.model import Pause
from gitpip.store.database import open_database
from gitpip.store.status import pauses


async def test_an_unreachable_vendor_is_told_without_a_word_of_the_doctor(
    tmp_path: Path, migrated_file: Path
) -> None:
    settings = load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)
    assert settings.sqlite_file
    shutil.copy(migrated_file, settings.sqlite_file)
    database = open_database(settings.database_url)
    reason = "GitHub can't be reached: the name api.github.com can't be resolved"
    until = utc_now() + timedelta(minutes=5)
    async with database.begin() as transaction:
        await pauses.pause(transaction, pauses.WATCHING, Pause(until, reason, unreachable=True))
    await database.close()

    told = [finding async for finding in examine_database(settings)]

    (paused,) = [finding for finding in told if finding.about == "watching paused"]
    assert f"{reason}." in paused.found
    assert "gitpip doctor" not in paused.found
