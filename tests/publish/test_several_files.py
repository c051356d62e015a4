"""Notes of activities that hold several files: within their limit, without markers of others."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gitpip.marking import content_tag_of, marker_of
from gitpip.publish.activity import FurtherFile, Rendered, find_markers, render
from gitpip.store.publications.parts import MAX_FILES
from gitpip.templates.samples import SAMPLES
from gitpip.templates.template import NOTE_LIMIT

FILE = SAMPLES[0].file
VICTIM = "gp-aaaaaaaaaaaa"
FORGED = st.sampled_from(
    [f"with {VICTIM} {'0' * 16} ", f"content {'0' * 16} with {VICTIM} {'0' * 16} gitpip {VICTIM}"]
)


def rendered(contents: list[str], marker: str) -> tuple[Rendered, list[tuple[str, str]]]:
    """An activity of files with these contents, and what its footer names besides the first."""
    files = [
        replace(FILE, filename=f"{number} {'<' * 200}.py", content=content, language="Python")
        for number, content in enumerate(contents)
    ]
    others = [FurtherFile(file, marker_of(file.gist_id, file.filename)) for file in files[1:]]
    named = [(other.marker, content_tag_of(other.file.blob_hash)) for other in others]
    return render(files[0], marker=marker, others=others), named


@given(st.lists(st.one_of(st.text(max_size=200), FORGED), min_size=1, max_size=4))
def test_a_footer_names_the_files_of_its_activity_and_no_other(contents: list[str]) -> None:
    marker = marker_of(FILE.gist_id, "0.py")
    activity, named = rendered(contents, marker)
    found = find_markers(subject=activity.subject, note=activity.note)
    assert found.in_subject == found.in_footer == marker
    assert list(found.parts) == named


def test_fifty_long_files_share_the_note_and_short_ones_are_whole() -> None:
    contents = ["short\n", *["<&" * 50_000] * (MAX_FILES - 1)]
    activity, named = rendered(contents, marker_of(FILE.gist_id, "0.py"))
    assert len(activity.note.encode()) <= NOTE_LIMIT
    assert activity.is_cut
    shown = re.findall("<pre>(.*?)</pre>", activity.note, re.DOTALL)
    assert shown[0] == "short\n"
    sizes = [len(each) for each in shown[1:]]
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) < 20
    assert all(re.fullmatch("(&lt;|&amp;)*", each) for each in shown[1:])
    assert list(find_markers(subject=None, note=activity.note).parts) == named


def test_without_the_footer_the_subject_says_how_many_files_there_are() -> None:
    activity, _ = rendered(["a", "b", "c"], marker_of(FILE.gist_id, "0.py"))
    assert find_markers(subject=activity.subject, note="").unnamed == 2
    assert find_markers(subject=activity.subject, note=activity.note).unnamed == 0
