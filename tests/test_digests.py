"""What is stored of secrets and contents stays the same: rows and activities hold it."""

from gitpip.digests import blob_hash, digest, fingerprint
from gitpip.marking import blob_hash_of, marker_of, marker_of_content
from gitpip.model import GistId


def test_digests_are_those_that_databases_hold() -> None:
    assert digest("abc")[:16] == "ba7816bf8f01cfea"
    assert digest("\ud800") == digest("?")
    assert fingerprint("https://api.github.com", None) != fingerprint("https://api.github.com", "")
    assert fingerprint("https://api.example", "a") == digest("https://api.example\0a")[:12]


def test_the_hash_of_a_content_is_that_of_git() -> None:
    assert blob_hash(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert blob_hash_of("hello\n") == blob_hash(b"hello\n")


def test_markers_are_those_that_activities_hold() -> None:
    gist = GistId("0" * 32)
    first, edited = marker_of(gist, "a.py"), marker_of(gist, "a.py", 2)
    of_content = [marker_of_content(gist, "a.py", "f" * 40, times) for times in (0, 1)]
    found = [first, edited, *of_content]
    assert found == [
        "gp-aqkksr5vupir",
        "gp-vtqu3cv7mmgg",
        "gp-3n6ts32bq5ww",
        "gp-uzz46fyrfmro",
    ]
