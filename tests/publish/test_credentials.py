"""What looks like credentials is found, in time, without asking a host, and can be removed."""

import random
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitpip.model import GistFile
from gitpip.publish.activity import render
from gitpip.publish.credentials import child
from gitpip.publish.credentials.detector import DETECTOR, Detector
from gitpip.publish.credentials.findings import EXAMINED_CHARACTERS, Parts, masked, without
from gitpip.publish.credentials.kinds import kind_in_words
from gitpip.templates.template import NOTE_LIMIT
from tests.publish.test_activity import HOSTILE, PLAIN
from tests.support.detectors import program, running
from tests.support.planted import ordinary, planted
from tests.support.tokens import LEAKED
from tests.support.trials import trials


def parts(content: str, *, filename: str = "notes.txt", description: str = "") -> Parts:
    return Parts(filename, description, content)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The program of the detector in a place of its own, by which its process is found."""
    return Path(shutil.copy(child.__file__, tmp_path / "copied.py"))


@pytest.fixture
def detector(copied: Path) -> Iterator[Detector]:
    detector = Detector(program=copied)
    yield detector
    detector.close()


def test_at_least_95_of_100_planted_credentials_are_found() -> None:
    texts = planted(random.Random(7), each=8)
    missed = Counter(kind for kind, text in texts if DETECTOR.find(parts(text)).is_clean)
    assert len(texts) >= 200
    assert len({kind for kind, _ in texts}) >= 20
    assert missed.total() <= 0.05 * len(texts), missed


@pytest.mark.parametrize(
    "line",
    [
        "TWILIO_AUTH_TOKEN={}",
        'client = Client(sid, auth_token="{}")',
        "twilio_token: '{}'",
        '{{"authToken": "{}"}}',
    ],
)
def test_a_token_of_hexadecimal_digits_is_found_whatever_its_digits(line: str) -> None:
    # Tokens with few different digits look like a checksum to a pattern that counts them.
    for digits in ("01", "0123", "31d55a04", "0123456789abcdef"):
        chance = random.Random(digits)
        token = "".join(chance.choices(digits, k=32))
        assert DETECTOR.find(parts(line.format(token))).named, token


@pytest.mark.long
def test_at_most_1_of_100_ordinary_files_is_held() -> None:
    texts = ordinary(1_000)
    found = {
        name: sentence
        for name, text in texts
        if (sentence := DETECTOR.find(parts(text, filename=name)).sentence())
    }
    assert len(texts) == 1_000
    assert len(found) <= 10, found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_detector_can_open_no_connection(detector: Detector, copied: Path) -> None:
    for _, text in planted(random.Random(8), each=1):
        detector.find(parts(text))
    [started] = running(copied)
    process = Path(f"/proc/{started.pid}")
    limits = (process / "limits").read_text().splitlines()
    assert [line.split()[3:5] for line in limits if line.startswith("Max open files")] == [
        ["0", "0"]
    ]
    opened = [str(each.readlink()) for each in (process / "fd").iterdir()]
    assert not [each for each in opened if each.startswith("socket:")]
    # No token of ours, no proxy: nothing of our environment.
    names = (process / "environ").read_text().split("\0")
    assert not [name for name in names if "=" in name and "LIBRARY_PATH" not in name]


@pytest.mark.parametrize(
    ("fails", "why", "starts"),
    [
        ("time.sleep(60)", "this took longer than 0.5 seconds", 2),
        ("sys.exit()", "the detector ended without an answer", 3),
        ("say([[], [7], []])", "the detector gave an answer that can't be read", 3),
        ("say([[]])", "the detector gave an answer that can't be read", 3),
    ],
)
def test_a_file_on_which_it_fails_is_not_judged(
    tmp_path: Path, fails: str, why: str, starts: int
) -> None:
    """A process that ended may have been ended from outside: it is asked about the file twice."""
    detector = Detector(limit=0.5, program=program(tmp_path, fails))
    found = detector.find(parts(LEAKED))
    assert found.sentence() == f"could not be examined for credentials: {why}"
    assert found.trouble is None
    assert (tmp_path / "starts").read_text() == "x" * starts
    detector.close()


@pytest.mark.parametrize(
    ("fails", "why"),
    [
        ("sys.exit()", "the detector ended without an answer"),
        ("time.sleep(60)", "this took longer than 0.2 seconds"),
        ("say([[] for _ in texts])", "it finds no token in a sample that holds one"),
    ],
)
def test_one_that_fails_for_a_sample_too_is_in_trouble(
    tmp_path: Path, fails: str, why: str
) -> None:
    failing = program(tmp_path, fails, sample=fails)
    detector = Detector(limit=0.2, program=failing)
    found = detector.find(parts(LEAKED))
    assert (found.trouble, found.not_judged, running(failing)) == (why, why, [])
    began = (tmp_path / "starts").read_text()
    # For the next seconds it is known, as each start takes a while.
    assert detector.find(parts("other")).trouble == why
    assert (tmp_path / "starts").read_text() == began
    program(tmp_path, "say([[], [], []])")
    assert detector.trouble() is None
    assert detector.find(parts("other")).is_clean
    detector.close()


def test_a_detector_that_was_killed_is_started_anew(detector: Detector, copied: Path) -> None:
    assert not detector.find(parts(LEAKED)).is_clean
    [before] = running(copied)
    before.kill()
    assert not detector.find(parts(f"another {LEAKED}")).is_clean
    assert running(copied) != [before]


def test_signals_to_stop_do_not_end_it(detector: Detector, copied: Path) -> None:
    detector.find(parts(""))
    [before] = running(copied)
    before.terminate()
    before.send_signal(signal.SIGINT)
    assert not detector.find(parts(LEAKED)).is_clean
    assert running(copied) == [before]


def test_what_was_found_is_named_without_the_secret() -> None:
    found = DETECTOR.find(parts(f"one\ntwo\n{LEAKED}\n", description=f"my {LEAKED}"))
    assert found.sentence() == (
        "may contain credentials: GitHub personal access token (in its description), "
        "GitHub personal access token (line 3)"
    )
    assert LEAKED[6:] not in repr(found)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("github-pat", "GitHub personal access token"),
        ("github-fine-grained-pat", "GitHub fine-grained personal access token"),
        ("aws-access-token", "AWS access key ID"),
        ("openai-api-key", "OpenAI API key"),
        ("slack-webhook-url", "Slack webhook URL"),
        ("telegram-bot-token", "Telegram bot token"),
        ("generic-password", "password"),
        ("private-key", "private key"),
        ("some-new-service-oauth-token", "Some new service OAuth token"),
        ("-", "credential"),
    ],
)
def test_a_kind_is_shown_in_words(kind: str, words: str) -> None:
    """Also one that only another version of the detector knows."""
    assert kind_in_words(kind) == words


def test_no_id_of_a_pattern_is_shown() -> None:
    for _, text in planted(random.Random(10), each=1):
        for named in DETECTOR.find(parts(text)).named:
            kind, place = named.removesuffix(")").rsplit(" (", 1)
            assert not re.search("[a-z]-[a-z]|_", kind.replace("fine-grained", "")), kind
            assert place.startswith("line ")


def test_many_findings_are_counted() -> None:
    texts = planted(random.Random(9), each=1)
    found = DETECTOR.find(parts("\n".join(text for _, text in texts)))
    sentence = found.sentence()
    assert sentence is not None
    assert sentence.endswith("more")
    assert len(sentence) < 300


@pytest.mark.parametrize("remark", ["gitleaks:allow", "betterleaks:allow"])
def test_a_stranger_cannot_have_a_line_passed_over(remark: str) -> None:
    assert not DETECTOR.find(parts(f"key = {LEAKED} # {remark}")).is_clean


async def test_what_is_masked_is_nowhere_in_the_activity() -> None:
    file = replace(
        PLAIN,
        filename=f"{LEAKED}.txt",
        description=f"See {LEAKED}",
        content=f"a = '{LEAKED}'\nb = '{LEAKED}'\n" + "x" * NOTE_LIMIT,
        raw_url=f"https://gist.example/raw/{LEAKED}.txt",
    )
    sent = render(masked(file, await DETECTOR.examine(file)), marker="gp-aaaaaaaaaaaa")
    assert LEAKED[4:] not in sent.subject + sent.note
    assert sent.subject.startswith("[removed: GitHub personal access token].txt")
    assert "a = &#x27;[removed: GitHub personal access token]&#x27;" in sent.note
    assert "File shortened" in sent.note


async def test_a_key_that_is_cut_is_not_shown_in_the_room_that_others_leave() -> None:
    key = (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + f"{'Qx7' * 21}\n" * 60
        + "-----END RSA PRIVATE KEY-----\n"
    )
    filler = f"{'x' * 90} y\n" * ((EXAMINED_CHARACTERS - 1_000 - 10 * len(key)) // 93)
    file = replace(PLAIN, content=key * 10 + filler + key)
    sent = render(masked(file, await DETECTOR.examine(file)), marker="gp-aaaaaaaaaaaa")
    assert "[removed: private key]" in sent.note
    assert "Qx7Qx7" not in sent.note


async def test_what_was_not_judged_is_left_out(tmp_path: Path) -> None:
    detector = Detector(program=program(tmp_path, "sys.exit()"))
    file = replace(PLAIN, content=LEAKED)
    sent = render(masked(file, await detector.examine(file)), marker="gp-aaaaaaaaaaaa")
    detector.close()
    assert LEAKED not in sent.note
    assert "[removed: not examined]" in sent.note


async def test_a_clean_file_is_sent_as_it_is() -> None:
    assert masked(PLAIN, await DETECTOR.examine(PLAIN)) is PLAIN


pieces = st.sampled_from([*HOSTILE, LEAKED, "\n", "\0", "x" * 90, "é", '"', "password = "])


@given(st.lists(pieces, max_size=8).map("".join), st.lists(pieces, max_size=3).map("".join))
@settings(max_examples=trials(60), deadline=None)
def test_no_text_breaks_it_and_no_token_is_left(content: str, description: str) -> None:
    file = GistFile(**{**vars(PLAIN), "content": content, "description": description})
    found = DETECTOR.find(Parts(file.filename, description, content))
    left = masked(file, found)
    assert found.not_judged is None
    for text in (left.content or "", left.description or ""):
        # A token between letters is none; every other is taken out.
        assert f"\n{LEAKED}\n" not in f"\n{text}\n"
    for text, spans in zip(Parts(file.filename, description, content), found.spans, strict=True):
        assert without(text, spans).count("[removed: ") == len(spans)
