"""Publishing settings: which value counts, and how each is spelled."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.config import load_settings
from gitpip.config.publishing.policy import (
    PublishingPolicy,
    Source,
    effective,
    policy_of,
    registry,
)
from gitpip.errors import SettingsError
from tests.support.trials import trials


def test_the_environment_wins_over_what_is_stored_and_that_over_the_default() -> None:
    loaded = load_settings({"GITPIP_ACTIVITY_TYPE": " call "}, env_file=None)
    stored = {"activity_type": "meeting", "activity_done": "no"}
    found = {one.setting.name: one for one in effective(loaded.publishing, stored)}
    assert (found["activity_type"].text, found["activity_type"].source) == (
        "call",
        Source.ENVIRONMENT,
    )
    assert (found["activity_done"].value, found["activity_done"].source) == (False, Source.STORED)
    assert found["deal_stage"].source is Source.DEFAULT
    policy = policy_of(tuple(found.values()))
    assert (policy.activity_type, policy.activity_done, policy.deal_stage) == ("call", False, None)


def test_without_anything_set_the_policy_is_the_default_one() -> None:
    assert policy_of(effective({}, {})) == PublishingPolicy()


def test_a_stored_text_that_no_version_reads_any_more_does_not_count_and_says_so() -> None:
    found = {one.setting.name: one for one in effective({}, {"activity_due_date": "easter"})}
    assert found["activity_due_date"].text == "gist"
    assert "must be gist, today or none" in str(found["activity_due_date"].fault)


def test_a_misspelled_variable_names_the_one_that_may_be_meant() -> None:
    with pytest.raises(SettingsError, match="did you mean GITPIP_ACTIVITY_TYPE"):
        load_settings({"GITPIP_ACTIVITY_TIPE": "task"}, env_file=None)


@settings(max_examples=trials(100))
@given(st.sampled_from(sorted(registry())), st.text(max_size=60))
def test_the_one_spelling_of_any_text_stands_for_the_same_value(name: str, text: str) -> None:
    declared = registry()[name].declaration
    with suppress(ValueError):
        value = declared.parse(text)
        spelled = declared.canonical(text)
        assert declared.parse(spelled) == value
        assert declared.canonical(spelled) == spelled


def test_a_template_is_checked_at_the_start() -> None:
    given = {"GITPIP_NOTE_TEMPLATE": "<p>\n{{ gist.title }}</p>", "GITPIP_SUBJECT_TEMPLATE": "x"}
    with pytest.raises(SettingsError) as caught:
        load_settings(given, env_file=None)
    (fault,) = caught.value.faults
    assert fault.startswith("GITPIP_NOTE_TEMPLATE=")
    assert "line 2: there is no variable gist.title; use gist.id" in fault
