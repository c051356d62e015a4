"""The verdicts of an audit on a gist file: GitHub, store and Pipedrive compared, without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitpip.clock import day_and_clock
from gitpip.model import PublicationState, UserState
from gitpip.store.schema_surveys import Verdict
from gitpip.store.surveys.comparing import Around, ComparedFile, SurveySighting

LIST_LAG = timedelta(minutes=10)
"""The time before an audit began in which a published file may be missing in its list: lists lag,
and clocks differ."""

FileName = tuple[str, str]
"""The name of a gist file: the gist's id, and the filename."""


@dataclass(frozen=True)
class SideVerdict:
    """The verdict of one side on a file."""

    state: str
    verdict: Verdict = Verdict.SAME
    explanation: str | None = None
    detail: str | None = None
    seen: SurveySighting | None = None


@dataclass(frozen=True)
class ListedFile:
    """A file as GitHub's list of a user's gists shows it."""

    blob_hash: str
    gist_updated_at: datetime


@dataclass(frozen=True)
class GitHubSide:
    """The gists of one user at GitHub, and how complete the store is. Times are UTC."""

    files: Mapping[FileName, ListedFile] | None
    """The files, or None if GitHub was not asked or did not tell."""
    fault: str | None = None
    """The reason why it did not tell."""
    state: UserState = UserState.ACTIVE
    known_until: datetime | None = None
    """The time before which everything that was public is stored."""
    unreadable: Mapping[FileName, str] = field(default_factory=dict)
    """The reasons why gists (with an empty filename) and files could not be read."""


def github_part(known: ComparedFile, side: GitHubSide) -> SideVerdict:
    """Return how a stored file is on GitHub."""
    if side.files is None:
        return _not_told(side)
    name = known.gist_id, known.filename
    listed = side.files.get(name)
    why = _why_not_known(side, name, listed)
    if listed is None:
        if known.removed_at is not None:
            why = "deleted-on-github", f"seen {day_and_clock(known.removed_at)}"
        return SideVerdict("deleted", Verdict.EXPLAINED, *(why or ("deleted-since-check", None)))
    if known.removed_at is not None:
        return _explained_or("public", why, "shown-again", "gitpip has stored it as deleted")
    if listed.blob_hash != known.blob_hash:
        return _explained_or(
            "edited", why, "edit-not-stored", "gitpip has stored an earlier version"
        )
    return SideVerdict("public")


def _not_told(side: GitHubSide) -> SideVerdict:
    if side.fault is None:
        return SideVerdict("not asked")
    return SideVerdict("not known", Verdict.EXPLAINED, "github-not-read", side.fault)


def not_stored(name: FileName, listed: ListedFile, side: GitHubSide) -> SideVerdict:
    """Return the verdict on a file that GitHub shows and the store does not have."""
    why = _why_not_known(side, name, listed)
    return _explained_or(
        "public", why, "not-in-store", "GitHub shows it, but gitpip has not stored it"
    )


def _why_not_known(
    side: GitHubSide, name: FileName, listed: ListedFile | None
) -> tuple[str, str | None] | None:
    """Return why the store may differ from GitHub, with a detail."""
    reason = side.unreadable.get(name) or side.unreadable.get((name[0], ""))
    if reason is not None:
        return "unreadable", reason
    if side.state is not UserState.ACTIVE:
        return f"user-{side.state.value}", None
    if side.known_until is None:
        return "not-checked-yet", None
    if listed is not None and listed.gist_updated_at >= side.known_until - LIST_LAG:
        until = day_and_clock(side.known_until)
        return "changed-since-check", f"gitpip has stored everything up to {until}"
    return None


def _explained_or(
    state: str, why: tuple[str, str | None] | None, otherwise: str, detail: str
) -> SideVerdict:
    if why is not None:
        return SideVerdict(state, Verdict.EXPLAINED, *why)
    return SideVerdict(state, Verdict.UNEXPLAINED, otherwise, detail)


def destination_part(known: ComparedFile, around: Around, begun_at: datetime) -> SideVerdict:
    """Return how a file is in Pipedrive, by the activities listed since `begun_at`."""
    if known.id is None:
        return SideVerdict(
            "missing", Verdict.UNEXPLAINED, "no-publication", "gitpip never queued it"
        )
    if known.part_of is not None:  # the line of that one says how its activity is
        detail = f"in the activity of publication {known.part_of}"
        return SideVerdict("there", Verdict.EXPLAINED, "with-its-gist", detail)
    mine = None if known.activity_id is None else around.by_activity.get(known.activity_id)
    seen = around.by_marker.get(known.marker or "", ())
    copies = [one for one in seen if one.activity_id != known.activity_id]
    if known.state is not PublicationState.PUBLISHED:
        return _not_published(known, mine or (copies[0] if copies else None))
    if mine is None:
        return _missing(known, copies, around, begun_at)
    return _twice(known, mine, copies, around) or _in_its_deal(known, mine, around)


def _not_published(known: ComparedFile, seen: SurveySighting | None) -> SideVerdict:
    unsettled = known.state in {PublicationState.SENDING, PublicationState.UNCERTAIN}
    if seen is not None and not unsettled:
        detail = f"gitpip has it as {known.state}: run gitpip adopt"
        return SideVerdict("there", Verdict.UNEXPLAINED, "not-known-as-published", detail, seen)
    where = "there" if seen is not None else "missing"
    since = None if known.queued_at is None else f"since {day_and_clock(known.queued_at)}"
    match known.state:
        case PublicationState.SENDING | PublicationState.UNCERTAIN:
            return SideVerdict(
                where, Verdict.EXPLAINED, "being-looked-for", known.reason or since, seen
            )
        case PublicationState.HELD:
            why = known.reason or (known.held_because and known.held_because.value)
            return SideVerdict(where, Verdict.EXPLAINED, "held", why)
        case PublicationState.FAILED | PublicationState.WITHDRAWN:
            return SideVerdict(where, Verdict.EXPLAINED, known.state.value, known.reason)
        case PublicationState.SKIPPED:
            # `queued_at` is empty for files that the backfill rule left out.
            explanation = "before-backfill" if known.queued_at is None else "skipped"
            return SideVerdict(where, Verdict.EXPLAINED, explanation, known.reason)
        case _:
            return SideVerdict(where, Verdict.EXPLAINED, "waits", known.reason or since)


def _missing(
    known: ComparedFile, copies: list[SurveySighting], around: Around, begun_at: datetime
) -> SideVerdict:
    published = known.published_at
    if published is not None and published >= begun_at - LIST_LAG:
        return SideVerdict(
            "missing", Verdict.EXPLAINED, "published-meanwhile", f"{day_and_clock(published)}"
        )
    before = around.missing_known_before
    if before is not None and published is not None and published < before and not copies:
        return SideVerdict("missing", Verdict.EXPLAINED, "acknowledged", f"{day_and_clock(before)}")
    detail = f"Pipedrive does not list activity {known.activity_id}"
    if copies:
        detail += f"; {_named(copies)} has its marker"
    return SideVerdict("missing", Verdict.UNEXPLAINED, "missing", detail)


def _twice(
    known: ComparedFile, mine: SurveySighting, copies: list[SurveySighting], around: Around
) -> SideVerdict | None:
    if not copies:
        return None
    detail = f"{_named(copies)} has the same marker"
    if known.id in around.looked_at_again:
        return SideVerdict("twice", Verdict.EXPLAINED, "looked-at-again", detail, mine)
    if all(one.activity_id in around.acknowledged for one in copies):
        return SideVerdict("twice", Verdict.EXPLAINED, "acknowledged", detail, mine)
    return SideVerdict("twice", Verdict.UNEXPLAINED, "twice", detail, mine)


def _in_its_deal(known: ComparedFile, mine: SurveySighting, around: Around) -> SideVerdict:
    if mine.deal_id != known.deal_id:
        return _moved(known, mine, around)
    explanation = detail = None
    state = "there"
    if around.deal_of_user is not None and mine.deal_id != around.deal_of_user:
        state, explanation = "former deal", "deal-changed"
        detail = f"new files go to deal {around.deal_of_user}"
    elif known.id in around.from_others:
        explanation, detail = "adopted-from-others", "another tool made it; it has no marker"
    elif mine.edited:
        state, explanation = "edited", "edited-by-a-person"
        detail = "its subject or its note no longer has a marker"
    if explanation is None:
        return SideVerdict(state, seen=mine)
    return SideVerdict(state, Verdict.EXPLAINED, explanation, detail, mine)


def _moved(known: ComparedFile, mine: SurveySighting, around: Around) -> SideVerdict:
    detail = f"from deal {known.deal_id} to {mine.deal_id}"
    if mine.deal_id is not None and mine.deal_id == around.deal_of_user:
        return SideVerdict("moved", Verdict.EXPLAINED, "moved-to-deal-of-user", detail, mine)
    if known.deal_id is not None and known.deal_id not in around.deals_there:
        detail += ": the former one was deleted, merged or archived"
        return SideVerdict("moved", Verdict.EXPLAINED, "deal-gone", detail, mine)
    if known.id in around.kept_by_undos:
        return SideVerdict("moved", Verdict.EXPLAINED, "kept-by-undo", detail, mine)
    return SideVerdict("moved", Verdict.UNEXPLAINED, "moved", detail, mine)


def worst(first: SideVerdict, second: SideVerdict) -> SideVerdict:
    """Return the part that decides a line: the first one, unless the second is worse."""
    order = (Verdict.SAME, Verdict.EXPLAINED, Verdict.UNEXPLAINED)
    return second if order.index(second.verdict) > order.index(first.verdict) else first


def _named(sightings: list[SurveySighting]) -> str:
    return ", ".join(f"activity {one.activity_id}" for one in sightings)
