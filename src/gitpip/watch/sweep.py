"""The sweep: asks about many users at once, in batches as large as GitHub bears them."""

from collections import deque
from collections.abc import Sequence

from gitpip.errors import GitHubError, GitHubOverburdened
from gitpip.model import User
from gitpip.telemetry import get_logger
from gitpip.watch import decide
from gitpip.watch.github import GitHub
from gitpip.watch.graphql import Glimpse

log = get_logger()


class Sweep:
    """Remembers from one batch to the next how much GitHub bears."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._size = decide.FIRST_BATCH

    @property
    def batch_size(self) -> int:
        """How many users the next query asks about."""
        return self._size

    async def ask(self, users: Sequence[User]) -> list[tuple[User, Glimpse | GitHubError]]:
        """What GitHub says of each user.

        Whom a query was too large for is asked about in smaller ones. Raises GitHubLimited,
        GitHubUnauthorized and GitHubUnavailable, and GitHubOverburdened where even a query about
        one user is too much: then GraphQL is in trouble.
        """
        waiting = deque(users)
        seen: list[tuple[User, Glimpse | GitHubError]] = []
        while waiting:
            batch = [waiting.popleft() for _ in range(min(self._size, len(waiting)))]
            try:
                glimpses = await self._github.glimpses(batch)
            except GitHubOverburdened as error:
                self._shrink(str(error))
                if len(batch) == 1:
                    raise
                waiting.extendleft(reversed(batch))
                continue
            refused = [user for user in batch if isinstance(glimpses[user.key], GitHubOverburdened)]
            if refused and len(batch) > 1:
                self._shrink(f"{len(refused)} of {len(batch)} users were left out")
                waiting.extendleft(reversed(refused))
                batch = [user for user in batch if user not in refused]
            elif len(batch) == self._size:
                self._size = decide.next_batch(self._size, went_well=True)
            seen += [(user, glimpses[user.key]) for user in batch]
        return seen

    def doubt(self) -> None:
        """Take in that an answer was found to be cut silently."""
        self._shrink("an answer was cut silently")

    def _shrink(self, reason: str) -> None:
        before, self._size = self._size, decide.next_batch(self._size, went_well=False)
        log.info("sweep.batch_shrunk", reason=reason, users=self._size, before=before)
