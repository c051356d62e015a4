"""The batch poll: asks GraphQL about many users at once, and finds the users that make it fail."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from gitpip.backoff import backoff
from gitpip.clock import loop_time
from gitpip.errors import (
    GistsHidden,
    GitHubAskedToWait,
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
from gitpip.watch.always_limited import AlwaysLimited
from gitpip.watch.batch_size import BatchSize
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.graphql import Snapshot

FAILURES_IN_A_ROW = 3
"""The different users, with no answer in between, after which GraphQL counts as failing."""
SLOW_IN_A_ROW = 3
"""The queries of full size without an answer in time, and none with one, after which they
shrink."""
USERS_PROBED = 2
"""The users that are asked about alone after a query without an answer in time, to see whether any
answer comes."""
QUERIES_SIDE_BY_SIDE = 4
"""The most queries about suspected users under way at once, in all runs together: each can cost the
whole wait."""
FIRST_POLL_PAUSE = timedelta(minutes=1)
LONGEST_POLL_PAUSE = timedelta(hours=1)
FIRST_PAUSE_OF_A_TOKEN = timedelta(hours=6)
LONGEST_PAUSE_OF_A_TOKEN = timedelta(days=1)

log = get_logger()


@dataclass
class Polled:
    """The answers of GraphQL about some users."""

    users: Sequence[User] = ()
    """The users that are asked about."""
    answers: list[tuple[User, Snapshot | GitHubError]] = field(default_factory=list)
    """The answers. A GraphQLFailed means that GraphQL failed when asked about this user alone."""
    not_asked: list[User] = field(default_factory=list)
    queries: int = 0
    stopped_by: GitHubLimited | GitHubUnauthorized | GraphQLUnusable | None = None
    """The error that ended the poll, or None if all users were asked about."""


class _Finding(Enum):
    """The reason why a batch failed, if it did."""

    ANSWERED = auto()
    BLAMED = auto()
    """GraphQL fails about at least one of its users alone."""
    TOO_LARGE = auto()
    """Its parts were answered, or it was not answered in time."""


class BatchPoller:
    """Asks about batches, and remembers which users GraphQL answers about."""

    def __init__(self, github: GitHub, now: Callable[[], datetime]) -> None:
        self._github = github
        self._now = now
        self._size = BatchSize()
        self._always_limited = AlwaysLimited()
        self._failed_alone: set[UserKey] = set()
        """Users that failed alone since a query was last answered."""
        self._failed_last: set[UserKey] = set()
        """Users that failed alone when GraphQL was found unusable. After the pause others are asked
        about first, as only these users may have been the cause."""
        self._hidden: set[UserKey] = set()
        """Users whose gists were counted and not shown, since any gist was last shown."""
        self._answered: User | None = None
        """A user with gists that GraphQL gave an answer about."""
        self._answered_last: User | None = None
        """A user, with or without gists, that GraphQL gave an answer about."""
        self._answered_at = 0.0
        """The time of the last answer, by the event loop's clock."""
        self._silent_at = 0.0
        """The time when there was no answer about single users either, by the same clock; 0 for
        never."""
        self._probing = asyncio.Lock()
        self._places = asyncio.Semaphore(QUERIES_SIDE_BY_SIDE)
        self._pauses = 0
        self._slow_in_a_row = 0
        self._at_most: dict[UserKey, int] = {}
        """The most users in a query about each of these: they were in a query that was too slow."""

    @property
    def batch_size(self) -> int:
        """The number of users in the next query."""
        return self._size.users

    @property
    def was_answered(self) -> bool:
        """Whether any query was answered since GraphQL last failed as such."""
        return self._answered_last is not None

    async def ask(self, users: Sequence[User], *, probing: bool = False) -> Polled:
        """Return what GraphQL says about each user. Answers are kept if other queries fail.

        A batch that fails is halved until the users that make it fail are found. One that takes too
        long is not repeated in this run: each such query costs seconds. Its users are asked about
        in smaller batches next time, at the same time, until those are found that GraphQL never
        answers about. Several runs can be under way at once. `probing` asks about single users
        first, until one is answered: after a pause.
        """
        run = Polled(users)
        try:
            if probing:
                await self._probe(users, run)
            await self._ask_each_batch(users, run)
        except (GitHubLimited, GitHubUnauthorized) as error:
            run.stopped_by = error
        except GraphQLUnusable as error:
            run.stopped_by = error
            # Then the users that failed alone are not the cause.
            run.answers = [(u, a) for u, a in run.answers if not isinstance(a, GraphQLFailed)]
        else:
            self._pauses = 0
        done = {user.key for user, _ in run.answers}
        run.not_asked = [user for user in users if user.key not in done]
        return run

    def pause_after(self, error: GraphQLUnusable) -> timedelta:
        """Return how long to leave GraphQL alone: longer each time in a row."""
        first, longest = (
            (FIRST_PAUSE_OF_A_TOKEN, LONGEST_PAUSE_OF_A_TOKEN)
            if isinstance(error, GraphQLHidesGists)
            else (FIRST_POLL_PAUSE, LONGEST_POLL_PAUSE)
        )
        self._pauses += 1
        return backoff(self._pauses, first, longest)

    async def miscounts(self, user: User, snapshot: Snapshot, gist_count: int) -> bool:
        """Return whether GraphQL counts too few gists of a user even in a query about one user.

        `snapshot` was seen to count too few: REST lists `gist_count`. If the user alone is counted
        right, the query was too large and cut silently, and the batches shrink. Costs a point,
        unless the batches have shrunk below that size already.
        """
        if snapshot.asked_with == 1:
            return True
        if snapshot.asked_with > self._size.users:
            return False
        try:
            alone = (await self._github.snapshots([user]))[user.key]
        except GitHubError as error:
            log.info("sweep.recount_failed", login=user.login, reason=str(error))
            return False
        if not isinstance(alone, Snapshot) or alone.gist_count < gist_count:
            return True
        self._shrink(snapshot.asked_with, "an answer was cut silently")
        return False

    async def _probe(self, users: Sequence[User], run: Polled) -> None:
        never_refused = [user for user in users if not user.graphql_refusals]
        if all(user.key in self._failed_last for user in never_refused):
            self._failed_last.clear()
        never_refused.sort(
            key=lambda user: (user.key in self._failed_last, user.key in self._at_most)
        )
        reason: GraphQLFailed | None = None
        asked = (never_refused or users)[:FAILURES_IN_A_ROW]
        for user in asked:
            reason = await self._failure_alone(user, run)
            if reason is None:
                self._failed_alone.clear()
                self._answered_last = user
                return
        self._failed_last |= {user.key for user in asked}
        if reason:
            raise _unusable(reason, failed=len(asked))

    async def _failure_alone(self, user: User, run: Polled) -> GraphQLFailed | None:
        run.queries += 1
        try:
            seen = (await self._github.snapshots([user]))[user.key]
        except GraphQLFailed as error:
            return error
        return seen if isinstance(seen, GraphQLFailed) else None

    async def _ask_each_batch(self, users: Sequence[User], run: Polled) -> None:
        # A user that was refused before is asked about alone, so that the others are not affected.
        suspected = [[user] for user in users if user.graphql_refusals]
        waiting = [user for user in users if not user.graphql_refusals]
        for at_most in sorted({self._at_most[u.key] for u in waiting if u.key in self._at_most}):
            alike = [user for user in waiting if self._at_most.get(user.key) == at_most]
            size = min(at_most, self._size.users)
            suspected += [alike[start : start + size] for start in range(0, len(alike), size)]
        waiting = [user for user in waiting if user.key not in self._at_most]
        await self._ask_side_by_side(suspected, run)
        waiting, limited = self._always_limited.apart(waiting)
        while waiting:
            batch = waiting[: self._size.users]
            waiting = waiting[len(batch) :]
            await self._isolate(batch, run)
        for batch in limited:
            await self._isolate(batch, run)

    async def _ask_side_by_side(self, batches: Sequence[Sequence[User]], run: Polled) -> None:
        async def ask(batch: Sequence[User]) -> None:
            async with self._places:
                await self._isolate(batch, run)

        try:
            async with asyncio.TaskGroup() as tasks:
                for batch in batches:
                    tasks.create_task(ask(batch))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _took_too_long(
        self, batch: Sequence[User], error: GraphQLTooSlow, *, began: float, run: Polled
    ) -> None:
        """Make the next batches with these users smaller.

        Raises GraphQLUnusable if no answer came since that query began, and none comes about single
        users: then GraphQL does not answer at all.
        """
        self._at_most |= {user.key: max(len(batch) // 2, 1) for user in batch}
        log.info("sweep.too_slow", users=len(batch), reason=str(error))
        async with self._probing:
            if self._answered_at < began and (
                self._silent_at > began or not await self._answers_about_any(batch, run)
            ):
                raise GraphQLUnusable(
                    f"GraphQL answers too slowly, so people are checked one by one: {error}"
                )
        if len(batch) >= self._size.users:
            self._slow_in_a_row += 1
            if self._slow_in_a_row >= SLOW_IN_A_ROW:
                self._slow_in_a_row = 0
                self._shrink(len(batch), str(error))

    async def _answers_about_any(self, batch: Sequence[User], run: Polled) -> bool:
        """Return whether GraphQL answers about any of a few single users, all asked at once."""
        keys = {user.key for user in batch}
        known = self._answered_last
        asked = [known] if known and known.key not in keys else []
        asked = [*asked, *batch][:USERS_PROBED]
        failures = await asyncio.gather(*(self._failure_alone(user, run) for user in asked))
        if all(failures):
            self._silent_at = loop_time()
            return False
        self._answered_at = loop_time()
        self._at_most |= {
            user.key: 1
            for user, failure in zip(asked, failures, strict=True)
            if failure and user.key in keys
        }
        return True

    async def _isolate(
        self, batch: Sequence[User], run: Polled, *, fails: bool = False
    ) -> _Finding:
        """Ask about a batch, and about parts of it if that fails, down to single users.

        `fails` says that a larger batch failed and the rest of it did not: then the parts are asked
        at once. A single user is always asked about before it is blamed.
        """
        failed, reason = batch, ""
        presumed = fails and len(batch) > 1
        if not presumed:
            run.queries += 1
            began = loop_time()
            failed, error = await self._ask_once(batch, run)
            if not failed:
                self._size.went_well(len(batch), self._now())
                return _Finding.ANSWERED
            if len(batch) == 1:
                await self._fails_alone(batch[0], error, began=began, run=run)
                return _Finding.BLAMED
            if isinstance(error, GraphQLTooSlow):
                await self._took_too_long(batch, error, began=began, run=run)
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
        """Send one query and keep its answers; return the users without an answer, and why."""
        try:
            seen = await self._query(batch)
        except GraphQLFailed as error:
            return batch, error
        if len(batch) >= self._size.users:
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
            self._note_answer(user)
            if isinstance(answer, Snapshot) and answer.gist_count:
                shown = user
        if shown:
            self._answered = shown
            self._hidden.clear()
        elif hidden:
            self._hidden |= {user.key for user in hidden}
            number = len(self._hidden)
            if number >= FAILURES_IN_A_ROW and not await self._still_answers(self._answered, run):
                raise _unusable(reason, failed=number)
        return failed, reason

    async def _query(self, batch: Sequence[User]) -> Mapping[UserKey, Snapshot | GitHubError]:
        try:
            seen = await self._github.snapshots(batch)
        except GitHubAskedToWait as error:
            # It failed for this user before, so its answer need not be shown again.
            failed_before = len(batch) == 1 and batch[0].graphql_refusals > 0
            if self._always_limited.refused(batch) or failed_before:
                raise GraphQLFailed(
                    "GitHub asks to wait whenever GraphQL is asked about this user, and answers "
                    "about others"
                ) from error
            raise
        self._always_limited.answered(batch)
        return seen

    def _note_answer(self, user: User) -> None:
        self._at_most.pop(user.key, None)
        self._failed_alone.clear()
        self._answered_last, self._answered_at = user, loop_time()

    async def _fails_alone(
        self, user: User, error: GraphQLFailed, *, began: float, run: Polled
    ) -> None:
        """Blame a user, or GraphQL if too many different users fail in a row."""
        if not user.graphql_refusals and self._answered_at < began:
            self._failed_alone.add(user.key)
            number = len(self._failed_alone)
            if number >= FAILURES_IN_A_ROW:
                # If gists are hidden, only a user with gists can show it.
                hidden = isinstance(error, GistsHidden)
                known = self._answered if hidden else self._answered or self._answered_last
                others = () if hidden else self._others(run)
                if not await self._still_answers(known, run, others=others):
                    raise _unusable(error, failed=number)
        self._at_most.pop(user.key, None)
        run.answers.append((user, error))

    def _others(self, run: Polled) -> Sequence[User]:
        """Return a few users that GraphQL is not known to fail for: the last ones of the run."""
        failed = self._failed_alone | self._failed_last
        others = [u for u in run.users if not u.graphql_refusals and u.key not in failed]
        return others[-USERS_PROBED:]

    async def _still_answers(
        self, known: User | None, run: Polled, *, others: Sequence[User] = ()
    ) -> bool:
        """Return whether GraphQL still answers about a user that it answered about before.

        One of the `others` also counts: after a start it has answered about no user yet.
        """
        answers: User | None = None
        for user in (*([known] if known else []), *others):
            if await self._failure_alone(user, run) is None:
                answers = user
                break
        else:
            self._failed_last |= self._failed_alone
            self._answered = None
        self._failed_alone.clear()
        self._hidden.clear()
        self._answered_last = answers
        return answers is not None

    def _shrink(self, size: int, reason: str) -> None:
        before = self._size.users
        self._size.too_large(size, self._now())
        log.info("sweep.batch_shrunk", reason=reason, users=self._size.users, before=before)


def _unusable(error: GraphQLFailed, *, failed: int) -> GraphQLUnusable:
    """Log how many users GraphQL fails about. None is named, since users can be removed later."""
    if isinstance(error, GistsHidden):
        return GraphQLHidesGists(
            "GitHub shows no gists to this fine-grained token in batches, so people are checked "
            "one by one. A classic token without any scope is faster"
        )
    users = "the only person asked about" if failed == 1 else f"{failed} people in a row"
    return GraphQLUnusable(
        f"GraphQL fails for {users}, so people are checked one by one: {error.of_anyone}"
    )
