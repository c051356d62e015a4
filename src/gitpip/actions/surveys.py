"""The acts on a whole account: audits, searches for other tools' activities, adopting these."""

from dataclasses import dataclass
from datetime import datetime

from gitpip.actions.acting import Acting
from gitpip.clock import FIRST_GISTS
from gitpip.counts import count
from gitpip.errors import InvalidInput, SurveyNotEnded
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_surveys import Confidence, SurveyKind
from gitpip.store.surveys import others, surveys
from gitpip.store.surveys.others import ORDER
from gitpip.store.surveys.surveys import Survey, SurveyScope
from gitpip.store.users import users
from gitpip.validation import any_of


@dataclass(frozen=True)
class AdoptedOthers:
    """The number of publications that got other tools' activities, and the search behind that."""

    survey_id: int
    adopted: int


async def request_audit(
    acting: Acting,
    *,
    login: str | None = None,
    since: datetime | None = None,
    with_github: bool = True,
) -> Survey:
    """Compare GitHub, store and Pipedrive file by file.

    If one with the same scope is under way, it is returned, and not recorded again. Raises
    UserNotTracked, InvalidInput.
    """
    if since is not None and not FIRST_GISTS <= since <= acting.clock():
        raise InvalidInput("since", f"must be a time in the past, from {FIRST_GISTS:%Y-%m-%d} on")
    async with acting.begin() as act:
        user = await users.find(act.transaction, login) if login is not None else None
        scope = SurveyScope(SurveyKind.AUDIT, user.key if user else None, since, with_github)
        survey, new = await surveys.request(act.transaction, scope, act.actor.name, act.now)
        if new:
            await act.record("audit.requested", str(survey.id))
        act.wake("survey")
    return survey


async def request_search(acting: Acting) -> Survey:
    """Search Pipedrive for activities that other tools made of the stored gists."""
    async with acting.begin() as act:
        scope = SurveyScope(SurveyKind.OTHERS, with_github=False)
        survey, new = await surveys.request(act.transaction, scope, act.actor.name, act.now)
        if new:
            await act.record("others.searched", str(survey.id))
        act.wake("survey")
    return survey


async def adopt_others(acting: Acting, least: Confidence = Confidence.CERTAIN) -> AdoptedOthers:
    """Adopt the results of the last search that are at least this certain.

    The files are never sent after that. Raises SurveyNotEnded, InvalidInput.
    """
    if least not in ORDER:
        raise InvalidInput("min_confidence", f"must be {any_of(ORDER)}")
    async with acting.begin() as act:
        await ledger.lock(act.transaction)
        survey = await surveys.latest(act.transaction, SurveyKind.OTHERS)
        if survey is None:
            raise SurveyNotEnded("there was no search yet; search first")
        if survey.ended_at is None or survey.failure is not None:
            why = survey.failure or survey.waits_because or "it is running"
            raise SurveyNotEnded(f"the search has not ended: {why}")
        bound = await accounts.bound(act.transaction, Vendor.DESTINATION)
        if bound is None or bound.key != survey.account_key:
            raise SurveyNotEnded("the account was switched after the search; search again")
        adopted = await others.adopt(act.transaction, survey.id, least, act.now)
        if adopted:
            await act.record(
                "others.adopted", f"{count(adopted, 'activity', 'activities')}, at least {least}"
            )
    return AdoptedOthers(survey.id, adopted)
