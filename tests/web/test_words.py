"""Phrases that readers of the pages stumbled over do not come back."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import gitpip
from tests.support.pages import on_one_line

SRC = Path(gitpip.__file__).parent
ROOT = Path(__file__).parents[2]
TEXTS = [
    *sorted((SRC / "web" / "pages").rglob("*.html")),
    *sorted((SRC / "web" / "pages" / "static").glob("*.js")),
    SRC / "web" / "pages" / "sign_in.py",
    SRC / "web" / "errors.py",
    SRC / "web" / "feeds.py",
    SRC / "runtime" / "vendors.py",
    SRC / "drift.py",
    SRC / "modes.py",
    *sorted((SRC / "status").glob("*.py")),
    *sorted((SRC / "watch").rglob("*.py")),
    SRC / "publish" / "activity.py",
    SRC / "publish" / "deal_drift.py",
    SRC / "publish" / "deals.py",
    SRC / "publish" / "places.py",
    SRC / "publish" / "sender.py",
    SRC / "publish" / "undoer.py",
    SRC / "web" / "pages" / "adding.py",
    SRC / "web" / "pages" / "publications.py",
    SRC / "web" / "pages" / "rules.py",
    SRC / "web" / "pages" / "status.py",
    SRC / "actions" / "words_of_log.py",
    SRC / "web" / "render" / "audit_words.py",
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
    # Inbox, history, gists and status
    "What this page shows",
    "Mark as seen",
    "Earlier visits",
    "Your visit of",
    "stays stored, but no page",
    "Looking at",
    "From revision",
    "min left at the pace",
    "next in turn",
    ">Budgets",
    "not read yet",
    "What failed",
    "bad lines",
    # Reasons
    "waits for the deal",
    "waits for its target",
    "could not look",
    "checked by REST",
    "fault of gitpip",
    # What has begun and not ended is running
    "Under way",
    # An audit compares; the audit log says who did what
    "Compare with Pipedrive",
    "see the audit",
    "read the audit",
]
"""Write the phrase here when a better one takes its place."""
EVERYWHERE = [
    # Pages
    "in logins, names and contents",
    "What fits, found last first",
    "These were all",
    "Back to the newest",
    "Ask for less, or see what is new",
    "since your last visit",
    "known by now as seen",
    "Show them again",
    "was marked as seen before",
    "Once an operator has added users",
    "What is new now",
    "Show the whole gist",
    "would become activities",
    "least fresh",
    "There are not so many",
    "users are checked now",
    "and checked once resumed",
    "users no longer have",
    "tick the box of",
    "In Pipedrive nothing is changed",
    "separate them by spaces",
    "No public gist yet",
    "Download as text",
    "None in this state",
    "the answer is awaited",
    "its turn has not come",
    "None yet. Whatever",
    "What would be sent today",
    "can become pending",
    "All good: nothing before",
    "Publishing waits until",
    "were refused by Pipedrive",
    "Show what was refused",
    "Queue over the last day",
    "at the last count",
    "Each bar is",
    "Not counted yet",
    "How fresh the",
    "Half of them within",
    "service at work",
    "next step is due in a moment",
    "Waits to be begun",
    "users looked at",
    "spoil no good one",
    "Cut short, as",
    "is no column",
    "tracked already, under",
    "is none of all",
    "Give one of these addresses",
    "There are no keys yet",
    "makes keys, and reads",
    "has visits of its own",
    "can have been missed of",
    "Not looked at yet",
    "is not shown by GitHub",
    "answer did not arrive",
    "Publishing waits:",
    "limits let be looked at",
    "no process that watches",
    "Nothing was heard",
    "add it first",
    "What was found last",
    "gives no answer just now",
    "unknown language",
    # Commands, settings, the doctor, the demo
    "until Ctrl-C",
    "against built-in stand-ins, without",
    "from this moment on",
    "The demo runs:",
    "when a look failed",
    "when some was not",
    "Say how the service",
    "Look at all that can",
    "Say which gitpip",
    "Print JSON for machines",
    "Between looks",
    "may be given often",
    "Stop looking, or go on",
    "what is not named stays",
    "would publish at once",
    "a key another secret",
    "opens nothing any more",
    "After how long it ends",
    "nothing missed before",
    "way to GitHub:",
    "make one: any",
    "see the reason",
    "agrees with the vendors",
    "make-believe users",
    "tracked user is looked at",
    "no work may come further",
    "least severity that is logged",
    "are believed who asks",
    "not a port",
    "stop what listens there",
    "the obvious",
    "whatever fails in between",
    # Inversions and riddles of messages, pages, templates and documents
    "is kept no more",
    "is in Pipedrive no more",
    "lets a stopped one go on",
    "from then on nothing is open",
    "name the one with which",
    "are two things",
    "nothing narrows this",
    "is no list",
    "is no spreadsheet",
    "is no position",
    "is no tag",
    "is no fork",
    "that is no token",
    "no certificate is in it",
    "are not understood",
    "is not understood",
    "are in one another",
    "which shows nothing",
    "wrote of it",
    "takes it for, like",
    "makes no sense of it",
    "round in circles",
    "about no such",
    "require it no more",
    "make one there",
    "the rows are of",
    "has it not",
    "goes on without help",
    "left to be undone",
    "a file is wanted",
    "; called again",
    "start that again",
    "as to every fine-grained",
    "this one alone is refused",
    "the note is none's",
    "showed life",
    "waits by a rule",
    "ended well",
    "something went wrong here",
    "whole again",
]
"""Also gone from commands, messages and documents."""
NOT_SAID = re.compile(r"(?<![\w'-])(?:nobody|everybody|somebody|any more)(?!\w)", re.IGNORECASE)
"""Words that people don't read: it is no one, everyone, someone and no longer."""
CODE_IN_TEMPLATES = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<script.*?</script>", re.DOTALL)


def _sentences(path: Path) -> Iterator[str]:
    """Yield the texts of a module without its docstrings and comments, each in one piece."""
    tree = ast.parse(path.read_text())
    hidden = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.JoinedStr):
            hidden.update(map(id, node.values))
            yield "".join(
                str(part.value)
                if isinstance(part, ast.Constant)
                else ast.unparse(ast.JoinedStr([part]))[2:-1]
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _shown(path: Path) -> str:
    """Return what people can read of a file, with what templates and formats fill in."""
    text = path.read_text() if path.suffix != ".py" else " | ".join(_sentences(path))
    return on_one_line(text)


def _back(paths: Iterable[Path], phrases: Iterable[str], *, whole: bool = True) -> list[str]:
    texts = {
        path: (on_one_line(path.read_text()) if whole else _shown(path)).lower() for path in paths
    }
    return [
        f"{path.relative_to(ROOT)}: {phrase}"
        for path, text in texts.items()
        for phrase in phrases
        # Most texts hold none of them, and looking for words takes long.
        if phrase.lower() in text and re.search(rf"(?<!\w){re.escape(phrase.lower())}(?!\w)", text)
    ]


def test_phrases_that_are_gone_stay_gone() -> None:
    assert len(TEXTS) > 30
    assert _back(TEXTS, GONE, whole=False) == []


def test_they_are_gone_from_commands_messages_and_documents() -> None:
    texts = [ROOT / "README.md"]
    for place, pattern in (("src/gitpip", "*.py"), ("src/gitpip", "*.html"), ("docs", "*.md")):
        texts += sorted((ROOT / place).rglob(pattern))
    assert len(texts) > 500
    assert _back(texts, EVERYWHERE) == []


def test_people_read_no_one_everyone_someone_and_no_longer() -> None:
    found = []
    for path in sorted(SRC.rglob("*.py")):
        # Gists of a demo, and rows of former versions, need no such words.
        if "migrations" in path.parts or path.name in {"cast.py", "samples.py"}:
            continue
        said = [text for text in _sentences(path) if " " in text and NOT_SAID.search(text)]
        found += [f"{path.relative_to(ROOT)}: {text}" for text in said]
    for path in sorted(SRC.rglob("*.html")):
        text = on_one_line(CODE_IN_TEMPLATES.sub(" ", path.read_text()))
        found += [f"{path.relative_to(ROOT)}: {one}" for one in NOT_SAID.findall(text)]
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if path.name != "ARCHITECTURE.md":
            text = on_one_line(path.read_text())
            found += [f"{path.relative_to(ROOT)}: {one}" for one in NOT_SAID.findall(text)]
    assert found == []
