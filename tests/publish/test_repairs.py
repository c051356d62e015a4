"""One act on many publications: counted before, done in pieces, and each is published once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from gitpip.actions import repairs as actions
from gitpip.actions import undo as undo_actions
from gitpip.actions.acting import Acting
from gitpip.actions.repairs import RepairAction
from gitpip.clock import utc_now
from gitpip.errors import (
    InvalidInput,
    PublicationNotFound,
    PublicationStateError,
    RepairChanged,
    UserNotTracked,
)
from gitpip.model import PublicationId, PublicationState
from gitpip.modes import HeldBecause
from gitpip.runtime.repairs import go_on
from gitpip.store import lease
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, Transaction, open_database
from gitpip.store.publications import causes, opt_outs, publications, repairs, second_sends
from gitpip.store.publications.repairs import LeftCount, PublicationLeftBecause, Repair
from gitpip.store.publications.selection import EVERYTHING, PublicationFilter
from gitpip.store.publications.state_words import IS, why_not_moved
from gitpip.store.schema import gist_files, gists
from gitpip.store.schema import publications as rows
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_events import events as event_rows
from gitpip.store.schema_publishing import RepairAct
from tests.support.rows import track
from tests.support.scene import Scene, wake_nobody

FAILED, PENDING = PublicationState.FAILED, PublicationState.PENDING
SENDING, PUBLISHED = PublicationState.SENDING, PublicationState.PUBLISHED
HELD, SKIPPED = PublicationState.HELD, PublicationState.SKIPPED
WITHDRAWN = PublicationState.WITHDRAWN
ALL_FAILED = PublicationFilter(states=(FAILED,))
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def acting_on(database: Database) -> Acting:
    return Acting(database, Actor("eve", Via.COMMAND), wake_nobody)


async def repair(scene: Scene, act: RepairAct, wanted: PublicationFilter) -> Repair:
    acting = Acting(scene.database, Actor("eve", Via.COMMAND), wake_nobody, scene.clock)
    begun = await actions.begin(acting, RepairAction(act, wanted))
    return await actions.carry_out(acting, begun.id)


async def fail(scene: Scene, *ids: int, reason: str = "Pipedrive answered 400: no") -> None:
    async with scene.database.begin() as transaction:
        failed = update(rows).where(rows.c.id.in_(ids))
        await transaction.execute(failed.values(state=FAILED, reason=reason))


async def put_failures(transaction: Transaction, user_key: int, number: int) -> None:
    """Put in so many failures, every tenth for a second cause."""
    numbers = range(1, number + 1)
    await transaction.execute(
        gists.insert(),
        [
            {
                "id": f"{each:032}",
                "user_key": user_key,
                "html_url": "https://gist.github.com/x",
                "created_at": NOW,
                "updated_at": NOW,
                "found_at": NOW,
            }
            for each in numbers
        ],
    )
    await transaction.execute(
        gist_files.insert(),
        [
            {
                "key": each,
                "gist_id": f"{each:032}",
                "user_key": user_key,
                "filename": "a.py",
                "sequence": each,
                "blob_hash": f"{each:040}",
                "size": 1,
                "content": "x",
                "truncated": False,
                "raw_url": "https://gist.githubusercontent.com/x",
                "found_at": NOW,
            }
            for each in numbers
        ],
    )
    refused, missing = "Pipedrive rejected it (400)", "Pipedrive rejected it (404)"
    await transaction.execute(
        rows.insert(),
        [
            {
                "id": each,
                "file_key": each,
                "user_key": user_key,
                "marker": f"gp-{each}",
                "state": FAILED,
                "due_at": NOW,
                "reason": f"{refused if each % 10 else missing} {each}",
            }
            for each in numbers
        ],
    )


@pytest.mark.long
async def test_ten_thousand_failures_are_retried_by_one_act(database_url: str) -> None:
    database = open_database(database_url)
    user_key = await track(database, "ada", NOW)
    async with database.begin() as transaction:
        await put_failures(transaction, user_key, 10_000)
    async with database.read() as transaction:
        found = await causes.of(transaction, PublicationFilter())
        counted = await actions.counted(transaction, RepairAction(RepairAct.RETRY, ALL_FAILED))
        of_a_cause = await publications.page(
            transaction, PublicationFilter(cause=found[1].key), offset=0, limit=1
        )
    assert [(one.publications, one.users) for one in found] == [(9_000, 1), (1_000, 1)]
    assert [one.example.split()[3] for one in found] == ["(400)", "(404)"]
    assert (counted.total, counted.left) == (10_000, ())
    assert counted.causes == found
    assert of_a_cause.total == 1_000

    steps: list[int] = []
    begun = await actions.begin(
        acting_on(database), RepairAction(RepairAct.RETRY, ALL_FAILED, 10_000)
    )
    started = datetime.now(UTC)
    ended = await actions.carry_out(
        acting_on(database), begun.id, follow=lambda one: steps.append(one.done)
    )
    took = datetime.now(UTC) - started

    assert (ended.total, ended.done, ended.changed) == (10_000, 10_000, 0)
    assert steps[:3] == [500, 1_000, 1_500]
    assert took < timedelta(seconds=60)
    async with database.read() as transaction:
        assert await publications.count(transaction) == {PENDING: 10_000}
        approved = select(func.count()).where(rows.c.approved_by == "eve", rows.c.attempts == 0)
        assert await transaction.scalar(approved) == 10_000
    await database.close()


async def test_every_file_that_is_retried_is_published_once(scene: Scene) -> None:
    await scene.find_files("ada", *(f"{number}.py" for number in range(8)))
    await scene.find_files("bob", "a.py", "b.py")
    await fail(scene, *range(1, 11))
    done = await repair(scene, RepairAct.RETRY, EVERYTHING)
    assert (done.total, done.done) == (10, 10)
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()


async def test_what_is_being_sent_is_left_and_named(scene: Scene) -> None:
    await scene.find_files("ada", "warm-up.py")
    process = await scene.process()
    await process.run()
    await scene.find_files("ada", "a.py", "b.py")
    running = await scene.freeze_in_state(process, SENDING)
    sending = [row.id for row in await scene.rows() if row.state is SENDING]
    wanted = PublicationFilter(ids=tuple(row.id for row in await scene.rows()))
    async with scene.database.read() as transaction:
        counted = await actions.counted(transaction, RepairAction(RepairAct.RETRY, wanted))
    assert LeftCount(SENDING, None, len(sending)) in counted.left
    done = await repair(scene, RepairAct.RETRY, wanted)
    assert (done.total, done.changed) == (3 - 1 - len(sending), 0)

    process.database.thawed.set()
    await running
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_what_changes_before_its_turn_is_left_and_what_comes_later_is_not_touched(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py", "c.py")
    await fail(scene, 1, 2)
    acting = acting_on(scene.database)
    begun = await actions.begin(acting, RepairAction(RepairAct.RETRY, ALL_FAILED))
    await fail(scene, 3)
    async with scene.database.begin() as transaction:
        await publications.skip(transaction, PublicationId(2), scene.clock())
    done = await actions.carry_out(acting, begun.id)
    assert (done.total, done.done, done.changed) == (2, 1, 1)
    assert await scene.states() == [PENDING, SKIPPED, FAILED]
    again = await actions.carry_out(acting, begun.id)  # it is over
    assert again == done


async def test_a_repair_that_was_cut_short_goes_on_where_it_stood(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "REPAIRED_AT_ONCE", 2)
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await fail(scene, *range(1, 6))
    acting = acting_on(scene.database)
    begun = await actions.begin(acting, RepairAction(RepairAct.SKIP, ALL_FAILED))
    async with scene.database.begin() as transaction:
        await repairs.advance(transaction, begun.id, by="eve", now=scene.clock())
    assert await scene.states() == [SKIPPED, SKIPPED, FAILED, FAILED, FAILED]
    await fail(scene, 1)  # what is done is not done twice
    done = await actions.carry_out(acting, begun.id)
    assert (done.done, done.changed) == (5, 0)
    assert await scene.states() == [FAILED, SKIPPED, SKIPPED, SKIPPED, SKIPPED]


async def test_a_service_goes_on_with_what_was_cut_short(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await fail(scene, 1)
    woken = []

    async def wake(work: str) -> None:
        woken.append(work)

    eve = Actor("eve", Via.PAGE)
    async with scene.database.begin() as transaction:
        for act, wanted, begun in (
            (RepairAct.RETRY, ALL_FAILED, utc_now() - 2 * lease.CUT_SHORT_AFTER),
            (RepairAct.SKIP, ALL_FAILED, utc_now()),  # its process may be at it
        ):
            await repairs.begin(transaction, act, wanted, by=eve, now=begun)
    with capture_logs() as logged:
        assert await go_on(scene.database, wake) == 1
        assert await go_on(scene.database, wake) == 0
    assert [one["event"] for one in logged if "repair_id" in one] == ["repair.resumed"]
    assert (await scene.states(), woken) == ([PENDING], ["publish"])
    async with scene.database.read() as transaction:
        told = (await audit_log.page(transaction, offset=0, limit=9)).items
        later, first = await repairs.latest(transaction, limit=9)
    assert [(one.actor, one.via, one.action) for one in told] == [("eve", Via.PAGE, "repair.ended")]
    assert (first.done, later.done, later.ended_at) == (1, 0, None)


async def test_what_a_person_decided_about_is_sent_only_where_the_filter_says_so(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py", "c.py", "d.py")
    await fail(scene, 1)
    async with scene.database.begin() as transaction:
        await publications.skip(transaction, PublicationId(2), scene.clock())
        found = {"held_because": HeldBecause.CREDENTIALS, "reason": "a password"}
        for number, state in ((3, HELD), (4, WITHDRAWN)):
            changed = update(rows).where(rows.c.id == number).values(found | {"state": state})
            await transaction.execute(changed)
    await repair(scene, RepairAct.RETRY, EVERYTHING)
    assert await scene.states() == [PENDING, SKIPPED, HELD, WITHDRAWN]
    for act in (RepairAct.RETRY, RepairAct.SEND_AGAIN):
        await repair(scene, act, PublicationFilter(states=(SKIPPED, HELD, WITHDRAWN)))
        assert await scene.states() == [PENDING, PENDING, HELD, WITHDRAWN]
    await repair(scene, RepairAct.APPROVE, EVERYTHING)
    assert await scene.states() == [PENDING, PENDING, HELD, WITHDRAWN]
    await repair(scene, RepairAct.APPROVE, PublicationFilter(ids=(PublicationId(3),)))
    assert await scene.states() == [PENDING, PENDING, PENDING, WITHDRAWN]


async def test_what_an_act_leaves_is_counted_by_its_reason(scene: Scene) -> None:
    await scene.find_files("ada", "fine.py", "twice.py", "undone.py")
    await scene.find_files("bob", "opted-out.py")
    await scene.settle(await scene.process())
    await scene.find_files("ada", "waits.py", "token.py", "part.py")
    eve = Actor("eve", Via.COMMAND)
    now = scene.clock()
    async with scene.database.begin() as transaction:
        await transaction.execute(update(rows).where(rows.c.id == 2).values(looked_at=now))
        await second_sends.watch(transaction, [2], now)
        await opt_outs.add(transaction, "bob", None, eve, now)
        held = update(rows).where(rows.c.id == 6).values(state=HELD)
        await transaction.execute(held.values(held_because=HeldBecause.CREDENTIALS))
        await transaction.execute(update(rows).where(rows.c.id == 7).values(part_of=1))
    acting = Acting(scene.database, eve, wake_nobody, scene.clock)
    await undo_actions.undo(acting, undo_actions.What(publications=[PublicationId(3)]))

    async def left(act: RepairAct, wanted: PublicationFilter) -> set[LeftCount]:
        async with scene.database.read() as transaction:
            return {*(await actions.counted(transaction, RepairAction(act, wanted))).left}

    assert await left(RepairAct.SEND_AGAIN, EVERYTHING) == {
        LeftCount(PENDING, None, 1),
        LeftCount(PENDING, PublicationLeftBecause.PART, 1),
        LeftCount(HELD, None, 1),
        LeftCount(PUBLISHED, PublicationLeftBecause.BEING_UNDONE, 1),
        LeftCount(PUBLISHED, PublicationLeftBecause.OPTED_OUT, 1),
        LeftCount(PUBLISHED, PublicationLeftBecause.SEARCHED_FOR, 1),
    }
    waiting = PublicationFilter(states=(PENDING, HELD))
    assert await left(RepairAct.APPROVE, waiting) == {
        LeftCount(PENDING, None, 1),
        LeftCount(HELD, PublicationLeftBecause.CREDENTIALS, 1),
    }


async def test_a_filter_finds_by_user_tag_day_and_check(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    today = scene.clock().date()
    for wanted, number in (
        (PublicationFilter(login="ADA"), 1),
        (PublicationFilter(login="nobody"), 0),
        (PublicationFilter(tag="vip"), 0),
        (PublicationFilter(check_id=1), 0),
        (PublicationFilter(found_on=today), 2),
        (PublicationFilter(found_on=date(2001, 1, 1)), 0),
        (PublicationFilter(published_on=today), 0),
        (PublicationFilter(login="bob", states=(FAILED,)), 0),
        (PublicationFilter(cause="\0"), 0),
        (PublicationFilter(), 2),
    ):
        async with scene.database.read() as transaction:
            page = await publications.page(transaction, wanted, offset=0, limit=9)
        assert (len(page.items), page.total) == (number, number), wanted


async def test_an_order_that_is_not_clear_changes_nothing(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await fail(scene, 1)
    acting = acting_on(scene.database)
    for wanted, error in (
        (PublicationFilter(), InvalidInput),
        (PublicationFilter(states=tuple(PublicationState)), InvalidInput),
        (PublicationFilter(login="ada", everything=True), InvalidInput),
        (PublicationFilter(login="a b"), UserNotTracked),
        (PublicationFilter(ids=(PublicationId(77),)), PublicationNotFound),
    ):
        with pytest.raises(error):
            await actions.begin(acting, RepairAction(RepairAct.RETRY, wanted))
    with pytest.raises(RepairChanged, match="the number of files changed from 2 to 1"):
        await actions.begin(acting, RepairAction(RepairAct.RETRY, ALL_FAILED, 2))
    assert await scene.states() == [FAILED]
    async with scene.database.read() as transaction:
        assert await repairs.latest(transaction, limit=9) == ()


async def test_each_act_is_told_as_one_event_for_a_user(scene: Scene) -> None:
    """As the same act on one publication is."""
    await scene.find_files("ada", "1.txt", "2.txt", "3.txt")
    for act, kind in (
        (RepairAct.HOLD, EventKind.PUBLICATIONS_HELD),
        (RepairAct.APPROVE, EventKind.PUBLICATIONS_APPROVED),
        (RepairAct.SKIP, EventKind.PUBLICATIONS_SKIPPED),
        (RepairAct.RETRY, EventKind.PUBLICATIONS_APPROVED),
    ):
        states = {RepairAct.RETRY: (SKIPPED,)}.get(act, ())
        await repair(scene, act, PublicationFilter(login="ada", states=states))
        async with scene.database.read() as transaction:
            last = (
                await transaction.execute(
                    select(event_rows.c.kind, event_rows.c.detail)
                    .order_by(event_rows.c.id.desc())
                    .limit(1)
                )
            ).one()
        assert (last.kind, last.detail.partition(":")[0]) == (kind, "3 files")


def test_each_state_says_what_to_do() -> None:
    assert set(causes.WHAT_TO_DO) == set(PublicationState)


async def test_an_act_that_a_state_does_not_allow_is_refused_in_words(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    number = PublicationId(1)
    async with scene.database.begin() as transaction:
        held = await publications.skip(transaction, number, NOW)
        with pytest.raises(
            PublicationStateError, match="this file is skipped already, so it can't be sk"
        ):
            await publications.skip(transaction, number, NOW)
        for state in PublicationState:
            told = why_not_moved(replace(held, state=state), PENDING)
            assert told.startswith("this file ")
            assert told.endswith(", so it can't be retried")
    assert len(set(IS.values())) == len(PublicationState)
