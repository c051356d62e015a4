"""Rows of the inbox as its page shows them: by day, with previews, matches and changed lines."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from markupsafe import Markup

from gitpip.model import GistFile
from gitpip.store.inbox.entries import Edit, InboxEntry
from gitpip.web.render.diff import changed_lines
from gitpip.web.render.highlight import Bounds, Cut, shown
from gitpip.web.render.matches import MatchingLine, highlighted, matching_lines, pattern_of

ROW_PREVIEW = 1_000
"""The most characters of a file that are read for the few lines that a row shows."""
FEW_LINES = Bounds(characters=ROW_PREVIEW, lines=3, width=160)
ROW_TITLE_LIMIT = 300
"""The most characters of a description that a row shows."""
FOUND_LATE_AFTER = timedelta(days=1)
"""A gist that was found later than this after its creation says when: its day is that one."""
SAME_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Row:
    """A gist with what its row shows of contents."""

    entry: InboxEntry
    title: Markup
    preview: Cut | None
    """The beginning of a file; None where lines that match are shown, or there is no content."""
    matches: Sequence[MatchingLine]
    changed: tuple[int, int] | None
    """The number of lines that the last edit added and removed; None without an edit that can be
    compared."""

    @property
    def found_late(self) -> bool:
        """Whether it stands under a day that its creation does not explain."""
        return self.entry.at - self.entry.created_at > FOUND_LATE_AFTER


def rows(entries: Iterable[InboxEntry], searched: str) -> list[Row]:
    """The rows of these gists, with the words of a search highlighted."""
    pattern = pattern_of(searched)
    return [_row(entry, pattern) for entry in entries]


def by_day(
    rows: Sequence[Row], now: datetime, *, by_creation: bool
) -> Iterator[tuple[date, str, list[Row]]]:
    """The rows under the days at which their gists came, or were created, in the zone of `now`."""

    def day_of(row: Row) -> date:
        return (row.entry.created_at if by_creation else row.entry.at).astimezone(now.tzinfo).date()

    for day, of_day in groupby(rows, day_of):
        yield day, day_words(day, now.date()), list(of_day)


def day_words(day: date, today: date) -> str:
    """A day as a heading: Today, Yesterday, a weekday, or its date."""
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if today - SAME_WEEK <= day < today:
        return f"{day:%A}"
    return f"{day:%b} {day.day}, {day.year}"


def _row(entry: InboxEntry, pattern: re.Pattern[str] | None) -> Row:
    file, matches = entry.preview, list[MatchingLine]()
    if pattern is not None and file is not None and file.content:
        matches = list(matching_lines(file.content, pattern))
    title = (
        entry.title if len(entry.title) <= ROW_TITLE_LIMIT else f"{entry.title[:ROW_TITLE_LIMIT]} …"
    )
    return Row(
        entry,
        highlighted(title, pattern),
        _preview(file) if file is not None and not matches else None,
        matches,
        _changed(entry.edit) if entry.edit else None,
    )


def _preview(file: GistFile) -> Cut | None:
    return shown(file, FEW_LINES) if file.content and file.content.strip() else None


def _changed(edit: Edit) -> tuple[int, int] | None:
    if edit.before is None or edit.after is None:
        return None
    return _counted(edit.before, edit.after)


@lru_cache(maxsize=256)
def _counted(before: str, after: str) -> tuple[int, int]:
    return changed_lines(before, after)
