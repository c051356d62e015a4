"""What `gitpip serve` says to a person at a terminal when it has started."""

import sys

from gitpip.config import Settings, format_duration
from gitpip.model import Part
from gitpip.terminal import Terminal

console = Terminal(stderr=True)


def greet(settings: Settings, part: Part, address: str) -> None:
    """Say where to look, and which token is missing; only on a terminal, since logs are events."""
    if not (sys.stderr and sys.stderr.isatty()):
        return
    if part is not Part.WEB:
        for name, effect in _missing(settings):
            console.say(f" is not set, so {effect}: add it to .env", lead=name, style="yellow")
    console.say(f"gitpip runs at {address}; stop it with Ctrl-C")


def _missing(settings: Settings) -> list[tuple[str, str]]:
    """The tokens that are not set, and what follows from that."""
    missing = []
    if settings.github_token is None:
        users = settings.capacity_without_token
        every = format_duration(settings.check_interval)
        effect = f"only {users} users can be looked at every {every}"
        missing.append(("GITHUB_TOKEN", effect))
    if settings.pipedrive_token is None:
        missing.append(("PIPEDRIVE_TOKEN", "nothing is published"))
    return missing
