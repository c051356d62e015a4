"""Each code that an audit can give has words on its page."""

import re
from pathlib import Path

from gitpip.web.render.audit_words import WORDS, explained

MANUAL = Path(__file__).parents[2] / "docs" / "audit.md"


def test_every_code_of_the_manual_has_words() -> None:
    tables = MANUAL.read_text().partition("| unexplained | means |")[2].partition("**Cost.**")[0]
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|", tables, re.MULTILINE)
    codes = {code for row in rows for code in re.findall("`([a-z-]+)`", row)}

    assert codes == set(WORDS)
    assert explained("missing") == "Pipedrive does not list its activity"
    assert explained("of-a-later-version") == "of-a-later-version"
