"""Each guard that `benchmarks/guards.py` takes out is there, and so are its tests."""

import shutil
from pathlib import Path

import pytest

from benchmarks.guards import GUARDS, PACKAGE, TESTS, Guard, take_out


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_can_be_taken_out_and_has_a_test(guard: Guard, tmp_path: Path) -> None:
    file = tmp_path / guard.file
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGE / guard.file, file)
    take_out(guard, tmp_path)
    compile(file.read_text(), guard.file, "exec")
    path, *options = guard.test.split()
    text = (TESTS / path).read_text()
    assert all(word in text.lower() for word in options if word not in ("-k", "sqlite"))
