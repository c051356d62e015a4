"""Each process asks Pipedrive by a client that is made in one place."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "gitpip"
STAND_INS = ("demo", "drill")
"""What these call Pipedrive is the stand-in."""


def test_the_client_is_made_in_one_place() -> None:
    made = re.compile(r"(?<!class )\bPipedrive\(")
    places = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if made.search(path.read_text())
    ]
    elsewhere = [place for place in places if not place.startswith(STAND_INS)]
    assert elsewhere == ["runtime/present_account.py"]
