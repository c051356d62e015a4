"""The rules of watching, as functions."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.backfill import Backfill, BackfillKind
from gitpip.errors import (
    OWN_FAULT,
    GitHubBlocked,
    GitHubNotFound,
    GitHubUnavailable,
    GitHubUnreachable,
    GraphQLFailed,
)
from gitpip.known_gists import KnownFile, KnownGist
from gitpip.model import FailureKind, GistId, GitHubId, SeenFile, SeenGist, User, UserKey, UserState
from gitpip.watch import decide

ADDED = datetime(2026, 5, 4, tzinfo=UTC)
ALL = Backfill(BackfillKind.ALL)

times = st.datetimes(
    min_value=ADDED.replace(tzinfo=None) - timedelta(days=100),
    max_value=ADDED.replace(tzinfo=None) + timedelta(days=100),
    timezones=st.just(UTC),
)
names = st.text(min_size=1, max_size=3)


@st.composite
def gists(draw: st.DrawFn) -> list[SeenGist]:
    ids = draw(st.lists(st.text("0123456789abcdef", min_size=1, max_size=4), unique=True))
    return [gist(gist_id, draw(times), draw(st.lists(names, unique=True))) for gist_id in ids]


def gist(gist_id: str, created_at: datetime, filenames: list[str], size: int = 1) -> SeenGist:
    files = tuple(SeenFile(name, "0" * 40, size, None, "https://raw/") for name in filenames)
    return SeenGist(GistId(gist_id), GitHubId(1), None, "https://", created_at, created_at, files)


def user(
    *,
    backfill: Backfill = ALL,
    failures: int = 0,
    failure: str | None = None,
    failure_kind: FailureKind | None = None,
    state: UserState = UserState.ACTIVE,
    checked_at: datetime | None = None,
) -> User:
    return User(
        key=UserKey(1),
        login="ada",
        external_id="1",
        github_id=GitHubId(1),
        backfill=backfill,
        state=state,
        created_at=ADDED,
        next_check_at=ADDED,
        checked_at=checked_at,
        etag=None,
        failures=failures,
        failure=failure,
        failure_kind=failure_kind,
        last_sequence=0,
        deal_id=None,
    )


backfills = st.one_of(
    st.sampled_from([Backfill(BackfillKind.ALL), Backfill(BackfillKind.NONE)]),
    st.integers(1, 5).map(lambda count: Backfill(BackfillKind.LATEST, count=count)),
    times.map(lambda since: Backfill(BackfillKind.SINCE, since=since)),
)


def known_as(
    listed: list[SeenGist], files: set[tuple[GistId, str]], *, blob_hash: str = "0" * 40
) -> decide.Differences:
    by_id = {gist.id: gist for gist in listed}
    return decide.compare(
        listed,
        whole=True,
        known_gists={
            gist_id: KnownGist(by_id[gist_id].updated_at, deleted=False) for gist_id, _ in files
        },
        known_files={file: KnownFile(blob_hash, removed=False) for file in files},
    )


@given(gists(), st.data())
def test_only_gists_with_new_or_edited_files_are_read(
    listed: list[SeenGist], data: st.DataObject
) -> None:
    files = [(gist.id, file.filename) for gist in listed for file in gist.files]
    known = set(data.draw(st.lists(st.sampled_from(files)))) if files else set()
    new = known_as(listed, known).to_read
    assert [gist.created_at for gist in new] == sorted(gist.created_at for gist in new)
    for gist_ in listed:
        unknown = {(gist_.id, file.filename) for file in gist_.files} - known
        assert (gist_ in new) == (bool(unknown) or gist_.id not in {gist for gist, _ in known})
    whole = known_as(listed, set(files))
    assert {gist.id for gist in whole.to_read} == {gist.id for gist in listed if not gist.files}
    edited = known_as(listed, set(files), blob_hash="1" * 40)
    assert edited.to_read == tuple(sorted(listed, key=lambda gist: (gist.created_at, gist.id)))


@given(gists(), st.data(), st.booleans())
def test_only_a_whole_list_misses_a_gist_and_only_a_gist_that_is_listed_misses_a_file(
    listed: list[SeenGist], data: st.DataObject, whole: bool
) -> None:
    shown = data.draw(st.lists(st.sampled_from(listed), unique=True)) if listed else []
    known_files = {
        (gist.id, name): KnownFile("0" * 40, removed=False)
        for gist in listed
        for name in [*(file.filename for file in gist.files), "a file that is gone"]
    }
    differences = decide.compare(
        shown,
        whole=whole,
        known_gists={gist.id: KnownGist(gist.updated_at, deleted=False) for gist in listed},
        known_files=known_files,
    )
    hidden = {gist.id for gist in listed if gist not in shown}
    assert set(differences.missing) == (hidden if whole else set())
    assert set(differences.removed) == {(gist.id, "a file that is gone") for gist in shown}
    assert differences.to_read == ()


@given(
    st.integers(1, 10**7),
    st.timedeltas(timedelta(seconds=1), timedelta(days=366)),
    times,
)
def test_the_next_check_is_within_an_interval_and_the_same_for_neighbours(
    key: int, interval: timedelta, now: datetime
) -> None:
    due = decide.next_check(UserKey(key), interval=interval, now=now)
    assert now < due <= now + interval
    first = key // decide.ADJACENT * decide.ADJACENT
    assert decide.next_check(UserKey(first), interval=interval, now=now) == due


def test_looks_are_spread_evenly_over_the_interval() -> None:
    interval = timedelta(hours=3)
    by_quarter = Counter(
        (decide.next_check(UserKey(key), interval=interval, now=ADDED) - ADDED)
        % interval
        // timedelta(minutes=15)
        for key in range(1, 100_001)
    )
    even = 100_000 / 12
    assert all(0.8 * even < number < 1.2 * even for number in by_quarter.values())
    assert len(by_quarter) == 12


def test_a_user_that_graphql_refuses_is_checked_by_rest_longer_each_time_up_to_a_day() -> None:
    hours = timedelta(hours=1)
    waits = [decide.without_graphql(number, interval=3 * hours) for number in (1, 2, 3, 50)]
    assert waits == [6 * hours, 24 * hours, 24 * hours, 24 * hours]
    # A user with a long interval is not put into a batch each time after all.
    assert decide.without_graphql(1, interval=24 * hours) == 48 * hours


@pytest.mark.parametrize(
    ("quiet_for", "eager", "own", "expected"),
    [
        (None, True, None, timedelta(hours=3)),
        (timedelta(hours=5), True, None, timedelta(minutes=30)),
        (timedelta(days=3), True, None, timedelta(hours=1)),
        (timedelta(days=30), True, None, timedelta(hours=3)),
        (timedelta(hours=5), False, None, timedelta(hours=3)),
        (timedelta(hours=5), True, timedelta(days=1), timedelta(days=1)),
    ],
)
def test_active_users_are_checked_more_often_if_the_budget_allows_it(
    quiet_for: timedelta | None, eager: bool, own: timedelta | None, expected: timedelta
) -> None:
    found_at = None if quiet_for is None else ADDED - quiet_for
    somebody = replace(user(), found_at=found_at, check_interval=own)
    interval = decide.interval_of(somebody, general=timedelta(hours=3), now=ADDED, eager=eager)
    assert interval == expected


@given(gists(), backfills)
def test_gists_later_than_the_user_are_always_published(
    listed: list[SeenGist], backfill: Backfill
) -> None:
    skipped = decide.skipped_by_backfill(user(backfill=backfill), listed)
    assert not {gist.id for gist in listed if gist.created_at >= ADDED} & skipped.keys()


@given(gists(), backfills, gists())
def test_later_gists_do_not_change_which_earlier_ones_are_skipped(
    listed: list[SeenGist], backfill: Backfill, more: list[SeenGist]
) -> None:
    ids = {gist.id for gist in listed}
    later = [gist for gist in more if gist.created_at >= ADDED and gist.id not in ids]
    ada = user(backfill=backfill)
    skipped = decide.skipped_by_backfill(ada, [*later, *listed])
    assert skipped == decide.skipped_by_backfill(ada, listed)


@given(gists(), st.integers(1, 5))
def test_latest_publishes_so_many_of_the_past(listed: list[SeenGist], count: int) -> None:
    skipped = decide.skipped_by_backfill(
        user(backfill=Backfill(BackfillKind.LATEST, count=count)), listed
    )
    past = [gist for gist in listed if gist.created_at < ADDED]
    published = [gist for gist in past if gist.id not in skipped]
    assert len(published) == min(count, len(past))
    oldest = min((gist.created_at for gist in published), default=ADDED)
    assert all(gist.created_at <= oldest for gist in past if gist.id in skipped)


@given(st.lists(st.integers(0, decide.BATCH_BYTES * 2)))
def test_batches_keep_order_and_bounds(sizes: list[int]) -> None:
    listed = [gist(str(number), ADDED, ["a"], size) for number, size in enumerate(sizes)]
    batches = decide.in_batches(listed, size_of=lambda gist: sum(file.size for file in gist.files))
    assert [gist for batch in batches for gist in batch] == listed
    for batch in batches:
        assert 1 <= len(batch) <= decide.BATCH_GISTS
        total = sum(file.size for gist in batch for file in gist.files)
        assert len(batch) == 1 or total <= decide.BATCH_BYTES


@given(
    st.lists(st.sampled_from([GitHubNotFound, GitHubBlocked, GitHubUnavailable]), max_size=40),
    st.integers(1, 3000).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_a_user_is_unavailable_only_after_three_looks_in_vain_in_a_row(
    errors: list[type[Exception]], interval: timedelta
) -> None:
    ada = user()
    gone_in_a_row = 0
    was_unavailable = False
    for error in errors:
        failed = decide.after_failure(ada, error("why"), now=ADDED, interval=interval)
        gone_in_a_row = gone_in_a_row + 1 if error is not GitHubUnavailable else 0
        was_unavailable = was_unavailable or gone_in_a_row >= 3
        assert failed.state is (UserState.UNAVAILABLE if was_unavailable else UserState.ACTIVE)
        wait = failed.next_check_at - ADDED
        assert min(timedelta(minutes=1), interval) <= wait <= max(interval, timedelta(days=1))
        if error is GitHubUnavailable:
            assert wait <= interval
        gone = FailureKind.OTHER if error is GitHubUnavailable else FailureKind.NOT_SHOWN
        assert failed.kind is gone
        ada = user(
            failures=failed.failures,
            failure=failed.failure,
            failure_kind=failed.kind,
            state=failed.state,
        )


@pytest.mark.parametrize("failure", ["GitHub has no user ada", "any other words"])
def test_the_kind_counts_whatever_the_sentence_says(failure: str) -> None:
    def failures(error: Exception, kind: FailureKind) -> int:
        ada = user(failures=2, failure=failure, failure_kind=kind)
        return decide.after_failure(ada, error, now=ADDED, interval=timedelta(hours=1)).failures

    assert failures(GitHubNotFound("why"), FailureKind.NOT_SHOWN) == 3
    assert failures(GitHubNotFound("why"), FailureKind.OTHER) == 1
    assert failures(GitHubUnavailable("why"), FailureKind.NOT_SHOWN) == 1
    assert failures(GitHubUnavailable("why"), FailureKind.SAME_ACCOUNT) == 3


def test_it_is_known_that_github_can_not_be_reached_also_as_the_cause_of_another_error() -> None:
    of_graphql = GraphQLFailed("GraphQL failed")
    of_graphql.__cause__ = GitHubUnreachable("no route")
    for error, kind in (
        (GitHubUnreachable("no route"), FailureKind.UNREACHABLE),
        (of_graphql, FailureKind.UNREACHABLE),
        (GitHubUnavailable("GitHub can't be reached"), FailureKind.OTHER),
    ):
        failed = decide.after_failure(user(), error, now=ADDED, interval=timedelta(hours=1))
        assert failed.kind is kind


def test_a_user_who_is_not_found_is_named() -> None:
    for error, sentence in (
        (
            GitHubNotFound("GitHub doesn't show the gist list (404)", names_user=False),
            "no user ada",
        ),
        (GitHubNotFound("ada is not shown by GraphQL"), "ada is not shown by GraphQL"),
    ):
        failed = decide.after_failure(user(), error, now=ADDED, interval=timedelta(hours=1))
        assert failed.failure.endswith(sentence)
        assert "://" not in failed.failure


def test_a_fault_of_our_own_shows_nothing_of_its_text() -> None:
    failed = decide.after_failure(
        user(), ValueError("a secret"), now=ADDED, interval=timedelta(hours=1)
    )
    assert failed.failure == OWN_FAULT
    assert "a secret" not in failed.failure
