"""For each kind of event, a test makes it happen and names it."""

import ast
from pathlib import Path

from gitpip.store.events import EventKind

TESTS = Path(__file__).parent
GISTS = "watch/test_events.py::test_what_happens_to_gists"
UNREADABLE = "watch/test_events.py::test_an_unreadable_gist_is_one_event"
UNAVAILABLE = "watch/test_events.py::test_a_user_becomes_unavailable_and_available_again"
SWEEPING = "watch/test_events.py::test_a_pause_that_goes_on_is_told_once_and_its_end"
CHECKING = "watch/test_events.py::test_a_pause_after_an_answer_is_a_new_one"
BACK = (
    "watch/test_deleted_unpublished.py"
    "::test_a_skipped_deleted_file_is_published_once_it_is_public_again"
)
USER = "web/test_events.py::test_what_happens_to_a_user_is_told_in_its_order"
PEOPLE = "web/test_events.py::test_what_people_decide_about_publishing_is_told"
SCREENING = (
    "publish/test_screening.py::test_what_rules_skip_and_hold_is_told_with_the_number_of_files"
)
SEEN = "publish/test_told_events.py::test_an_activity_seen_in_pipedrive_is_an_event"
FAILED = "publish/test_told_events.py::test_each_file_that_fails_with_its_deal_is_named"
WITHDRAWN = "publish/test_told_events.py::test_each_file_that_an_undo_withdraws_is_named"
KEPT = "publish/test_told_events.py::test_an_activity_that_an_undo_keeps_is_told_with_the_reason"
PUBLISHING = "publish/test_told_events.py::test_the_end_of_a_pause_by_a_person_is_told_once"
DEAL_DELETED = "publish/test_undone_deals.py::test_an_empty_deal_goes_with_the_activities"
DEAL_KEPT = "publish/test_undone_deals.py::test_a_deal_that_people_use_is_kept_and_says_why"
SWITCHED = (
    "publish/test_accounts.py::test_switching_keeps_the_accounts_apart_and_switching_back_finds_all"
)
EXAMINING = (
    "publish/test_detector_pause.py::test_all_wait_and_it_is_tried_later_and_later_until_it_works"
)
HAPPENS_IN = {
    EventKind.GIST_FOUND: GISTS,
    EventKind.GIST_EDITED: GISTS,
    EventKind.GIST_DELETED: GISTS,
    EventKind.GIST_UNREADABLE: UNREADABLE,
    EventKind.FILE_REMOVED: GISTS,
    EventKind.PUBLICATIONS_HELD: SCREENING,
    EventKind.PUBLICATIONS_APPROVED: PEOPLE,
    EventKind.PUBLICATIONS_SKIPPED: SCREENING,
    EventKind.PUBLICATIONS_QUEUED: BACK,
    EventKind.PUBLICATION_PUBLISHED: SEEN,
    EventKind.PUBLICATION_FAILED: FAILED,
    EventKind.PUBLICATION_WITHDRAWN: WITHDRAWN,
    EventKind.PUBLICATION_KEPT: KEPT,
    EventKind.DEAL_DELETED: DEAL_DELETED,
    EventKind.DEAL_KEPT: DEAL_KEPT,
    EventKind.USER_ADDED: USER,
    EventKind.USER_PAUSED: USER,
    EventKind.USER_RESUMED: USER,
    EventKind.USER_RENAMED: USER,
    EventKind.USER_MODE_CHANGED: PEOPLE,
    EventKind.USER_UNAVAILABLE: UNAVAILABLE,
    EventKind.USER_AVAILABLE: UNAVAILABLE,
    EventKind.PUBLISHING_PAUSED: PUBLISHING,
    EventKind.PUBLISHING_RESUMED: PUBLISHING,
    EventKind.PUBLISHING_MODE_CHANGED: PEOPLE,
    EventKind.ACCOUNT_SWITCHED: SWITCHED,
    EventKind.RULE_ADDED: PEOPLE,
    EventKind.RULE_CHANGED: PEOPLE,
    EventKind.RULE_MOVED: PEOPLE,
    EventKind.RULE_REMOVED: PEOPLE,
    EventKind.WATCHING_PAUSED: CHECKING,
    EventKind.WATCHING_RESUMED: CHECKING,
    EventKind.SWEEPING_PAUSED: SWEEPING,
    EventKind.SWEEPING_RESUMED: SWEEPING,
    EventKind.READING_PAUSED: CHECKING,
    EventKind.READING_RESUMED: CHECKING,
    EventKind.EXAMINING_PAUSED: EXAMINING,
    EventKind.EXAMINING_RESUMED: EXAMINING,
}
"""The test that makes an event of each kind happen. A new kind needs one, too."""


def test_each_kind_of_event_happens_in_a_test_that_names_it() -> None:
    assert set(HAPPENS_IN) == set(EventKind)
    unnamed = {kind.value for kind, test in HAPPENS_IN.items() if kind not in _named_in(test)}
    assert unnamed == set()


def _named_in(test: str) -> set[EventKind]:
    """Return the kinds that a test names, by their values or as members of the enum."""
    path, name = test.split("::")
    found = [
        node
        for node in ast.parse((TESTS / path).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    assert found, f"there is no test {test}"
    parts = list(ast.walk(found[0]))
    values = {part.value for part in parts if isinstance(part, ast.Constant)}
    members = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return {kind for kind in EventKind if kind.value in values or kind.name in members}


def test_the_description_of_events_names_each_kind() -> None:
    told = (TESTS.parent / "docs" / "http-api.md").read_text()
    assert {kind.value for kind in EventKind if f"`{kind.value}`" not in told} == set()
