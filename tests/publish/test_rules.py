"""Rules: the first that fits a file decides, whatever their patterns are."""

import fnmatch
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.actions import publishing
from gitpip.actions import rules as rule_acts
from gitpip.actions import users as user_acts
from gitpip.actions.acting import Acting
from gitpip.errors import InvalidInput
from gitpip.model import Pause, PublicationState
from gitpip.modes import PublishingMode
from gitpip.publish import rule_trial
from gitpip.publish import rules as publishing_rules
from gitpip.publish.patterns import MAX_PATTERN_LENGTH, compiled, matches
from gitpip.publish.policy import Policies
from gitpip.publish.rule_trial import TrialResult
from gitpip.publish.rules import EXAMINED_CHARACTERS, Conditions, Facts, fits, read, ruling_of
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications.opt_outs import OPTED_OUT
from gitpip.store.publications.rules import NewRule, PublishingRule, RuleId
from gitpip.store.schema_access import Via
from gitpip.store.schema_rules import RuleAction
from gitpip.store.status import pauses
from gitpip.store.users.users import Changes
from tests.support.scene import Scene, wake_nobody
from tests.support.trials import trials

NOW = datetime(2026, 3, 4, tzinfo=UTC)
FILE = Facts(
    filename="notes.txt",
    language="Text",
    size=100,
    tags=frozenset(("vip",)),
    is_fork=False,
    description="My notes",
    age=timedelta(days=3),
    content="nothing confidential in here",
)


def rule(number: int, conditions: Mapping[str, object], action: RuleAction) -> PublishingRule:
    text = json.dumps(conditions)
    return PublishingRule(RuleId(number), number, f"rule {number}", text, action, NOW, "eve")


@pytest.mark.parametrize(
    ("conditions", "fitting"),
    [
        ({}, True),
        ({"languages": ["python", "TEXT"]}, True),
        ({"languages": ["unknown"]}, False),
        ({"names": ["*.TXT"]}, True),
        ({"names": ["*.tx"]}, False),
        ({"names": ["n?tes.*", "x"]}, True),
        ({"larger_than": 100}, False),
        ({"larger_than": 99, "smaller_than": 101}, True),
        ({"tags": ["vip", "test"]}, True),
        ({"tags": ["VIP"]}, False),
        ({"fork": False}, True),
        ({"fork": True}, False),
        ({"description": "^My"}, True),
        ({"description": "(?i)^my .*x"}, False),
        ({"older_than_days": 3}, True),
        ({"younger_than_days": 3}, False),
        ({"words": ["Confidential"]}, True),
        ({"words": ["confident", "her"]}, False),
        ({"content": "no.*here$"}, True),
        ({"names": ["*"], "content": "absent"}, False),
    ],
)
def test_a_file_must_fit_every_condition(conditions: dict[str, object], fitting: bool) -> None:
    assert fits(read(json.dumps(conditions)), FILE) is fitting


def test_a_gist_about_which_it_is_not_known_is_neither_a_fork_nor_none() -> None:
    unknown = replace(FILE, is_fork=None)
    assert not any(fits(Conditions(fork=fork), unknown) for fork in (True, False))


def test_words_are_whole_in_every_script() -> None:
    for content, fitting in (("é geheim ü", True), ("übergeheim", False), ("geheim_x", False)):
        assert fits(Conditions(words=("Geheim",)), replace(FILE, content=content)) is fitting


# What the conditions mean, as simply as it can be said.
NAIVE: Mapping[str, Callable[..., bool]] = {
    "languages": lambda value, facts: (
        (facts.language or "unknown").lower() in map(str.lower, value)
    ),
    "names": lambda value, facts: any(
        fnmatch.fnmatchcase(facts.filename.lower(), re.sub(r"[\[\]]", "[\\g<0>]", each.lower()))
        for each in value
    ),
    "larger_than": lambda value, facts: facts.size > value,
    "smaller_than": lambda value, facts: facts.size < value,
    "tags": lambda value, facts: bool(set(value) & facts.tags),
    "fork": lambda value, facts: facts.is_fork == value,
    "older_than_days": lambda value, facts: facts.age.days >= value,
    "younger_than_days": lambda value, facts: facts.age.days < value,
    "words": lambda value, facts: bool(
        set(map(str.lower, value)) & set(re.split(r"\W+", facts.content.lower()))
    ),
    "content": lambda value, facts: re.search(value, facts.content) is not None,
    "description": lambda value, facts: re.search(value, facts.description) is not None,
}
names = st.sampled_from(["a.py", "B.PY", "a[1].md", "key", "*", "*.py", "?", "a*", "*[1]*", "k?y"])
words = st.sampled_from(["red", "Blue", "gre", "green"])
languages = st.sampled_from(["Python", "python", "C", "unknown"])
tags = st.sampled_from(["vip", "test", "VIP"])
expressions = st.sampled_from(["red", "(?i)RED", "^b", "e{2}", "n$", "(a|b)+", "x*"])
number = st.integers(0, 5)


def some(items: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(items, min_size=1, max_size=2)


asked = st.fixed_dictionaries(
    {},
    optional={
        "languages": some(languages),
        "names": some(names),
        "larger_than": number,
        "smaller_than": number,
        "tags": some(tags),
        "fork": st.booleans(),
        "description": expressions,
        "older_than_days": number,
        "younger_than_days": number,
        "words": some(words),
        "content": expressions,
    },
)
few_asked = asked.map(lambda every: dict(list(every.items())[:2]))
text = st.lists(words, max_size=3).map(" ".join)
facts_of_files = st.builds(
    Facts,
    filename=names,
    language=st.none() | languages.filter(lambda each: each != "unknown"),
    size=number,
    tags=st.frozensets(tags),
    is_fork=st.none() | st.booleans(),
    description=text,
    age=number.map(lambda days: timedelta(days=days)),
    content=text,
)


@given(st.lists(few_asked, max_size=4), facts_of_files)
@settings(max_examples=trials(200), deadline=None)
def test_the_first_rule_that_fits_decides(every: list[dict[str, object]], facts: Facts) -> None:
    ordered = [rule(at, one, RuleAction.SKIP) for at, one in enumerate(every, start=1)]
    expected = next(
        (
            at
            for at, one in enumerate(every, start=1)
            if all(NAIVE[name](value, facts) for name, value in one.items())
        ),
        None,
    )
    found = ruling_of(ordered, facts).rule
    assert (found.id if found else None) == expected


@given(asked)
@settings(max_examples=trials(50))
def test_what_people_write_is_what_is_stored(conditions: dict[str, object]) -> None:
    stored = read(json.dumps(conditions))
    assert read(stored.as_json()) == stored
    assert Conditions.of_texts(stored.texts()) == stored
    assert stored.sentence()


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ('{"content": "("}', "conditions.content: must be a regular expression of RE2"),
        ('{"content": "(?=x)"}', "without back-references and look-around"),
        (r'{"description": "(a)\\1"}', "conditions.description: must be a regular expression"),
        (
            '{"content": "(?:a.{99}|b.{98}|[ab]{100}){9}c"}',
            "it has 15,107 steps, and at most 2,000 are",
        ),
        ('{"content": "x{1000}{1000}"}', "conditions.content: "),
        (json.dumps({"content": "x" * (MAX_PATTERN_LENGTH + 1)}), "longer than 1,000 characters"),
        ('{"content": "\\ud800"}', "conditions.content: "),
        ('{"sise": 3}', "conditions.sise: "),
        ('{"larger_than": -1}', "conditions.larger_than: "),
        ("[", "conditions: must be a JSON object"),
        ("[]", "conditions: "),
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(conditions: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(conditions)
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["1.000", "1,000", "1,5", "1_000", ","])
@pytest.mark.parametrize("name", ["larger_than", "smaller_than", "older_than_days"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(name: str, text: str) -> None:
    written = json.dumps({name: text})
    for made in (partial(Conditions.of_texts, {name: text}), partial(read, written)):
        with pytest.raises(InvalidInput) as refused:
            made()
        assert str(refused.value) == (
            f"conditions.{name}: must be a whole number without a comma or point, e.g. 1000, "
            f"not {text!r}"
        )


@pytest.mark.parametrize("name", Conditions.model_fields)
def test_a_condition_without_a_value_never_lets_every_file_fit(name: str) -> None:
    is_list = name in {"languages", "names", "tags", "words"}
    is_pattern = name in {"description", "content"}
    refused: list[Callable[[], object]] = [lambda: Conditions.of_texts({name: " \t"})]
    if is_list:
        refused.append(lambda: Conditions.of_texts({name: " , ,"}))
    blank: list[object] = [[], [""], ["x", " "]] if is_list else ["", " "] if is_pattern else []
    refused += [partial(publishing_rules.check, json.dumps({name: value})) for value in blank]
    for made in refused:
        with pytest.raises(InvalidInput, match=rf"conditions\.{name}: must"):
            made()
    # An empty field of a form, and what the API answers where a condition is not set.
    assert Conditions.of_texts({name: ""}) == read(json.dumps({name: None})) == Conditions()


@pytest.mark.parametrize(
    "expression", ["(x+x+)+y", "(a|a|aa)*c", "((a?){20}){20}a{20}b", "(?s).{200}.{30}c", "(.*)*z"]
)
def test_no_pattern_takes_long(expression: str) -> None:
    pattern = compiled(expression)
    hostile = "ax" * (EXAMINED_CHARACTERS // 2)
    # What counts is the processor's time of this thread: other tests may run alongside it.
    began = time.thread_time()
    assert not matches(pattern, hostile)
    assert time.thread_time() - began < 2


def test_many_slow_rules_take_no_longer_than_all_may_and_the_file_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing_rules, "RULES_TIME_LIMIT", 0.05)
    slow = {"content": "((a{0,30}){0,30}b){0,1}z"}
    ordered = [rule(1, {"names": ["*.md"]}, RuleAction.SKIP)]
    ordered += [rule(number, slow, RuleAction.SKIP) for number in range(2, 101)]
    facts = replace(FILE, content="a" * 2_000)
    began = time.thread_time()
    ruling = ruling_of(ordered, facts)
    assert time.thread_time() - began < 0.5
    assert (ruling.rule, ruling.is_late, ruling.action) == (None, True, RuleAction.HOLD)
    told = r"held, because .* longer than 0.05 s for it; the slowest is rule \d+ \(0\.\d s\)"
    assert re.fullmatch(told, ruling.reason or "")
    # Those that were asked in time decide as ever.
    first = ruling_of(ordered, replace(facts, filename="a.md"))
    assert (first.action, first.is_late) == (RuleAction.SKIP, False)


STATES = {
    "publish": PublicationState.PUBLISHED,
    "hold": PublicationState.HELD,
    "skip": PublicationState.SKIPPED,
    "wait": PublicationState.PENDING,
}


async def test_a_trial_tells_what_the_publisher_makes_of_each_file(scene: Scene) -> None:
    """Of a file for each action, and one that no rule fits, of users of every mode."""
    acting = Acting(scene.database, Actor("eve", Via.PAGE), wake_nobody, scene.clock)
    for action in RuleAction:
        await rule_acts.add(acting, NewRule(action, f'{{"names": ["{action}.py"]}}', action))
    yes_or_no = (False, True)
    users = [
        (f"u{number}", *of_user)
        for number, of_user in enumerate(itertools.product(PublishingMode, yes_or_no, yes_or_no))
    ]
    for login, mode, paused, out in users:
        await scene.add(login)
        await user_acts.change(acting, login, Changes(mode=mode, paused=paused))
        if out:
            await rule_acts.opt_out(acting, login)
        await scene.find_files(login, *(f"{action}.py" for action in RuleAction), "other.py")
    process = await scene.process()

    async def told() -> dict[tuple[str, str], TrialResult]:
        tried = await rule_trial.tried(scene.database.read, Policies(), scene.clock())
        return {(one.login, one.filename): one.fate for one in tried.taken}

    async def states() -> dict[tuple[str, str], PublicationState]:
        return {(row.login, row.filename): row.state for row in await scene.rows()}

    async def assert_told(fates: Mapping[tuple[str, str], TrialResult]) -> None:
        assert {key: STATES[fate.outcome] for key, fate in fates.items()} == await states()

    await publishing.pause_publishing(acting)
    paused_by_a_person = await told()
    await process.run()
    await assert_told(paused_by_a_person)
    await publishing.resume_publishing(acting)
    until = scene.clock() + timedelta(hours=1)
    async with scene.database.begin() as transaction:
        await pauses.pause(transaction, pauses.PUBLISHING, Pause(until, "429"), now=scene.clock())
    assert await told() == paused_by_a_person
    await process.run()
    await assert_told(paused_by_a_person)
    scene.clock.advance(timedelta(hours=2))
    fates = await told()
    await scene.settle(process)
    await assert_told(fates)
    for login, mode, _, out in users:
        later = PublishingMode.AUTOMATIC if mode is PublishingMode.DRY_RUN else mode
        await user_acts.change(acting, login, Changes(mode=later, paused=False))
        assert out or f"{fates[login, 'skip.py']}".endswith("skipped by the rule skip")
    await scene.settle(process)
    for key, state in (await states()).items():
        first, _, then = (paused_by_a_person[key].because or "").partition("; then it is ")
        of_opt_out = PublicationState.SKIPPED if first == OPTED_OUT else PublicationState.PUBLISHED
        assert state == (then.split(" ")[0].strip(":,") or of_opt_out), key
