"""A process that only shows speaks of the tokens that the work is done with, not of its own."""

from dataclasses import replace

import pytest

from gitpip.status.problem import ProblemKind
from gitpip.store.schema_status import services
from tests.status.conftest import Rows


@pytest.mark.parametrize("works_itself", [False, True])
async def test_tokens_are_those_of_the_processes_that_work(rows: Rows, works_itself: bool) -> None:
    alive = True if works_itself else None
    with_tokens = replace(rows.process(), scheduler_is_alive=alive)
    without = replace(
        rows.process(GITHUB_TOKEN="", PIPEDRIVE_TOKEN="", GITPIP_CHECK_INTERVAL="1m"),
        scheduler_is_alive=alive,
    )

    await rows.execute(services.update().values(has_github_token=True, has_pipedrive_token=True))
    assert (await rows.condition(without)).all_good

    await rows.execute(services.update().values(has_github_token=False, has_pipedrive_token=False))
    found = {problem.kind for problem in (await rows.condition(without)).problems}
    assert found == {ProblemKind.OVER_CAPACITY, ProblemKind.DESTINATION_TOKEN_MISSING}
    found = {problem.kind for problem in (await rows.condition(with_tokens)).problems}
    assert found == (set() if works_itself else {ProblemKind.DESTINATION_TOKEN_MISSING})
