"""Adding several people to be tracked, and the preview of what that would send."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gitpip.actions.acting import Acting
from gitpip.actions.users import FindAccount, add_user
from gitpip.backfill import Backfill
from gitpip.errors import GitHubBlocked, GitHubError, GitHubNotFound, InvalidInput, UserConflict
from gitpip.store.users import bulk
from gitpip.store.users.users import NO_CHANGES, Changes
from gitpip.watch.forecast import Forecast

MAX_ADDED_AT_ONCE = 20
"""The most people added or previewed at once: GitHub is asked about each."""
PREVIEW_LIMIT = timedelta(seconds=20)
"""The longest wait of a person for a preview."""

MakeForecast = Callable[[str, Backfill], Awaitable[Forecast]]
"""A function that returns what tracking a login would publish; raises GitHubError."""


@dataclass(frozen=True)
class PeoplePreview:
    """The preview of adding some people. Each person is in one of these lists."""

    new: Sequence[Forecast]
    tracked: Sequence[Forecast]
    """The people who are tracked already."""
    faults: Sequence[str]
    """The sentences about people who can't be added."""
    unasked: Sequence[str]
    """The logins that GitHub could not be asked about, and the reason."""
    reason: str

    @property
    def gists(self) -> int:
        """The number of public gists of the new people."""
        return sum(forecast.gists for forecast in self.new)

    @property
    def files(self) -> int:
        """The number of files in these gists. The rule `all` would send all of them."""
        return sum(forecast.files for forecast in self.new)

    @property
    def activities(self) -> int:
        """The number of files that would be sent."""
        return sum(forecast.activities for forecast in self.new)

    @property
    def duration(self) -> timedelta:
        """The least time to send them."""
        return sum((forecast.duration for forecast in self.new), timedelta())

    @property
    def duration_of_all(self) -> timedelta:
        """The least time to send every file."""
        return sum((forecast.duration_of_all for forecast in self.new), timedelta())


async def preview_people(
    logins: Sequence[str], backfill: Backfill, make_forecast: MakeForecast
) -> PeoplePreview:
    """Return what adding these people would send. Changes nothing.

    GitHub is asked about one after another, as its documentation recommends, and no more once it
    does not answer.
    """
    new, tracked, faults = list[Forecast](), list[Forecast](), list[str]()
    unasked, reason = list(logins), ""
    try:
        async with asyncio.timeout(PREVIEW_LIMIT.total_seconds()):
            for login in logins:
                try:
                    forecast = await make_forecast(login, backfill)
                except (GitHubNotFound, GitHubBlocked) as error:
                    faults.append(str(error))
                else:
                    (tracked if forecast.tracked_as else new).append(forecast)
                unasked.remove(login)
    except TimeoutError:
        reason = f"GitHub did not respond within {PREVIEW_LIMIT.seconds} seconds"
    except GitHubError as error:
        reason = str(error)
    return PeoplePreview(new, tracked, faults, unasked, reason)


@dataclass(frozen=True)
class AddedPeople:
    """The result for each person who was to be tracked, by login."""

    added: Sequence[str]
    known: Sequence[str]
    """The people who were tracked already."""
    faults: dict[str, str]
    """The people who could not be added, each with the reason."""


async def add_people(
    acting: Acting,
    logins: Sequence[str],
    *,
    external_id: str | None,
    backfill: Backfill,
    details: Changes = NO_CHANGES,
    find_account: FindAccount,
) -> AddedPeople:
    """Track these people, each on their own: one who can't be added does not stop the others.

    People who are tracked already are not changed. Raises InvalidInput if one id is given for
    several, or if the details are invalid.
    """
    if external_id is not None and len(logins) > 1:
        raise InvalidInput(
            "id", "a customer ID is for one person; add people one by one, or import a list of them"
        )
    async with acting.database.read() as transaction:
        tracked = await bulk.tracked_among(transaction, logins) if external_id is None else {}
    known = [user.login for user in tracked.values()]
    added, faults = list[str](), dict[str, str]()
    for login in logins:
        if login.lower() in tracked:
            continue
        try:
            one = await add_user(
                acting,
                login,
                external_id=external_id,
                backfill=backfill,
                details=details,
                find_account=find_account,
            )
        except (GitHubNotFound, UserConflict) as error:
            faults[login] = str(error)
        else:
            (added if one.new else known).append(one.user.login)
    return AddedPeople(added, known, faults)
