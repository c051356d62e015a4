"""For each kind of event, a test makes it happen and names it."""

import ast
from pathlib import Path

from gitpip.store.schema_events import EventKind

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
RETRIED = "publish/test_told_events.py::test_what_a_person_retries_is_told"
STOPPED = "publish/test_undo.py::test_an_account_that_does_not_allow_it_stops_that_undo_alone"
DRIFTED = "publish/test_deal_drift.py::test_new_files_go_where_the_setting_says"
UNUSABLE = "publish/test_targets.py::test_a_target_that_goes_holds_up_its_user_alone"
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
    EventKind.PUBLICATIONS_RETRIED: RETRIED,
    EventKind.PUBLICATION_PUBLISHED: SEEN,
    EventKind.PUBLICATION_FAILED: FAILED,
    EventKind.PUBLICATION_WITHDRAWN: WITHDRAWN,
    EventKind.PUBLICATION_KEPT: KEPT,
    EventKind.DEAL_DELETED: DEAL_DELETED,
    EventKind.DEAL_KEPT: DEAL_KEPT,
    EventKind.DEAL_DRIFTED: DRIFTED,
    EventKind.TARGET_UNUSABLE: UNUSABLE,
    EventKind.UNDO_STOPPED: STOPPED,
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


OF_THE_PROCESS = "it is about a process, its settings or its clients, and about no gist"
IN_THE_STATUS = "it is a problem of the status as long as it lasts"
TOLD_OTHERWISE = "an event of another kind tells what follows from it"
DONE_LATER = "it is done soon after, or in another way, and nothing is missed"
RETURNED = "the act that asked for it returns it"
ONLY_LOGGED = {
    "access.proxy_needs_key": OF_THE_PROCESS,
    "check.broken": OF_THE_PROCESS,
    "database.unavailable": OF_THE_PROCESS,
    "database.waiting": OF_THE_PROCESS,
    "engine.abandoned": OF_THE_PROCESS,
    "engine.disconnected": OF_THE_PROCESS,
    "engine.failed": OF_THE_PROCESS,
    "heartbeat.row_left": OF_THE_PROCESS,
    "http.accept_failed": OF_THE_PROCESS,
    "http.clients_disconnected": OF_THE_PROCESS,
    "http.refusals_not_logged": OF_THE_PROCESS,
    "key.refused": OF_THE_PROCESS,
    "pipedrive.end_not_told": OF_THE_PROCESS,
    "pipedrive.entry_unreadable": OF_THE_PROCESS,
    "publishing.waits": OF_THE_PROCESS,
    "request.failed": OF_THE_PROCESS,
    "secret.waits_for_restart": OF_THE_PROCESS,
    "watching.is_slow": OF_THE_PROCESS,
    "work.failed": OF_THE_PROCESS,
    "work.taken_over": OF_THE_PROCESS,
    "clock.compared": IN_THE_STATUS,
    "clock.was_ahead": IN_THE_STATUS,
    "deal.doubled": IN_THE_STATUS,
    "feed.gap": IN_THE_STATUS,
    "feed.unreadable": IN_THE_STATUS,
    "ledger.compared_after_set_back": IN_THE_STATUS,
    "ledger.others_publish": IN_THE_STATUS,
    "ledger.set_back": IN_THE_STATUS,
    "publication.double_deleted": IN_THE_STATUS,
    "publication.doubled": IN_THE_STATUS,
    "publishing.setting_refused": IN_THE_STATUS,
    "publishing.stopped": IN_THE_STATUS,
    "secret.unreadable": IN_THE_STATUS,
    "watching.stopped": IN_THE_STATUS,
    "gist.fault": TOLD_OTHERWISE,
    "ledger.adopted": TOLD_OTHERWISE,
    "publishing.held": TOLD_OTHERWISE,
    "user.failed": TOLD_OTHERWISE,
    "check.claims_kept": DONE_LATER,
    "engine.not_told": DONE_LATER,
    "feed.odd_items": DONE_LATER,
    "gists.githubs_trouble": DONE_LATER,
    "gists.not_stored": DONE_LATER,
    "ledger.duplicates_not_read": DONE_LATER,
    "ledger.not_compared": DONE_LATER,
    "ledger.would_adopt": RETURNED,
    "survey.failed": RETURNED,
    "user.unconfirmed": RETURNED,
}
"""The warnings and errors in the log that are no events, and why."""


def test_each_warning_is_an_event_or_says_why_not() -> None:
    logged = {
        name
        for path in (TESTS.parent / "src" / "gitpip").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _logged(node)
    }
    assert logged - {kind.value for kind in EventKind} == set(ONLY_LOGGED)


def _logged(node: ast.AST) -> list[str]:
    """Return the names that a warning or error of the log may have, if this is one."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="log"), attr="warning" | "error"),
            args=[ast.Constant() | ast.IfExp() as name, *_],
        ):
            named = [name.body, name.orelse] if isinstance(name, ast.IfExp) else [name]
            return [ast.literal_eval(one) for one in named]
    return []
