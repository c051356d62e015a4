"""What is kept of files that were shown: never more than its share of memory."""

import sys

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from gitpip.web.render.highlight import OVERHEAD, PREVIEW, Cache, Cut, Key

CAPACITY = 10_000
files = st.tuples(st.integers(0, 9), st.integers(0, CAPACITY))


@given(st.lists(files, max_size=60))
def test_the_cache_keeps_what_was_used_last_within_its_capacity(
    shown: list[tuple[int, int]],
) -> None:
    cache = Cache(CAPACITY)
    for number, length in shown:
        key: Key = (f"hash-{number}", "", "a.txt", PREVIEW)
        made = Cut(Markup("x") * length, cut=False)
        known = cache.get(key)
        cache.put(key, made)
        expected = known or made
        takes = sys.getsizeof(expected.html) + OVERHEAD
        assert cache.get(key) == (expected if takes <= CAPACITY else None)
        assert 0 <= cache.size <= CAPACITY
