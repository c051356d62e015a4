"""The sweep: asks GraphQL about many users at once, and finds the users that make it fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from gitpip.errors import (
    GistsHidden,
    GitHubError,
    GitHubLimited,
    GitHubUnauthorized,
    GraphQLFailed,
    GraphQLHidesGists,
    GraphQLTooSlow,
    GraphQLUnusable,
)
from gitpip.model import User, UserKey
from gitpip.observability.logging import get_logger
from gitpip.watch.batch_size import BatchSize
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.graphql import Snapshot

FAILURES_IN_A_ROW = 3
"""So many different users, and nobody answered in between, are trouble of GraphQL's own."""
SLOW_IN_A_ROW = 2
"""So many queries without an answer in time, and none with one in between, pause the sweep."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
FIRST_PAUSE_OF_A_TOKEN = timedelta(hours=6)
LONGEST_PAUSE_OF_A_TOKEN = timedelta(days=1)

log = get_logger()


@dataclass
class Polled:
    """What became of the questions about some users."""

    answers: list[tuple[User, Snapshot | GitHubError]] = field(default_factory=list)
    """A GraphQLFailed means that GraphQL failed when it was asked about this user alone."""
    unasked: list[User] = field(default_factory=list)
    queries: int = 0
    stopped_by: GitHubLimited | GitHubUnauthorized | GraphQLUnusable | None = None
    """None when everybody was asked."""


class _Finding(Enum):
    """Why a batch failed, if it did."""

    ANSWERED = auto()
    BLAMED = auto()
    """GraphQL fails about at least one user of it alone."""
    TOO_LARGE = auto()
    """Its parts were answered, or it was not answered in time."""


class BatchPoller:
    """Remembers from one batch to the next what GraphQL answers, and what it does not."""

    def __init__(self, github: GitHub, now: Callable[[], datetime]) -> None:
        self._github = github
        self._now = now
        self._size = BatchSize()
        self._failed_alone: set[UserKey] = set()
        """Users that failed alone since a query was answered last."""
        self._hidden: set[UserKey] = set()
        """Users whose gists were counted and not shown, since any gist was shown last."""
        self._answered: User | None = None
        """A user with gists that GraphQL gave an answer about."""
        self._pauses = 0
        self._slow_in_a_row = 0
        self._at_most: dict[UserKey, int] = {}
        """How many users a query about one of them names: they were in one that was too slow."""

    @property
    def batch_size(self) -> int:
        """How many users the next query asks about."""
        return self._size.users

    async def ask(self, users: Sequence[User], *, probing: bool = False) -> Polled:
        """What GraphQL says of each user; answers are kept whatever happens to other questions.

        A batch that fails is halved until the users are found that make it fail. One that takes
        too long is not asked about again in this run: each such query costs seconds. Its users are
        asked about in smaller batches next time.
        `probing` asks about single users first, until one is answered: after a pause.
        """
        run = Polled()
        try:
            if probing:
                await self._probe(users, run)
            await self._ask_each_batch(users, run)
        except (GitHubLimited, GitHubUnauthorized) as error:
            run.stopped_by = error
        except GraphQLUnusable as error:
            run.stopped_by = error
            # Then the users that failed alone are not to blame.
            run.answers = [(u, a) for u, a in run.answers if not isinstance(a, GraphQLFailed)]
        else:
            self._pauses = 0
        done = {user.key for user, _ in run.answers}
        run.unasked = [user for user in users if user.key not in done]
        return run

    def pause_after(self, error: GraphQLUnusable) -> timedelta:
        """How long to leave GraphQL alone: longer each time in a row."""
        first, longest = (
            (FIRST_PAUSE_OF_A_TOKEN, LONGEST_PAUSE_OF_A_TOKEN)
            if isinstance(error, GraphQLHidesGists)
            else (FIRST_PAUSE, LONGEST_PAUSE)
        )
        pause = min(first * (1 << min(self._pauses, 20)), longest)
        self._pauses += 1
        return pause

    async def miscounts(self, user: User, glimpse: Snapshot, gist_count: int) -> bool:
        """Whether GraphQL counts too few gists of a user even when asked about this one alone.

        `glimpse` was seen to count too few: REST lists `gist_count`. If the user alone is counted
        right, the query was too large and cut silently, and the batches shrink. Costs a point,
        unless the batches have shrunk below that size already.
        """
        if glimpse.asked_with == 1:
            return True
        if glimpse.asked_with > self._size.users:
            return False
        try:
            alone = (await self._github.glimpses([user]))[user.key]
        except GitHubError as error:
            log.info("sweep.recount_failed", login=user.login, reason=str(error))
            return False
        if not isinstance(alone, Snapshot) or alone.gist_count < gist_count:
            return True
        self._shrink(glimpse.asked_with, "an answer was cut silently")
        return False

    async def _probe(self, users: Sequence[User], run: Polled) -> None:
        never_refused = [user for user in users if not user.graphql_refusals]
        reason: GraphQLFailed | None = None
        for user in (never_refused or users)[:FAILURES_IN_A_ROW]:
            reason = await self._failure_alone(user, run)
            if reason is None:
                self._failed_alone.clear()
                return
        if reason:
            raise _unusable(reason)

    async def _failure_alone(self, user: User, run: Polled) -> GraphQLFailed | None:
        run.queries += 1
        try:
            seen = (await self._github.glimpses([user]))[user.key]
        except GraphQLFailed as error:
            return error
        return seen if isinstance(seen, GraphQLFailed) else None

    async def _ask_each_batch(self, users: Sequence[User], run: Polled) -> None:
        # A user that was refused before is asked about alone: the others do not pay for it.
        for user in users:
            if user.graphql_refusals:
                await self._isolate([user], run)
        waiting = [user for user in users if not user.graphql_refusals]
        while waiting:
            batch = self._next_batch(waiting)
            asked = {user.key for user in batch}
            waiting = [user for user in waiting if user.key not in asked]
            await self._isolate(batch, run)

    def _next_batch(self, waiting: Sequence[User]) -> Sequence[User]:
        """The first of these users, without those of a query that took too long, or they alone."""
        at_most = self._at_most.get(waiting[0].key)
        alike = [user for user in waiting if self._at_most.get(user.key) == at_most]
        return alike[: min(self._size.users, at_most or self._size.users)]

    def _took_too_long(self, batch: Sequence[User], error: GraphQLTooSlow) -> None:
        """Make the next batches with these users smaller; raises GraphQLUnusable at the second."""
        self._at_most |= {user.key: len(batch) // 2 for user in batch}
        log.info("sweep.too_slow", users=len(batch), reason=str(error))
        self._slow_in_a_row += 1
        if self._slow_in_a_row >= SLOW_IN_A_ROW:
            self._slow_in_a_row = 0
            if len(batch) <= self._size.users:
                self._shrink(len(batch), str(error))
            raise GraphQLUnusable(
                f"GraphQL answers too slowly, so everybody is checked by REST meanwhile: {error}"
            )

    async def _isolate(
        self, batch: Sequence[User], run: Polled, *, fails: bool = False
    ) -> _Finding:
        """Ask about a batch, and about parts of it where that fails, down to single users.

        `fails` says that a larger batch failed and the rest of it did not: then the parts are
        asked at once. A single user is always asked before it is blamed.
        """
        failed, reason = batch, ""
        presumed = fails and len(batch) > 1
        if not presumed:
            run.queries += 1
            failed, error = await self._ask_once(batch, run)
            if not failed:
                self._size.went_well(len(batch), self._now())
                return _Finding.ANSWERED
            if len(batch) == 1:
                await self._fails_alone(batch[0], error, run)
                return _Finding.BLAMED
            if isinstance(error, GraphQLTooSlow):
                self._took_too_long(batch, error)
                return _Finding.TOO_LARGE
            reason = str(error)
        if len(failed) < len(batch):
            findings = {await self._isolate(failed, run)}
        else:
            middle = len(failed) // 2
            first = await self._isolate(failed[:middle], run)
            sure = first is _Finding.ANSWERED
            findings = {first, await self._isolate(failed[middle:], run, fails=sure)}
        if _Finding.BLAMED in findings:
            return _Finding.BLAMED
        if presumed:
            return _Finding.ANSWERED
        if len(batch) <= self._size.users:
            self._shrink(len(batch), reason)
        return _Finding.TOO_LARGE

    async def _ask_once(
        self, batch: Sequence[User], run: Polled
    ) -> tuple[Sequence[User], GraphQLFailed]:
        """Keep the answers of one query; gives the users without an answer, and why."""
        try:
            seen = await self._github.glimpses(batch)
        except GraphQLFailed as error:
            return batch, error
        self._slow_in_a_row = 0
        failed: list[User] = []
        reason = GraphQLFailed("no reason")
        hidden: list[User] = []
        shown: User | None = None
        for user in batch:
            answer = seen[user.key]
            if isinstance(answer, GraphQLFailed):
                failed.append(user)
                reason = answer
                if isinstance(answer, GistsHidden) and not user.graphql_refusals:
                    hidden.append(user)
                continue
            run.answers.append((user, answer))
            self._at_most.pop(user.key, None)
            if isinstance(answer, Snapshot) and answer.gist_count:
                shown = user
        if len(failed) < len(batch):
            self._failed_alone.clear()
        if shown:
            self._answered = shown
            self._hidden.clear()
        elif hidden:
            self._hidden |= {user.key for user in hidden}
            if len(self._hidden) >= FAILURES_IN_A_ROW and not await self._still_answers(run):
                raise _unusable(reason)
        return failed, reason

    async def _fails_alone(self, user: User, error: GraphQLFailed, run: Polled) -> None:
        """Blame a user, or GraphQL if too many different ones fail in a row."""
        if not user.graphql_refusals:
            self._failed_alone.add(user.key)
            if len(self._failed_alone) >= FAILURES_IN_A_ROW and not await self._still_answers(run):
                raise _unusable(error)
        run.answers.append((user, error))

    async def _still_answers(self, run: Polled) -> bool:
        """Whether GraphQL still answers about a user with gists that it answered about before."""
        if self._answered is None or await self._failure_alone(self._answered, run) is not None:
            self._failed_alone.clear()
            self._hidden.clear()
            self._answered = None
            return False
        self._failed_alone.clear()
        self._hidden.clear()
        return True

    def _shrink(self, size: int, reason: str) -> None:
        before = self._size.users
        self._size.too_large(size, self._now())
        log.info("sweep.batch_shrunk", reason=reason, users=self._size.users, before=before)


def _unusable(error: GraphQLFailed) -> GraphQLUnusable:
    if isinstance(error, GistsHidden):
        return GraphQLHidesGists(
            "GraphQL shows no gists to this token, as to every fine-grained one; everybody is "
            "checked by REST: set GITHUB_TOKEN to a classic token without any scope"
        )
    return GraphQLUnusable(
        "GraphQL fails for one user after another, so everybody is checked by REST meanwhile: "
        f"{error}"
    )
