"""Whether watching and publishing run agrees with the problems, whatever the problem is."""

import pytest

from gitpip.status.problem import ProblemKind
from gitpip.status.reading import STOPS
from gitpip.status.summary import ActivityState, read_summary
from gitpip.store.status import pauses
from tests.status.case import Case
from tests.status.conftest import NOW, Rows
from tests.status.test_problems import CASES

STOPS_WATCHING = STOPS[pauses.WATCHING] | {ProblemKind.READING_PAUSED}
STOPS_PUBLISHING = STOPS[pauses.PUBLISHING]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.severity}")
async def test_a_problem_that_stops_them_is_said_of_them(rows: Rows, case: Case) -> None:
    await rows.execute(*case.spoil)
    async with rows.database.read() as transaction:
        summary = await read_summary(transaction, rows.process(), NOW)

    kinds = {problem.kind for problem in summary.condition.problems}
    assert case.kind in kinds
    for activity, stops in (
        (summary.watching, STOPS_WATCHING),
        (summary.publishing, STOPS_PUBLISHING),
    ):
        assert (activity.state is ActivityState.RUNNING) is not bool(kinds & stops)
        assert (activity.reason is None) is (activity.state is ActivityState.RUNNING)
