"""The pages of publications: what waits, what was refused, what exactly is or would be sent."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Annotated, Literal

from fastapi import Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import publications as actions
from gitpip.actions import repairs as repair_actions
from gitpip.actions.acting import Acting
from gitpip.actions.repairs import RepairAction
from gitpip.backfill import Backfill, BackfillKind
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.errors import HeldChanged, InvalidInput, PublicationStateError
from gitpip.model import Publication, PublicationId, PublicationState, Role
from gitpip.modes import FoundCredentials, PublishingMode
from gitpip.publication_states import STATES
from gitpip.publish.policy import Policies
from gitpip.publish.preview import conditions
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications import (
    approvals,
    bounded_counts,
    causes,
    held,
    progress,
    publications,
    repairs,
    sent_again,
    undone,
)
from gitpip.store.publications.causes import MAX_CAUSES, Cause
from gitpip.store.publications.held import Held
from gitpip.store.publications.repairs import PublicationLeftBecause
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_publishing import RepairAct
from gitpip.store.status import pauses
from gitpip.store.status.pauses import Pausable
from gitpip.validation import any_of
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages import forms
from gitpip.web.pages.forms import NEW_PAUSE, PauseForm
from gitpip.web.pages.repairs import Asked, Numbers, RepairFilter, ask
from gitpip.web.pages.router import page_router
from gitpip.web.pages.status import PLACES
from gitpip.web.reader_zone import reader_zone
from gitpip.web.render.faults import FormFault, fault_words
from gitpip.web.render.jinja import render

PUBLICATIONS_PER_PAGE = 50
HELD_USERS = 10
"""The most users that are asked about at once, those that wait longest."""

USUAL = ("pending", "failed", "held", "published", "skipped")
"""States that can be chosen even while nothing is in them."""
ACTS: Mapping[str, tuple[str, ...]] = {
    "": ("retry", "skip", "approve", "hold", "send-again"),
    PublicationState.FAILED: ("retry", "skip"),
    PublicationState.HELD: ("approve", "skip"),
    PublicationState.PENDING: ("retry", "hold", "skip"),
    PublicationState.SKIPPED: ("retry",),
    PublicationState.WITHDRAWN: ("retry", "send-again"),
    PublicationState.PUBLISHED: ("send-again",),
}
"""The acts on all files in a state."""
DID: Mapping[RepairAct, str] = {
    RepairAct.APPROVE: "approved",
    RepairAct.HOLD: "held",
    RepairAct.RETRY: "retried",
    RepairAct.SEND_AGAIN: "queued",
    RepairAct.SKIP: "skipped",
}
"""The field of `ActResult` for an act on selected files."""
SENT: Mapping[PublicationState, str] = {
    PublicationState.HELD: "approved",
    PublicationState.FAILED: "retried",
}
"""The same for one file that is sent after all, by its state before; others were queued."""

router = page_router()


@dataclass(frozen=True)
class _Attention:
    """The files that a person has to decide about."""

    causes: tuple[Cause, ...] = ()
    newest: Mapping[PublicationId, Publication] = field(default_factory=dict)
    """One publication of each cause."""
    ungrouped: int = 0
    """The number of failed files, where they are too many to be grouped here."""
    held: tuple[Held, ...] = ()
    held_files: int = 0


@dataclass(frozen=True)
class _Done:
    """The result of an act on selected files."""

    number: int
    left: int
    """The number of selected files that were left because they may hold credentials."""
    others: list[PublicationState]
    """The states of selected files in which the act can't be done to them."""


@dataclass(frozen=True)
class ActResult:
    """The result of an act on files, from the address of the page that shows it."""

    approved: Annotated[int | None, Query(ge=0, le=10**9)] = None
    retried: Annotated[int | None, Query(ge=0, le=10**9)] = None
    queued: Annotated[int | None, Query(ge=0, le=10**9)] = None
    skipped: Annotated[int | None, Query(ge=0, le=10**9)] = None
    held: Annotated[int | None, Query(ge=0, le=10**9)] = None
    left: Annotated[int | None, Query(ge=0, le=10**9)] = None
    """The number of files that were left, as they are held for credentials."""
    unchanged: Annotated[int | None, Query(ge=0, le=10**9)] = None
    """The number of files that were left, as they had changed meanwhile."""
    now: Annotated[list[PublicationState] | None, Query()] = None
    """The states of those."""

    @property
    def sentence(self) -> str:
        """Return what was done, for people; empty if nothing."""
        numbers = {
            "Approved": self.approved,
            "Retried": self.retried,
            "Queued": self.queued,
            "Skipped": self.skipped,
            "Held": self.held,
        }
        done = [f"{did} {count(number, 'file')}." for did, number in numbers.items() if number]
        if self.left:
            one = "1 file was left because it may hold credentials. Review it."
            many = f"{self.left:,} files were left because they may hold credentials. Review each."
            done.append(one if self.left == 1 else many)
        if self.unchanged:
            done.append(self._unchanged)
        if not done and any(number is not None for number in numbers.values()):
            return "Nothing changed."
        return " ".join(done)

    @property
    def _unchanged(self) -> str:
        left = f"{count(self.unchanged or 0, 'file')} did not change."
        if not self.now:
            return left
        whose = "Its" if self.unchanged == 1 else "Their"
        return f"{left} {whose} status is now {any_of(STATES[one] for one in self.now)}."


EVERY_STATE = RepairFilter()


@dataclass(frozen=True)
class SyncList:
    """The part of the list that an address means."""

    asked: RepairFilter = EVERY_STATE
    offset: int = 0
    latest: int | None = None
    """The number of gists of which the held files may be approved."""
    tried: Pausable | Literal[""] = ""
    """The pause that the reader has just ended."""


ALL_FILES = SyncList()
NO_ATTENTION = _Attention()
Offset = Annotated[int, Query(ge=0, le=10**9)]
PublicationPath = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/publications")
@needs(Role.VIEWER)
async def list_publications(
    *,
    request: Request,
    context: Context,
    asked: Asked,
    told: Annotated[ActResult, Depends()],
    latest: Annotated[int | None, Query(ge=1, le=999_999)] = None,
    offset: Offset = 0,
    tried: Pausable | Literal[""] = "",
) -> HTMLResponse:
    """Show what needs attention, by its causes; then what waits, and until when, and what was sent.

    With `latest`, also what would become of all held files if so many gists were approved.
    """
    wanted = SyncList(asked, offset, latest, tried)
    return await sync_page(request, context, wanted, notice=told.sentence)


async def sync_page(
    request: Request,
    context: AppContext,
    listed: SyncList = ALL_FILES,
    *,
    notice: str = "",
    fault: FormFault | None = None,
    pausing: PauseForm = NEW_PAUSE,
) -> HTMLResponse:
    """Return the list, with a notice or with the reason why a form was refused."""
    asked = listed.asked
    zone = reader_zone(request)
    values = await _read(context, listed, zone)
    shown = await asyncio.to_thread(
        render,
        "publications.html",
        page="publications",
        most=bounded_counts.MAX_COUNTED,
        asked=asked,
        notice=notice,
        fault=fault or pausing.fault,
        pausing=pausing,
        latest=listed.latest,
        tried_pause=listed.tried,
        narrowed=bool(replace(asked, state="").address("")),
        possible=ACTS.get(asked.state, ()),
        places=PLACES,
        zone=str(zone),
        states=list(PublicationState),
        usual=USUAL,
        state=asked.state,
        offset=listed.offset,
        rows=PUBLICATIONS_PER_PAGE,
        **values,
    )
    return HTMLResponse(shown)


async def _read(context: AppContext, shown: SyncList, zone: tzinfo) -> dict[str, object]:
    """Return what the template shows of the rows; days are in the time zone of the reader."""
    now, asked, offset, latest = utc_now(), shown.asked, shown.offset, shown.latest
    first = not offset and not asked.address("")
    async with context.database.read() as transaction:
        wanted = asked.selection(zone)
        listed = await publications.listed(
            transaction, wanted, offset=offset, limit=PUBLICATIONS_PER_PAGE + 1
        )
        counts = await bounded_counts.count(transaction)
        total, total_most = await _found(transaction, asked, wanted, counts)
        needing = await _attention(transaction, counts) if first else NO_ATTENTION
        answer = None if latest is None else Backfill(BackfillKind.LATEST, count=latest)
        tried = await held.tried(transaction, answer) if first and answer else None
        waiting = progress.waiting_in(counts)
        left = await progress.time_left(transaction, waiting, now)
        stops = await context.stops(transaction)
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        links = await context.links(transaction)
        trying = await pauses.is_tried(transaction, shown.tried or pauses.PUBLISHING, now)
    return {
        "listed": listed[:PUBLICATIONS_PER_PAGE],
        "more": len(listed) > PUBLICATIONS_PER_PAGE,
        "total": total,
        "total_most": total_most,
        "tried": tried,
        "first": first,
        "counts": counts,
        "needing": counts.get(PublicationState.FAILED, 0) + counts.get(PublicationState.HELD, 0),
        "causes": needing.causes,
        "newest": needing.newest,
        "ungrouped": needing.ungrouped,
        "held": needing.held,
        "counts_held": needing.held_files,
        "waiting": waiting,
        # In ask mode most of what is queued will be held, as soon as it is looked at; in a dry run
        # it is not sent.
        "left": left if stops.mode is PublishingMode.AUTOMATIC and not trying else None,
        "trying": trying,
        "stopped": stops.held_up(pauses.PUBLISHING),
        "stops": stops,
        "account": account,
        "links": links,
        "now": now,
    }


@router.get("/publications/{publication_id}")
@needs(Role.VIEWER)
async def publication(
    publication_id: PublicationPath,
    context: Context,
    asked: Asked,
    offset: Offset = 0,
) -> HTMLResponse:
    """One publication, and what exactly is or would be sent."""
    async with context.database.read() as transaction:
        row = await publications.get(transaction, PublicationId(publication_id))
        activity = await context.preview(transaction, row.file_key, row.revision)
        without = None
        if activity.can_be_masked and row.state in approvals.ASKING:
            without = await context.preview(
                transaction, row.file_key, row.revision, credentials=FoundCredentials.MASK
            )
        policies = Policies(context.settings.publishing)
        sent = await conditions(transaction, activity.day, policies=policies, now=utc_now())
        guard = (await policies.read(transaction)).credentials
        stops = await context.stops(transaction)
        earlier = await sent_again.earlier(transaction, row.id)
        adopted = await undone.is_of_another_tool(transaction, row.id)
        links = await context.links(transaction)
    page = render(
        "publication.html",
        earlier=earlier,
        adopted=adopted,
        page="publications",
        row=row,
        stops=stops,
        now=utc_now(),
        activity=activity,
        without=without,
        places=PLACES,
        sent=sent,
        guard=guard,
        links=links,
        came_from=asked.address(offset=offset),
        asked=asked,
        offset=offset,
    )
    return HTMLResponse(page)


@router.post("/publications/held")
@needs(Role.OPERATOR)
async def decide_held_of_all(
    request: Request,
    context: Context,
    acting: CurrentActing,
    approve: forms.Field = "",
    latest: forms.Field = "",
    shown: forms.Field = "",
) -> Response:
    """Publish the held files of all users: all, the latest gists, or none. The rest is skipped."""
    try:
        number = forms.read_field("shown", forms.number_of_files, shown)
        approved = forms.answer_of(approve, latest)
        answered = await actions.decide_held_of_all(acting, approved, shown=number)
    except (InvalidInput, HeldChanged) as error:
        return await refused(request, context, error)
    return RedirectResponse(
        EVERY_STATE.address(approved=answered.published, skipped=answered.skipped),
        status_code=303,
    )


@router.post("/publications/selected")
@needs(Role.OPERATOR)
async def act_on_selected(
    *,
    request: Request,
    act: Annotated[RepairAct, Form()],
    acting: CurrentActing,
    number: Numbers = None,
    context: Context,
    asked: Asked,
    login: Annotated[str, Form(max_length=2_000)] = "",
    everything: Annotated[bool, Form()] = False,
    offset: Offset = 0,
) -> Response:
    """Approve, hold, retry or skip publications: those that are selected, of a user, or all.

    Before they are sent again, the next page asks. Files that are held for credentials are left:
    they are sent from their own pages, which show what is sent.
    """
    ids = tuple(map(PublicationId, dict.fromkeys(number or ())))
    wanted = PublicationFilter(ids=ids, login=login, everything=everything)
    if act is RepairAct.SEND_AGAIN:
        return await ask(context, RepairAction(act, wanted), asked)
    if act in {RepairAct.RETRY, RepairAct.SKIP}:
        done = await _repaired(acting, RepairAction(act, wanted, reviewed=False))
    else:
        which = actions.PublicationChoice(ids, login, everything, reviewed=False)
        decide = actions.approve if act is RepairAct.APPROVE else actions.hold
        try:
            moved = await decide(acting, which)
        except (InvalidInput, PublicationStateError) as error:
            return await refused(request, context, error, SyncList(asked, offset))
        others = sorted({one.state for one in moved.left})
        done = _Done(len(moved.ids), moved.for_credentials if ids else 0, others)
    told: dict[str, int | list[PublicationState]] = {}
    if done.number or not done.left:
        told[DID[act]] = done.number
    if done.left:
        told["left"] = done.left
    if done.number + done.left < len(ids):
        told |= {"unchanged": len(ids) - done.number - done.left, "now": done.others}
    return RedirectResponse(asked.address(offset=offset, **told), status_code=303)


@router.post("/publications/{publication_id}/{act}")
@needs(Role.OPERATOR)
async def act_on_publication(
    *,
    publication_id: PublicationPath,
    act: Literal["retry", "skip"],
    request: Request,
    context: Context,
    acting: CurrentActing,
    asked: Asked,
    credentials: Annotated[FoundCredentials | None, Form()] = None,
    offset: Offset = 0,
) -> Response:
    """Send a publication after all, or not at all; then back to the list one came from.

    A file that is held for credentials is sent by the buttons that say how. Others lead to its
    page.
    """
    chosen = PublicationId(publication_id)
    if act == "retry" and credentials is None:
        async with context.database.read() as transaction:
            if await approvals.asking_about_credentials(transaction, [chosen]):
                where = asked.address(f"/publications/{chosen}", offset=offset)
                return RedirectResponse(where, status_code=303)
    async with context.database.read() as transaction:
        before = (await publications.get(transaction, chosen)).state
    try:
        if act == "skip":
            await actions.skip(acting, chosen)
        else:
            await actions.retry(acting, chosen, credentials)
    except PublicationStateError as error:
        return await refused(request, context, error, SyncList(asked, offset))
    told = {"skipped" if act == "skip" else SENT.get(before, "queued"): 1}
    return RedirectResponse(asked.address(offset=offset, **told), status_code=303)


async def refused(
    request: Request,
    context: AppContext,
    error: InvalidInput | HeldChanged | PublicationStateError,
    listed: SyncList = ALL_FILES,
) -> Response:
    """Return the list with the reason why an act was refused, as after another person's act."""
    fault = FormFault(fault_words(error))
    page = await sync_page(request, context, listed, fault=fault)
    page.status_code = 422 if isinstance(error, InvalidInput) else 409
    return page


async def _repaired(acting: Acting, order: RepairAction) -> _Done:
    """Retry or skip; nothing is begun if none of the selected files can be."""
    counted = None
    if order.wanted.ids:
        async with acting.database.read() as transaction:
            counted = await repair_actions.counted(transaction, order)
    number = 0
    if counted is None or counted.total:
        begun = await repair_actions.begin(acting, order)
        number = (await repair_actions.carry_out(acting, begun.id)).done
    left = counted.left if counted else ()
    asking = [one for one in left if one.because is PublicationLeftBecause.CREDENTIALS]
    possible = repairs.POSSIBLE[order.act]
    return _Done(
        number,
        sum(one.publications for one in asking),
        [one.state for one in left if one.state not in possible],
    )


async def _found(
    transaction: Transaction,
    asked: Asked,
    wanted: PublicationFilter,
    counts: Mapping[PublicationState, int],
) -> tuple[int, int]:
    """Return how many publications fit the filters, and up to how many that was counted."""
    if asked.address("", state=""):
        found = await bounded_counts.count_found(transaction, wanted)
        return found, bounded_counts.MOST_FOUND
    wanted_counts = [counts.get(asked.state, 0)] if asked.state else counts.values()
    return sum(wanted_counts), bounded_counts.MAX_COUNTED


async def _attention(
    transaction: Transaction, counts: Mapping[PublicationState, int]
) -> _Attention:
    failed = counts.get(PublicationState.FAILED, 0)
    too_many = failed > causes.MOST_GROUPED
    found = () if too_many else await causes.needing_attention(transaction)
    newest = PublicationFilter(ids=tuple(one.newest for one in found))
    rows = (
        await publications.listed(transaction, newest, offset=0, limit=MAX_CAUSES) if found else ()
    )
    all_held = await held.summary(transaction)
    return _Attention(
        causes=found,
        newest={row.id: row for row in rows},
        ungrouped=failed if too_many else 0,
        held=await held.everyone(transaction, limit=HELD_USERS),
        held_files=all_held.files if all_held else 0,
    )
