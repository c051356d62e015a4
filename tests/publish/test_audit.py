"""An audit finds every planted difference and no other, for the tokens that the lists cost."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from gitpip.model import User, UserKey
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.surveyor import MustWait, Surveyor
from gitpip.publish.verdicts import FileName, ListedFile
from gitpip.store.schema_surveys import SurveyKind, Verdict
from gitpip.store.schema_undo import UndoScope
from gitpip.store.surveys import lines, surveys
from gitpip.store.surveys.lines import AuditLine
from gitpip.store.surveys.surveys import Survey, SurveyScope
from gitpip.store.users import users
from gitpip_standins.faults import Fault
from tests.publish.test_sent_again import published, send_again
from tests.publish.test_sent_again import undo as undo_which
from tests.publish.test_undo import carry_out, undo
from tests.support.scene import UNHURRIED, Scene
from tests.support.tokens import TOKEN
from tests.support.whole_account import Planted, WholeAccount, plant

HOUR = timedelta(hours=1)


class Auditor:
    """Requests audits, and brings them forward as a service does."""

    def __init__(self, scene: Scene, account: WholeAccount, surveyor: Surveyor) -> None:
        self.scene = scene
        self.account = account
        self.surveyor = surveyor

    async def audit(self, **scope: object) -> Survey:
        """An audit from its request to its end, or to its first wait."""
        asked = SurveyScope(SurveyKind.AUDIT, **scope)  # type: ignore[arg-type]
        async with self.scene.database.begin() as transaction:
            made, _ = await surveys.request(transaction, asked, "eve", self.scene.clock())
        return await self.go_on(made.id)

    async def go_on(self, number: int) -> Survey:
        await self.surveyor.run(number)
        async with self.scene.database.read() as transaction:
            return await surveys.get(transaction, number)

    async def lines(self, number: int) -> list[AuditLine]:
        async with self.scene.database.read() as transaction:
            return [line async for some in lines.in_pages(transaction, number) for line in some]

    async def unexplained(self, number: int) -> Planted:
        """What is unexplained: why, of which file, and which activity."""
        return {
            (line.explanation, line.filename and f"{line.login}/{line.filename}", line.activity_id)
            for line in await self.lines(number)
            if line.verdict is Verdict.UNEXPLAINED
        }


@pytest.fixture
async def auditor(scene: Scene) -> AsyncIterator[Auditor]:
    account = WholeAccount(scene.crm, scene.database, scene.clock())

    async def read_gists(user: User) -> Mapping[FileName, ListedFile] | str:
        return account.listed[user.login]

    async with Pipedrive(
        api_url=f"{scene.crm_url}/api", token=SecretStr(TOKEN), timeout=UNHURRIED, rest=timedelta(0)
    ) as pipedrive:
        surveyor = Surveyor(scene.database, pipedrive, read_gists, now=scene.clock)
        yield Auditor(scene, account, surveyor)


@pytest.mark.long
async def test_it_finds_all_that_was_planted_and_costs_what_the_lists_cost(
    auditor: Auditor,
) -> None:
    crm = auditor.scene.crm
    await auditor.account.fill(20, 50)
    for number in range(3_500):
        crm.add_activity(f"Call customer {number}", note="about a gist", deal_id=1)
    planted = await plant(auditor.account)
    assert len(planted) == 50
    assert len({why for why, _, _ in planted}) == 6
    before = crm.limits.spent_today

    audit = await auditor.audit()

    assert (audit.failure, audit.ended_at) == (None, auditor.scene.clock())
    assert await auditor.unexplained(audit.id) == planted
    # 1,000 files, seven activities of no file, and six files that only GitHub has.
    assert len(await auditor.lines(audit.id)) == 1_013
    shown = len([one for one in crm.activities if not one["is_deleted"]])
    assert shown == audit.activities == 4_507
    # Whose token it is, one page of deals, ten pages of activities.
    assert audit.tokens == crm.limits.spent_today - before == 2 + 10 + 10 * 10


async def test_a_daily_budget_that_ends_in_the_middle_is_gone_on_with_the_next_day(
    auditor: Auditor,
) -> None:
    crm, clock = auditor.scene.crm, auditor.scene.clock
    await auditor.account.fill(12, 50)
    for number in range(4_000):
        crm.add_activity(f"Call customer {number}")
    planted = await plant_some(auditor)
    crm.limits.daily_tokens = crm.limits.spent_today + 75

    audit = await auditor.audit()

    assert audit.ended_at is None
    assert audit.waits_because
    assert "kept for publishing" in audit.waits_because
    first_day = crm.limits.spent_today
    assert (crm.limits.left_today or 0) >= 30
    read = audit.activities
    assert 0 < read < 4_000
    assert await auditor.go_on(audit.id) == audit, "it is not asked for before it may go on"

    crm.limits.daily_tokens = 30_000
    crm.reset_day()
    clock.advance(HOUR)
    audit = await auditor.go_on(audit.id)

    assert audit.ended_at is not None
    assert await auditor.unexplained(audit.id) == planted
    # Nothing was read twice: all pages of both days are those of one list.
    assert audit.tokens == first_day + crm.limits.spent_today == 2 + 2 + 10 + 10 * 10


async def plant_some(auditor: Auditor) -> Planted:
    oldest = auditor.account.activities["user-0", "file-0.py"]
    newest = auditor.account.activities["user-11", "file-49.py"]
    for activity in (oldest, newest):
        auditor.scene.crm.delete_activity(activity)
    return {
        ("missing", "user-0/file-0.py", oldest),
        ("missing", "user-11/file-49.py", newest),
    }


async def test_what_has_a_reason_is_explained(auditor: Auditor) -> None:
    account, crm = auditor.account, auditor.scene.crm
    await account.fill(3, 10)
    changed: Mapping[str, dict[str, object]] = {
        "held": {"state": "held", "reason": "a flood"},
        "failed": {"state": "failed", "reason": "Pipedrive answered 400"},
        "before-backfill": {"state": "skipped", "queued_at": None},
        "skipped": {"state": "skipped", "reason": "a rule skips it"},
        "waits": {"state": "pending"},
        "being-looked-for": {"state": "uncertain"},
    }
    for number, values in enumerate(changed.values()):
        name = f"file-{number}.py"
        crm.delete_activity(account.activities["user-0", name])
        gone: dict[str, object] = {"activity_id": None, "published_at": None}
        await account.change("user-0", name, **values, **gone)
    await account.change("user-0", "file-6.py", published_at=auditor.scene.clock())
    crm.delete_activity(account.activities["user-0", "file-6.py"])
    crm.edit_activity(account.activities["user-0", "file-7.py"], subject="Renamed by a person")
    crm.edit_activity(account.activities["user-0", "file-8.py"], subject="Mine", note="rewritten")
    crm.merge_deals(account.deals["user-1"], account.deals["user-2"])
    gist = next(iter(account.listed["user-2"]))[0]
    del account.listed["user-2"][gist, "file-1.py"]
    account.listed["user-2"][gist, "file-2.py"] = ListedFile("1" * 40, auditor.scene.clock())
    account.listed["user-2"]["e" * 32, "new.py"] = ListedFile("1" * 40, auditor.scene.clock())

    audit = await auditor.audit()

    found = {
        f"{line.login}/{line.filename}": line.explanation
        for line in await auditor.lines(audit.id)
        if line.verdict is not Verdict.SAME
    }
    assert await auditor.unexplained(audit.id) == set()
    assert found == {
        **{f"user-0/file-{number}.py": why for number, why in enumerate(changed)},
        "user-0/file-6.py": "published-meanwhile",
        "user-0/file-7.py": "edited-by-a-person",
        "user-0/file-8.py": "edited-by-a-person",
        **{f"user-1/file-{number}.py": "deal-gone" for number in range(10)},
        "user-2/file-1.py": "deleted-since-check",
        "user-2/file-2.py": "changed-since-check",
        "user-2/new.py": "changed-since-check",
    }


async def test_an_audit_of_an_older_gitpip_with_a_time_in_year_1_ends(auditor: Auditor) -> None:
    await auditor.account.fill(1, 1)
    first = datetime(1, 1, 1, tzinfo=UTC)
    audit = await auditor.audit(since=first, with_github=False)
    assert (audit.failure, audit.ended_at) == (None, auditor.scene.clock())


@pytest.mark.parametrize("status", [500, 400])
async def test_a_list_that_always_fails_ends_its_audit_alone(auditor: Auditor, status: int) -> None:
    scene = auditor.scene
    await auditor.account.fill(1, 1)
    always = Fault.error() if status == 500 else Fault.says(400, {"success": False, "error": "no"})
    scene.crm.faults.script(always, path="/activities$", times=None)
    before = scene.crm.limits.spent_today
    audit = await auditor.audit(with_github=False)
    waits = []
    while audit.ended_at is None:
        assert str(status) in (audit.waits_because or "")
        waits.append((audit.waits_until or scene.clock()) - scene.clock())
        scene.clock.advance(waits[-1])
        audit = await auditor.go_on(audit.id)
    assert waits == [timedelta(minutes=2**number) for number in range(5)]
    assert str(status) in (audit.failure or "")
    # The stand-in charges nothing for what it refuses; Pipedrive may.
    refused = [one for one in scene.crm.requests if one.status == status]
    assert len(refused) == 6
    assert audit.tokens == scene.crm.limits.spent_today - before + 10 * len(refused)


@pytest.mark.parametrize("number", [1, 3])
async def test_a_user_that_makes_github_ask_to_wait_is_read_after_all_others(
    auditor: Auditor, number: int
) -> None:
    """A service that is started anew knows who was put off, and so does a removed user."""
    clock = auditor.scene.clock
    await auditor.account.fill(number, 1)
    asked = []

    async def read_gists(user: User) -> Mapping[FileName, ListedFile] | str:
        asked.append(user.login)
        if user.login in {"user-0", "user-1"}:
            raise MustWait(clock() + HOUR, "asked to wait", refused=True)
        return auditor.account.listed[user.login]

    auditor.surveyor._read_gists = read_gists
    audit = await auditor.audit()
    while audit.ended_at is None:
        assert audit.waits_because == "asked to wait"
        clock.advance(HOUR)
        if asked == ["user-0", "user-1", "user-2", "user-0"]:
            async with auditor.scene.database.begin() as transaction:
                await users.remove(transaction, UserKey(2), clock())
        audit = await auditor.go_on(audit.id)
    first = ["user-0", "user-1", "user-2"] if number > 1 else ["user-0"]
    assert asked == [*first, "user-0", "user-0"]
    assert (audit.failure, audit.ended_at) == (None, clock())
    told = {line.login: line.explanation for line in await auditor.lines(audit.id)}
    others = {None: "user-removed", "user-2": None} if number > 1 else {}
    assert told == {"user-0": "github-not-read"} | others


@pytest.mark.parametrize("broken", [False, True])
async def test_what_was_read_for_a_claim_that_is_lost_is_not_written(
    auditor: Auditor, *, broken: bool
) -> None:
    """Another process takes over while GitHub is asked, and goes on where the last page ended."""
    scene = auditor.scene
    await auditor.account.fill(1, 2)
    claims: list[Survey | None] = []

    async def read_gists(user: User) -> Mapping[FileName, ListedFile] | str:
        if not claims:
            scene.clock.advance(surveys.SURVEY_LEASE)
            async with scene.database.begin() as transaction:
                claims.append(await surveys.claim(transaction, scene.clock()))
            if broken:
                raise RuntimeError("a fault of ours")
        return auditor.account.listed[user.login]

    auditor.surveyor._read_gists = read_gists
    audit = await auditor.audit()
    assert [audit] == claims
    assert await auditor.lines(audit.id) == []

    scene.clock.advance(surveys.SURVEY_LEASE)
    audit = await auditor.go_on(audit.id)
    assert (audit.failure, audit.ended_at) == (None, scene.clock())
    assert len(await auditor.lines(audit.id)) == 2


async def test_an_audit_of_one_user_tells_of_no_other(auditor: Auditor) -> None:
    account = auditor.account
    await account.fill(2, 3)
    for login in ("user-0", "user-1"):
        auditor.scene.crm.delete_activity(account.activities[login, "file-0.py"])
    async with auditor.scene.database.read() as transaction:
        user = await users.find(transaction, "user-1")

    audit = await auditor.audit(user_key=user.key)

    told = await auditor.lines(audit.id)
    assert [(line.login, line.verdict) for line in told] == [
        ("user-1", Verdict.UNEXPLAINED),
        ("user-1", Verdict.SAME),
        ("user-1", Verdict.SAME),
    ]


async def test_both_activities_of_what_was_sent_again_are_explained(auditor: Auditor) -> None:
    scene = auditor.scene
    process = await published(scene, "a.py")
    [before] = await scene.rows()
    await send_again(scene, before.id)
    await scene.settle(process)
    [after] = await scene.rows()
    scene.clock.advance(HOUR)
    audit = await auditor.audit(with_github=False)
    found = {
        line.activity_id: (line.verdict, line.explanation) for line in await auditor.lines(audit.id)
    }
    assert found == {
        after.activity_id: (Verdict.SAME, None),
        before.activity_id: (Verdict.EXPLAINED, "sent-again"),
    }


@pytest.mark.parametrize("undone", [False, True])
async def test_a_double_of_an_earlier_activity_is_not_explained(
    auditor: Auditor, *, undone: bool
) -> None:
    scene = auditor.scene
    process = await published(scene, "a.py")
    [before] = await scene.rows()
    [there] = scene.crm.activities
    await send_again(scene, before.id)
    await scene.settle(process)
    fields = {name: there[name] for name in ("note", "deal_id", "creator_user_id")}
    double = scene.crm.add_activity(str(there["subject"]), **fields)
    if undone:
        await undo_which(scene, UndoScope.EARLIER, before.id)
        await carry_out(scene, process)
    scene.clock.advance(HOUR)

    audit = await auditor.audit(with_github=False)

    found = {line.activity_id: line for line in await auditor.lines(audit.id)}
    assert (found[double].verdict, found[double].explanation) == (
        Verdict.UNEXPLAINED,
        "unknown-marker",
    )
    assert "of a file that was sent again" in str(found[double].detail)


async def test_what_an_undo_kept_because_it_was_moved_is_explained(auditor: Auditor) -> None:
    scene = auditor.scene
    process = await published(scene, "undone.py", "moved.py")
    undone, moved = await scene.rows()
    other = scene.crm.add_deal("another deal")
    for row in (undone, moved):
        assert row.activity_id is not None
        scene.crm.edit_activity(row.activity_id, deal_id=other)
    scene.clock.advance(HOUR)
    before = await auditor.audit(with_github=False)
    assert {file for _, file, _ in await auditor.unexplained(before.id)} == {
        "ada/undone.py",
        "ada/moved.py",
    }
    await undo(scene, undone.id)
    await carry_out(scene, process)
    audit = await auditor.audit(with_github=False)

    assert await auditor.unexplained(audit.id) == {("moved", "ada/moved.py", moved.activity_id)}
