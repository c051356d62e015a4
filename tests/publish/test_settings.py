"""The publishing settings in what is sent, and what follows where the account lacks something."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta

import pytest

from gitpip.actions import publishing_settings as actions
from gitpip.actions.acting import Acting
from gitpip.actions.publishing_settings import CheckedSettings
from gitpip.model import PauseCause, PublicationState
from gitpip.publish.delivery import Waits
from gitpip.publish.publisher import Publisher
from gitpip.publish.sender import SendRules
from gitpip.status import publishing
from gitpip.status.problem import ProblemKind, Severity
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications import publishing_settings
from gitpip.store.schema_access import Via
from gitpip_standins import Fault
from gitpip_standins.exchange import JsonObject
from gitpip_standins.pipedrive.account import field_of, options
from tests.support.scene import Scene

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Where the statements are those of another test on both."""
SOURCE, SIZE, KIND = "a" * 40, "b" * 40, "c" * 40


async def store(scene: Scene, **texts: str | None) -> None:
    """Store settings without asking the account."""
    async with scene.database.begin() as transaction:
        await publishing_settings.change(transaction, texts, by="ada", now=scene.clock())


async def set_by_a_person(scene: Scene, **texts: str | None) -> None:
    """Change settings by the act of the doors; the account can't be asked."""

    async def wake(_: str) -> None:
        pass

    async def check(*_: object) -> CheckedSettings:
        return CheckedSettings(unchecked="not asked")

    acting = Acting(scene.database, Actor("ada", Via.COMMAND), wake, scene.clock)
    await actions.change(acting, {}, texts, check)


async def publish(scene: Scene, filename: str = "a.py", login: str = "ada") -> JsonObject:
    """Publish a file; gives its activity."""
    await scene.find_files(login, filename)
    await scene.settle(await scene.process())
    return scene.crm.activities[-1]


async def problems(scene: Scene) -> Mapping[ProblemKind, tuple[Severity, str]]:
    async with scene.database.read() as transaction:
        found = await publishing.problems(
            transaction, scene.clock(), request_timeout=timedelta(seconds=30), goes_on=True
        )
    return {problem.kind: (problem.severity, problem.sentence) for problem in found}


def equip(scene: Scene) -> None:
    """Give the account more to choose from."""
    setup = scene.crm.setup
    setup.users |= {7: ("Sam Sales", "sam@example.com"), 8: ("Ann", "ann@example.com")}
    setup.pipelines |= {2: "Open source"}
    setup.stages |= {3: ("New", 1), 4: ("New", 2), 5: ("Talking", 2)}
    setup.deal_fields += [
        field_of("Source", SOURCE, "varchar", custom=True),
        field_of("Seats", SIZE, "double", custom=True),
        field_of("Kind", KIND, "set", custom=True, options=options("Tool", "Library", first=31)),
    ]


def lists_read(scene: Scene) -> list[str]:
    names = ("activityTypes", "users", "pipelines", "stages", "activityFields")
    return [r.path.rpartition("/")[2] for r in scene.crm.requests if r.path.endswith(names)]


@pytest.mark.long
@on_sqlite
async def test_by_default_an_activity_is_a_task_that_is_done(scene: Scene) -> None:
    activity = await publish(scene)
    assert {name: activity[name] for name in ("type", "done", "owner_id", "due_date")} == {
        "type": "task",
        "done": True,
        "owner_id": 1,
        "due_date": "2026-03-04",
    }
    assert lists_read(scene) == [], "the defaults cost nothing"
    await scene.find_files("ada", *(f"{number}.py" for number in range(100)))
    await scene.settle(await scene.process())
    assert len(scene.crm.activities) == 101
    assert all(each["done"] for each in scene.crm.activities), "no open to-do"


async def test_each_setting_is_seen_in_what_is_sent(scene: Scene) -> None:
    equip(scene)
    await store(
        scene,
        activity_type="Deadline",
        activity_done="no",
        activity_owner="sam@example.com",
        activity_due_date="none",
        activity_priority="high",
        deal_pipeline="open source",
        deal_stage="New",
        deal_owner="Ann",
        deal_labels="Cold, 11",
        deal_value="1200.5",
        deal_currency="USD",
        deal_visible_to="7",
        deal_custom_fields='{"source": "GitHub", "Seats": "3", "Kind": "Library, tool"}',
    )
    activity = await publish(scene)
    sent = ("type", "done", "owner_id", "due_date", "priority")
    assert [activity[name] for name in sent] == ["deadline", False, 7, None, 203]
    (deal,) = scene.crm.deals
    made = ("pipeline_id", "stage_id", "owner_id", "label_ids", "value", "currency", "visible_to")
    assert [deal[name] for name in made] == [2, 4, 8, [12, 11], 1200.5, "USD", 7]
    custom = deal["custom_fields"]
    assert isinstance(custom, dict)
    assert (custom[SOURCE], custom[SIZE], custom[KIND]) == ("GitHub", 3.0, [32, 31])
    assert "6382689" in custom.values(), "the field that tells whose deal it is"
    spent = len(lists_read(scene))
    await publish(scene, "b.py")
    assert len(lists_read(scene)) <= 2 * spent, "once for each process"


@on_sqlite
async def test_an_activity_can_be_owned_by_the_owner_of_its_deal(scene: Scene) -> None:
    equip(scene)
    await store(scene, activity_owner="deal", activity_due_date="today")
    scene.crm.add_deal("ada", owner_id=8)
    assert (await publish(scene))["owner_id"] == 8
    scene.clock.advance(timedelta(days=2))
    await scene.find_files("ada", "b.py", "c.py")
    before = len(scene.crm.requests)
    await scene.settle(await scene.process())
    asked = [r.path for r in scene.crm.requests[before:] if r.path.endswith("/deals/1")]
    assert len(asked) == 1, "not for each activity"
    assert {str(each["due_date"]) for each in scene.crm.activities[1:]} == {"2026-03-06"}


async def test_a_change_counts_in_every_process_from_its_next_claim_on(scene: Scene) -> None:
    one, other = await scene.process(), await scene.process()
    await scene.find_files("ada", "1.py")
    await scene.settle(one)
    await store(scene, activity_type="call")
    for process, name in ((other, "2.py"), (one, "3.py")):
        await scene.find_files("ada", name)
        await scene.settle(process)
    await store(scene, activity_type=None)
    await scene.find_files("ada", "4.py")
    await scene.settle(one)
    assert [each["type"] for each in scene.crm.activities] == ["task", "call", "call", "task"]


@on_sqlite
async def test_another_type_is_sent_where_the_account_has_no_tasks(scene: Scene) -> None:
    scene.crm.activity_types = ("visit", "chat")
    assert (await publish(scene))["type"] == "visit"
    assert len([r for r in scene.crm.requests if r.path.endswith("activityTypes")]) == 1
    assert (await scene.states()) == ["published"]


SOON_OR_LATE = pytest.mark.parametrize("later", [timedelta(seconds=5), timedelta(hours=1)])
"""How long after the lists of the account were read something disappears."""


@on_sqlite
@SOON_OR_LATE
async def test_a_type_that_disappears_is_replaced_and_told(scene: Scene, later: timedelta) -> None:
    await store(scene, activity_type="Lunch")
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    scene.crm.activity_types = ("meeting", "task")
    scene.clock.advance(later)
    await scene.find_files("ada", "b.py")
    await scene.settle(process)
    assert [each["type"] for each in scene.crm.activities] == ["lunch", "meeting"]
    assert await scene.states() == ["published", "published"]
    severity, sentence = (await problems(scene))[ProblemKind.PUBLISHING_SETTINGS_REFUSED]
    assert severity is Severity.WARNING
    assert "activity_type: the Pipedrive account has no activity type 'Lunch'" in sentence
    assert "choose one of Meeting, Task; until then 'meeting' is sent" in sentence
    before = len(lists_read(scene))
    for number in range(5):
        scene.clock.advance(timedelta(minutes=5))
        await scene.find_files("ada", f"{number}.py")
        await scene.settle(process)
    assert len(lists_read(scene)) == before, "not while another type is sent"
    await set_by_a_person(scene, activity_type="task")
    assert ProblemKind.PUBLISHING_SETTINGS_REFUSED not in await problems(scene)
    await scene.find_files("ada", "c.py")
    await scene.settle(process)
    assert scene.crm.activities[-1]["type"] == "task"
    assert ProblemKind.PUBLISHING_SETTINGS_REFUSED not in await problems(scene)


@SOON_OR_LATE
async def test_publishing_waits_for_the_owner_who_is_gone(scene: Scene, later: timedelta) -> None:
    equip(scene)
    await store(scene, activity_owner="Ann")
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    del scene.crm.setup.users[8]
    scene.clock.advance(later)
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await process.run()
    assert (await scene.states())[1:] == ["pending"] * 5, "it is not their fault"
    pause = await scene.pause()
    assert pause is not None
    assert pause.cause is PauseCause.SETTING
    assert "activity_owner: the Pipedrive account has no user 'Ann'" in pause.reason
    assert "choose one of Petra Pipe, Sam Sales" in pause.reason
    await set_by_a_person(scene, activity_owner="Sam Sales")
    assert await scene.pause() is None
    await scene.settle(process)
    assert [each["owner_id"] for each in scene.crm.activities] == [8, *[7] * 5]


async def test_a_deal_waits_for_its_stage_and_nobody_else_does(scene: Scene) -> None:
    equip(scene)
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    await store(scene, deal_pipeline="Open source", deal_stage="Qualified")
    await scene.find_files("bob", "b.py")
    await scene.find_files("ada", "c.py")
    await process.run()
    assert await scene.states() == ["published", "pending", "published"]
    deal = await scene.deal_row("bob")
    assert (deal.state, deal.attempts) == (PublicationState.PENDING, 0)
    severity, sentence = (await problems(scene))[ProblemKind.PUBLISHING_SETTINGS_REFUSED]
    assert severity is Severity.ERROR
    assert "deal_stage: the Pipedrive account has no stage 'Qualified'" in sentence
    assert "choose one of New, Talking" in sentence
    before = len(lists_read(scene))
    for number in range(5):
        scene.clock.advance(timedelta(minutes=5))
        await scene.find_files("ada", f"{number}.py")
        await process.run()
    assert len(lists_read(scene)) == before, "others read no lists for it"
    await set_by_a_person(scene, deal_stage="Talking")
    await process.run()
    assert set(await scene.states()) == {"published"}
    assert scene.crm.deals[-1]["stage_id"] == 5


LATER = {
    "deal_pipeline": ("Open source", "no pipeline 'Open source'"),
    "deal_labels": ("Hot", "no label of deals 'Hot'"),
    "deal_owner": ("Ann", "no user 'Ann'"),
    "deal_custom_fields": ("Kind=Tool", "no custom field of deals 'Kind'"),
    "deal_currency": ("USD", "Pipedrive does not accept USD"),
    "deal_visible_to": ("7", "Pipedrive does not accept 7"),
}
"""A value for each setting of deals, and what is said after it has disappeared."""


@pytest.mark.long
@on_sqlite
async def test_only_new_deals_wait_for_an_entry_that_was_removed(scene: Scene) -> None:
    equip(scene)
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await process.run()
    setup = scene.crm.setup
    there, poorer = vars(setup), deepcopy(vars(setup))
    poorer["pipelines"] = {1: "Sales"}
    poorer["users"] = {1: setup.users[1]}
    poorer["deal_fields"] = poorer["deal_fields"][:2]
    poorer |= {"currencies": {"EUR"}, "visibilities": {1, 3}}
    richer = dict(there)
    for number, (setting, (value, said)) in enumerate(LATER.items()):
        await set_by_a_person(scene, **{**dict.fromkeys(LATER), setting: value})
        await scene.find_files(f"u{number}", "a.py")
        await process.run()
        assert set(await scene.states()) == {"published"}
        there.update(poorer)
        scene.clock.advance(timedelta(hours=25))
        for login in (f"v{number}", f"w{number}", f"x{number}", "ada"):
            await scene.find_files(login, f"{login}.py")
        before = len(scene.crm.requests)
        await process.run()
        assert (await scene.states())[-4:] == [*["pending"] * 3, "published"]
        severity, sentence = (await problems(scene))[ProblemKind.PUBLISHING_SETTINGS_REFUSED]
        assert severity is Severity.ERROR
        assert f"{setting}: " in sentence
        assert said in sentence
        refused = [r.path for r in scene.crm.requests[before:] if r.status == 400]
        assert len(refused) <= 2, "one deal shows it for all: with our own field, and without"
        there.update(richer)
        scene.clock.advance(timedelta(minutes=31))
        await process.run()
        assert set(await scene.states()) == {"published"}, "it is back in the account"
        assert ProblemKind.PUBLISHING_SETTINGS_REFUSED not in await problems(scene)


@on_sqlite
async def test_fields_that_the_account_requires_are_asked_for(scene: Scene) -> None:
    equip(scene)
    scene.crm.setup.require("Source")
    scene.crm.setup.require("Value", 2)
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    await process.run()
    assert await scene.states() == ["pending"] * 2, "a deal without them is no failure"
    severity, sentence = (await problems(scene))[ProblemKind.PUBLISHING_SETTINGS_REFUSED]
    assert severity is Severity.ERROR
    assert "requires these fields of a deal: " in sentence
    assert "Source (deal_custom_fields)" in sentence
    scene.clock.advance(timedelta(hours=1))
    await process.run()
    tried = [r for r in scene.crm.requests if r.method == "POST" and r.path.endswith("/deals")]
    assert len(tried) <= 4, "with our own field and without; not once for each deal"
    await set_by_a_person(scene, deal_custom_fields="Source=GitHub", deal_stage="1")
    await scene.settle(process)
    assert await scene.states() == ["published"] * 2
    assert ProblemKind.PUBLISHING_SETTINGS_REFUSED not in await problems(scene)


@on_sqlite
async def test_deals_are_made_soon_after_the_account_requires_a_field_no_more(scene: Scene) -> None:
    equip(scene)
    lifted = deepcopy(scene.crm.setup.deal_fields)
    scene.crm.setup.require("Source")
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await process.run()
    assert await scene.states() == ["pending"]
    scene.crm.setup.deal_fields = lifted
    scene.clock.advance(timedelta(minutes=31))
    await process.run()
    assert await scene.states() == ["published"]
    assert ProblemKind.PUBLISHING_SETTINGS_REFUSED not in await problems(scene)


@on_sqlite
async def test_a_required_field_that_the_api_does_not_ask_for_stops_nothing(scene: Scene) -> None:
    equip(scene)
    scene.crm.setup.require("Source")
    scene.crm.setup.requires = False
    await publish(scene)
    assert await scene.states() == ["published"]
    severity, sentence = (await problems(scene))[ProblemKind.PUBLISHING_SETTINGS_REFUSED]
    assert severity is Severity.WARNING, "it was known without a refusal"
    assert "Source (deal_custom_fields)" in sentence
    await set_by_a_person(scene, activity_done="no")
    await publish(scene, "b.py")
    assert ProblemKind.PUBLISHING_SETTINGS_REFUSED in await problems(scene), "it still holds"


@on_sqlite
async def test_an_owner_of_a_deal_who_is_no_user_any_more_owns_nothing_new(scene: Scene) -> None:
    equip(scene)
    await store(scene, activity_owner="deal")
    scene.crm.add_deal("ada", owner_id=8)
    del scene.crm.setup.users[8]
    assert (await publish(scene))["owner_id"] == 1
    assert await scene.states() == ["published"]


@on_sqlite
async def test_a_refusal_for_another_reason_fails_that_file_alone(scene: Scene) -> None:
    await store(scene, activity_owner="1")
    process = await scene.process()
    scene.crm.faults.script(
        Fault.error(400), method="POST", path="activities$", about="bad", times=None
    )
    await scene.find_files("ada", "bad.py")
    await scene.find_files("ada", "good.py")
    await scene.settle(process)
    assert await scene.states() == ["failed", "published"]


@on_sqlite
@pytest.mark.parametrize("status", [429, 500])
async def test_lists_that_can_not_be_read_now_are_waited_for(scene: Scene, status: int) -> None:
    await store(scene, activity_type="Meeting")
    scene.crm.faults.script(Fault.error(status), path="activityTypes$")
    assert (await publish(scene))["type"] == "meeting"
    await scene.assert_each_is_there_once()


@on_sqlite
async def test_the_environment_wins_in_what_is_sent(scene: Scene) -> None:
    await store(scene, activity_type="meeting", activity_done="no")
    process = await scene.process()
    given = SendRules(given={"activity_type": "call"})
    publisher = Publisher(
        process.database, process.pipedrive, waits=Waits(scene.timeout), rules=given
    )
    await scene.find_files("ada", "a.py")
    await publisher.run()
    (activity,) = scene.crm.activities
    assert (activity["type"], activity["done"]) == ("call", False)
