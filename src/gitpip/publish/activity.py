"""How a gist file becomes an activity: subject, note and marker."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from gitpip.marking import TAG_LENGTH, blob_hash_of, marker_of, tag_of
from gitpip.model import GistFile, OnDelete, OnEdit

SUBJECT_LIMIT = 255
"""Pipedrive documents no cap on a subject; this is the common size of such columns."""
NOTE_LIMIT = 100_000
"""Pipedrive caps a note at 100 KB; in bytes of UTF-8, with a little to spare."""

# Characters that HTML forbids, and those that change the direction of text around them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# Within a line, also those that show nothing: two names that look the same would not be the same.
_NO_CHARACTERS = "".join(chr(end - 1) + chr(end) for end in range(0xFFFF, 0x110000, 0x10000))
_UNSEEN = re.compile(
    "[\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffb"
    f"\U000e0000-\U000e007f{_NO_CHARACTERS}]"
)

# More than the footer takes, even where Pipedrive has added something to it.
FOOTER_REACH = 1_000


@dataclass(frozen=True)
class Rendered:
    """What is sent to Pipedrive: a plain subject and an HTML note."""

    subject: str
    note: str
    day: date | None = None
    """Of the gist, or of the revision that it was made for; UTC."""


def render(
    file: GistFile, *, marker: str | None = None, revision: int = 1, remarks: Sequence[str] = ()
) -> Rendered:
    """The activity of a gist file. Nothing that came from GitHub survives as HTML.

    `revision` is the one that the activity was or is made for, `marker` the one of its publication
    (None: of the file's first); `remarks` are lines of plain text on what happened to the file
    since.
    """
    marker = marker or marker_of(file.gist_id, file.filename)
    made_at = (file.revised_at if revision > 1 else None) or file.created_at
    note = _note(file, marker, remarks)
    return Rendered(_subject(file, revision, marker), note, made_at.astimezone(UTC).date())


def remarks_on(file: GistFile, *, on_edit: OnEdit, on_delete: OnDelete) -> tuple[str, ...]:
    """What the note says of edits and of deletion, under these rules. Dates are UTC."""
    remarks = []
    if on_edit is OnEdit.UPDATE and file.revised_at is not None:
        remarks.append(f"Edited on GitHub: seen {file.revised_at:%Y-%m-%d %H:%M} UTC.")
    if on_delete is OnDelete.NOTE and file.removed_at is not None:
        remarks.append(f"Deleted on GitHub: seen {file.removed_at:%Y-%m-%d %H:%M} UTC.")
    return tuple(remarks)


@dataclass(frozen=True)
class Witnesses:
    """The markers in an activity in Pipedrive, each where we write it."""

    in_subject: str | None
    """Only where the subject still has the form of ours."""
    in_footer: str | None
    content: str | None = None
    """What tells the content: the tag in the footer, else the hash of the note's whole text."""

    def marker(self, *, created_by_us: bool) -> str | None:
        """Which file's activity this is; None where it is none of ours.

        The footer outranks the subject: a person may give an activity another subject, and a
        marker that was copied into the subject of another activity proves nothing without it.
        Where the footer is gone, the subject counts if one of our users created the activity.
        """
        if self.in_footer is not None:
            return self.in_footer
        return self.in_subject if created_by_us else None


_MARKER = "gp-[a-z2-7]{12}"
_OUR_SUBJECT = re.compile(rf".+ · \S+ \[({_MARKER})\]")
_TAG = rf"content ([0-9a-f]{{{TAG_LENGTH}}}) "
_OUR_FOOTER = re.compile(rf"(?:^|.* )gitpip ({_MARKER})", re.DOTALL)
_OUR_TAG = re.compile(rf"(?:^|.* ){_TAG}gitpip {_MARKER}", re.DOTALL)
_AT_END = re.compile(rf" ({_MARKER})$|\[({_MARKER})\]$")
_SHOWN = re.compile("<pre>([^<]*)</pre>")


def witnesses(*, subject: str | None, note: str | None) -> Witnesses:
    """The markers of ours in an activity."""
    in_subject = _OUR_SUBJECT.fullmatch(_text(subject or ""))
    footer = _footer(note)
    in_footer = _OUR_FOOTER.fullmatch(footer)
    tag = _OUR_TAG.fullmatch(footer)
    content = tag[1] if tag else _shown(note) if in_footer else None
    return Witnesses(in_subject and in_subject[1], in_footer and in_footer[1], content)


def _shown(note: str | None) -> str | None:
    """The hash of what a note without a tag shows: notes had none at first."""
    shown = _SHOWN.search(note or "")
    return blob_hash_of(html.unescape(shown[1])) if shown else None


def has_marker(marker: str, *, subject: str | None, note: str | None) -> bool:
    """Whether an activity in Pipedrive is the one with this marker."""
    return marker_in(subject=subject, note=note) == marker


def marker_in(*, subject: str | None, note: str | None) -> str | None:
    """The marker of an activity in Pipedrive.

    The note's footer outranks the subject, which somebody may have changed.
    """
    in_footer = witnesses(subject=None, note=note).in_footer
    if in_footer is not None:
        return in_footer
    at_end = _AT_END.search(f" {_text(subject or '')}")
    return at_end and (at_end[1] or at_end[2])


def _footer(note: str | None) -> str:
    # Only the very end counts: the content above the footer may quote the marker of another file.
    return _text(re.sub("<[^<>]*>", " ", (note or "")[-FOOTER_REACH:]))


def _text(markup: str) -> str:
    """Without entities, and with single spaces: Pipedrive may write these differently from us."""
    return " ".join(html.unescape(markup).split())


def _subject(file: GistFile, revision: int, marker: str) -> str:
    which = f" (revision {revision})" if revision > 1 else ""
    tail = f"{which} · {_inline(file.login)} [{marker}]"
    name = _inline(file.filename) or "unnamed"
    room = SUBJECT_LIMIT - len(tail)
    return (name if len(name) <= room else name[: room - 1] + "…") + tail


def _note(file: GistFile, marker: str, remarks: Sequence[str]) -> str:
    facts = [(file.language or "unknown language")[:200], f"{file.size:,} bytes"]
    head = "".join(f"<p>{_escape(remark)}</p>" for remark in remarks)
    if file.description and file.description.strip():
        head += f"<p>{_escape(_inline(file.description)[:5_000])}</p>"
    head += f"<p>{_link(file.html_url)} · {_escape(_inline(' · '.join(facts)))}</p>"
    foot = f"<p>content {tag_of(file.blob_hash)} gitpip {marker}</p>"
    if file.content is None:
        where = f"<p>The content is not stored here: {_link(file.raw_url)}</p>"
        return head + where + foot
    # A character takes a byte or more, so nothing after this many is ever shown.
    content = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", file.content[:NOTE_LIMIT])
    rest = f"<p>Cut here; the rest: {_link(file.raw_url)}</p>"
    room = NOTE_LIMIT - sum(len(part.encode()) for part in (head, rest, foot, "<pre></pre>"))
    kept = _fitting(content, room)
    cut = file.truncated or len(kept) < len(file.content)
    return f"{head}<pre>{_escape(kept)}</pre>{rest if cut else ''}{foot}"


def _fitting(content: str, room: int) -> str:
    """The longest beginning of `content` whose escaped UTF-8 form takes at most `room` bytes."""
    if len(_escape(content).encode()) <= room:
        return content
    low, high = 0, min(len(content), room)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_escape(content[:middle]).encode()) <= room:
            low = middle
        else:
            high = middle - 1
    return content[:low]


def _link(url: str) -> str:
    shown = _escape(_inline(url)[:2_000])
    if url.startswith(("https://", "http://")):
        return f'<a href="{shown}">{shown}</a>'
    return shown


def _inline(text: str) -> str:
    seen = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
    return " ".join(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", seen).split())


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
