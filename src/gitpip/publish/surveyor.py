"""Surveys: reading a whole account page by page, for an audit or for activities of other tools.

Each page is stored with the cursor of the next page, in one transaction. So a survey that is
interrupted by a limit, a restart or a kill continues with the page at which it stopped.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from gitpip.backoff import backoff
from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import User, UserKey
from gitpip.observability.logging import get_logger
from gitpip.publish.account_guard import company_of
from gitpip.publish.activity import find_markers
from gitpip.publish.audit_lines import only_on_github, stranger
from gitpip.publish.audit_turns import DONE, AuditTurn, next_turn
from gitpip.publish.delivery import NotProcessed, Refused
from gitpip.publish.destination import DAILY_RESERVE, Destination, Item, ListPage, LookFailed
from gitpip.publish.other_tools import matches, pair
from gitpip.publish.verdicts import (
    FileName,
    GitHubSide,
    ListedFile,
    destination_part,
    github_part,
    worst,
)
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.database import Database, Transaction
from gitpip.store.gists import unreadable
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_surveys import (
    Step,
    SurveyKind,
    other_activities,
    survey_activities,
    survey_deals,
)
from gitpip.store.surveys import comparing, lines, others, surveys
from gitpip.store.surveys.lines import NewLine
from gitpip.store.surveys.surveys import Survey
from gitpip.store.users import users

LIST_COST, OWNER_COST = 10, 2
"""The tokens of Pipedrive's daily budget for a page and for the owner of the token."""
SHARE_LEFT = 10
"""The part of the daily budget (a tenth) that a survey leaves to publishing."""
RESERVE_PAUSE = timedelta(minutes=10)
"""The pause if only the reserve is left. The reset is at midnight of an unnamed time zone, so it is
tried now and then, for 2 tokens each."""
BUDGET_PAUSE = timedelta(minutes=30)
"""The pause if Pipedrive says that the budget is used up."""
FAILURE_PAUSE = timedelta(minutes=1)
MOST_FAILURES = 6
"""The failures in a row after which a survey fails, with growing waits between them: after half an
hour."""
MOST_RESTARTS = 3
"""The readings of a list from its start before it counts as always refused."""
MOST_REFUSALS = 3
"""The number of times GitHub may ask to wait for a user before the rest is compared without
GitHub's list.

The user is put last after the first time, so others are read before the next ones.
"""
BEFORE_SINCE = timedelta(days=1)
"""The time before `since` at which the list ends: clocks and time zones differ."""

log = get_logger()


class MustWait(Exception):
    """A survey can't continue before `until` (UTC).

    `refused` says that GitHub answered the request about this user by asking to wait, and that this
    counts as a failure.
    """

    def __init__(self, until: datetime, reason: str, *, refused: bool = False) -> None:
        self.until = until
        self.refused = refused
        super().__init__(reason)


class ClaimLost(Exception):
    """Another process carries out the survey now: what was to be written is rolled back."""


ReadGists = Callable[[User], Awaitable[Mapping[FileName, ListedFile] | str]]
"""A function that returns a user's public gist files at GitHub, or why GitHub did not tell; raises
MustWait."""


class Surveyor:
    """Advances surveys, one at a time. `now` returns our own time (UTC)."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        read_gists: ReadGists,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._destination = destination
        self._read_gists = read_gists
        self._now = now

    async def due(self) -> bool:
        """Return whether a survey is waiting."""
        if not self._destination.has_token:
            return False
        async with self._database.read() as transaction:
            return await surveys.any_due(transaction, self._now())

    async def run(self, only: int | None = None) -> bool:
        """Advance a survey, the one with the id `only` or the oldest; return False if none waits.

        It continues to its end, or to a limit. An error concerns only this survey: it is tried
        again later, fails after several times, and does not block the others. Raises
        DatabaseUnavailable.
        """
        async with self._database.begin() as transaction:
            survey = await surveys.claim(transaction, self._now(), only)
        if survey is None:
            return False
        with suppress(ClaimLost):
            await self._bring_forward(survey)
        return True

    async def _bring_forward(self, survey: Survey) -> None:
        account = None
        try:
            account = await self._account(survey)
            while account is not None:
                present = await self._step(survey, account)
                if present is None or present.step is Step.END:
                    break
                survey = present
        except MustWait as wait:
            failures = survey.failures + wait.refused
            await self._wait(survey, wait.until, str(wait), failures=failures)
        except LookFailed as failure:
            spent = OWNER_COST if account is None else LIST_COST
            await self._after(survey, failure, spent)
        except (ClaimLost, DatabaseUnavailable):
            raise
        except Exception:
            log.exception("survey.broken", survey=survey.id)
            await self._failed(survey, OWN_FAULT)

    async def _account(self, survey: Survey) -> VendorAccount | None:
        """Return the account that the rows belong to, or None if another one is set."""
        named = company_of(await self._destination.owner())
        credential = self._destination.fingerprint
        async with self._database.begin() as transaction:
            known = await accounts.meet(transaction, named, credential=credential, now=self._now())
            bound = await accounts.bound(transaction, Vendor.DESTINATION)
            read_before = survey.account_key or known.key
            if not known.bound or read_before != known.key:
                of = bound.name if bound else "no account"
                why = f"the token belongs to {named.name}, and the data to {of}"
                if read_before != known.key:
                    why = f"another account was set meanwhile: {named.name}"
                now = self._now()
                await surveys.release(transaction, survey, failure=why, ended_at=now, step=Step.END)
                return None
            await surveys.note(
                transaction, survey, self._now(), account_key=known.key, spent=OWNER_COST
            )
        self._keep_reserve()
        return known

    def _keep_reserve(self) -> None:
        """Raise MustWait if the rest of the daily budget must be left to publishing."""
        remaining, limit = self._destination.daily_remaining, self._destination.daily_limit
        reserve = max(DAILY_RESERVE, (limit or 0) // SHARE_LEFT)
        if remaining is not None and remaining < reserve + LIST_COST:
            raise MustWait(
                self._now() + RESERVE_PAUSE,
                f"{remaining} tokens of Pipedrive's daily budget are left, and {reserve} are kept "
                "for publishing; it goes on when there are more",
            )

    async def _wait(self, survey: Survey, until: datetime, reason: str, **values: object) -> None:
        async with self._database.begin() as transaction:
            await surveys.release(
                transaction, survey, waits_until=until, waits_because=reason, **values
            )
        log.info("survey.waits", survey=survey.id, until=until, reason=reason)

    async def _after(self, survey: Survey, failure: LookFailed, spent: int) -> None:
        """Wait, or fail, after a list could not be read. `spent` is the cost of that."""
        outcome = failure.outcome
        if isinstance(outcome, NotProcessed):
            pause = max(outcome.pause, timedelta(seconds=1))
            if outcome.rate_limit is not None and outcome.rate_limit.daily_remaining == 0:
                pause = BUDGET_PAUSE
            await self._wait(survey, self._now() + pause, str(failure))
        elif isinstance(outcome, Refused) and survey.cursor is not None:
            await self._read_anew(survey, str(failure), spent)
        else:
            await self._failed(survey, str(failure), spent)

    async def _read_anew(self, survey: Survey, reason: str, spent: int) -> None:
        """Read a list from its start: the cursor of one that was read long ago may have expired."""
        restarts = survey.restarts + 1
        if restarts > MOST_RESTARTS:
            await self._failed(
                survey,
                f"{reason}; the list was read from its start {MOST_RESTARTS} times",
                spent,
                at_once=True,
            )
            return
        values: dict[str, Any] = {"cursor": None, "restarts": restarts}
        if survey.step in {Step.DEALS, Step.ACTIVITIES}:
            values[survey.step.value] = 0
        async with self._database.begin() as transaction:
            await self._note(transaction, survey, spent=spent, **values)
            await surveys.forget_sightings(transaction, survey.id, survey.step)
        pause = backoff(restarts, FAILURE_PAUSE, BUDGET_PAUSE)
        await self._wait(survey, self._now() + pause, f"{reason}; the list is read from its start")

    async def _failed(
        self, survey: Survey, reason: str, spent: int = 0, *, at_once: bool = False
    ) -> None:
        """Try again later, or fail after too many failures in a row, or `at_once`."""
        now, failures = self._now(), survey.failures + 1
        if failures < MOST_FAILURES and not at_once:
            async with self._database.begin() as transaction:
                await self._note(transaction, survey, spent=spent, failures=failures)
            pause = backoff(failures, FAILURE_PAUSE, BUDGET_PAUSE)
            await self._wait(survey, now + pause, reason)
            return
        told = reason if at_once else f"{reason} (after {failures} attempts)"
        async with self._database.begin() as transaction:
            await self._note(transaction, survey, spent=spent, failures=failures)
            await surveys.forget_sightings(transaction, survey.id)
            await surveys.release(
                transaction, survey, failure=told, ended_at=now, step=Step.END, cursor=None
            )
        log.warning("survey.failed", survey=survey.id, reason=reason)

    async def _step(self, survey: Survey, account: VendorAccount) -> Survey | None:
        """Read one page, or compare one user's files; return None if the claim is lost."""
        match survey.step:
            case Step.DEALS:
                await self._deals(survey)
            case Step.ACTIVITIES:
                await self._activities(survey, account)
            case Step.FILES:
                await self._files(survey)
            case _:
                await self._strangers(survey)
        async with self._database.read() as transaction:
            present = await surveys.get(transaction, survey.id)
        return present if present.token == survey.token or present.ended_at else None

    async def _deals(self, survey: Survey) -> None:
        self._keep_reserve()
        page = await self._destination.deal_list_page(survey.cursor)
        async with self._database.begin() as transaction:
            named = {deal.id: deal.text for deal in page.items}
            owners = await comparing.deal_users(transaction, named)
            rows: list[dict[str, object]] = [
                {"survey_id": survey.id, "deal_id": deal_id, "user_key": keys[0]}
                for deal_id, keys in owners.items()
            ]
            await surveys.keep(transaction, survey_deals, "deal_id", rows)
            told = {"deals": survey.deals + len(page.items)}
            await self._turn_page(transaction, survey, page, Step.ACTIVITIES, told)

    async def _activities(self, survey: Survey, account: VendorAccount) -> None:
        self._keep_reserve()
        page = await self._destination.activity_page(survey.cursor)
        if survey.since is not None and _ends_before(page, survey.since):
            page = ListPage(page.items, None, page.at, page.unread)
        audit = survey.kind is SurveyKind.AUDIT
        async with self._database.begin() as transaction:
            if audit:
                rows = await _sightings(transaction, survey, page.items, account)
                await surveys.keep(transaction, survey_activities, "activity_id", rows)
            else:
                rows = await matches(transaction, survey.id, page.items, account)
                await surveys.keep(transaction, other_activities, "activity_id", rows)
            told = {"activities": survey.activities + len(page.items)}
            after = Step.FILES if audit else Step.STRANGERS
            await self._turn_page(transaction, survey, page, after, told)

    async def _turn_page(
        self,
        transaction: Transaction,
        survey: Survey,
        page: ListPage,
        after: Step,
        told: Mapping[str, int],
    ) -> None:
        """Write the progress. Raises ClaimLost."""
        step = survey.step if page.cursor is not None else after
        await self._note(
            transaction,
            survey,
            step=step,
            cursor=page.cursor,
            spent=LIST_COST,
            failures=0,
            unread=survey.unread + page.unread,
            **told,
        )

    async def _note(
        self, transaction: Transaction, survey: Survey, *, spent: int = 0, **values: Any
    ) -> None:
        """Write some columns of it. Raises ClaimLost, which leaves the transaction undone."""
        if not await surveys.note(transaction, survey, self._now(), spent=spent, **values):
            raise ClaimLost

    async def _files(self, survey: Survey) -> None:
        """Compare the files of the next user."""
        async with self._database.read() as transaction:
            turn = await next_turn(transaction, survey)
        if turn is None:
            after = Step.STRANGERS if survey.user_key is None else Step.END
            async with self._database.begin() as transaction:
                if after is Step.END:
                    await self._end(transaction, survey)
                else:
                    await self._note(transaction, survey, step=after, cursor=None, put_off=())
            if after is Step.END:
                _log_end(survey)
            return
        side, place = await self._side(survey, turn), turn.place
        while True:
            async with self._database.begin() as transaction:
                some = await comparing.files(transaction, survey, turn.user.key, place)
                found = await self._compared(transaction, survey, turn.user.key, some, side)
                full = len(some) == comparing.COMPARED_AT_ONCE
                if not full:
                    found += await only_on_github(transaction, survey, turn.user.key, side)
                await lines.add(transaction, survey.id, found)
                place = (some[-1].file_key, some[-1].id or 0) if full else DONE
                values: dict[str, Any] = {**turn.moved(survey, place), "failures": 0}
                if not full and side.files is not None:
                    values["github_lists"] = survey.github_lists + 1
                await self._note(transaction, survey, **values)
            if not full:
                return

    async def _side(self, survey: Survey, turn: AuditTurn) -> GitHubSide:
        user = turn.user
        files: Mapping[FileName, ListedFile] | None = None
        fault = None
        if survey.with_github:
            told = await self._listed(survey, turn)
            files, fault = (None, told) if isinstance(told, str) else (told, None)
        async with self._database.read() as transaction:
            # Read after GitHub was asked: what was stored in between is no difference.
            present = await users.get(transaction, user.key)
            faulty = await unreadable.of_user(transaction, user.key)
        return GitHubSide(
            files,
            fault,
            present.state,
            user.complete_until,
            {(one.gist_id, one.filename): one.reason for one in faulty},
        )

    async def _listed(self, survey: Survey, turn: AuditTurn) -> Mapping[FileName, ListedFile] | str:
        """Return the user's files at GitHub, or why it did not tell.

        A user that makes it ask to wait is put last at first. If GitHub asks to wait every time,
        that is the reason. Raises MustWait.
        """
        try:
            return await self._read_gists(turn.user)
        except MustWait as wait:
            if not wait.refused:
                raise
            if not turn.again:
                async with self._database.begin() as transaction:
                    await self._note(transaction, survey, **turn.put_off(survey))
                raise MustWait(wait.until, str(wait)) from None
            if 1 + survey.failures + 1 < MOST_REFUSALS:
                raise
            return f"each of {MOST_REFUSALS} times GitHub was asked, it asked to wait: {wait}"

    async def _compared(
        self,
        transaction: Transaction,
        survey: Survey,
        user_key: UserKey,
        some: Sequence[comparing.ComparedFile],
        side: GitHubSide,
    ) -> list[NewLine]:
        around = await comparing.around(transaction, survey, user_key, some)
        begun_at = survey.begun_at or survey.requested_at
        found = []
        for known in some:
            crm = destination_part(known, around, begun_at)
            github = github_part(known, side)
            told = worst(crm, github)
            seen = crm.seen
            found.append(
                NewLine(
                    user_key,
                    known.gist_id,
                    known.filename,
                    github.state,
                    known.state.value if known.state else "no publication",
                    crm.state,
                    told.verdict,
                    told.explanation,
                    told.detail,
                    seen.activity_id if seen else known.activity_id,
                    seen.deal_id if seen else known.deal_id,
                    known.revision or 1,
                )
            )
        return found

    async def _strangers(self, survey: Survey) -> None:
        """Record what belongs to no publication, and for a search which matches are ambiguous."""
        async with self._database.begin() as transaction:
            some: Sequence[comparing.Stranger] = ()
            if survey.kind is SurveyKind.OTHERS:
                await pair(transaction, survey.id)
                await others.settle(transaction, survey.id)
            else:
                some = await comparing.strangers(transaction, survey, int(survey.cursor or 0))
                await lines.add(transaction, survey.id, list(map(stranger, some)))
            full = len(some) == comparing.COMPARED_AT_ONCE
            if full:
                await self._note(transaction, survey, cursor=str(some[-1].seen.activity_id))
            else:
                await self._end(transaction, survey)
        if not full:
            _log_end(survey)

    async def _end(self, transaction: Transaction, survey: Survey) -> None:
        now = self._now()
        await self._note(transaction, survey, step=Step.END, cursor=None, ended_at=now)
        await surveys.forget_sightings(transaction, survey.id)
        await surveys.release(transaction, survey)


def _log_end(survey: Survey) -> None:
    log.info("survey.ended", survey=survey.id, kind=survey.kind, tokens=survey.tokens)


def _ends_before(page: ListPage, since: datetime) -> bool:
    # Times of a vendor leave a year at each end, and those of a person may not.
    times = [item.added_at for item in page.items if item.added_at is not None]
    return bool(times) and min(times) + BEFORE_SINCE < since


async def _sightings(
    transaction: Transaction, survey: Survey, items: Sequence[Item], account: VendorAccount
) -> list[dict[str, object]]:
    """Return those activities that have a marker of ours or belong to a publication."""
    ours = await comparing.ours(transaction, {item.id for item in items})
    rows: list[dict[str, object]] = []
    for item in items:
        found = find_markers(subject=item.text, note=item.note)
        marker = found.marker(created_by_us=item.creator_id in account.creators)
        if marker is None and item.id not in ours:
            continue
        rows.append(
            {
                "survey_id": survey.id,
                "activity_id": item.id,
                "marker": marker,
                "deal_id": item.deal_id,
                "edited": found.in_subject is None or found.in_footer is None,
            }
        )
    return rows
