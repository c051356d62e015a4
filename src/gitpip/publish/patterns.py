"""Patterns that people write, matched in a time that only grows with the text.

RE2 never goes back in a text. The only other cost is the length of a compiled pattern, so that is
limited.
"""

from functools import lru_cache
from typing import Protocol

import re2

MAX_PATTERN_LENGTH = 1_000
MOST_PATTERN_STEPS = 2_000
"""The most steps of a pattern. One of that length takes up to 1 s for 100,000 characters in the
worst case, as `((a{0,30}){0,30}b){0,1}z` does for `a` alone. Python continues during that time: RE2
holds no lock."""
PATTERN_MEMORY_LIMIT = 1 << 20
MOST_STEPS_OF_NAMES = 50_000
"""The same for names. They are short, and one list can have many."""


class PatternRefused(ValueError):
    """The text is not a usable pattern. The message says why, and what to use."""


class Pattern(Protocol):
    """A compiled pattern."""

    @property
    def programsize(self) -> int:
        """The number of steps of the pattern."""
        ...

    def search(self, text: bytes) -> object | None:
        """Return the first match, or None."""
        ...


@lru_cache(maxsize=500)
def compiled(expression: str) -> Pattern:
    """Compile a regular expression of RE2; raises PatternRefused."""
    if len(expression) > MAX_PATTERN_LENGTH:
        raise PatternRefused(f"longer than {MAX_PATTERN_LENGTH:,} characters")
    return _compiled(expression)


@lru_cache(maxsize=500)
def of_names(names: tuple[str, ...]) -> Pattern:
    """Compile a pattern for these whole names in any case; `*` is any text, `?` any character."""
    alternatives = "|".join(
        "".join({"*": ".*", "?": "."}.get(each) or re2.escape(each) for each in name)
        for name in names
    )
    return _compiled(rf"(?is)\A(?:{alternatives})\z", MOST_STEPS_OF_NAMES)


def matches(pattern: Pattern, text: str) -> bool:
    """Return whether a text contains a match of the pattern."""
    return pattern.search(text.encode(errors="replace")) is not None


def has_word(text: str, word: str) -> bool:
    """Return whether a text contains a whole word, in any case."""
    text, word = text.casefold(), word.casefold()
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (_goes_on(text, at - 1) or _goes_on(text, end)):
            return True
        at = text.find(word, end)
    return False


def _goes_on(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _compiled(expression: str, most: int = MOST_PATTERN_STEPS) -> Pattern:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_LIMIT
    try:
        pattern: Pattern = re2.compile(expression, options)
    except re2.error as error:
        told = error.args[0] if error.args else error
        why = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        raise PatternRefused(
            "must be a regular expression of RE2, without back-references and look-around, "
            f"e.g. ^draft ({why})"
        ) from None
    except UnicodeEncodeError:
        raise PatternRefused("contains an incomplete character") from None
    if pattern.programsize > most:
        raise PatternRefused(
            f"takes too long: it has {pattern.programsize:,} steps, and at most {most:,} are "
            "allowed; use smaller numbers in {}"
        )
    return pattern
