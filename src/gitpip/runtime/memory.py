"""The memory of a long-running process, kept from growing with its largest answers.

glibc maps a large block on its own, and returns it to the system when it is freed. After each such
block it raises the size from which on it does so, up to 32 MiB ("dynamic mmap threshold",
mallopt(3)). From then on pages, lists and bodies of some 100 KB lie between small blocks that stay,
such as contents kept for the next page, and leave gaps. Under the load of `benchmarks.soak` the
gaps grew from 11 to 17 MiB within eight minutes. With a fixed size they did not grow.
"""

import ctypes

MAPPED_FROM = 64 * 1024
"""The bytes from which on a block has a mapping of its own."""
M_MMAP_THRESHOLD = -3
"""The parameter of mallopt, from malloc.h."""


def keep_large_blocks_apart() -> bool:
    """Give large blocks mappings of their own; return False if the C library is not glibc."""
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - another C library has no such name
        return bool(libc.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM))
    except (AttributeError, OSError, TypeError):
        return False
