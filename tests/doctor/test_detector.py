"""The doctor lets the detector of credentials examine a sample, and says what to do if it can't."""

from pathlib import Path

import pytest

from gitpip.config import Settings, load_settings
from gitpip.doctor.publishing import PLANTED, look_at_detector
from gitpip.publish.credentials.detector import Detector
from gitpip.status.findings import Verdict

FINDS_NOTHING = (
    "import sys\nprint('2\\n[]', end='', flush=True)\n"
    "sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))\n"
    "print('12\\n[[], [], []]', end='', flush=True)\n"
)
HANGS = "import time\nprint('2\\n[]', end='', flush=True)\ntime.sleep(60)\n"


@pytest.fixture
def settings() -> Settings:
    return load_settings({}, env_file=None)


async def test_one_that_works_finds_the_planted_token(settings: Settings) -> None:
    finding = await look_at_detector(settings, {"credentials": "mask"})
    assert finding.verdict is Verdict.OK
    assert "found a sample token" in finding.found


@pytest.mark.parametrize(
    ("program", "said", "advised"),
    [
        ("raise SystemExit", "the detector ended without an answer", "until then files are held"),
        (HANGS, "this took longer than 0.5 seconds", "until then files are held"),
        (FINDS_NOTHING, "credentials would be published", "pause publishing"),
    ],
)
async def test_one_that_does_not_is_a_failure(
    settings: Settings, tmp_path: Path, program: str, said: str, advised: str
) -> None:
    path = tmp_path / "program.py"
    path.write_text(program)
    detector = Detector(limit=0.5, program=path)
    finding = await look_at_detector(settings, {}, detector)
    assert finding.verdict is Verdict.FAILURE
    assert said in finding.found
    assert advised in str(finding.advice)
    assert PLANTED not in f"{finding}"
    assert detector.process_id is None


async def test_one_that_is_not_used_is_not_asked(settings: Settings, tmp_path: Path) -> None:
    detector = Detector(program=tmp_path / "nothing.py")
    finding = await look_at_detector(settings, {"credentials": "publish"}, detector)
    assert (finding.verdict, finding.found) == (
        Verdict.OK,
        "off, because the setting credentials is publish",
    )
