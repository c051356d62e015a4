"""Full-text search: the files that hold every word of what a person typed.

The words of logins, file names, descriptions and contents are indexed by triggers (see the
migration), so a file is found from the transaction on in which it was stored. A word is letters and
digits; what stands between them separates. `read_csv` finds the words `read` and `csv` beside each
other, and a word may be the beginning of a longer one.
"""

import re

from sqlalchemy import ColumnElement, column, false, func, select, table
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.store.schema import gist_files

_fts5 = table("gist_search", column("rowid"), column("gist_search"))
_documents = table("gist_search", column("file_key"), column("document", TSVECTOR))
_WORD = re.compile(r"[^\W_]+")


def matching(transaction: AsyncConnection, text: str) -> ColumnElement[bool]:
    """The condition that a file of `gist_files` holds every word of the text, in any order."""
    phrases = [words for part in text.split() if (words := _WORD.findall(part))]
    if not phrases:
        return false()
    # Nothing but letters and digits is left, so nothing in the text is syntax.
    if transaction.dialect.name == "sqlite":
        query = " AND ".join(f'"{" ".join(words)}"*' for words in phrases)
        found = select(_fts5.c.rowid).where(_fts5.c.gist_search.match(query))
    else:
        query = " & ".join(f"({' <-> '.join(words)}:*)" for words in phrases)
        wanted = func.to_tsquery("simple", query, type_=TSQUERY)
        found = select(_documents.c.file_key).where(_documents.c.document.op("@@")(wanted))
    return gist_files.c.key.in_(found)
