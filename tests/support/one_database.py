"""Which tests run on one of the two databases only, where the time for both is not to be had."""

from collections import Counter
from zlib import crc32

import pytest

ON_BOTH = "tests/store/"
"""Here every case runs on both: statements and locks are the matter."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-database",
        action="store_true",
        help="run each case of a test on SQLite or on PostgreSQL, in turn, instead of on both",
    )


def leave_to_one_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect one of the two databases for each case that would run on both.

    The cases of one test go to the two in turn, so that a test with several cases still runs on
    both; those with a single case are spread evenly. All of `tests/store` stays on both.
    """
    pairs = {key for key, count in Counter(map(_without_database, items)).items() if count == 2}
    cases: dict[str, list[str]] = {}
    for item in items:
        if (key := _without_database(item)) in pairs:
            known = cases.setdefault(key.partition("[")[0], [])
            if key not in known:
                known.append(key)
    chosen = {
        key: "postgres" if (crc32(test.encode()) + place) % 2 else "sqlite"
        for test, keys in cases.items()
        for place, key in enumerate(keys)
        if not test.startswith(ON_BOTH)
    }
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        database = chosen.get(_without_database(item))
        on_it = database is None or database in item.nodeid.partition("[")[2]
        (kept if on_it else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def _without_database(item: pytest.Item) -> str:
    test, bracket, case = item.nodeid.partition("[")
    return test + bracket + case.replace("postgres", "*").replace("sqlite", "*")
