"""A plan as people ask for it: what they leave out is as in the settings, or as it is now."""

from dataclasses import dataclass

from gitpip.config import Settings, parse_duration
from gitpip.errors import InvalidInput
from gitpip.status.sizing import GitHubToken, PlanInput
from gitpip.store.status.today import Today


@dataclass(frozen=True)
class PlanOptions:
    """The values of a plan; None or an empty text for the present one."""

    users: int | None = None
    gists_per_day: float | None = None
    pipedrive_plan: str = "lite"
    seats: int = 1
    check_interval: str | None = None
    files_per_gist: float = 1.5
    bytes_per_file: int = 3_000
    backlog: int = 0
    github_token: str = GitHubToken.CLASSIC


def wanted(asked: PlanOptions, present: Today | None, settings: Settings) -> PlanInput:
    """Return the plan. If only users are given, they create as many gists each as those of today.

    `present` is None without a database. Raises InvalidInput, with the field.
    """
    try:
        interval = (
            parse_duration(asked.check_interval)
            if asked.check_interval
            else settings.check_interval
        )
    except ValueError as error:
        raise InvalidInput("check_interval", str(error)) from None
    users, gists_per_day = asked.users, asked.gists_per_day
    if present is not None:
        tracked = max(1, present.users)
        users = tracked if users is None else users
        if gists_per_day is None:
            gists_per_day = present.gists_per_day * users / tracked
    if users is None:
        raise InvalidInput("users", "give a number: there is no database with present users yet")
    if gists_per_day is None:
        raise InvalidInput(
            "gists_per_day", "give a number: there is no database with present gists yet"
        )
    return PlanInput(
        users=users,
        gists_per_day=gists_per_day,
        pipedrive_plan=asked.pipedrive_plan,
        seats=asked.seats,
        check_interval=interval,
        files_per_gist=asked.files_per_gist,
        bytes_per_file=asked.bytes_per_file,
        backlog=asked.backlog,
        github_token=asked.github_token,
        github_share=settings.github_share,
    )
