"""Rules, credentials, a day's flood and opt-outs: what is sent, held and skipped for them."""

from collections import Counter, OrderedDict
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.errors import PublicationStateError
from gitpip.model import Account, GitHubId, OnEdit, PublicationState
from gitpip.modes import CredentialsGuard, FoundCredentials, HeldBecause, PublishingMode
from gitpip.observability.watchdog import listen
from gitpip.publish import rules as publishing_rules
from gitpip.publish import screener
from gitpip.publish.credentials.detector import DETECTOR, Detector
from gitpip.publish.credentials.findings import NO_FINDINGS, Examined, Parts
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications import approvals, held, opt_outs, publications, rules
from gitpip.store.publications.approvals import ApprovalChoice
from gitpip.store.publications.rules import NewRule
from gitpip.store.schema import publications as publication_rows
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_rules import RuleAction
from gitpip.store.users import account_match, users
from tests.publish.test_edits import see, shown
from tests.publish.test_modes import writes
from tests.support.detectors import program
from tests.support.happened import happened
from tests.support.scene import Scene
from tests.support.tokens import LEAKED

EVE = Actor("eve", Via.COMMAND)
OTHER = "gh" + "p_" + "zB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG9"
HELD_FOR_IT = "may contain credentials: GitHub personal access token (line 2)"


@pytest.fixture(autouse=True)
def _nothing_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector remembers files, also those of the same test on the other database."""
    monkeypatch.setattr(DETECTOR, "_known", OrderedDict())


async def publish(scene: Scene) -> None:
    await scene.settle(await scene.process())


async def add_rule(scene: Scene, action: RuleAction, conditions: str, name: str = "") -> None:
    async with scene.database.begin() as transaction:
        new = NewRule(name or f"{action} it", conditions, action)
        await rules.add(transaction, new, None, EVE, scene.clock())


async def approve(
    scene: Scene, chosen: ApprovalChoice, credentials: FoundCredentials = FoundCredentials.PUBLISH
) -> None:
    async with scene.database.begin() as transaction:
        await approvals.approve(
            transaction, chosen, now=scene.clock(), by="eve", credentials=credentials
        )


async def opt_out(scene: Scene, login: str) -> int:
    async with scene.database.begin() as transaction:
        return (await opt_outs.add(transaction, login, "asked", EVE, scene.clock())).skipped


def crm_holds(scene: Scene, text: str) -> bool:
    return any(text in str(each) for each in (*scene.crm.activities, *scene.crm.deals))


async def test_what_holds_credentials_waits_and_others_do_not(scene: Scene) -> None:
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await scene.find_files("ada", "fine.py")
    process = await scene.process()
    await scene.settle(process)
    leak, _ = await scene.rows()
    assert await scene.states() == ["held", "published"]
    assert (leak.held_because, leak.reason) == (HeldBecause.CREDENTIALS, HELD_FOR_IT)
    assert not crm_holds(scene, LEAKED)
    assert not await process.publisher.due()


async def test_no_answer_about_many_approves_credentials(scene: Scene) -> None:
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    async with scene.database.begin() as transaction:
        for answer in ("all", "none"):
            everything = Backfill.parse(answer)
            await held.answer(transaction, "ada", everything, now=scene.clock(), by="eve")
            await held.answer_for_all(transaction, everything, now=scene.clock(), by="eve")
    await approve(scene, ApprovalChoice())
    await publish(scene)
    assert await scene.states() == ["held"]
    [leak] = await scene.rows()
    await approve(scene, ApprovalChoice((leak.id,)))
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert crm_holds(scene, LEAKED)


async def test_what_was_approved_for_another_reason_is_examined(scene: Scene) -> None:
    await scene.find_files(
        "ada", "leak.py", content=f"\nkey = {LEAKED!r}\n", held_because="a flood"
    )
    await scene.find_files("ada", "fine.py", held_because="a flood")
    await approve(scene, ApprovalChoice())
    await publish(scene)
    assert [(row.state, row.held_because) for row in await scene.rows()] == [
        ("held", HeldBecause.CREDENTIALS),
        ("published", HeldBecause.FLOOD),
    ]


async def test_what_is_masked_is_nowhere_in_the_crm(scene: Scene) -> None:
    scene.given = {"credentials": "mask", "note_template": "{{ gist.files|join }} {{ content }}"}
    content = f"user = 'ada'\nkey = {LEAKED!r}\n"
    await scene.find_files("ada", "a.py", f"{OTHER}.py", content=content)
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert not crm_holds(scene, LEAKED)
    assert not crm_holds(scene, OTHER)
    assert crm_holds(scene, "key = &#x27;[removed: GitHub personal access token]&#x27;")
    assert crm_holds(scene, "user = &#x27;ada&#x27;")
    subjects = [str(each["subject"]) for each in scene.crm.activities]
    assert any("[removed: GitHub personal access token].py" in subject for subject in subjects)


@pytest.mark.parametrize(
    ("guard", "on_edit"),
    [
        *((guard, OnEdit.UPDATE) for guard in CredentialsGuard),
        (CredentialsGuard.PUBLISH, OnEdit.NEW),
    ],
)
async def test_what_is_approved_without_credentials_is_sent_without_them(
    scene: Scene, guard: CredentialsGuard, on_edit: OnEdit
) -> None:
    scene.on_edit = on_edit
    scene.given = {"note_template": "{{ gist.files|join }} {{ content }}"}
    process = await scene.process()
    await see(scene, f"v1\nkey = {LEAKED!r}\n")
    await scene.settle(process)
    await approve(scene, ApprovalChoice(((await scene.rows())[0].id,)), FoundCredentials.MASK)
    # It counts for this file, whatever the setting becomes.
    scene.given |= {"credentials": guard}
    process = await scene.process()
    await scene.settle(process)
    assert set(await scene.states()) == {"published"}
    for content in ("v1", "v2"):
        assert crm_holds(scene, f"<pre>{content}")
        assert crm_holds(scene, "key = &#x27;[removed: GitHub personal access token]&#x27;")
        assert not crm_holds(scene, LEAKED)
        await see(scene, f"v2\nkey = {LEAKED!r}\n")
        await scene.settle(process)


async def test_a_secret_of_a_file_is_left_out_of_the_names_of_files(scene: Scene) -> None:
    secret = "correct-horse-7-battery"
    scene.given = {"credentials": "mask", "note_template": "{{ gist.files|join }} {{ content }}"}
    await scene.find_files("ada", f"{secret}.txt", content=f'password = "{secret}"\n')
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert crm_holds(scene, "[removed: password].txt")
    assert not crm_holds(scene, secret)


@pytest.mark.parametrize("held_again", [False, True])
async def test_a_later_decision_sends_without_credentials_and_none_drops_it(
    scene: Scene, held_again: bool
) -> None:
    scene.given = {"note_template": "{{ content }}"}
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    [leak] = await scene.rows()
    await approve(scene, ApprovalChoice((leak.id,)))
    async with scene.database.begin() as transaction:
        retried = await publications.retry(
            transaction, leak.id, scene.clock(), by="eve", credentials=FoundCredentials.MASK
        )
        assert retried.publication.masked
        if held_again:
            await approvals.hold(transaction, ApprovalChoice((leak.id,)), now=scene.clock())
    if held_again:
        scene.given |= {"credentials": CredentialsGuard.PUBLISH}
        await approve(scene, ApprovalChoice((leak.id,)))
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert not crm_holds(scene, LEAKED)


async def test_a_retry_without_an_answer_leaves_the_former_one(scene: Scene) -> None:
    scene.given = {"note_template": "{{ content }}"}
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    [leak] = await scene.rows()
    await approve(scene, ApprovalChoice((leak.id,)), FoundCredentials.MASK)
    async with scene.database.begin() as transaction:
        await publications.skip(transaction, leak.id, scene.clock(), by="eve")
        retried = await publications.retry(transaction, leak.id, scene.clock(), by="eve")
    assert retried.publication.masked
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert not crm_holds(scene, LEAKED)


async def test_what_was_not_judged_is_held_again_when_it_is_approved_without_credentials(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_judged(self: Detector, parts: Parts) -> Examined:
        return Examined(not_judged="this took longer than 5 seconds")

    monkeypatch.setattr(Detector, "find", not_judged)
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    await approve(scene, ApprovalChoice(((await scene.rows())[0].id,)), FoundCredentials.MASK)
    await publish(scene)
    [leak] = await scene.rows()
    assert (leak.state, leak.held_because) == ("held", HeldBecause.CREDENTIALS)
    assert (leak.approved_at, len(scene.crm.activities)) == (None, 0)


async def test_who_approves_a_file_approves_no_name_of_another_one(scene: Scene) -> None:
    scene.given = {"note_template": "{{ gist.files|join }} {{ content }}"}
    await scene.find_files("ada", "leak.py", f"{OTHER}.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    await approve(scene, ApprovalChoice(((await scene.rows())[0].id,)))
    await publish(scene)
    assert await scene.states() == ["published", "held"]
    assert crm_holds(scene, LEAKED)
    assert not crm_holds(scene, OTHER)


async def test_an_edit_puts_no_credentials_into_a_note(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    process = await scene.process()
    for content in ("v1\n", f"v2\nkey = {LEAKED!r}\n"):
        await see(scene, content)
        await scene.settle(process)
    assert shown(scene) == ["v2\nkey = &#x27;[removed: GitHub personal access token]&#x27;\n"]


async def test_an_edit_after_the_approval_is_not_approved(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    process = await scene.process()
    await see(scene, f"\nkey = {LEAKED!r}\n")
    await scene.settle(process)
    await approve(scene, ApprovalChoice(((await scene.rows())[0].id,)))
    scene.clock.advance(timedelta(seconds=1))
    await see(scene, f"\nkey = {OTHER!r}\n")
    await scene.settle(process)
    assert shown(scene) == ["\nkey = &#x27;[removed: GitHub personal access token]&#x27;\n"]


async def test_they_are_published_where_somebody_chose_so(scene: Scene) -> None:
    scene.given = {"credentials": "publish"}
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    assert crm_holds(scene, LEAKED)


async def test_a_stop_waits_for_one_file_at_the_most_and_each_file_is_a_step(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may take seconds: ten of them would outlast the time that a service has to end."""
    process = await scene.process()
    examined: list[str] = []

    def slow(parts: Parts) -> Examined:
        examined.append(parts.filename)
        process.publisher.stop()
        return NO_FINDINGS

    await scene.set_mode(PublishingMode.ASK)
    await scene.find_files("ada", *(f"slow {number}.py" for number in range(8)))
    with monkeypatch.context() as patch:
        patch.setattr(DETECTOR, "_found", slow)
        await process.run()
    assert len(examined) == 1
    assert Counter(await scene.states()) == {"held": 1, "pending": 7}
    steps: list[None] = []
    listen(lambda: steps.append(None))
    await (await scene.process()).run()
    assert Counter(await scene.states()) == {"held": 8}
    assert len(steps) >= 7


@pytest.mark.parametrize("guard", ["hold", "mask"])
async def test_what_was_not_judged_is_held_for_that_reason(
    scene: Scene, guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_for_files = Detector(program=program(tmp_path, "sys.exit()"))
    monkeypatch.setattr(DETECTOR, "_found", fails_for_files._found)
    scene.given = {"credentials": guard}
    await scene.find_files("ada", "never seen.py", content=f"{guard} {tmp_path}")
    await publish(scene)
    [row] = await scene.rows()
    assert row.held_because is HeldBecause.CREDENTIALS
    assert row.reason is not None
    assert "could not be examined for credentials" in row.reason
    assert writes(scene) == []
    fails_for_files.close()


async def test_the_first_rule_that_fits_decides(scene: Scene) -> None:
    await add_rule(scene, RuleAction.PUBLISH, '{"names":["keep*"]}')
    await add_rule(scene, RuleAction.SKIP, '{"names":["*.log"]}', "No logs")
    await add_rule(scene, RuleAction.HOLD, '{"tags":["vip"]}', "Ask about vips")
    await scene.find_files("ada", "keep.log", "a.log", "a.py")
    await scene.find_files("bob", "keep.log", "b.log", "b.py")
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, "bob")
        await users.change(transaction, user.key, users.Changes(tags=("vip",)), scene.clock())
    await publish(scene)
    assert [(row.login, row.filename, row.state, row.reason) for row in await scene.rows()] == [
        ("ada", "keep.log", "published", None),
        ("ada", "a.log", "skipped", "skipped by the rule No logs"),
        ("ada", "a.py", "published", None),
        ("bob", "keep.log", "published", None),
        ("bob", "b.log", "skipped", "skipped by the rule No logs"),
        ("bob", "b.py", "held", "held by the rule Ask about vips"),
    ]
    await approve(scene, ApprovalChoice())
    await publish(scene)
    assert Counter(await scene.states()) == {"published": 4, "skipped": 2}


async def test_what_rules_skip_and_hold_is_told_with_the_number_of_files(scene: Scene) -> None:
    await add_rule(scene, RuleAction.SKIP, '{"names":["*.log"]}', "No logs")
    await add_rule(scene, RuleAction.HOLD, '{"names":["*.py"]}', "Ask")
    number = 40
    await scene.find_files("ada", *(f"{each}.log" for each in range(number)))
    await scene.find_files("bob", "b.log", "b.py")
    await publish(scene)
    skipped = await happened(scene.database, EventKind.PUBLICATIONS_SKIPPED)
    assert ("publications.skipped", "bob", "1 file: skipped by the rule No logs") in skipped
    details = [str(detail) for _, login, detail in skipped if login == "ada"]
    assert sum(int(detail.split(" ")[0]) for detail in details) == number
    assert len(details) <= number / 5
    assert await happened(scene.database, EventKind.PUBLICATIONS_HELD) == [
        ("publications.held", "bob", "1 file: held by the rule Ask")
    ]


async def test_a_rule_that_cannot_be_read_holds_every_file(scene: Scene) -> None:
    await add_rule(scene, RuleAction.SKIP, '{"moon":"full"}', "Full moon")
    await scene.find_files("ada", "a.py")
    await publish(scene)
    [row] = await scene.rows()
    assert (row.state, row.reason) == (
        "held",
        "held by the rule Full moon, which can't be read",
    )


async def test_a_file_for_which_the_rules_take_too_long_is_held_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_rule(scene, RuleAction.SKIP, '{"content":"x"}')
    await scene.find_files("ada", "a.py")
    monkeypatch.setattr(publishing_rules, "RULES_TIME_LIMIT", -1)
    await publish(scene)
    [row] = await scene.rows()
    assert (row.state, row.held_because) == ("held", HeldBecause.RULE)
    assert "held, because the rules take longer" in str(row.reason)


async def test_slow_files_of_a_user_let_those_of_others_go_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[str] = []

    def look(parts: Parts) -> Examined:
        examined.append(parts.filename)
        return NO_FINDINGS

    monkeypatch.setattr(screener, "SLOW", -1.0)
    monkeypatch.setattr(DETECTOR, "_found", look)
    await scene.find_files("ada", *(f"slow file {number}.py" for number in range(4)))
    await scene.find_files("bob", "bob's file.py")
    await publish(scene)
    await scene.assert_each_is_there_once()
    assert examined.index("bob's file.py") == 1


async def test_a_file_that_a_rule_skips_asks_nobody_about_credentials(scene: Scene) -> None:
    await add_rule(scene, RuleAction.SKIP, '{"content":"key = "}')
    await scene.find_files("ada", "leak.py", content=f"\nkey = {LEAKED!r}\n")
    await publish(scene)
    assert await scene.states() == ["skipped"]


async def test_a_day_with_too_many_files_sends_nothing_without_a_decision(scene: Scene) -> None:
    scene.given = {"flood_per_day": "15"}
    for number in range(24):
        scene.clock.advance(timedelta(seconds=1))
        await scene.find_files(f"user{number % 8}", f"{number}.py")
    await publish(scene)
    assert set(await scene.states()) == {"held"}
    assert {row.held_because for row in await scene.rows()} == {HeldBecause.DAY_FLOOD}
    assert writes(scene) == []
    # What comes before the answer joins the question.
    await scene.find_files("late", "24.py")
    await publish(scene)
    assert set(await scene.states()) == {"held"}
    async with scene.database.begin() as transaction:
        answered = await held.answer_for_all(
            transaction, Backfill.parse("latest:3"), now=scene.clock(), shown=25, by="eve"
        )
    assert (answered.published, answered.skipped) == (3, 22)
    await publish(scene)
    published = [row.filename for row in await scene.rows() if row.state == "published"]
    assert published == ["22.py", "23.py", "24.py"]
    # After it everything goes on as before.
    await scene.find_files("late", "25.py")
    await publish(scene)
    assert (await scene.states())[-1] == "published"


async def test_files_of_the_past_and_of_another_day_are_no_flood(scene: Scene) -> None:
    scene.given = {"flood_per_day": "2"}
    for day in range(3):
        await scene.find_files("ada", f"{day}a.py", f"{day}b.py")
        await publish(scene)
        scene.clock.advance(timedelta(days=1, seconds=1))
    await scene.find_files("bob", *(f"{number}.py" for number in range(5)))
    async with scene.database.begin() as transaction:
        await transaction.execute(
            update(publication_rows)
            .where(publication_rows.c.state == PublicationState.PENDING.value)
            .values(backfill=1)
        )
    await publish(scene)
    assert set(await scene.states()) == {"published"}


async def test_nothing_of_an_owner_who_opted_out_is_sent(scene: Scene) -> None:
    await scene.find_files("ada", "before.py")
    await publish(scene)
    await scene.find_files("ada", "waits.py")
    await scene.find_files("ada", "flood.py", held_because="a flood")
    await scene.find_files("bob", "b.py")
    assert await opt_out(scene, "Ada") == 2
    await scene.find_files("ada", "later.py")
    await publish(scene)
    assert await scene.states() == ["published", "skipped", "skipped", "published", "skipped"]
    assert {row.reason for row in await scene.rows()} == {None, "its owner opted out"}
    waits = (await scene.rows())[1]
    async with scene.database.begin() as transaction:
        with pytest.raises(PublicationStateError, match="ada opted out"):
            await publications.retry(transaction, waits.id, scene.clock(), by="eve")
    assert len(scene.activities()) == 2


async def test_an_opt_out_outlives_a_rename_and_ends_when_it_is_removed(scene: Scene) -> None:
    assert await opt_out(scene, "ada") == 0  # not tracked yet: only the login is known
    await scene.find_files("ada", "a.py")
    await publish(scene)
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, "ada")
        account = Account("lovelace", user.github_id or GitHubId(0))
        await account_match.resolve(transaction, user.key, account)
        assert await opt_outs.of_user(transaction, user.key) is not None
        await opt_outs.remove(transaction, "ada")
        assert await opt_outs.of_user(transaction, user.key) is None
    assert await scene.states() == ["skipped"]
