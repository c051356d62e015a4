"""How files are shown: what is kept of them in memory, and an address for each line."""

import re
import sys

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from gitpip.web.render.highlight import OVERHEAD, PREVIEW_BOUNDS, Cache, Cut, Key, with_line_links

CAPACITY = 10_000
files = st.tuples(st.integers(0, 9), st.integers(0, CAPACITY))


@given(st.lists(files, max_size=60))
def test_the_cache_keeps_what_was_used_last_within_its_capacity(
    shown: list[tuple[int, int]],
) -> None:
    cache = Cache(CAPACITY)
    for number, length in shown:
        key: Key = (f"hash-{number}", "", "a.txt", PREVIEW_BOUNDS)
        made = Cut(Markup("x") * length, cut=False)
        known = cache.get(key)
        cache.put(key, made)
        expected = known or made
        takes = sys.getsizeof(expected.html) + OVERHEAD
        assert cache.get(key) == (expected if takes <= CAPACITY else None)
        assert 0 <= cache.size <= CAPACITY


def test_every_line_has_its_own_address_and_keeps_its_text() -> None:
    html = Markup('<span class="k">if</span> a:\n\n  <b>&lt;</b>\n')

    linked = with_line_links(html, "file-3-")

    assert linked.striptags() == html.striptags()
    assert re.findall('id="([^"]+)"', linked) == [f"file-3-L{number}" for number in (1, 2, 3)]
    assert '<span class="k">if</span> a:\n</span>' in linked
