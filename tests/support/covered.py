"""Which lines and branches of gitpip run in the tests' own processes.

SlipCover takes a few percent of the tests' time, where tracing doubles it, so that this can be part
of every run. Processes that tests start are not counted; `make coverage` counts them as well.

It is a plugin of pytest, loaded by `-p tests.support.covered` before anything imports gitpip.
`--covered PERCENT` lets a run fail that reaches less. It exits with `TOO_LITTLE`, also if tests
failed, because no rerun of these mends it. What a crashed worker counted is lost, and counts as not
reached.
"""

import json
from pathlib import Path
from typing import Protocol

import pytest
import slipcover

SOURCE = str(Path(__file__).parents[2] / "src" / "gitpip")
OMIT = [f"{SOURCE}/store/migrations/*"]
"""Alembic loads these in a way of its own."""
NEVER = 10**9
"""SlipCover stops counting a line after so many times, but to take out what counts takes longer."""
TOO_LITTLE = 9
"""The exit status; pytest itself uses 0 to 5."""
COUNTS = pytest.StashKey[list[dict[str, object]]]()
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
"""The exit statuses of a run that was not interrupted."""
LOST = pytest.StashKey[bool]()

slip = slipcover.Slipcover(branch=True, source=[SOURCE], omit=OMIT, d_miss_threshold=NEVER)
slipcover.ImportManager(slip, slipcover.FileMatcher(sources=[SOURCE], omit=OMIT)).__enter__()


class Worker(Protocol):
    """What pytest-xdist tells of a worker that ended."""

    config: pytest.Config
    workeroutput: dict[str, str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--covered", type=float, help="fail below this percentage")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = []


def pytest_testnodedown(node: Worker, error: object) -> None:
    """Take over what a worker counted; one that crashed sends nothing."""
    output = getattr(node, "workeroutput", {})
    if "covered" in output:
        node.config.stash[COUNTS].append(json.loads(output["covered"]))
    else:
        node.config.stash[LOST] = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["covered"] = json.dumps(slip.get_coverage())
        return
    counted, *others = config.stash[COUNTS] or [slip.get_coverage()]
    for other in others:
        slipcover.merge_coverage(counted, other)
    config.stash[COUNTS] = [counted]
    if _is_too_little(config) and session.exitstatus in ENDED:
        session.exitstatus = TOO_LITTLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    (counted,) = config.stash[COUNTS]
    wanted = config.getoption("--covered")
    reached = f"{_percent(counted):.1f} % of lines and branches ran in the tests' own processes"
    least = f", at least {wanted} % is wanted" if wanted else ""
    lost = " (a worker crashed, and what it counted is lost)" * config.stash.get(LOST, False)
    terminalreporter.write_line(reached + least + lost, red=_is_too_little(config))


def _is_too_little(config: pytest.Config) -> bool:
    (counted,) = config.stash[COUNTS]
    wanted = config.getoption("--covered")
    return bool(wanted) and _percent(counted) < wanted


def _percent(counted: dict[str, object]) -> float:
    summary = counted["summary"]
    assert isinstance(summary, dict)
    return float(summary["percent_covered"])
