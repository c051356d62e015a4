"""The page that leads from a fresh start to the first synced gist. It takes no secret."""

from dataclasses import dataclass
from typing import NamedTuple

from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.trial import trials_of
from gitpip.clock import utc_now
from gitpip.model import PublicationState, Role
from gitpip.publish.policy import Policies
from gitpip.status.findings import Finding, FindingLevel
from gitpip.status.reading import tokens_known
from gitpip.store.publications import bounded_counts, publishing_settings
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import instances
from gitpip.store.users import users
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context
from gitpip.web.pages.router import page_router
from gitpip.web.render.jinja import render

router = page_router()


class _Token(NamedTuple):
    """A token and its state on the page."""

    vendor: Vendor
    name: str
    secret: str
    """Its name as a file of secrets."""


TOKENS = (
    _Token(Vendor.GITHUB, "GITHUB_TOKEN", "github-token"),
    _Token(Vendor.DESTINATION, "PIPEDRIVE_TOKEN", "pipedrive-token"),
)


@dataclass(frozen=True)
class _Tested:
    """A token, and what its vendor said about it."""

    token: _Token
    is_here: bool
    """Whether this process has it, so that it can be tested."""
    is_elsewhere: bool
    """Whether another process that works has it."""
    findings: tuple[Finding, ...] | None
    """The answer of its vendor within the last minute; None where it was not asked."""

    @property
    def fits(self) -> bool:
        """Return whether its vendor was asked and found nothing wrong, with the settings either."""
        return bool(self.findings) and all(
            one.verdict is FindingLevel.OK for one in self.findings or ()
        )

    @property
    def is_good(self) -> bool:
        """Return whether sync can work with it."""
        if not self.is_here:
            return self.is_elsewhere
        if self.findings is None:
            return False
        return all(one.verdict is not FindingLevel.FAILURE for one in self.findings)


@router.get("/setup")
@needs(Role.OPERATOR)
async def set_up(context: Context) -> HTMLResponse:
    """Both tokens, as they were tested; what an activity looks like; the mode; the first people.

    It asks no vendor, so that no other site can have them asked by a link or a picture.
    """
    async with context.database.read() as transaction:
        running = await instances.running(transaction, utc_now())
        policy = await Policies(context.settings.publishing).read(transaction)
        sample = (await trials_of(transaction, context.settings)).samples()[0]
        tracked = sum((await users.count(transaction)).values())
        sent = (await bounded_counts.count(transaction, most=1)).get(PublicationState.PUBLISHED, 0)
    at_work = tokens_known(running, context.process)
    tested = [
        _tested(context, token, elsewhere=elsewhere)
        for token, elsewhere in zip(TOKENS, (at_work.github, at_work.destination), strict=True)
    ]
    page = render(
        "setup.html",
        page="setup",
        tested=tested,
        waits=not all(one.is_good for one in tested),
        untested=any(one.is_here and one.findings is None for one in tested),
        sample=sample,
        policy=policy,
        tracked=tracked,
        fits=sent > 0 or any(one.fits for one in tested if one.token.vendor is Vendor.DESTINATION),
        folder=context.settings.secrets_dir,
    )
    return HTMLResponse(page)


@router.post("/setup")
@needs(Role.OPERATOR)
async def test_tokens(context: Context) -> Response:
    """Have both vendors say what they think of the tokens, at most once a minute."""
    async with context.database.read() as transaction:
        stored = await publishing_settings.values(transaction)
    for token in TOKENS:
        if _is_here(context, token):
            await context.token_tests.test(token.vendor, stored)
    return RedirectResponse("/setup", status_code=303)


def _is_here(context: AppContext, token: _Token) -> bool:
    settings = context.settings
    is_github = token.vendor is Vendor.GITHUB
    return (settings.github_token if is_github else settings.pipedrive_token) is not None


def _tested(context: AppContext, token: _Token, *, elsewhere: bool) -> _Tested:
    here = _is_here(context, token)
    findings = context.token_tests.last(token.vendor) if here else None
    return _Tested(token, here, elsewhere, None if findings is None else tuple(findings))
