"""Large blocks that come and go leave no gaps between small ones that stay."""

import ctypes
import platform
import subprocess
import sys

import pytest

GAPS = """
import ctypes
from gitpip.runtime import memory

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

if {apart}:
    assert memory.keep_large_blocks_apart()
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
bytearray(8 * 2**20)  # one large answer, after which glibc would map no smaller block
kept = []
for number in range(300):
    answer = [bytearray(100_000 + 512 * number) for _ in range(4)]
    kept.append(bytearray(2_000))
    del answer
print(libc.mallinfo2().fordblks)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc before 2.33")
def test_large_blocks_leave_no_gaps() -> None:
    def gaps(*, apart: bool) -> int:
        program = [sys.executable, "-c", GAPS.format(apart=apart)]
        return int(subprocess.run(program, capture_output=True, check=True, text=True).stdout)

    assert gaps(apart=True) < 2**20 < gaps(apart=False)
