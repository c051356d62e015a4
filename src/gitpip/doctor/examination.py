"""`gitpip doctor`: examines settings, tokens, network, database and publishing, one by one."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from gitpip.config import load_settings
from gitpip.doctor.database import examine_database, known_to_database
from gitpip.doctor.publishing import examine_detector
from gitpip.errors import EnvironmentUnusable, SettingsError
from gitpip.http_client import proxy_passwords
from gitpip.observability.redaction import hide
from gitpip.runtime.vendors import examine_vendors
from gitpip.status.findings import Finding, failure, ok


async def examine() -> AsyncIterator[Finding]:
    """Look at everything, even where a part of it is gone; a finding each, as it comes."""
    try:
        settings = load_settings()
    except SettingsError as error:
        for fault in error.faults:
            yield failure(
                "settings", fault, "fix this setting; docs/settings.md lists all settings"
            )
        return
    hide(settings.secrets)
    with suppress(EnvironmentUnusable):  # the findings about the vendors say so
        hide(proxy_passwords())
    sources = sorted(set(settings.sources.values()))
    given = ", ".join("the environment" if one == "environment" else one for one in sources)
    yield ok("settings", f"read from {given or 'defaults alone'}")
    async with aclosing(examine_database(settings)) as findings:
        async for finding in findings:
            yield finding
    known = await known_to_database(settings)
    yield await examine_detector(settings, known.publishing)
    for finding in await examine_vendors(settings, known):
        yield finding
