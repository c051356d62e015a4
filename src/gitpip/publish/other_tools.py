"""Matching activities of other tools with gist files, by a link or by name and content.

The original program wrote the file's name as the subject and its content as the note, under a deal
with the login as its title. Workflows as those of n8n write the gist's description into the
subject, and a link to the gist into the note.
"""

import html
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gitpip.model import UserKey
from gitpip.publish.activity import find_markers
from gitpip.publish.destination import Item
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.database import Transaction
from gitpip.store.schema_surveys import Confidence
from gitpip.store.surveys import comparing, others
from gitpip.store.surveys.others import MatchCandidate

SHORT_CONTENT = 20
"""The length below which a content may be in a note by chance."""
_LINK = re.compile(r"https?://[^\s\"'<>()]*gist[^\s\"'<>()]*", re.IGNORECASE)
_GIST_ID = re.compile("[0-9a-f]{20,40}|[0-9]{4,12}")
_TAG = re.compile("<[^<>]*>")
_WORD = re.compile(r"\w+")
_NEUTRAL = frozenset(
    _WORD.findall(
        "a an and at by code created file files for from gist gists github in latest new none null"
        " of on posted public published saved shared snippet the undefined untitled"
    )
)
"""The words that a workflow writes around a description or a name. A person's subject has other
words."""
_BESIDE_LINKS = _NEUTRAL | {"here", "link", "open", "see", "url", "view"}
_GIST_WORDS = frozenset({"gist", "gists"})
_PARTS_OF_GISTS = frozenset({"comments", "forks", "stargazers"})
"""Pages of a gist that are about contributions of others."""


@dataclass(frozen=True)
class Link:
    """A link to a gist, or to one of its files."""

    gist_id: str
    host: str
    filename: str | None = None
    """The name in an address of raw content."""
    anchor: str | None = None
    """The anchor of a file on the gist's page."""


@dataclass(frozen=True)
class ActivityTexts:
    """The texts of an activity."""

    subject: str
    """The subject with single spaces and without the escapes of HTML."""
    text: str
    """The subject as it is."""
    whole: frozenset[str]
    """The note as it is, and without the escapes of HTML, both with single spaces."""
    stripped: frozenset[str]
    """The same texts without tags."""
    has_tags: bool
    bare: str
    """The note without tags, with single spaces."""
    links: frozenset[Link]


@dataclass(frozen=True)
class FileMatch:
    """The file that an activity matches, with the confidence; or why no file matches."""

    candidate: MatchCandidate | None
    confidence: Confidence
    because: str
    agrees: bool = False


def read(item: Item) -> ActivityTexts:
    """Return the texts of an activity."""
    note = item.note or ""
    plain = html.unescape(note)
    subject = _spaced(html.unescape(item.text))
    links = frozenset(
        found
        for text in _LINK.findall(f"{plain} {item.text}")
        if (found := link_in(text)) is not None
    )
    bare = _spaced(html.unescape(_TAG.sub(" ", note)))
    return ActivityTexts(
        subject,
        item.text,
        frozenset({_spaced(note), _spaced(plain)}),
        frozenset({bare, _spaced(_TAG.sub(" ", plain))}),
        _TAG.search(note) is not None,
        bare,
        links,
    )


def link_in(address: str) -> Link | None:
    """Return the gist that an address leads to, or None."""
    try:
        parts = urlsplit(address.rstrip(".,;:!?"))
        host = parts.hostname or ""
    except ValueError:
        return None
    if "permalink_comment_id" in parts.query:
        return None
    steps = [unquote(step) for step in parts.path.split("/") if step]
    for number, step in enumerate(steps[:3]):
        gist_id = step.removesuffix(".git").removesuffix(".js")
        if _GIST_ID.fullmatch(gist_id):
            rest = steps[number + 1 :]
            if rest and rest[0] in _PARTS_OF_GISTS:
                return None
            raw = len(rest) > 1 and rest[0] == "raw"
            anchor = parts.fragment if parts.fragment.startswith("file-") else None
            return Link(gist_id, host, rest[-1] if raw else None, anchor)
    return None


def anchor_of(filename: str) -> str:
    """Return the anchor by which the page of a gist names one of its files."""
    return "file-" + re.sub(r"[^a-z0-9_]+", "-", filename.lower()).strip("-")


async def matches(
    transaction: Transaction, survey_id: int, items: Sequence[Item], account: VendorAccount
) -> list[dict[str, object]]:
    """Return the rows of those activities that other tools may have made of gist files."""
    ours = await comparing.ours(transaction, {item.id for item in items})
    strange = {item.id: (item, read(item)) for item in items if not _is_ours(item, ours, account)}
    deal_ids = {item.deal_id for item, _ in strange.values() if item.deal_id is not None}
    owners = await others.deal_owners(transaction, survey_id, deal_ids)
    gist_ids = {link.gist_id for _, written in strange.values() for link in written.links}
    by_gist = await others.files_of_gists(transaction, gist_ids)
    named = await others.files_named(
        transaction,
        {
            (owners[item.deal_id], written.subject)
            for item, written in strange.values()
            if item.deal_id is not None and item.deal_id in owners and written.subject
        },
    )
    rows: list[dict[str, object]] = []
    for item, written in strange.values():
        owner = owners.get(item.deal_id or 0)
        linked = {
            link.gist_id: by_gist[link.gist_id]
            for link in written.links
            if any(link.host in one.hosts for one in by_gist.get(link.gist_id, ()))
        }
        found: FileMatch | None = None
        if linked:
            found = by_link(written, linked, owner)
        elif owner is not None:
            found = by_name(written, named.get((owner, written.subject), []))
        if found is not None and (found.candidate is None or found.candidate.adoptable):
            rows.append(_row(survey_id, item, found, owner))
    return rows


def _is_ours(item: Item, ours: frozenset[int], account: VendorAccount) -> bool:
    found = find_markers(subject=item.text, note=item.note)
    by_us = item.creator_id in account.creators
    return item.id in ours or found.marker(created_by_us=by_us) is not None


def _row(survey_id: int, item: Item, found: FileMatch, owner: UserKey | None) -> dict[str, object]:
    one = found.candidate
    return {
        "survey_id": survey_id,
        "activity_id": item.id,
        "publication_id": one.publication_id if one else None,
        "user_key": one.user_key if one else owner,
        "confidence": found.confidence,
        "because": found.because,
        "deal_id": item.deal_id,
        "deal_agrees": found.agrees,
        "added_at": item.added_at,
    }


def by_link(
    written: ActivityTexts, linked: dict[str, list[MatchCandidate]], owner: UserKey | None
) -> FileMatch:
    """Return the file of an activity that links to stored gists."""
    if len(linked) > 1:
        return FileMatch(None, Confidence.AMBIGUOUS, f"it links to {len(linked)} gists")
    ((gist_id, files),) = linked.items()
    links = [link for link in written.links if link.gist_id == gist_id]
    specific = [one for one in files if any(_names(link, one) for link in links)]
    named = len(specific) == 1
    if not specific and all(link.filename or link.anchor for link in links):
        # The link is to a file that was renamed, or deleted before it was found here: it is no
        # other file's.
        return FileMatch(
            None, Confidence.AMBIGUOUS, "it links to a file that the gist does not have"
        )
    left = specific or files
    if len(left) > 1:
        left = [one for one in left if one.filename == written.subject] or [
            one for one in left if is_content(written, one)
        ]
    if len(left) != 1:
        return FileMatch(
            None, Confidence.AMBIGUOUS, f"it links to a gist with {len(files)} files, not to one"
        )
    one = left[0]
    agrees = owner == one.user_key
    if is_content(written, one) and agrees:
        why = "it links to the gist, contains the content, and is on the user's deal"
        return FileMatch(one, Confidence.CERTAIN, why, agrees)
    if agrees and _tells_of(written, one, named=named):
        what = "the file" if named else "the gist, and describes it"
        return FileMatch(
            one, Confidence.CERTAIN, f"it links to {what}, and is on the user's deal", agrees
        )
    where = "on the user's deal, but may be a remark about it" if agrees else "on another deal"
    return FileMatch(one, Confidence.LIKELY, f"it links to the gist, and is {where}", agrees)


def _names(link: Link, one: MatchCandidate) -> bool:
    return link.filename == one.filename or link.anchor == anchor_of(one.filename)


def _tells_of(written: ActivityTexts, one: MatchCandidate, *, named: bool) -> bool:
    """Return whether an activity says only which gist or file it is about: a person's says more.

    `named` says that its link names the file.
    """
    told = {_spaced(one.description or "").lower(), one.filename.lower()} - {""}
    subject = _spaced(_LINK.sub(" ", written.subject)).lower()
    around, beside = _words_around(subject, told), _words_around(_remark(written).lower(), told)
    owner = frozenset(_WORD.findall(one.login.lower()))
    if around - _NEUTRAL - owner or beside - _BESIDE_LINKS - owner:
        return False
    return named or bool(around & _GIST_WORDS) or any(_stands_in(text, subject) for text in told)


def _words_around(text: str, told: Collection[str]) -> frozenset[str]:
    """Return the words of a text without these names."""
    for name in sorted(told, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text)
    return frozenset(_WORD.findall(text))


def _remark(written: ActivityTexts) -> str:
    """Return the text of a note without its links."""
    return _spaced(_LINK.sub(" ", written.bare))


def _stands_in(text: str, subject: str) -> bool:
    """Return whether a text is in a subject, and not as a part of a longer word."""
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", subject) is not None


def by_name(written: ActivityTexts, files: Sequence[MatchCandidate]) -> FileMatch | None:
    """Return the file of a deal's user whose name is the subject."""
    if not files:
        return None
    exact = [one for one in files if _is_exact(written, one)]
    same = exact or [one for one in files if is_content(written, one)]
    if len(same) == 1:
        return _named(written, same[0], exact=bool(exact))
    if len(same) > 1:
        return _one_of_several(written, same, exact=bool(exact))
    holding = [one for one in files if _holds(written, one)]
    if len(holding) == 1:
        why = "its subject is the file's name, and its note contains the content and other text"
        return FileMatch(holding[0], Confidence.LIKELY, why, agrees=True)
    if len(files) > 1:
        why = f"{len(files)} files of the user have this name, and the note matches none of them"
        return FileMatch(None, Confidence.AMBIGUOUS, why)
    why = "its subject is the file's name, but its note is not the content"
    return FileMatch(files[0], Confidence.POSSIBLE, why, agrees=True)


def _named(written: ActivityTexts, one: MatchCandidate, *, exact: bool) -> FileMatch:
    """Return the file named by the subject, if the note is its content, exactly or nearly."""
    if one.filename != written.text:
        why = "its note is the file's content, and its subject is nearly the name"
        return FileMatch(one, Confidence.LIKELY, why, agrees=True)
    if not exact and written.has_tags:
        why = "its subject is the file's name, and its note the content with other tags"
        return FileMatch(one, Confidence.LIKELY, why, agrees=True)
    why = "its subject is the file's name, its note the content, and its deal the user's"
    return FileMatch(one, Confidence.CERTAIN, why, agrees=True)


def _one_of_several(
    written: ActivityTexts, same: Sequence[MatchCandidate], *, exact: bool
) -> FileMatch:
    """Return one of several files with this name and content; `pair` chooses once all are known."""
    why = f"{len(same)} files of the user have this name and content"
    one = next((each for each in same if each.adoptable), same[0])
    is_sure = _named(written, one, exact=exact).confidence is Confidence.CERTAIN
    if not is_sure or len({_spaced(each.content or "") for each in same}) > 1:
        return FileMatch(None, Confidence.AMBIGUOUS, why)
    return FileMatch(one, Confidence.AMBIGUOUS, why, agrees=True)


async def pair(transaction: Transaction, survey_id: int) -> None:
    """Give each of several files with the same name and content an activity of its own.

    It makes no difference which file gets which: they say the same, under deals of the same user.
    """
    several = await others.fitting_several(transaction, survey_id)
    named = await others.files_named(transaction, {(one.user_key, one.filename) for one in several})
    taken = await others.fitting_one(transaction, survey_id)
    groups: defaultdict[tuple[UserKey, str, str], list[int]] = defaultdict(list)
    for one in several:
        files = {each.publication_id: each for each in named[one.user_key, one.filename]}
        content = _spaced(files[one.publication_id].content or "")
        groups[one.user_key, one.filename, content].append(one.activity_id)
    for (user_key, filename, content), activities in groups.items():
        twins = [
            each
            for each in named[user_key, filename]
            if _spaced(each.content or "") == content and each.publication_id not in taken
        ]
        confidence, because = _confidence_of_pairs(len(activities), len(twins))
        for activity_id, one_of_them in pairs(activities, twins):
            await others.choose(
                transaction,
                survey_id,
                activity_id,
                one_of_them.publication_id,
                confidence=confidence,
                because=because,
            )


def pairs(
    activities: Sequence[int], twins: Sequence[MatchCandidate]
) -> list[tuple[int, MatchCandidate]]:
    """Return activities, oldest first, with the files of the oldest gists that they are matched to.

    Files that gitpip has sent itself are not matched. Activities beyond the number of files are
    further copies.
    """
    left = sorted(
        (each for each in twins if each.adoptable),
        key=lambda each: (each.created_at, each.publication_id),
    )
    return list(zip(activities, left, strict=False))


def _confidence_of_pairs(activities: int, files: int) -> tuple[Confidence, str]:
    same = f"{files} files of the user have this name and content, and {activities} activities"
    if activities < files:
        return Confidence.LIKELY, f"{same}: gitpip assigns them to the oldest gists"
    return Confidence.CERTAIN, f"{same}: each file gets one, the oldest first"


def _is_exact(written: ActivityTexts, one: MatchCandidate) -> bool:
    """Return whether a note is a file's content, apart from spaces."""
    content = _spaced(one.content or "")
    return bool(content) and content in written.whole


def is_content(written: ActivityTexts, one: MatchCandidate) -> bool:
    """Return whether a note is a file's content, apart from spaces and Pipedrive's HTML."""
    content = _spaced(one.content or "")
    if not content:
        return False
    bare = _spaced(_TAG.sub(" ", one.content or ""))
    return bool(({content, bare} - {""}) & (written.whole | written.stripped))


def _holds(written: ActivityTexts, one: MatchCandidate) -> bool:
    content = _spaced(one.content or "")
    return len(content) >= SHORT_CONTENT and any(
        content in text for text in written.whole | written.stripped
    )


def _spaced(text: str) -> str:
    return " ".join(text.split())
