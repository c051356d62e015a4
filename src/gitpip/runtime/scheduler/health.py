"""Works that hang, or fail repeatedly, in the scheduler of this process."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from gitpip.errors import GitpipError


@dataclass(eq=False)
class RunProgress:
    """A run under way, and the time of its last step."""

    work: str
    stepped_at: float = field(default_factory=time.monotonic)

    def step(self) -> None:
        """Note that it made a step."""
        self.stepped_at = time.monotonic()


@dataclass
class _Failing:
    since: float
    last: float
    meaning: str
    times: int = 1


class RunHealth:
    """The results of the runs in this process.

    `taken_over_after` is a time without another failure. After it, another process has taken the
    work over.
    """

    def __init__(self, *, taken_over_after: timedelta) -> None:
        self._taken_over_after = taken_over_after.total_seconds()
        self._under_way: set[RunProgress] = set()
        self._failing: dict[str, _Failing] = {}

    def begin(self, work: str) -> RunProgress:
        """Note that a run begins."""
        progress = RunProgress(work)
        self._under_way.add(progress)
        return progress

    def end(self, progress: RunProgress) -> None:
        """Note that a run is over, however it ended."""
        self._under_way.discard(progress)

    def completed(self, work: str) -> None:
        """Note that a run succeeded."""
        self._failing.pop(work, None)

    def failed(self, work: str, error: BaseException) -> None:
        """Note that a run ended with an error, and will be tried again."""
        now = time.monotonic()
        failing = self._failing.get(work)
        if failing is None or now - failing.last > self._taken_over_after:
            self._failing[work] = _Failing(now, now, _meaning(error))
        else:
            failing.last, failing.meaning = now, _meaning(error)
            failing.times += 1

    def health_problems(self, patience: timedelta) -> Iterator[str]:
        """Yield a sentence for each work that hung, or only failed, for longer than `patience`.

        The time of failing is counted from failure to failure: after a single one, another process
        may have taken the work over.
        """
        now, longest = time.monotonic(), patience.total_seconds()
        for progress in self._under_way:
            if (stuck := now - progress.stepped_at) > longest:
                yield f"{progress.work} has made no progress for {stuck:.0f} s"
        for work, failing in self._failing.items():
            lasted = failing.last - failing.since
            if lasted > longest and now - failing.last < self._taken_over_after:
                yield (
                    f"{work} has failed {failing.times} times in {lasted:.0f} s, "
                    f"the last time because: {failing.meaning}"
                )


def _meaning(error: BaseException) -> str:
    """Return what kind of error it is. Its own words may name hosts, so they are only logged."""
    if isinstance(error, GitpipError) and error.__doc__:
        return error.__doc__.partition("\n")[0]
    return type(error).__name__
