"""The words of `gitpip serve` at a terminal: that it starts, has started, and has stopped."""

from gitpip.config import Settings, format_duration
from gitpip.model import Part
from gitpip.store.database import Database
from gitpip.store.users import users
from gitpip.terminal import Terminal

console = Terminal(stderr=True)


def announce() -> None:
    """Say that the service starts, which takes some seconds; only on a terminal."""
    if console.is_terminal:
        console.say("Starting gitpip …")


async def greet(settings: Settings, part: Part, address: str, database: Database) -> None:
    """Say what is missing, then where to look; only on a terminal, since logs are events."""
    if not console.is_terminal:
        return
    if part is not Part.WEB:
        for name, effect in _missing(settings):
            console.say(
                f" is not set: {effect}. Run gitpip setup, or add it to .env",
                lead=name,
                style="yellow",
            )
    async with database.read() as transaction:
        tracked = await users.count(transaction)
    if not tracked:
        console.say(
            f": add people at {address}/people, or with gitpip users add LOGIN",
            lead="No one is tracked yet",
            style="yellow",
        )
    console.say(f"gitpip is running at {address} (Ctrl-C to stop)")


def tell_end() -> None:
    """Say that the service has stopped; only on a terminal, since logs are events."""
    if console.is_terminal:
        console.say("gitpip stopped.")


def _missing(settings: Settings) -> list[tuple[str, str]]:
    """The tokens that are not set, and what follows from that."""
    missing = []
    if settings.github_token is None:
        every = format_duration(settings.check_interval)
        most = settings.capacity_without_token
        effect = f"gitpip can check {f'only {most}' if most else 'no'} users every {every}"
        missing.append(("GITHUB_TOKEN", effect))
    if settings.pipedrive_token is None:
        missing.append(("PIPEDRIVE_TOKEN", "nothing is sent to Pipedrive"))
    return missing
