"""Activities of other tools are adopted where they surely are a file's, and doubled never."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from gitpip.actions import surveys as actions
from gitpip.actions import undo as undo_actions
from gitpip.actions.acting import Acting
from gitpip.actions.undo import What
from gitpip.errors import NothingToUndo
from gitpip.model import User, UserKey
from gitpip.publish.destination import Item
from gitpip.publish.other_tools import anchor_of, by_link, by_name, link_in, read
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.surveyor import Surveyor
from gitpip.publish.verdicts import FileName, ListedFile
from gitpip.store import ledger
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications.undos import UndoPlan
from gitpip.store.schema_access import Via
from gitpip.store.schema_surveys import Confidence, SurveyKind
from gitpip.store.schema_undo import UndoneState
from gitpip.store.surveys import others, surveys
from gitpip.store.surveys.others import MatchCandidate, OtherToolMatch
from gitpip.store.surveys.surveys import SurveyScope
from tests.publish.test_sent_again import send_again
from tests.publish.test_undo import carry_out, files, there, undo
from tests.support.scene import UNHURRIED, Scene, wake_nobody
from tests.support.tokens import TOKEN

OWNER = UserKey(1)


def candidate(
    gist_id: str, filename: str, content: str, *, description: str | None = None
) -> MatchCandidate:
    page = f"https://gist.github.com/ada/{gist_id}"
    raw = f"https://gist.githubusercontent.com/ada/{gist_id}/raw/{filename}"
    return MatchCandidate(
        publication_id=1,
        user_key=OWNER,
        login="ada",
        gist_id=gist_id,
        filename=filename,
        description=description,
        content=content,
        html_url=page,
        raw_url=raw,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        adoptable=True,
    )


def activity(subject: str, note: str) -> Item:
    return Item(1, subject, note, is_open=False, deal_id=7)


class Finder:
    """Searches for what other tools made, and adopts it."""

    def __init__(self, scene: Scene, surveyor: Surveyor) -> None:
        self.scene = scene
        self.surveyor = surveyor
        self.acting = Acting(scene.database, Actor("eve", Via.PAGE), wake_nobody, scene.clock)

    async def search(self) -> dict[int, OtherToolMatch]:
        """What a search finds, by activity."""
        scope = SurveyScope(SurveyKind.OTHERS)
        async with self.scene.database.begin() as transaction:
            made, _ = await surveys.request(transaction, scope, "eve", self.scene.clock())
        await self.surveyor.run(made.id)
        async with self.scene.database.read() as transaction:
            found = await others.page(transaction, made.id, offset=0, limit=5_000)
        return {one.activity_id: one for one in found.items}

    async def adopt(self, least: Confidence = Confidence.CERTAIN) -> int:
        return (await actions.adopt_others(self.acting, least)).adopted

    def shown(self) -> list[str]:
        return [str(one["subject"]) for one in self.scene.crm.activities if not one["is_deleted"]]


@pytest.fixture
async def finder(scene: Scene) -> AsyncIterator[Finder]:
    async def read_gists(_: User) -> Mapping[FileName, ListedFile] | str:
        return "a search asks GitHub nothing"

    async with Pipedrive(
        api_url=f"{scene.crm_url}/api", token=SecretStr(TOKEN), timeout=UNHURRIED, rest=timedelta(0)
    ) as pipedrive:
        yield Finder(scene, Surveyor(scene.database, pipedrive, read_gists, now=scene.clock))


def original(scene: Scene, deal_id: int, filename: str, content: str) -> int:
    """An activity as the original program writes it: the bare name, the bare content."""
    return scene.crm.add_activity(filename, note=content, deal_id=deal_id, type="call")


def workflow(scene: Scene, deal_id: int, description: str, link: str) -> int:
    """An activity as a workflow of n8n writes it: the description, and a link to the gist."""
    note = f'New gist: <a href="{link}">{link}</a>'
    return scene.crm.add_activity(f"New gist: {description}", note=note, deal_id=deal_id)


async def test_what_other_tools_made_is_adopted_and_never_sent(finder: Finder) -> None:
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py", content="if a < b:\n    print('&')\n")
    await scene.find_files("ada", "b.py")
    await scene.find_files("ada", "c.py")
    links = {
        row.filename: f"https://gist.github.com/ada/{row.gist_id}" for row in await scene.rows()
    }
    first = original(scene, deal, "a.py", "if a < b:\n    print('&')\n")
    second = workflow(scene, deal, "null", links["b.py"])

    found = await finder.search()

    assert {key: (one.filename, one.confidence) for key, one in found.items()} == {
        first: ("a.py", Confidence.CERTAIN),
        second: ("b.py", Confidence.CERTAIN),
    }
    assert await finder.adopt() == 2
    process = await scene.process()
    await scene.settle(process)
    async with scene.database.begin() as transaction:
        await ledger.request(transaction, scene.clock())
    await process.run()
    again = await scene.process()
    await scene.settle(again, watched=True)

    assert await scene.states() == ["published"] * 3
    rows = {row.filename: row for row in await scene.rows()}
    assert (rows["a.py"].activity_id, rows["b.py"].activity_id) == (first, second)
    assert len(finder.shown()) == 3, "only c.py was sent"
    assert {str(one["deal_id"]) for one in scene.crm.activities} == {str(deal)}


async def test_a_thousand_near_equal_names_are_matched_correctly(finder: Finder) -> None:
    scene = finder.scene
    deals = {login: scene.crm.add_deal(login) for login in ("ada", "ada-b", "adab", "Ada_")}
    names = [f"note{'s' * (number % 3)}-{number // 3}.py" for number in range(150)]
    for login in ("ada", "ada-b", "adab"):
        await scene.find_files(login, *names, content=f"the file of {login}\n")
    made: dict[int, tuple[str, str]] = {}
    for login in ("ada", "ada-b", "adab"):
        for name in names[:100]:
            activity = original(scene, deals[login], name, f"the file of {login}\n")
            made[activity] = (login, name)
    for name in names:  # near, and no file's
        for login, deal_id in deals.items():
            original(scene, deal_id, name.replace(".py", ".pyc"), f"the file of {login}\n")
        original(scene, deals["Ada_"], name, "the file of ada\n")

    found = await finder.search()
    certain = {
        key: (one.login, one.filename)
        for key, one in found.items()
        if one.confidence is Confidence.CERTAIN
    }

    assert len(scene.crm.activities) > 1_000
    assert certain == made
    assert await finder.adopt() == 300
    assert await finder.adopt() == 0, "it is adopted once"


async def test_what_is_not_certain_is_said_and_left(finder: Finder) -> None:
    scene = finder.scene
    deal, strange = scene.crm.add_deal("ada"), scene.crm.add_deal("Somebody else")
    await scene.find_files("ada", "a.py", "b.py", content="of a gist with two files\n")
    await scene.find_files("ada", "same.py", content="twice the same\n")
    await scene.find_files("ada", "same.py", content="twice the same\n")
    await scene.find_files("ada", "alone.py", content="of a gist with one file\n")
    await scene.find_files("ada", "double.py", content="made by two tools\n")
    ids = {row.filename: row.gist_id for row in await scene.rows()}
    of_two = workflow(scene, deal, "null", f"https://gist.github.com/{ids['a.py']}")
    same = original(scene, deal, "same.py", "twice the same\n")
    remark = scene.crm.add_activity(
        "Call Ada", note=f"Ask about https://gist.github.com/ada/{ids['alone.py']}", deal_id=deal
    )
    elsewhere = original(scene, strange, "alone.py", "of a gist with one file\n")
    first = original(scene, deal, "double.py", "made by two tools\n")
    second = original(scene, deal, "double.py", "made by two tools\n")

    found = await finder.search()

    assert {key: one.confidence for key, one in found.items()} == {
        of_two: Confidence.AMBIGUOUS,
        same: Confidence.LIKELY,
        remark: Confidence.LIKELY,
        first: Confidence.CERTAIN,
        second: Confidence.AMBIGUOUS,
    }
    assert elsewhere not in found
    assert found[second].because == f"activity {first} is the file's, and this one is a second one"
    assert await finder.adopt() == 1


@pytest.mark.parametrize(
    ("activities", "confidence"),
    [(1, Confidence.LIKELY), (3, Confidence.CERTAIN), (4, Confidence.CERTAIN)],
)
async def test_files_of_one_name_and_content_get_an_activity_each(
    finder: Finder, activities: int, confidence: Confidence
) -> None:
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    for content in ("the same\n", "the  same", "the same", "another content\n"):
        await scene.find_files("ada", "same.py", content=content)
    made = [original(scene, deal, "same.py", "the same") for _ in range(activities)]

    found = await finder.search()

    *twins, other = await scene.rows()
    assert [(found[each].publication_id, found[each].confidence) for each in made[:3]] == [
        (twin.id, confidence) for twin in twins[:activities]
    ]
    assert {found[each].confidence for each in made[3:]} <= {Confidence.AMBIGUOUS}
    assert await finder.adopt(Confidence.LIKELY) == min(activities, 3)
    await scene.settle(await scene.process())
    assert len(finder.shown()) == max(activities, 3) + 1
    assert other.id not in {found[each].publication_id for each in made}


@pytest.mark.long
async def test_an_undo_keeps_what_another_tool_made_and_says_so(finder: Finder) -> None:
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py", content="print('a long enough content')\n")
    await scene.find_files("ada", "b.py")
    strange = original(scene, deal, "a.py", "print('a long enough content')\n")
    await finder.search()
    await finder.adopt()
    process = await scene.process()
    await scene.settle(process)
    adopted, _ = await scene.rows()

    async def plan() -> UndoPlan:
        async with scene.database.read() as transaction:
            return await undo_actions.plan(transaction, What(login="ada"))

    planned = await plan()
    assert (planned.total, planned.activities, planned.kept_of_others) == (1, 1, 1)
    begun = await undo(scene, login="ada")
    await carry_out(scene, process)
    assert await files(scene, begun) == {
        "a.py": (UndoneState.KEPT, "another tool made it"),
        "b.py": (UndoneState.DELETED, None),
    }
    assert there(scene) == {strange}
    with pytest.raises(NothingToUndo, match="another tool made 1 of its activities"):
        await undo(scene, login="ada")

    # The further activity of a file that is sent again is ours.
    await send_again(scene, adopted.id)
    await scene.settle(process)
    assert len(there(scene)) == 2
    planned = await plan()
    assert (planned.total, planned.activities, planned.kept_of_others) == (1, 1, 0)
    begun = await undo(scene, login="ada")
    await carry_out(scene, process)
    assert (await files(scene, begun))["a.py"] == (UndoneState.KEPT, "another tool made it")
    assert there(scene) == {strange}


async def test_what_a_person_wrote_about_a_gist_is_not_its_activity(finder: Finder) -> None:
    """A file that is taken for one of these would never be sent."""
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    await scene.find_files("ada", "Ada")
    await scene.find_files("ada", "b.py", "c.py")
    ids = {row.filename: row.gist_id for row in await scene.rows()}
    alone = f"https://gist.github.com/ada/{ids['Ada']}"
    one_of_two = f"https://gist.github.com/ada/{ids['b.py']}"

    def add(subject: str, note: str) -> int:
        return scene.crm.add_activity(subject, note=note, deal_id=deal)

    # A name that stands in any subject, a word that only holds "gist", and remarks on files.
    remarks = [
        add("Call Ada", alone),
        add("Call logistics: Ada", alone),
        add("Gistology adapted", f"{alone} is worth reading"),
        add("Call Ada", f"Ask about {one_of_two}#file-b-py"),
    ]
    # Files that the gists do not have any more.
    gone = [
        add("New gist: x", f"{alone}#file-renamed-py"),
        add("d.py", f"{one_of_two}/raw/{'0' * 40}/d.py"),
    ]
    certain = add("New gist: Ada", f"{alone}#file-ada")
    named = add("Snippet", f'<a href="{one_of_two}#file-c-py">{one_of_two}#file-c-py</a>')

    found = {key: one.confidence for key, one in (await finder.search()).items()}

    sure = {key for key, confidence in found.items() if confidence is Confidence.CERTAIN}
    assert sure == {certain, named}
    assert {found[key] for key in gone} == {Confidence.AMBIGUOUS}
    assert found[remarks[-1]] is Confidence.LIKELY
    assert await finder.adopt() == 2


REMARKS = (
    ("Call Ada about her gist", "{link}"),
    ("Ask ada to delete this gist", "{link}"),
    ("Please check gist: urgent", "{link}"),
    ("Follow-up re gist (do not send)", "{link}"),
    ("gist review {link}", ""),
    ("Call Ada about the bug in this", "{link}#file-a-py"),
    ("A tool", "Tell her that {link} is wrong, she must fix it"),
    ("Gist problem with a.py", "customer says {link} is broken; call back"),
    ("New gist: A tool", "{link}/comments"),
    ("New gist: A tool", "{link}?permalink_comment_id=1"),
    ("New gist: A tool", "{elsewhere}"),
    ("New gist: A tool", "{strange}"),
)
ACTIVITIES = (
    ("A tool", "{link}"),
    ("New gist: A tool", 'New gist: <a href="{link}">{link}</a>'),
    ("ada published a gist: A tool", "See {link}"),
    ("New gist: undefined", "{link}"),
    ("a.py", "View on GitHub: {link}"),
    ("New file", "{link}#file-a-py"),
)


@pytest.mark.parametrize(
    ("subject", "note", "is_activity"),
    [*((*one, False) for one in REMARKS), *((*one, True) for one in ACTIVITIES)],
)
def test_an_activity_says_which_gist_it_is_of_and_nothing_else(
    subject: str, note: str, is_activity: bool
) -> None:
    gist_id = "a" * 32
    links = {
        "link": f"https://gist.github.com/ada/{gist_id}",
        "elsewhere": f"https://evilgist.example/ada/{gist_id}",
        "strange": f"https://github.example.com/gist/ada/{gist_id}",
    }
    item = activity(subject.format(**links), note.format(**links))
    written = read(item)
    one = candidate(gist_id, "a.py", "x = 1\n", description="A tool")
    linked = {link.gist_id: [one] for link in written.links if link.host in one.hosts}
    found = by_link(written, linked, OWNER) if linked else None
    assert (found is not None and found.confidence is Confidence.CERTAIN) is is_activity


@pytest.mark.parametrize(
    ("subject", "note", "filename", "content", "is_certain"),
    [
        ("a b.txt", "a long text", "a b.txt", "a  long\ntext\n", True),
        ("a  b.txt", "a long text", "a b.txt", "a long text", False),
        ("a&amp;b.txt", "a long text", "a&b.txt", "a long text", False),
        ("t.txt ", "a long text", "t.txt", "a long text", False),
        ("i.html", "<div><b>Hello</b></div>", "i.html", "<div><b>Hello</b></div>", True),
        ("i.html", "Hello", "i.html", "<div><b>Hello</b></div>", True),
        ("i.html", "<p>Hello</p>", "i.html", "<div><b>Hello</b></div>", False),
        ("i.h", "#include &lt;map&gt;", "i.h", "#include <map>", True),
        ("i.h", "#include <map>", "i.h", "#include <set>", False),
    ],
)
def test_the_name_and_the_content_are_those_of_the_file(
    subject: str, note: str, filename: str, content: str, is_certain: bool
) -> None:
    written = read(activity(subject, note))
    found = by_name(written, [candidate("a" * 32, filename, content)])
    assert found is not None
    assert (found.confidence is Confidence.CERTAIN) is is_certain


def test_a_link_means_the_exact_one_of_files_that_differ_in_tags_alone() -> None:
    files = [candidate("a" * 32, "i.html", f"<{tag}>Hello</{tag}>") for tag in ("p", "b")]
    found = by_name(read(activity("i.html", "<b>Hello</b>")), files)
    assert found is not None
    assert (found.candidate, found.confidence) == (files[1], Confidence.CERTAIN)


async def test_a_file_that_is_under_way_is_not_adopted(finder: Finder) -> None:
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py", content="print('a long enough content')\n")
    original(scene, deal, "a.py", "print('a long enough content')\n")
    await finder.search()
    await scene.settle(await scene.process())

    assert await finder.adopt() == 0
    assert await scene.states() == ["published"]


@pytest.mark.parametrize(
    ("address", "gist_id", "filename", "anchor"),
    [
        ("https://gist.github.com/ada/" + "a" * 32, "a" * 32, None, None),
        ("https://gist.github.com/" + "a" * 20 + "#file-a-py", "a" * 20, None, "file-a-py"),
        (
            f"https://gist.githubusercontent.com/ada/{'a' * 32}/raw/{'b' * 40}/a%20b.py",
            "a" * 32,
            "a b.py",
            None,
        ),
    ],
)
def test_a_link_names_a_gist_and_perhaps_a_file(
    address: str, gist_id: str, filename: str | None, anchor: str | None
) -> None:
    link = link_in(address)
    assert link is not None
    assert (link.gist_id, link.filename, link.anchor) == (gist_id, filename, anchor)


def test_only_links_to_gists_are_recognised() -> None:
    assert link_in("https://gist.github.com/discover") is None
    assert link_in("https://[gist.github.com/" + "a" * 32) is None
    assert anchor_of("My File.py") == "file-my-file-py"


@pytest.mark.parametrize("moment", range(1, 31, 5))
async def test_what_is_adopted_while_a_process_stands_still_is_not_sent_by_it(
    finder: Finder, moment: int
) -> None:
    scene = finder.scene
    deal = scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py", content="print('a long enough content')\n")
    original(scene, deal, "a.py", "print('a long enough content')\n")
    await finder.search()
    process = await scene.process()
    process.database.freezes = process.database.in_moments(moment)
    running = asyncio.create_task(process.run())
    frozen = asyncio.create_task(process.database.frozen.wait())
    await asyncio.wait({running, frozen}, return_when=asyncio.FIRST_COMPLETED)

    adopted = await finder.adopt()

    process.thaw()
    frozen.cancel()
    await running
    await scene.settle(await scene.process(), watched=True)
    assert await scene.states() == ["published"]
    assert len(finder.shown()) == 2 - adopted, "it is sent before it is adopted, or never"
