"""The rules on what is published: the first that fits a file decides, without I/O."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from gitpip.errors import InvalidInput
from gitpip.model import GistFile
from gitpip.publish import patterns
from gitpip.store.publications.rules import PublishingRule
from gitpip.store.schema_rules import RuleAction
from gitpip.templates.template import NOTE_LIMIT
from gitpip.validation import plain_fault, whole_in_text

EXAMINED_CHARACTERS = NOTE_LIMIT + 4_000
"""The most characters of a content that are examined: a note never holds as many."""
RULES_TIME_LIMIT = 2.0
"""The most seconds of processor time that all rules together may take for a file. Each may take
one.

A busy machine must not change what is held, so the time of other processes does not count.
"""
UNKNOWN_LANGUAGE = "unknown"
"""The name in a condition for a language that GitHub does not tell."""

EXAMPLES: Mapping[str, str] = {
    "languages": "Python, Shell, unknown",
    "names": "*.env, id_*",
    "larger_than": "100000",
    "smaller_than": "100",
    "tags": "vip, test",
    "fork": "yes",
    "description": "(?i)draft",
    "older_than_days": "30",
    "younger_than_days": "7",
    "words": "confidential, secret",
    "content": "(?i)internal use only",
}
"""A value of each condition, as people write it."""
_LISTS = ("languages", "names", "tags", "words")
_PATTERNS = ("description", "content")

_Item = Annotated[str, Field(max_length=200)]
_Items = Annotated[tuple[_Item, ...], Field(max_length=50)]
_Size = Annotated[int, BeforeValidator(whole_in_text), Field(ge=0, le=2**53)]
_Days = Annotated[int, BeforeValidator(whole_in_text), Field(ge=0, le=100_000)]


class Conditions(BaseModel):
    """The conditions that a file must all fit. Without any, every file fits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: _Items | None = None
    """The languages, as GitHub names them; `unknown` for files without one."""
    names: _Items | None = None
    """The filenames; `*` stands for any text, `?` for one character."""
    larger_than: _Size | None = None
    """The size in bytes above which a file fits."""
    smaller_than: _Size | None = None
    tags: _Items | None = None
    """Tags: the user has at least one of them."""
    fork: bool | None = None
    """Whether the gist must be a fork. A gist about which that is not known fits neither."""
    description: str | None = None
    """A regular expression (RE2) that matches somewhere in the gist's description."""
    older_than_days: _Days | None = None
    """The age in days that the gist must have at least."""
    younger_than_days: _Days | None = None
    words: _Items | None = None
    """Words: the content holds at least one of them, whole and in any case."""
    content: str | None = None
    """A regular expression (RE2) that matches somewhere in the beginning of the content."""

    @field_validator("description", "content")
    @classmethod
    def _is_a_pattern(cls, text: str | None) -> str | None:
        if text is not None:
            patterns.compiled(text)
        return text

    @field_validator("names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names:
            patterns.of_names(names)
        return names

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> "Conditions":
        """Return the conditions of texts by name, as people write them in forms and commands.

        Lists have commas between their items. Empty texts set no condition; one that holds only
        blanks and commas raises InvalidInput, since it looks as if it set one.
        """
        asked: dict[str, object] = {}
        for name, text in texts.items():
            if not text:
                continue
            if not text.strip():
                raise without_value(name)
            if name in _LISTS:
                asked[name] = [part.strip() for part in text.split(",") if part.strip()]
                if not asked[name]:
                    raise without_value(name)
            else:
                asked[name] = text if name in _PATTERNS else text.strip()
        return read(json.dumps(asked))

    def texts(self) -> dict[str, str]:
        """Return the texts by name, the inverse of `of_texts`."""
        asked: dict[str, object] = self.model_dump(exclude_defaults=True)
        return {
            name: ", ".join(map(str, value))
            if isinstance(value, tuple)
            else ("yes" if value else "no")
            if isinstance(value, bool)
            else str(value)
            for name, value in asked.items()
        }

    def as_json(self) -> str:
        """Return the conditions that are set, as they are stored."""
        return self.model_dump_json(exclude_defaults=True)

    def sentence(self) -> str:
        """Return a text for people, such as `language is Python and larger than 1000 bytes`."""
        asked: dict[str, object] = self.model_dump(exclude_defaults=True)
        return " and ".join(_phrase(name, value) for name, value in asked.items()) or "every file"


def _phrase(name: str, value: object) -> str:
    of = _either(value) if isinstance(value, tuple) else str(value)
    return {
        "languages": f"language is {of}",
        "names": f"the filename matches {of}",
        "larger_than": f"larger than {of} bytes",
        "smaller_than": f"smaller than {of} bytes",
        "tags": f"person has the tag {of}",
        "fork": "is a fork" if value else "is not a fork",
        "description": f"description matches {of}",
        "older_than_days": f"created {of} days ago or earlier",
        "younger_than_days": f"created less than {of} days ago",
        "words": f"content has the word {of}",
        "content": f"content matches {of}",
    }[name]


def _either(values: tuple[object, ...]) -> str:
    """Return the values joined, such as `*.log, *.tmp or *.bak`."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last


@dataclass(frozen=True)
class Facts:
    """The facts about a file that rules can test."""

    filename: str
    language: str | None
    size: int
    tags: frozenset[str]
    is_fork: bool | None
    description: str
    age: timedelta
    content: str

    @classmethod
    def of(cls, file: GistFile, tags: Iterable[str], now: datetime) -> "Facts":
        """Return the facts about a stored file."""
        return cls(
            file.filename,
            file.language,
            file.size,
            frozenset(tags),
            file.is_fork,
            file.description or "",
            now - file.created_at,
            (file.content or "")[:EXAMINED_CHARACTERS],
        )


@lru_cache(maxsize=500)
def read(text: str) -> Conditions:
    """Return conditions that are stored, or come from outside, as JSON; raises InvalidInput."""
    try:
        return Conditions.model_validate(json.loads(text))
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, ("conditions", *fault["loc"])))
        raise InvalidInput(field, plain_fault(fault)) from None
    except ValueError:
        raise InvalidInput(
            "conditions", 'must be a JSON object, e.g. {"names": ["*.log"]}'
        ) from None


def check(text: str) -> None:
    """Raise InvalidInput unless a rule with these conditions, as JSON, may be stored.

    A condition without a value would let every file fit, or none. Rules that are stored already
    may have some, and mean what they did.
    """
    for name, value in read(text).model_dump(exclude_defaults=True).items():
        parts = value if isinstance(value, tuple) else (value,)
        if not parts or any(isinstance(part, str) and not part.strip() for part in parts):
            raise without_value(name)


def without_value(name: str) -> InvalidInput:
    """Return the error about a condition that is given, but has no value."""
    return InvalidInput(
        f"conditions.{name}", f"must have a value, e.g. {EXAMPLES[name]}, or be left out"
    )


def fits(conditions: Conditions, facts: Facts) -> bool:
    """Return whether a file fits all conditions. The slowest conditions are tested last."""
    return all(asked(conditions, facts) for asked in _ASKED)


@dataclass(frozen=True)
class Ruling:
    """The result of the rules for a file."""

    rule: PublishingRule | None
    """The first that fits, or None if none fits, or if time was over before one did."""
    slowest: PublishingRule | None = None
    """The slowest of those that were tested."""
    took: float = 0.0
    """The seconds of processor time that `slowest` took."""
    is_late: bool = False
    """Whether time was over before all rules were tested, so that a person is asked."""

    @property
    def action(self) -> RuleAction:
        """The action for the file."""
        if self.is_late:
            return RuleAction.HOLD
        return self.rule.action if self.rule else RuleAction.PUBLISH

    @property
    def reason(self) -> str | None:
        """The reason why it is held or skipped, in one sentence without a full stop, or None."""
        if self.is_late:
            longest = f"{RULES_TIME_LIMIT:g} s"
            return f"held, because the rules take longer than {longest} for it{self.of_slow}"
        if self.rule is None or self.action is RuleAction.PUBLISH:
            return None
        did = "skipped" if self.action is RuleAction.SKIP else "held"
        return f"{did} by the rule {self.rule.name}"

    @property
    def of_slow(self) -> str:
        """The slowest rule, as the end of a sentence."""
        return f"; the slowest is {self.slowest.name} ({self.took:.1f} s)" if self.slowest else ""


def ruling_of(rules: Iterable[PublishingRule], facts: Facts) -> Ruling:
    """Return what the rules say about a file; after the time limit, no further one is tested.

    A rule that can't be read, as a newer gitpip may have stored it, could fit any file: it holds
    the file.
    """
    slowest, took = None, 0.0
    began = before = time.thread_time()
    for rule in rules:
        if before - began > RULES_TIME_LIMIT:
            return Ruling(None, slowest, took, is_late=True)
        conditions = readable(rule)
        if conditions is None:
            named = replace(rule, action=RuleAction.HOLD, name=f"{rule.name}, which can't be read")
            return Ruling(named, slowest, took)
        is_fitting = fits(conditions, facts)
        now = time.thread_time()
        if now - before >= took:
            slowest, took = rule, now - before
        if is_fitting:
            return Ruling(rule, slowest, took)
        before = now
    return Ruling(None, slowest, took)


def readable(rule: PublishingRule) -> Conditions | None:
    """Return the conditions of a stored rule, or None if this gitpip can't read them."""
    try:
        return read(rule.conditions)
    except InvalidInput:
        return None


def told(rule: PublishingRule) -> str:
    """Return the conditions of a stored rule for people."""
    conditions = readable(rule)
    if conditions is None:
        return "conditions that can't be read: change or remove the rule; it holds every file"
    return conditions.sentence()


def _language(asked: Conditions, facts: Facts) -> bool:
    named = (facts.language or UNKNOWN_LANGUAGE).casefold()
    return not asked.languages or named in {each.casefold() for each in asked.languages}


def _size(asked: Conditions, facts: Facts) -> bool:
    return (asked.larger_than is None or facts.size > asked.larger_than) and (
        asked.smaller_than is None or facts.size < asked.smaller_than
    )


def _age(asked: Conditions, facts: Facts) -> bool:
    older, younger = asked.older_than_days, asked.younger_than_days
    return (older is None or facts.age >= timedelta(days=older)) and (
        younger is None or facts.age < timedelta(days=younger)
    )


def _tags(asked: Conditions, facts: Facts) -> bool:
    return not asked.tags or not facts.tags.isdisjoint(asked.tags)


def _fork(asked: Conditions, facts: Facts) -> bool:
    return asked.fork is None or facts.is_fork is asked.fork


def _name(asked: Conditions, facts: Facts) -> bool:
    return not asked.names or patterns.matches(patterns.of_names(asked.names), facts.filename)


def _description(asked: Conditions, facts: Facts) -> bool:
    return asked.description is None or patterns.matches(
        patterns.compiled(asked.description), facts.description
    )


def _words(asked: Conditions, facts: Facts) -> bool:
    return not asked.words or any(patterns.has_word(facts.content, word) for word in asked.words)


def _content(asked: Conditions, facts: Facts) -> bool:
    return asked.content is None or patterns.matches(
        patterns.compiled(asked.content), facts.content
    )


_ASKED: tuple[Callable[[Conditions, Facts], bool], ...] = (
    _language,
    _size,
    _age,
    _tags,
    _fork,
    _name,
    _description,
    _words,
    _content,
)
