"""The findings in a gist file, and the file without them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gitpip.model import GistFile
from gitpip.publish.credentials.kinds import kind_in_words
from gitpip.templates.template import NOTE_LIMIT

EXAMINED_CHARACTERS = NOTE_LIMIT + 16_000
"""The most characters of a content that are examined. A note shows at most the first NOTE_LIMIT. A
key that begins there is recognised by its end, which can be some thousand characters later."""
SHORTEST = 6
"""The shortest value that is taken out alone. For a shorter one, its whole line is taken out."""
MAX_NAMED_FINDINGS = 5
"""The number of findings that are named. The others are counted."""
NOT_EXAMINED = "[removed: not examined]"


class CredentialFinding(NamedTuple):
    """A finding of the detector: the kind of credential, and where it stands."""

    kind: str
    values: tuple[str, ...]
    """The secret values, as they stand in the text."""
    lines: tuple[int, int]
    """The first and the last line, from 1."""


class Span(NamedTuple):
    """A piece of a text that looks like a credential of a kind."""

    start: int
    end: int
    kind: str


class Parts(NamedTuple):
    """The parts of a gist file that are sent and were written by its user."""

    filename: str
    description: str
    content: str


@dataclass(frozen=True)
class Examined:
    """The findings in the parts of a gist file. It holds no piece of any text."""

    spans: tuple[tuple[Span, ...], ...] = ((), (), ())
    named: tuple[str, ...] = ()
    """The findings, each by its kind and place in words."""
    not_judged: str | None = None
    """The reason why the detector gave no answer about this file, if so."""
    trouble: str | None = None
    """The reason why it gives no answer about any file, if so. Then this file is not the cause."""

    @property
    def is_clean(self) -> bool:
        """Whether the detector answered and found nothing."""
        return not self.named and self.not_judged is None

    def sentence(self) -> str | None:
        """Return the findings by kind and line, without any secret, or None if there are none."""
        if self.not_judged is not None:
            return f"could not be examined for credentials: {self.not_judged}"
        if not self.named:
            return None
        more = len(self.named) - MAX_NAMED_FINDINGS
        rest = f", and {more:,} more" if more > 0 else ""
        return f"may contain credentials: {listed(self.named[:MAX_NAMED_FINDINGS])}{rest}"


NO_FINDINGS = Examined()


def listed(named: Sequence[str]) -> str:
    """Findings in one line."""
    return ", ".join(named)


def parts_of(file: GistFile) -> Parts:
    """Return the parts of a file that are examined."""
    return Parts(file.filename, file.description or "", (file.content or "")[:EXAMINED_CHARACTERS])


def examined(parts: Parts, hits: Sequence[Sequence[CredentialFinding]]) -> Examined:
    """Return the findings in all parts. A secret in one part is secret in each of them."""
    known = {
        value: hit.kind
        for of_part in hits
        for hit in of_part
        for value in hit.values
        if len(value) >= SHORTEST
    }
    spans = []
    for text, of_part in zip(parts, hits, strict=True):
        found = _places_of(known, text)
        found += [_lines(text, hit) for hit in of_part if not _is_shown(text, hit)]
        spans.append(_apart(found))
    return Examined(tuple(spans), _named(parts, spans))


def secrets_of(file: GistFile, examination: Examined) -> dict[str, str]:
    """Return the secrets found in a file, with the kind of each."""
    return {
        secret: span.kind
        for text, spans in zip(parts_of(file), examination.spans, strict=True)
        for span in spans
        if len(secret := text[span.start : span.end]) >= SHORTEST
    }


def with_secrets(parts: Parts, examination: Examined, secrets: Mapping[str, str]) -> Examined:
    """Return the findings in these parts, with each place where one of these secrets stands."""
    if examination.not_judged is not None:
        return examination
    spans = tuple(
        _apart([*found, *_places_of(secrets, text)])
        for text, found in zip(parts, examination.spans, strict=True)
    )
    return replace(examination, spans=spans, named=_named(parts, spans))


def masked(file: GistFile, examination: Examined) -> GistFile:
    """Return the file with each finding replaced by its kind."""
    if examination.is_clean:
        return file
    if examination.not_judged is not None:
        return replace(
            file,
            filename=NOT_EXAMINED,
            description=None,
            content=None if file.content is None else NOT_EXAMINED,
            raw_url=file.html_url,
        )
    parts = parts_of(file)
    in_name, in_description, in_content = examination.spans
    # Text that is left out makes room for later content, which may not have been examined to its
    # end.
    shown = [span for span in in_content if span.start < NOTE_LIMIT]
    end = max(NOTE_LIMIT, shown[-1].end if shown else 0)
    return replace(
        file,
        filename=without(parts.filename, in_name),
        description=without(parts.description, in_description) if file.description else None,
        content=None if file.content is None else without(parts.content[:end], shown),
        truncated=file.truncated or len(file.content or "") > end,
        # The place ends with the filename.
        raw_url=file.html_url if in_name else file.raw_url,
    )


def without(text: str, spans: Iterable[Span]) -> str:
    """Return the text with each of these pieces replaced by its kind."""
    pieces, last = [], 0
    for span in spans:
        pieces += [text[last : span.start], f"[removed: {kind_in_words(span.kind)}]"]
        last = span.end
    return "".join([*pieces, text[last:]])


def _named(parts: Parts, spans: Sequence[Sequence[Span]]) -> tuple[str, ...]:
    return tuple(
        f"{kind_in_words(span.kind)} ({_place(name, text, span)})"
        for name, text, of_part in zip(Parts._fields, parts, spans, strict=True)
        for span in of_part
    )


def _places_of(secrets: Mapping[str, str], text: str) -> list[Span]:
    return [
        Span(at, at + len(secret), kind)
        for secret, kind in secrets.items()
        for at in _occurrences(text, secret)
    ]


def _occurrences(text: str, value: str) -> Iterable[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + len(value))


def _is_shown(text: str, hit: CredentialFinding) -> bool:
    """Return whether the secret values stand in the text, so that only they are taken out."""
    return len(hit.values[0]) >= SHORTEST and hit.values[0] in text


def _lines(text: str, hit: CredentialFinding) -> Span:
    first, last = hit.lines
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: first - 1])
    length = sum(len(line) + 1 for line in lines[first - 1 : last]) - 1
    return Span(start, start + max(0, length), hit.kind)


def _apart(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans in order, with overlapping ones joined."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            merged.append(Span(last.start, max(last.end, span.end), last.kind))
        else:
            merged.append(span)
    return tuple(merged)


def _place(part: str, text: str, span: Span) -> str:
    if part != "content":
        return f"in its {part}"
    return f"line {text.count(chr(10), 0, span.start) + 1:,}"
