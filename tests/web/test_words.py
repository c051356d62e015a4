"""Phrases that readers of the pages stumbled over do not come back."""

import re
from pathlib import Path

import gitpip
from tests.support.pages import on_one_line

SRC = Path(gitpip.__file__).parent
TEXTS = [
    *sorted((SRC / "web" / "pages").rglob("*.html")),
    *sorted((SRC / "web" / "pages" / "static").glob("*.js")),
    SRC / "web" / "pages" / "sign_in.py",
    SRC / "web" / "errors.py",
    SRC / "web" / "feeds.py",
    SRC / "runtime" / "vendors.py",
    SRC / "status" / "accounts.py",
    SRC / "status" / "modes.py",
    SRC / "status" / "publishing.py",
    SRC / "publish" / "activity.py",
    SRC / "publish" / "deals.py",
    SRC / "publish" / "sender.py",
    SRC / "web" / "render" / "jinja.py",
]
"""The templates, and the modules whose sentences reach pages."""
GONE = [
    # Frame and states: the words are Inbox, People, CRM sync, Queued, Sending, Verifying …
    "Skip to the content",
    "does not answer just now",
    "no longer exists here",
    "waiting to be sent",
    "being looked for",
    "not planned",
    "whole again",
    # Import, feeds, keys, audit log, sign-in, errors
    "Import users",
    "Imports so far",
    "Read of the file",
    "Make a key",
    "Make an address",
    "Ends after",
    "shown only now",
    "that nobody guesses",
    "nobody gets in",
    "has visits of its own",
    "For which feed reader",
    "There are none yet",
    "Nothing was done yet",
    "no valid access key: it may",
    "There is no such thing here",
    "That can't be right",
    "possible just now",
    # Rules, settings, audits and the status
    "GitHub login",
    "Nobody opted out",
    "every file is published",
    "can't be taken back",
    "never send",
    "created with the first gist",
    "First data point",
    "Note, as HTML",
    "don't follow",
    "not following",
    # People, one person, a gist and its changes
    "Add a person",
    "Publish of the past",
    "Forecast first",
    "Of the past",
    "Your id",
    "Login contains",
    "Check everybody now",
    "New to you",
    "Last found",
    "Complete until",
    "No user fits",
    "Nobody is tracked yet",
    "No forecast now",
    "stops looking at",
    "Nothing of this user waits",
    "Look every",
    "not to be sent",
    "Nothing new since your visit",
    "Seen before",
    "what changed, seen",
    "The content is not stored here",
    "Cut here",
    "These revisions are the same",
    "Compared are the first",
    "There is no deal yet",
    "was held up",
    "the token is {",
    "stopped before it recorded",
    "Unknown language",
    "After (UTC)",
    "can't be asked just now",
    "can't be answered just now",
    # One word for one thing: people, and files that are sent
    "publishing mode is to ask",
    "removed user",
    "these users",
    "rows here",
    "Publishing mode",
    'count("publication',
    'count("user',
]
"""Write the phrase here when a better one takes its place."""


def test_phrases_that_are_gone_stay_gone() -> None:
    back = [
        f"{path.relative_to(SRC)}: {phrase}"
        for path in TEXTS
        for phrase in GONE
        if re.search(rf"\b{re.escape(phrase)}\b", on_one_line(path.read_text()), re.IGNORECASE)
    ]
    assert len(TEXTS) > 30
    assert back == []
