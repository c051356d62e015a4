"""Rendering a gist file as an activity: subject, note and marker.

The templates say what subject and note hold. The markers by which gitpip recognises an activity,
and the limits of length, are here.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date

from gitpip.clock import day_and_clock
from gitpip.marking import CONTENT_TAG_LENGTH, blob_hash_of, content_tag_of, marker_of
from gitpip.model import GistFile, OnDelete, OnEdit
from gitpip.templates import DEFAULTS, Template, Templates
from gitpip.templates.markup import cut
from gitpip.templates.safe_text import escape, fitting, in_a_line, in_lines, link
from gitpip.templates.template import NOTE_LIMIT
from gitpip.templates.variables import TEXT_LIMIT, ActivityValues, Surroundings, Values, values_of

ACTIVITY_SUBJECT_LIMIT = 255
"""Pipedrive documents no cap on a subject; this is the common size of such columns."""

# More than the footer takes, even where Pipedrive has added something to it.
FOOTER_REACH = 4_000
HEADING_LIMIT = 100
"""The most characters of a filename shown above the content, where an activity holds
several files."""


@dataclass(frozen=True)
class Rendered:
    """The content of an activity as it is sent to Pipedrive: a plain subject and an HTML note."""

    subject: str
    note: str
    day: date | None = None
    """The day (UTC) of the gist, or of the revision that the activity was made for."""
    is_cut: bool = False
    """Whether the note leaves out a part of the content or of what the template made."""
    masked: tuple[str, ...] = ()
    """The parts left out because they look like credentials, each by kind and place."""
    credentials: tuple[str, ...] = ()
    """The parts that look like credentials and are sent, after or for a person's approval."""
    can_be_masked: bool = False
    """Whether `credentials` has entries and all of them can be found and left out."""
    trouble: str | None = None
    """The reason why no file can be examined at present. Then the activity is not sent."""


@dataclass(frozen=True)
class Wording:
    """The wording of an activity: its templates, and what it says in addition to the file."""

    templates: Templates = DEFAULTS
    around: Surroundings = field(default_factory=Surroundings)
    first_marker: str | None = None
    """The marker of the file's first activity, if this is a further one."""


@dataclass(frozen=True)
class FurtherFile:
    """A further file of the gist in the same activity."""

    file: GistFile
    marker: str
    remarks: Sequence[str] = ()


def render(
    file: GistFile,
    *,
    marker: str | None = None,
    revision: int = 1,
    remarks: Sequence[str] = (),
    wording: Wording = Wording(),
    others: Sequence[FurtherFile] = (),
) -> Rendered:
    """Return the activity of a gist file. Nothing from GitHub survives as HTML.

    `revision` is the one that the activity is made for, `marker` that of its publication (None:
    that of the file's first). `remarks` are lines of plain text about what happened to the file
    since. The contents of the `others` follow, each under its name. Whatever the templates say, the
    subject ends with the login and the marker, the note ends with the footer, and both keep to
    Pipedrive's limits.
    """
    marker = marker or marker_of(file.gist_id, file.filename)
    sign = f"gitpip {marker}"
    if wording.first_marker is not None:
        sign = f"again {wording.first_marker} {sign}"
    values = values_of(file, wording.around, revision=revision, remarks=tuple(remarks))
    made_at = (file.revised_at if revision > 1 else None) or file.created_at
    if others:
        activity = ActivityValues.of(file, [other.file for other in others])
        values = replace(values, activity=activity)
        shown = [FurtherFile(file, marker), *others]
        note, is_cut = _note_of_several(wording.templates.note, values, shown, sign)
    else:
        note, is_cut = _note(wording.templates.note, values, file, sign)
    subject = _subject(wording.templates.subject, values, marker, len(others))
    return Rendered(subject, note, made_at.astimezone(UTC).date(), is_cut)


def remarks_on(file: GistFile, *, on_edit: OnEdit, on_delete: OnDelete) -> tuple[str, ...]:
    """Return what the note says about edits and deletion under these rules. Dates are UTC."""
    remarks = []
    if on_edit is OnEdit.UPDATE and file.revised_at is not None:
        remarks.append(f"Edited on GitHub (noticed {day_and_clock(file.revised_at)}).")
    if on_delete is OnDelete.NOTE and file.removed_at is not None:
        remarks.append(f"Deleted on GitHub (noticed {day_and_clock(file.removed_at)}).")
    return tuple(remarks)


@dataclass(frozen=True)
class FoundMarkers:
    """The markers found in an activity in Pipedrive, by the place where gitpip writes them."""

    in_subject: str | None
    """The marker in the subject, only if the subject still has the form that gitpip gives it."""
    in_footer: str | None
    content: str | None = None
    """The content tag in the footer, or else the hash of the note's whole text."""
    parts: tuple[tuple[str, str], ...] = ()
    """The markers of the other files in the footer, each with its content tag."""
    unnamed: int = 0
    """The number of other files that the subject counts, if the footer is missing."""
    first_marker: str | None = None
    """The marker of the file's first activity, if a person has had the file sent again."""

    def marker(self, *, created_by_us: bool) -> str | None:
        """Return the marker of the file that this activity belongs to, or None if it is not ours.

        The footer counts more than the subject: a person may give an activity another subject, and
        a marker copied into the subject of another activity proves nothing without the footer. If
        the footer is missing, the subject counts if one of our users created the activity.
        """
        if self.in_footer is not None:
            return self.in_footer
        return self.in_subject if created_by_us else None


_MARKER = "gp-[a-z2-7]{12}"
_OUR_SUBJECT = re.compile(rf".+ · \S+ \[({_MARKER})\]")
_OTHERS = re.compile(rf".+ \(\+([0-9]{{1,3}}) files?\) · \S+ \[{_MARKER}\]")
_TAG = f"[0-9a-f]{{{CONTENT_TAG_LENGTH}}}"
_WITH = rf"with ({_MARKER}) ({_TAG}) "
# No text of a content can stand between the tag of the first file and the marker at the end.
_CONTENT_TAG = rf"content ({_TAG}) ((?:with {_MARKER} {_TAG} )*)(?:again ({_MARKER}) )?"
_OUR_FOOTER = re.compile(rf"(?:^|.* )gitpip ({_MARKER})", re.DOTALL)
_OUR_CONTENT_TAG = re.compile(rf"(?:^|.* ){_CONTENT_TAG}gitpip {_MARKER}", re.DOTALL)
_AT_END = re.compile(rf" ({_MARKER})$|\[({_MARKER})\]$")
_SHOWN = re.compile("<pre>([^<]*)</pre>")


def find_markers(*, subject: str | None, note: str | None) -> FoundMarkers:
    """Return the markers of ours in an activity."""
    in_subject = _OUR_SUBJECT.fullmatch(_text(subject or ""))
    footer = _footer(note)
    in_footer = _OUR_FOOTER.fullmatch(footer)
    tag = _OUR_CONTENT_TAG.fullmatch(footer)
    content = tag[1] if tag else _shown(note) if in_footer else None
    others = None if in_footer else _OTHERS.fullmatch(_text(subject or ""))
    return FoundMarkers(
        in_subject and in_subject[1],
        in_footer and in_footer[1],
        content,
        tuple(re.findall(_WITH, tag[2])) if tag else (),
        int(others[1]) if others else 0,
        tag[3] if tag else None,
    )


def _shown(note: str | None) -> str | None:
    """Return the hash of what a note without a content tag shows: the first notes had no tag."""
    shown = _SHOWN.search(note or "")
    return blob_hash_of(html.unescape(shown[1])) if shown else None


def has_marker(marker: str, *, subject: str | None, note: str | None) -> bool:
    """Return whether an activity in Pipedrive has this marker."""
    return marker_in(subject=subject, note=note) == marker


def marker_in(*, subject: str | None, note: str | None) -> str | None:
    """Return the marker of an activity in Pipedrive.

    The note's footer counts more than the subject, which a person may have changed.
    """
    in_footer = find_markers(subject=None, note=note).in_footer
    if in_footer is not None:
        return in_footer
    at_end = _AT_END.search(f" {_text(subject or '')}")
    return at_end and (at_end[1] or at_end[2])


def says_the_same(one: str, other: str) -> bool:
    """Return whether two notes have the same text. Pipedrive may write the markup differently."""
    return _text(re.sub("<[^<>]*>", " ", one)) == _text(re.sub("<[^<>]*>", " ", other))


def _footer(note: str | None) -> str:
    # Only the very end counts: the content above the footer may quote the marker of another file.
    return _text(re.sub("<[^<>]*>", " ", (note or "")[-FOOTER_REACH:]))


def _text(markup: str) -> str:
    """Return text without entities and with single spaces: Pipedrive may write both differently."""
    return " ".join(html.unescape(markup).split())


def _subject(template: Template, values: Values, marker: str, others: int) -> str:
    revision = values.file.revision
    which = f" (revision {revision})" if revision > 1 else ""
    if others:
        which += f" (+{others} file{'s' if others > 1 else ''})"
    tail = f"{which} · {values.user.login} [{marker}]"
    # In bytes, for text that is put into one line after this.
    name = in_a_line(template.fill(values, 8 * TEXT_LIMIT).before) or "unnamed"
    room = ACTIVITY_SUBJECT_LIMIT - len(tail)
    return (name if len(name) <= room else name[: room - 1] + "…") + tail


def _note(template: Template, values: Values, file: GistFile, sign: str) -> tuple[str, bool]:
    """Return the note, and whether a part of it had to be left out."""
    pieces = template.fill(values, NOTE_LIMIT)
    foot = f"<p>content {content_tag_of(file.blob_hash)} {sign}</p>"
    where = f"<p>The file is too large to show here. Full file: {link(file.raw_url)}</p>"
    rest = f"<p>File shortened. Full file: {link(file.raw_url)}</p>"
    shown = "" if not pieces.shows_content else where if file.content is None else rest
    room = NOTE_LIMIT - sum(len(part.encode()) for part in (shown, foot, "<pre></pre>"))
    before = cut(pieces.before, room)
    after = cut(pieces.after, room - len(before.encode()))
    is_cut = (before, after) != (pieces.before, pieces.after) or not pieces.ended
    if not pieces.shows_content or file.content is None:
        return f"{before}{shown}{after}{foot}", is_cut
    # A character takes a byte or more, so nothing after this many is ever shown.
    content = in_lines(file.content[: NOTE_LIMIT + 1])
    kept, is_all = fitting(content, room - len(before.encode()) - len(after.encode()))
    lacks_some = file.truncated or not is_all
    block = f"<pre>{kept}</pre>{rest if lacks_some else ''}"
    return f"{before}{block}{after}{foot}", is_cut or lacks_some


def _note_of_several(
    template: Template, values: Values, shown: Sequence[FurtherFile], sign: str
) -> tuple[str, bool]:
    """Return the note of several files: short ones are shown whole, long ones share the rest."""
    pieces = template.fill(values, NOTE_LIMIT)
    first, *others = shown
    tags = "".join(f"with {one.marker} {content_tag_of(one.file.blob_hash)} " for one in others)
    tag = content_tag_of(first.file.blob_hash)
    foot = f"<p>content {tag} {tags}{sign}</p>"
    heads = [_head(one) for one in shown] if pieces.shows_content else []
    taken = sum(len((head + "<pre></pre>" + _NOT_ALL).encode()) for head in heads)
    room = NOTE_LIMIT - len(foot.encode()) - taken
    before = cut(pieces.before, room)
    after = cut(pieces.after, room - len(before.encode()))
    is_cut = (before, after) != (pieces.before, pieces.after) or not pieces.ended
    room -= len(before.encode()) + len(after.encode())
    blocks = []
    if heads:
        contents = [in_lines((one.file.content or "")[: NOTE_LIMIT + 1]) for one in shown]
        for one, head, (kept, is_all) in zip(shown, heads, _shared(contents, room), strict=True):
            lacks_some = not is_all or one.file.truncated or one.file.content is None
            is_cut = is_cut or lacks_some
            blocks.append(f"{head}<pre>{kept}</pre>{_NOT_ALL if lacks_some else ''}")
    return f"{before}{''.join(blocks)}{after}{foot}", is_cut


_NOT_ALL = "<p>File shortened. The gist has all of it.</p>"


def _head(one: FurtherFile) -> str:
    name = escape(in_a_line(one.file.filename)[:HEADING_LIMIT])
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in one.remarks)
    return f"<p><b>{name}</b></p>{remarks}"


def _shared(contents: Sequence[str], room: int) -> list[tuple[str, bool]]:
    """Return the contents as HTML in `room` bytes together, each with whether it is complete."""
    sizes = [len(escape(content).encode()) for content in contents]
    kept: dict[int, tuple[str, bool]] = {}
    for done, number in enumerate(sorted(range(len(contents)), key=sizes.__getitem__)):
        kept[number] = fitting(contents[number], room // (len(contents) - done))
        room -= len(kept[number][0].encode())
    return [kept[number] for number in range(len(contents))]
