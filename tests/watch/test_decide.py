"""The rules of watching, as functions."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gitpip.errors import GitHubBlocked, GitHubNotFound, GitHubUnavailable
from gitpip.model import (
    Backfill,
    BackfillKind,
    GistId,
    GitHubId,
    SeenFile,
    SeenGist,
    User,
    UserKey,
    UserState,
)
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
        last_sequence=0,
        deal_id=None,
    )


backfills = st.one_of(
    st.sampled_from([Backfill(BackfillKind.ALL), Backfill(BackfillKind.NONE)]),
    st.integers(1, 5).map(lambda count: Backfill(BackfillKind.LATEST, count=count)),
    times.map(lambda since: Backfill(BackfillKind.SINCE, since=since)),
)


@given(gists(), st.data())
def test_new_is_what_holds_something_unknown_and_nothing_else(
    listed: list[SeenGist], data: st.DataObject
) -> None:
    files = [(gist.id, file.filename) for gist in listed for file in gist.files]
    known_files = set(data.draw(st.lists(st.sampled_from(files)))) if files else set()
    known_gists = {gist_id for gist_id, _ in known_files}
    new = decide.new_gists(listed, known_gists, known_files)
    assert [gist.created_at for gist in new] == sorted(gist.created_at for gist in new)
    for gist_ in listed:
        unknown = {(gist_.id, file.filename) for file in gist_.files} - known_files
        assert (gist_ in new) == (bool(unknown) or gist_.id not in known_gists)
    everything = {gist.id for gist in listed}
    assert decide.new_gists(listed, everything, set(files)) == ()


@given(gists(), backfills)
def test_gists_later_than_the_user_are_always_published(
    listed: list[SeenGist], backfill: Backfill
) -> None:
    skipped = decide.not_published(user(backfill=backfill), listed)
    assert not {gist.id for gist in listed if gist.created_at >= ADDED} & skipped.keys()
    assert decide.not_published(user(backfill=backfill, checked_at=ADDED), listed) == {}


@given(gists(), backfills, gists())
def test_what_is_created_later_changes_nothing_for_what_was_there(
    listed: list[SeenGist], backfill: Backfill, more: list[SeenGist]
) -> None:
    ids = {gist.id for gist in listed}
    later = [gist for gist in more if gist.created_at >= ADDED and gist.id not in ids]
    ada = user(backfill=backfill)
    assert decide.not_published(ada, [*later, *listed]) == decide.not_published(ada, listed)


@given(gists(), st.integers(1, 5))
def test_latest_publishes_so_many_of_the_past(listed: list[SeenGist], count: int) -> None:
    skipped = decide.not_published(
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
    batches = decide.in_batches(listed)
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
        setback = decide.after_failure(ada, error("why"), now=ADDED, interval=interval)
        gone_in_a_row = gone_in_a_row + 1 if error is not GitHubUnavailable else 0
        was_unavailable = was_unavailable or gone_in_a_row >= 3
        assert setback.state is (UserState.UNAVAILABLE if was_unavailable else UserState.ACTIVE)
        wait = setback.next_check_at - ADDED
        assert min(timedelta(minutes=1), interval) <= wait <= max(interval, timedelta(days=1))
        if error is GitHubUnavailable:
            assert wait <= interval
        ada = user(failures=setback.failures, failure=setback.failure, state=setback.state)


def test_a_fault_of_our_own_shows_nothing_of_its_text() -> None:
    setback = decide.after_failure(
        user(), ValueError("a secret"), now=ADDED, interval=timedelta(hours=1)
    )
    assert "ValueError" in setback.failure
    assert "a secret" not in setback.failure
