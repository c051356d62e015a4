"""The command that shows what activities would look like; it writes nothing, and steers nobody."""

import json
from pathlib import Path

import pytest

from tests.journeys.conftest import World

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@SQLITE
def test_activities_are_shown_under_other_templates(world: World, tmp_path: Path) -> None:
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.py": "\x1b[31mred", "b.py": "&" * 30_000})
    assert world.gitpip.command("users", "add", "octocat", "--backfill", "none").returncode == 0
    assert world.gitpip.command("check").returncode == 0
    note = tmp_path / "note.jinja"
    note.write_text("<b>{{ file.name }}</b>{{ content }}")
    told = world.gitpip.command(
        *("publishing", "preview", "octocat", "--subject", "{{ file.name|upper }}"),
        *("--note-file", str(note)),
    )
    assert told.returncode == 0, told.stderr
    assert "subject: A.PY · octocat [gp-" in told.stdout
    assert "  note:\n    <b>a.py</b><pre>" in told.stdout
    assert "\x1b" not in told.stdout
    counted = json.loads(world.gitpip.command("publishing", "preview", "--all", "--json").stdout)
    assert (counted["files"], counted["cut"]) == (2, 1)
    assert 99_990 < counted["longest_note"] <= 100_000
    assert world.pipedrive.activities == []
