"""Whether a user is tracked is asked by the conditions of one module."""

import re
from pathlib import Path

import gitpip

STORE = Path(gitpip.__file__).parent / "store"
CONDITION = re.compile(r"(\w+)\.c\.removed_at\s*\.?\s*(?:is_|is_not|==|!=)")
OF_FILES = {"gist_files"}
"""Tables whose `removed_at` says something else."""


def test_no_query_has_a_condition_of_its_own_on_removed_users() -> None:
    found = {
        str(file.relative_to(STORE))
        for file in STORE.rglob("*.py")
        for table in CONDITION.findall(file.read_text())
        if "migrations" not in file.parts and table not in OF_FILES
    }
    # The schema has them for its partial indexes.
    assert found == {"visibility.py", "schema.py"}
