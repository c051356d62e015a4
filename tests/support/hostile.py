"""Names and contents as an attacker, a joker or a broken program would publish them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist
from gitpip.store.database import open_database
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.users import users

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime(2126, 1, 1, tzinfo=UTC)
RAN = "ran"
"""What a script that ran would have left in the window."""
SCRIPT = f"window.{RAN}=1"

TEXTS = {
    "a script": f"<script>{SCRIPT}</script>",
    "an event handler": f"<img src=x onerror={SCRIPT}>",
    "an attribute's end": f'"><svg onload={SCRIPT}>',
    "the other quote's end": f"' autofocus onfocus={SCRIPT} x='",
    "an end of the title": f"</title></textarea></pre><script>{SCRIPT}</script>",
    "a comment": f"--><script>{SCRIPT}</script><!--",
    "character data": f"]]><script>{SCRIPT}</script><![CDATA[",
    "an entity": f"&lt;script&gt;{SCRIPT}&lt;/script&gt;&#60;b&#62;",
    "htmx": "<div hx-get=/people hx-trigger=load data-hx-on:load=alert(1)>",
    "a style": "<style>*{display:none}</style><link rel=stylesheet href=//evil.example>",
    "a frame": "<iframe src=//evil.example></iframe><base href=//evil.example>",
    "a form": "<form action=//evil.example><button>Retry</button></form>",
    "a template": "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}<%= 7*7 %>",
    "a format": "%s%s%n{0}{self.__class__}{settings}",
    "a javascript address": f"javascript:{SCRIPT}",
    "a data address": f"data:text/html,<script>{SCRIPT}</script>",
    "a formula": '=HYPERLINK("http://evil.example","click")+cmd|\' /C calc\'!A0',
    "an order of letters": "invoice\u202egpj.exe",
    "isolates": "\u2066a\u2067b\u2068c\u2069d\u200e\u200f\u061c",
    "unseen letters": "pay\u200bpal\u2060\ufeff\u00ad\u180e\u2063.com",
    "joined letters": "\u200d\u200c",
    "tags": "a\U000e0041\U000e0042\U000e007f",
    "no letters": "\ufdd0\ufffe\uffff\U0001ffff\U0010ffff",
    "controls": "a\x01\x07\x08\x0b\x0c\x0e\x1b\x7f\x80\x85\x9b\x9fb",
    "a terminal's orders": "\x1b[2J\x1b]0;pwned\x07\x1b[31mred\x1b[0m",
    "another header": "a\r\nSet-Cookie: pwned=1\r\n\r\n<script>",
    "line separators": "a\u2028b\u2029c\x85d",
    "a heap of marks": "Z" + "\u0310\u0311\u0322\u0489" * 200 + "algo",
    "other alphabets": "\u0430pple-p\u0430yp\u0430l.com",
    "right to left": "\u05d0\u05d1\u05d2 <b> \u0634\u0643\u0631\u0627",
    "only spaces": "   \u3000\u00a0  ",
    "a path": "../../../../etc/passwd",
    "another path": "..\\..\\CON.txt:stream",
    "a long name": "long" * 2_000,
    "a word without end": "\N{PILE OF POO}" * 3_000,
}

CONTENTS = {
    "nothing": "",
    "line ends": "\r\r\n\n\r",
    "one long line": "x" * 5_000_000,
    "one long line of markup": "<b>" * 100_000,
    "many lines": "\n" * 300_000,
    "deeply nested": "[" * 20_000 + "{" * 20_000 + "(" * 20_000,
    "lines of comments": ("<!--" * 500 + "\n") * 29,
    "unfinished": '"' + "\\" * 30_001,
    "all code points": "".join(
        chr(point) for point in range(1, 0x3000) if not 0xD800 <= point <= 0xDFFF
    ),
}


@dataclass(frozen=True)
class Case:
    """A file: its text stands in every place that an attacker chooses."""

    name: str
    filename: str
    text: str
    content: str
    language: str
    """What GitHub calls it; another name than a language's, or one of a lexer that may be slow."""


def corpus() -> tuple[Case, ...]:
    """All cases; each file name is another one, as within a gist."""
    of_names = [
        Case(name, f"{number} {text}", text, f"{text}\n" * 5, text[:200])
        for number, (name, text) in enumerate(TEXTS.items())
    ]
    of_contents = [
        Case(f"{name} as {language}", f"{number}.{language}", name, content, language)
        for number, (name, content) in enumerate(CONTENTS.items())
        for language in ("Python", "Perl", "HTML", "cfm", "no such language")
    ]
    return (*of_names, *of_contents)


HARMLESS = (
    Case("harmless", "hello.py", "Says hello", "print('hello')\n" * 5, "Python"),
    Case("harmless and long", "long.py", "Says hello often", "print('hello')\n" * 9_000, "Python"),
    Case("harmless and empty", "empty.txt", "Says nothing", "", "Text"),
)


async def store(database_url: str, login: str, number: int, cases: Sequence[Case]) -> None:
    """Let a user have these files, a gist each, edited once: found, and waiting to be published."""
    database = open_database(database_url)
    await database.migrate()
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=cases[0].text[:100],
            account=Account(login, GitHubId(number)),
            backfill=Backfill.parse("all"),
            now=NEVER,
        )
    found = [_gist(GistId(f"{login}{place}"), case) for place, case in enumerate(cases)]
    for gist in found:
        async with database.begin() as transaction:
            user = await users.lock(transaction, added.user.key)
            assert user
            stored = await gists.store(transaction, user, [gist], check_id=None, now=NOW)
            new = [
                publications.NewPublication(file.key, file.gist_id, file.filename)
                for file in stored.new
            ]
            await publications.add(transaction, user.key, new, NOW)
        async with database.begin() as transaction:
            user = await users.lock(transaction, added.user.key)
            assert user
            await gists.store(transaction, user, [_edited(gist)], check_id=None, now=NOW)
    await database.close()


def _gist(gist_id: GistId, case: Case) -> SeenGist:
    file = SeenFile(
        case.filename, "1", len(case.content), case.language[:200], case.text, case.content
    )
    return SeenGist(gist_id, GitHubId(1), case.text, case.text, NOW, NOW, (file,))


def _edited(gist: SeenGist) -> SeenGist:
    file = gist.files[0]
    content = f"{file.content}\n{gist.description}\n"
    return replace(gist, files=(replace(file, blob_hash="2", content=content),))
