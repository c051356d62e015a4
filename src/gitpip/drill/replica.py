"""One `gitpip serve` of a drill: `python -m gitpip.drill.replica`, and nothing else starts it.

It ends when its standard input does, so that it never outlives the drill, and it serves only where
both vendors are on this machine. So what a drill may switch off can't be switched off for anybody's
gists: no setting and no command does it.
"""

import os
import runpy
import sys
import threading
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from gitpip.config import Settings, is_loopback, load_settings
from gitpip.model import Change, PublicationState
from gitpip.publish import delivery

WITHOUT_RECONCILIATION: Final = "--without-reconciliation"


def main() -> None:
    """Run `gitpip serve`, with the settings of the environment, as long as the drill lives."""
    threading.Thread(target=_end_with_the_drill, daemon=True).start()
    if fault := not_a_drill(load_settings()):
        sys.exit(fault)
    if WITHOUT_RECONCILIATION in sys.argv:
        send_again_without_looking()
    sys.argv = ["gitpip", "serve"]
    runpy.run_module("gitpip", run_name="__main__")


def not_a_drill(settings: Settings) -> str | None:
    """Return why this can't be a replica of a drill, or None if it can."""
    for name, address in (
        ("GITHUB_API_URL", settings.github_api_url),
        ("GITHUB_GRAPHQL_URL", settings.github_graphql_url),
        ("PIPEDRIVE_API_URL", settings.pipedrive_api_url),
    ):
        host = urlsplit(address).hostname or ""
        if not is_loopback(host):
            return f"a drill only asks stand-ins on this machine, but {name} is {address}"
    return None


def send_again_without_looking() -> None:
    """Take what keeps files from being doubled out of this process.

    A file that may have been sent is sent again at once, as by a program that trusts its time-outs.
    """

    def at_once(reason: str, *, now: datetime, first_look: timedelta = timedelta(0)) -> Change:
        return Change(PublicationState.PENDING, now + first_look, reason=reason)

    setattr(delivery, "uncertain", at_once)  # noqa: B010 - mypy lets nobody assign to a function


def _end_with_the_drill() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
