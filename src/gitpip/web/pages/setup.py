"""The page that leads from a fresh start to the first synced gist. It takes no secret."""

from dataclasses import dataclass
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gitpip.actions.trial import trials_of
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.publish.policy import Policies
from gitpip.status.findings import Finding, Verdict
from gitpip.status.reading import tokens_known
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.publications import publishing_settings
from gitpip.store.status import instances
from gitpip.store.users import users
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context
from gitpip.web.render.jinja import render

router = APIRouter(route_class=RoleRoute, include_in_schema=False)


class _Token(NamedTuple):
    """A token that the page tells of."""

    vendor: Vendor
    name: str
    secret: str
    """Its name as a file of secrets."""


TOKENS = (
    _Token(Vendor.GITHUB, "GITHUB_TOKEN", "github-token"),
    _Token(Vendor.PIPEDRIVE, "PIPEDRIVE_TOKEN", "pipedrive-token"),
)


@dataclass(frozen=True)
class _Tested:
    """A token, and what its vendor says of it."""

    token: _Token
    is_here: bool
    """Whether this process has it, so that it can be tested."""
    is_elsewhere: bool
    """Whether another process that works has it."""
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether sync can work with it."""
        if not self.is_here:
            return self.is_elsewhere
        return all(one.verdict is not Verdict.FAILURE for one in self.findings)


@router.get("/setup")
@needs(Role.OPERATOR)
async def set_up(context: Context) -> HTMLResponse:
    """Both tokens, tested; what an activity looks like; the mode; the first people."""
    async with context.database.read() as transaction:
        running = await instances.running(transaction, utc_now())
        stored = await publishing_settings.values(transaction)
        policy = await Policies(context.settings.publishing).read(transaction)
        sample = (await trials_of(transaction, context.settings)).samples()[0]
        tracked = sum((await users.count(transaction)).values())
    at_work = tokens_known(running, context.surroundings)
    tested = [
        await _tested(context, token, elsewhere=elsewhere, stored=stored)
        for token, elsewhere in zip(TOKENS, (at_work.github, at_work.pipedrive), strict=True)
    ]
    page = render(
        "setup.html",
        page="status",
        tested=tested,
        waits=not all(one.is_good for one in tested),
        sample=sample,
        policy=policy,
        tracked=tracked,
        folder=context.settings.secrets_dir,
    )
    return HTMLResponse(page)


async def _tested(
    context: AppContext, token: _Token, *, elsewhere: bool, stored: dict[str, str]
) -> _Tested:
    settings = context.settings
    is_github = token.vendor is Vendor.GITHUB
    here = (settings.github_token if is_github else settings.pipedrive_token) is not None
    findings = await context.test_token(token.vendor, stored) if here else ()
    return _Tested(token, here, elsewhere, tuple(findings))
