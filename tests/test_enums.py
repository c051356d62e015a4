"""No member of an enum is named by a text that is put together: a search would not find its use."""

import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "gitpip"


def test_no_member_of_an_enum_is_made_of_parts() -> None:
    texts = {path.relative_to(SOURCE): path.read_text() for path in SOURCE.rglob("*.py")}
    declared = re.compile(r"^class (\w+)\((?:Int|Str)?Enum\):", re.MULTILINE)
    enums = {name for text in texts.values() for name in declared.findall(text)}
    assert "EventKind" in enums
    made = re.compile(rf"\b(?:{'|'.join(enums)})\(\s*f[\"'].*")
    found = {f"{path}: {call}" for path, text in texts.items() for call in made.findall(text)}
    assert found == set()
