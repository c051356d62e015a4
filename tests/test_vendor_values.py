"""Whatever a vendor sends: what is read of it can be stored, logged and calculated with."""

import json
from datetime import UTC, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitpip.http_client import http_date
from gitpip.vendor_values import (
    LARGEST_IN_HEADER,
    LARGEST_STORED_NUMBER,
    cleaned,
    header_number,
    json_of,
    storable,
    time_of,
    whole_number,
    words,
)
from tests.support.odd_values import COUNTS, DATES, HUGE, TIMES, VALUES

YEAR = timedelta(days=365)
any_text = st.text(st.characters(exclude_categories=()))
dates = st.from_regex(r"\A(Fri, )?[0-9]{1,6} (Jan|Dec) [0-9]{1,12} [0-9:]{1,9} ([+-][0-9]{1,9})?\Z")


@given(any_text | dates | st.sampled_from(DATES))
def test_a_time_of_a_header_can_be_calculated_with(text: str) -> None:
    date = http_date(text)
    assert date is None or (date.tzinfo is UTC and date - YEAR < date < date + YEAR)


@given(any_text | st.datetimes(timezones=st.timezones()).map(str) | st.sampled_from(TIMES))
def test_a_time_of_a_body_can_be_calculated_with(text: str) -> None:
    time = time_of(text)
    assert time is None or (time.tzinfo is UTC and time - YEAR < time < time + YEAR)


@given(any_text | st.integers().map(str) | st.sampled_from(COUNTS))
@example(HUGE * 20)  # more digits than Python reads
def test_a_number_of_a_header_has_bounds(text: str) -> None:
    number = header_number(text)
    assert number is None or 0 <= number <= LARGEST_IN_HEADER


@given(any_text)
def test_a_text_can_be_stored(text: str) -> None:
    kept = storable(text, 10)
    assert b"\0" not in kept.encode()
    assert len(kept) <= 10
    assert words(text, 10).isprintable()


def test_texts_that_can_be_stored_are_kept() -> None:
    text = "naïve 文字 \N{PILE OF POO}\n"
    assert storable(text) == text


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_odd_values_spoil_nothing_beside_them(value: object) -> None:
    body = json.dumps({"odd": value, "\ud800\0": [value], "good": "text"}).encode()
    read = cleaned(json_of(body))
    assert isinstance(read, dict)
    assert read["good"] == "text"
    assert "\0" not in json.dumps(read)
    number = whole_number(read["odd"])
    assert number is None or 1 <= number <= LARGEST_STORED_NUMBER


@pytest.mark.parametrize(
    "odd", [b'"\xff"', b'"\xed\xa0\x80"', HUGE.encode() * 20, b"1e999999999", b"NaN"], ids=repr
)
def test_wrong_bytes_and_huge_numbers_spoil_nothing_beside_them(odd: bytes) -> None:
    read = cleaned(json_of(b'\xef\xbb\xbf{"odd": ' + odd + b', "good": 1}'))
    assert isinstance(read, dict)
    assert read["good"] == 1
    assert json.dumps(read, ensure_ascii=False).encode()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"], ids=lambda b: b[:9])
def test_invalid_json_is_distinguished(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_of(body)
