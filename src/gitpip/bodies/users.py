"""Bodies of tracked users."""

from datetime import datetime
from typing import Self

from pydantic import AliasPath, Field

from gitpip.bodies.noun import Filled, NounBody, Seconds, TargetWords, Text
from gitpip.drift import Drift, DriftAnswer
from gitpip.model import Unreadable, User, UserState
from gitpip.modes import PublishingMode
from gitpip.status.reading import ServiceCondition
from gitpip.watch.forecast import Forecast


class UserBody(NounBody[User]):
    """A tracked user. Times are UTC."""

    login: str
    id: str = Field(validation_alias="external_id")
    github_id: int | None
    state: UserState
    backfill: Text
    created_at: datetime
    checked_at: datetime | None
    next_check_at: datetime | None
    """Not before the end of a pause of watching; null for a paused user."""
    failures: int
    failure: str | None
    files: int = Field(validation_alias="last_sequence")
    deal_id: int | None
    tags: list[str]
    interval: Seconds | None = Field(validation_alias="check_interval")
    """The user's own, in seconds, between two checks; null for that of the settings."""
    nothing_missed_before: datetime | None = Field(validation_alias="complete_until")
    """Whatever was public before is stored; null before the first complete check."""
    former_login: str | None
    unreadable: int
    """The number of gists, files and parts of the gist list that could not be read, and are tried
    again."""
    publishing_mode: PublishingMode | None
    """The user's own; null for the default."""
    target: TargetWords
    """Where the activities are put, like `deal:42`; null for the user's deal by its title."""
    target_title: str | None
    """The name of the target in Pipedrive; null while Pipedrive was not asked."""
    target_problem: str | None
    """The reason why new files wait, where nothing can be put there."""
    deal_drift: Drift | None
    """What happened to the user's deal by its title, or to the former one; null if nothing did."""
    deal_drift_answer: DriftAnswer | None
    """Where new files go since then."""
    deal_drifted_at: datetime | None
    drifted_deal_id: int | None
    """The id of that deal."""

    @classmethod
    def under(cls, user: User, stops: ServiceCondition) -> Self:
        """The body, with the time of the next check that pauses leave."""
        body = cls.of(user)
        body.next_check_at = stops.check_due(user)
        return body


class UnreadableBody(NounBody[Unreadable]):
    """An item of a user that could not be read, and the reason. Times are UTC."""

    gist_id: Filled
    """Null for a part of the list of gists."""
    filename: Filled
    """Null for the whole gist, or for files whose names are not known."""
    reason: str
    failures: int
    first_failed_at: datetime
    next_try_at: datetime


class OneUserBody(UserBody):
    """A tracked user, with what could not be read of them."""

    could_not_read: list[UnreadableBody] = Field([])


class ForecastBody(NounBody[Forecast]):
    """What adding a user would send at once."""

    login: str = Field(validation_alias=AliasPath("account", "login"))
    github_id: int = Field(validation_alias=AliasPath("account", "github_id"))
    gists: int
    files: int
    activities: int
    seconds: Seconds = Field(validation_alias="duration")
    """The least time that this takes, on Pipedrive's smallest plan with one seat."""
    tracked_as: str | None
    """The login of the user who is tracked already with this account: adding publishes nothing."""
