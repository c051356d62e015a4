"""The limit of a test's time holds after a failure, too, for what its fixtures clean up."""

import pytest

LIMIT = pytest.StashKey[object]()


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> None:
    item.stash[LIMIT] = settings


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Begin the time anew: pytest-timeout ends it at a failure, for a debugger that may follow."""
    limit = node.stash.get(LIMIT, None)
    if limit is not None and not node.config.getoption("usepdb"):
        node.config.hook.pytest_timeout_set_timer(item=node, settings=limit)
