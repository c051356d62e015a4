"""A spreadsheet opens our CSV, and runs nothing in it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.spreadsheet import csv_lines, safe_cell

FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "\xa0=1", "\uff1d1")


@pytest.mark.parametrize("text", FORMULAS)
def test_what_would_be_run_begins_with_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_every_cell_is_read_as_it_was_and_begins_with_no_sign(texts: list[str]) -> None:
    rows = [{"name": text} for text in texts]
    read = list(csv.reader(io.StringIO(csv_lines(["name"], rows, head=True), newline="")))
    cells = [row[0] if row else "" for row in read[1:]]
    assert [cell.removeprefix("'") for cell in cells] == [text.removeprefix("'") for text in texts]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
