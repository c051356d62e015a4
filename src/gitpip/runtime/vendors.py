"""The examination of GitHub and Pipedrive: connection, token, limits, clock."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx2

from gitpip.clock import day_and_clock, utc_now
from gitpip.config import Settings
from gitpip.errors import (
    EnvironmentUnusable,
    GitHubError,
    GitHubLimited,
    GitHubUnauthorized,
    GraphQLFailed,
)
from gitpip.http_client import is_untrusted, route
from gitpip.publish.delivery import NotProcessed
from gitpip.publish.destination import Destination, LookFailed, TokenOwner
from gitpip.runtime.account_access import client_of
from gitpip.runtime.vendor_settings import look_at_settings
from gitpip.runtime.worker import github_of
from gitpip.status.findings import (
    DESTINATION_CONNECTION,
    GITHUB_CONNECTION,
    Finding,
    failure,
    ok,
    warning,
)
from gitpip.store.status.instances import Tokens
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.rate_limits import Budget

DOCTOR_CLOCK_TOLERANCE = timedelta(seconds=5)
CLASSIC = (
    "create a classic token at https://github.com/settings/tokens/new (no scopes needed) and set "
    "GITHUB_TOKEN"
)
GRAPHQL_TROUBLE = (
    "wait; GitHub's GraphQL API has trouble. If it persists, check GITHUB_GRAPHQL_URL and the proxy"
)
COPY_IT = "copy the token in Pipedrive from Personal preferences > API and set PIPEDRIVE_TOKEN"
IN_THE_SERVICE = "the running service has a token; this shell has none"
LITTLE_LEFT = 0.1
"""The share of a limit below which a warning is due."""


@dataclass(frozen=True)
class VendorFacts:
    """The facts in the rows that matter for the vendors."""

    tokens: Tokens
    """The tokens of the running service."""
    publishing: Mapping[str, str]
    """The publishing settings that are stored."""


NOTHING_KNOWN = VendorFacts(Tokens(github=False, destination=False), {})


async def examine_vendors(settings: Settings, known: VendorFacts) -> tuple[Finding, ...]:
    """Ask both vendors about the tokens, the limits left, and what the account lacks.

    The tokens of the running service can't be used from here.
    """
    started = utc_now()
    github, destination = await asyncio.gather(
        look_at_github(settings, known), look_at_destination(settings, known)
    )
    times = [answer.now for answer in (github, destination) if answer.now]
    return (*github.findings, *destination.findings, _clock(started, times))


@dataclass(frozen=True)
class Answers:
    """The answers of a vendor."""

    findings: tuple[Finding, ...]
    now: datetime | None = None


async def look_at_github(settings: Settings, known: VendorFacts) -> Answers:
    """Ask GitHub about the owner of the token, the limits left, and the batch poll."""
    url = settings.github_api_url
    try:
        way = ok(GITHUB_CONNECTION, f"{url} ({route(url)})")
        # These few requests may be taken from the reserve for others.
        whole = settings.model_copy(update={"github_share": 1.0})
        async with github_of(whole) as github:
            status = await github.access_status()
            trouble = await _graphql_trouble(github)
    except EnvironmentUnusable as error:
        return Answers((failure(GITHUB_CONNECTION, str(error), "fix this setting"),))
    except GitHubUnauthorized as error:
        return Answers((way, failure("GitHub", str(error), CLASSIC)))
    except GitHubLimited as error:
        return Answers((way, warning("GitHub", str(error), "wait until the limit resets")))
    except GitHubError as error:
        advice = _advice(untrusted=is_untrusted(error))
        return Answers((failure(GITHUB_CONNECTION, f"{way.found}: {error}", advice),))
    left = [_left(budget) for budget in status.budgets] or ["no limit"]
    if status.login is None and known.tokens.github:
        token = ok("GitHub", IN_THE_SERVICE)
    elif status.login is None:
        token = warning(
            "GitHub",
            f"no token; {'; '.join(left[:1])}, enough for {settings.capacity_without_token} users",
            CLASSIC,
        )
    elif trouble:
        found, advice = trouble
        token = warning(
            "GitHub", f"the token belongs to {status.login}; {'; '.join(left)}; {found}", advice
        )
    elif any(budget.remaining < budget.limit * LITTLE_LEFT for budget in status.budgets):
        token = warning(
            "GitHub",
            f"the token belongs to {status.login}; {'; '.join(left)}",
            "wait for the reset. If other programs use this token, lower GITPIP_GITHUB_SHARE",
        )
    else:
        token = ok("GitHub", f"the token belongs to {status.login}; {'; '.join(left)}")
    return Answers((way, token), status.now)


async def _graphql_trouble(github: GitHub) -> tuple[str, str] | None:
    """Return why many users can't be asked about at once, and the advice.

    Returns None if they can, or if that is unknown.
    """
    if not github.polls_batches:
        return None
    try:
        if await github.shows_gists() is False:
            return (
                "GraphQL shows no gists to fine-grained tokens, so users are checked one by one",
                CLASSIC,
            )
    except GraphQLFailed as error:
        found = f"GraphQL does not answer, so users are checked one by one: {error}"
        return found, GRAPHQL_TROUBLE
    except GitHubUnauthorized:
        # REST accepted the same token a moment before.
        return "GraphQL rejects the token (401), so users are checked one by one", CLASSIC
    except GitHubError:
        return None
    return None


def _left(budget: Budget) -> str:
    resets = day_and_clock(budget.resets_at)
    name = "GraphQL points" if budget.resource == "graphql" else "requests"
    return f"{budget.remaining} of {budget.limit} {name} left until {resets}"


async def look_at_destination(settings: Settings, known: VendorFacts) -> Answers:
    """Ask Pipedrive about the owner of the token, today's budget, and what the settings name."""
    url = settings.pipedrive_api_url
    if settings.pipedrive_token is None and known.tokens.destination:
        return Answers((ok("Pipedrive", IN_THE_SERVICE),))
    if settings.pipedrive_token is None:
        found = "no token; gists are stored but not sent"
        return Answers((warning("Pipedrive", found, COPY_IT),))
    try:
        way = f"{url} ({route(url)})"
        async with client_of(settings) as destination:
            try:
                token = _token_finding(await destination.owner(), destination)
                of_settings = await look_at_settings(settings, known.publishing, destination)
            except LookFailed as error:
                if destination.now is None:
                    outcome = error.outcome
                    untrusted = isinstance(outcome, NotProcessed) and outcome.untrusted
                    advice = _advice(untrusted=untrusted)
                    finding = failure(DESTINATION_CONNECTION, f"{way}: {error}", advice)
                    return Answers((finding,))
                token, of_settings = _refusal_finding(error, destination.last_status), ()
    except EnvironmentUnusable as error:
        return Answers((failure(DESTINATION_CONNECTION, str(error), "fix this setting"),))
    return Answers((ok(DESTINATION_CONNECTION, way), token, *of_settings), destination.now)


def _token_finding(owner: TokenOwner, destination: Destination) -> Finding:
    found = f"the token belongs to {owner}"
    left, limit = destination.daily_remaining, destination.daily_limit
    if left is None or not limit:
        return ok("Pipedrive", f"{found}; Pipedrive does not report the daily budget")
    found += f"; {left} of {limit} tokens left today"
    if left < limit * LITTLE_LEFT:
        return warning(
            "Pipedrive", found, "sync continues after midnight. Larger plans have a larger budget"
        )
    return ok("Pipedrive", found)


def _refusal_finding(error: LookFailed, status: int | None) -> Finding:
    if status == httpx2.codes.PAYMENT_REQUIRED:
        return failure("Pipedrive", str(error), "check the subscription of the Pipedrive account")
    if status is not None and httpx2.codes.is_server_error(status):
        advice = "wait. If it persists, check PIPEDRIVE_API_URL and the proxy"
        return warning("Pipedrive", str(error), advice)
    if isinstance(error.outcome, NotProcessed) and error.outcome.access:
        return failure("Pipedrive", str(error), COPY_IT)
    if isinstance(error.outcome, NotProcessed):
        return warning("Pipedrive", str(error), "wait and try again")
    return failure("Pipedrive", str(error), "check PIPEDRIVE_API_URL")


def _advice(*, untrusted: bool) -> str:
    if untrusted:
        return (
            "if it is your proxy's certificate, set SSL_CERT_FILE to the authority that signed it"
        )
    return "check the network, the firewall, HTTPS_PROXY and NO_PROXY"


def _clock(started: datetime, theirs: Iterable[datetime]) -> Finding:
    """Return how far this machine's clock is from the vendors', who count in full seconds."""
    ended = utc_now()
    apart = [
        max(started - (date + timedelta(seconds=1)), date - ended, timedelta(0)) for date in theirs
    ]
    if not apart:
        return warning(
            "clock", "not checked: neither vendor responded", "fix the connections above"
        )
    if max(apart) <= DOCTOR_CLOCK_TOLERANCE:
        return ok("clock", "in sync")
    found = f"{max(apart).total_seconds():.0f} s off the vendors' clocks"
    return warning("clock", found, "turn on NTP on this machine")
