"""Surveys of a whole account: by the running service, or without one by a command."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from gitpip.actions.acting import Acting
from gitpip.clock import day_and_clock, utc_now
from gitpip.config import Settings
from gitpip.errors import DestinationUnavailable, GitpipError
from gitpip.runtime.account_access import check_token, client_of, is_served, tokens_of_service
from gitpip.runtime.acting import acting_on
from gitpip.runtime.opening import opened
from gitpip.runtime.surveying import surveyor_of
from gitpip.runtime.worker import github_of
from gitpip.store.database import Database
from gitpip.store.surveys import surveys
from gitpip.store.surveys.surveys import Survey

LONGEST_COMMAND_WAIT = timedelta(minutes=2)
"""The longest wait of a command for a limit to pass. The next call continues from there."""
Request = Callable[[Acting], Awaitable[Survey]]
Follow = Callable[[Survey], None]


async def survey_now(settings: Settings, request: Request, follow: Follow) -> Survey:
    """Request a survey, and wait for its end; `follow` receives the progress.

    Raises DestinationUnavailable, and GitpipError if it stopped at a limit: the next call continues
    from there.
    """
    async with opened(settings) as database:
        served = await is_served(database)
        await _check_token_of_worker(settings, database, served=served)
        survey = await request(acting_on(database))
        if served:
            return await _followed(database, survey.id, follow)
        async with client_of(settings) as destination, github_of(settings, database) as github:
            surveyor = surveyor_of(database, destination, github)
            while True:
                await surveyor.run(survey.id)
                present = await _present(database, survey.id)
                follow(present)
                if _has_ended(present):
                    return present
                await asyncio.sleep(1)


async def _check_token_of_worker(settings: Settings, database: Database, *, served: bool) -> None:
    if not served:
        check_token(settings)
        return
    async with database.read() as transaction:
        tokens = await tokens_of_service(transaction)
    if tokens is not None and not tokens.destination:
        raise DestinationUnavailable(
            "the running service has no PIPEDRIVE_TOKEN; set it for gitpip serve, and restart that"
        )


async def _followed(database: Database, number: int, follow: Follow) -> Survey:
    while True:
        present = await _present(database, number)
        follow(present)
        if _has_ended(present):
            return present
        await asyncio.sleep(0.2)


async def _present(database: Database, number: int) -> Survey:
    async with database.read() as transaction:
        return await surveys.get(transaction, number)


def _has_ended(survey: Survey) -> bool:
    """Return whether it has ended; raises GitpipError if it failed or waits for long."""
    if survey.failure is not None:
        raise GitpipError(survey.failure)
    if survey.waits_until is not None and survey.waits_until > utc_now() + LONGEST_COMMAND_WAIT:
        raise GitpipError(
            f"stopped after {survey.activities} activities: {survey.waits_because}; to continue, "
            f"run it again after {day_and_clock(survey.waits_until)}"
        )
    return survey.ended_at is not None
