"""Nothing but Pipedrive's own package, settings, doctor and links names Pipedrive in code.

Words for people may name it. Other code knows a `Destination`.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitpip.config import Settings

SOURCE = Path(__file__).parents[1] / "src" / "gitpip"
OF_PIPEDRIVE = (
    "publish/pipedrive",
    "config",
    "doctor",
    "web/render/links.py",
    # They run the stand-in of Pipedrive.
    "demo",
    "drill",
    # Migrations say what was.
    "store/migrations",
)
ALLOWED: Mapping[str, frozenset[str]] = {
    # The client is made here, and nowhere else.
    "runtime/account_access.py": frozenset({"gitpip.publish.pipedrive.client", "Pipedrive"}),
    # A column.
    "store/status/instances.py": frozenset({"has_pipedrive_token"}),
    # A column, and the field of the API that shows it.
    "store/surveys/lines.py": frozenset({"pipedrive"}),
    "publish/audit_lines.py": frozenset({"pipedrive"}),
    "bodies/audits.py": frozenset({"pipedrive"}),
    # A parameter of the API, a field of a form, and an option.
    "status/planning.py": frozenset({"pipedrive_plan"}),
    "status/sizing.py": frozenset({"pipedrive_plan"}),
    "web/api/capacity.py": frozenset({"pipedrive_plan"}),
    "web/pages/capacity.py": frozenset({"pipedrive_plan"}),
    "cli/plan.py": frozenset({"pipedrive_plan"}),
}


def test_no_name_in_code_says_pipedrive() -> None:
    files = {path.relative_to(SOURCE).as_posix(): path for path in SOURCE.rglob("*.py")}
    others = {name: path for name, path in files.items() if not name.startswith(OF_PIPEDRIVE)}
    assert [name for name in others if "pipedrive" in name] == []
    named = {name: _names_in(path) for name, path in others.items()}
    assert {name: found for name, found in named.items() if found} == ALLOWED


def _names_in(path: Path) -> frozenset[str]:
    """Return the identifiers that name Pipedrive, but for settings that are read."""
    text = path.read_text()
    if "pipedrive" not in text.lower():
        return frozenset()
    return frozenset(
        name
        for node in ast.walk(ast.parse(text))
        for name in _identifiers(node)
        if "pipedrive" in name.lower()
        and not (isinstance(node, ast.Attribute) and name in Settings.model_fields)
    )


def _identifiers(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        return
    for _, value in ast.iter_fields(node):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield one
