"""Full-text search: the files that hold every word of a search.

The words of logins, file names, descriptions and contents are indexed by triggers (see the
migration), so a file is found as soon as the transaction that stores it commits. A word is letters
and digits; other characters separate words. `read_csv` finds the words `read` and `csv` next to
each other, and a word may be the beginning of a longer one.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    cast,
    column,
    false,
    func,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from gitpip.store.database import Transaction

_fts5 = table("gist_search", column("rowid", BigInteger), column("gist_search"))
_documents = table("gist_search", column("file_key", BigInteger), column("document", TSVECTOR))
_words = table("gist_words", column("term"))
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class WordIndex:
    """An index of words, its column of file keys, and the condition that a file holds all words."""

    index: FromClause
    key: ColumnElement[int]
    match: ColumnElement[bool]


async def holding(transaction: Transaction, text: str) -> WordIndex:
    """Return the condition that a file holds every word of a text, in any order, and its index."""
    sqlite = transaction.dialect.name == "sqlite"
    index, key = (_fts5, _fts5.c.rowid) if sqlite else (_documents, _documents.c.file_key)
    wanted = phrases(text)
    if not wanted:
        return WordIndex(index, key, false())
    # Only letters and digits are left, so nothing in the text is syntax.
    if sqlite:
        query = " AND ".join([await _spellings(transaction, words) for words in wanted])
        return WordIndex(index, key, _fts5.c.gist_search.match(query))
    query = " & ".join(f"({' <-> '.join(words)}:*)" for words in wanted)
    tsquery = func.to_tsquery("simple", query, type_=TSQUERY)
    return WordIndex(index, key, _documents.c.document.op("@@")(tsquery))


async def _spellings(transaction: Transaction, words: list[str]) -> str:
    """Return FTS5's query for words next to each other, of which the last may be a beginning.

    For a beginning, FTS5 merges the files of all words that begin so, before it gives the first:
    40 ms for a word in a million files, each time. Files of whole words it gives from the newest
    on, so the words that begin so are named if they are few.
    """
    *before, last = words
    # The index folds other letters than these by rules of its own.
    if last.isascii():
        last = last.lower()
        # Only words that are longer: each row counts all files that hold its word.
        longer = select(cast(_words.c.term, LargeBinary)).where(
            _words.c.term >= f"{last}0", _words.c.term < f"{last}{LAST_CHARACTER}"
        )
        found = await transaction.execute(longer.limit(MAX_SPELLINGS + 1))
        others = _decoded(found.scalars().all())
        if others is not None and len(others) <= MAX_SPELLINGS:
            whole = [" ".join([*before, each]) for each in (last, *others)]
            return "(" + " OR ".join(f'"{each}"' for each in whole) + ")"
    return f'"{" ".join(words)}"*'


def _decoded(terms: Sequence[bytes]) -> list[str] | None:
    """Return words of FTS5's index; None if one was cut inside a character.

    FTS5 keeps 32,768 bytes of a word: https://www.sqlite.org/src/file/ext/fts5/fts5Int.h
    """
    with suppress(UnicodeDecodeError):
        return [term.decode() for term in terms]
    return None


def phrases(text: str) -> list[list[str]]:
    """Return the words of a search.

    The words of one list are next to each other, and the last one may be a beginning.
    """
    return [words for part in text.split() if (words := _WORD.findall(part))]


MAX_SPELLINGS = 20
"""The most words with a given beginning that are searched for one by one."""
LAST_CHARACTER = "\U0010ffff"
