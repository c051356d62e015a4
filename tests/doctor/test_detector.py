"""The doctor lets the detector of credentials examine a sample, and says what to do if it can't."""

from pathlib import Path

import pytest

from gitpip.config import Settings, load_settings
from gitpip.doctor.publishing import examine_detector
from gitpip.publish.credentials.detector import PLANTED, Detector
from gitpip.status.findings import FindingLevel
from tests.support.detectors import program, running


@pytest.fixture
def settings() -> Settings:
    return load_settings({}, env_file=None)


async def test_one_that_works_finds_the_planted_token(settings: Settings) -> None:
    finding = await examine_detector(settings, {"credentials": "mask"})
    assert finding.verdict is FindingLevel.OK
    assert "found a sample token" in finding.found


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("sys.exit()", "the detector ended without an answer"),
        ("time.sleep(60)", "this took longer than 0.3 seconds"),
        ("say([[]])", "it finds no token in a sample that holds one"),
    ],
)
async def test_one_that_does_not_is_a_failure(
    settings: Settings, tmp_path: Path, fails: str, said: str
) -> None:
    failing = program(tmp_path, "sys.exit()", sample=fails)
    detector = Detector(limit=0.3, program=failing)
    finding = await examine_detector(settings, {}, detector)
    assert finding.verdict is FindingLevel.FAILURE
    assert said in finding.found
    assert "until then new files wait" in str(finding.advice)
    assert PLANTED not in f"{finding}"
    assert running(failing) == []


async def test_one_that_is_not_used_is_not_asked(settings: Settings, tmp_path: Path) -> None:
    detector = Detector(program=tmp_path / "nothing.py")
    finding = await examine_detector(settings, {"credentials": "publish"}, detector)
    assert (finding.verdict, finding.found) == (
        FindingLevel.OK,
        "off, because the setting credentials is publish",
    )
