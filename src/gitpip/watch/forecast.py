"""The forecast of a backfill: what tracking a user would send at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.backfill import Backfill
from gitpip.model import Account
from gitpip.watch.decide import excluded
from gitpip.watch.github.client import GitHub


@dataclass(frozen=True)
class Forecast:
    """The forecast for a user; empty if the user is already `tracked_as` a login."""

    account: Account
    gists: int
    files: int
    """The number of files in the public gists."""
    activities: int
    """The number of these files that the backfill rule lets into the CRM."""
    duration: timedelta
    """The least time that takes, on the smallest plan with one seat."""
    duration_of_all: timedelta
    """The same for all files."""
    tracked_as: str | None = None


@dataclass(frozen=True)
class Past:
    """The gists that a user published before being tracked."""

    account: Account
    gists: int
    files: int
    kept: int
    """The number of files that the backfill rule lets through."""


async def past_of(github: GitHub, login: str, backfill: Backfill, now: datetime) -> Past:
    """Read a user's list and apply the rule. Raises GitHubError."""
    account = await github.account(login)
    listed = await github.gists(account.github_id, None)
    added_at = account.seen_at or now
    before = [gist for gist in listed.gists if gist.created_at < added_at]
    left_out = excluded(before, backfill)
    files = sum(len(gist.files) for gist in listed.gists)
    kept = sum(len(gist.files) for gist in listed.gists if gist.id not in left_out)
    return Past(account, len(listed.gists), files=files, kept=kept)
