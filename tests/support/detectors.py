"""Programs that stand for the detector of credentials, and fail as a test wants it."""

from contextlib import suppress
from pathlib import Path

import psutil

FINDS = 'say([[{"kind": "sample", "values": ["x" * 9], "lines": [1, 1]}]])'
_PROGRAM = """
import json, pathlib, sys, time
with pathlib.Path(__file__).with_name("starts").open("a") as file: file.write("x")
def say(answer):
    data = json.dumps(answer)
    print(len(data), data, sep="\\n", end="", flush=True)
say([])
while size := sys.stdin.buffer.readline():
    texts = json.loads(sys.stdin.buffer.read(int(size)))
    if len(texts) == 1:
        {sample}
    else:
        {file}
"""


def program(folder: Path, file: str, *, sample: str = FINDS) -> Path:
    """A program that does this, in Python, when it is asked about a file or about the sample.

    It writes an `x` into the file `starts` next to it for each start.
    """
    path = folder / "program.py"
    path.write_text(_PROGRAM.format(file=file, sample=sample))
    return path


def running(program: Path) -> list[psutil.Process]:
    """The processes that this one has started with a program, and that have not ended."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # as one that has ended meanwhile
            if str(program) in child.cmdline():
                found.append(child)
    return found
