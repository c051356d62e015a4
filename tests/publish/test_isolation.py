"""One publication, deal or note that fails is alone in that: the others neither wait nor pay."""

import re
from collections.abc import Iterable
from datetime import timedelta

import pytest

from gitpip.errors import OWN_FAULT
from gitpip.model import Publication, PublicationState
from gitpip.publish.delivery import MAX_ATTEMPTS
from gitpip.store.publications import publications
from gitpip_standins import Fault, FaultKind
from tests.support.scene import Scene

pytestmark = pytest.mark.long

PENDING, PUBLISHED, FAILED, UNCERTAIN = (
    PublicationState.PENDING,
    PublicationState.PUBLISHED,
    PublicationState.FAILED,
    PublicationState.UNCERTAIN,
)
OTHERS = 11
"""More than are claimed at once, so that some are claimed after the one that fails."""
BAD = '"bad\\.py '
"""In the subject of the one that fails."""


def json_error(status: int, *, processed: bool = False) -> Fault:
    """Pipedrive's JSON with `success: false`."""
    return Fault(FaultKind.ERROR, processed, status)


async def find_one_bad_and_others(scene: Scene) -> None:
    await scene.find_files("bad-one", "bad.py")
    for number in range(OTHERS):
        await scene.find_files(f"user-{number % 4}", f"{number}.py")


def bad(rows: Iterable[Publication]) -> Publication:
    return next(row for row in rows if row.filename == "bad.py")


def others(rows: Iterable[Publication]) -> list[PublicationState]:
    return [row.state for row in rows if row.filename != "bad.py"]


REFUSED = {
    "sqlite": (
        "CREATE TRIGGER refused BEFORE UPDATE OF activity_id ON publications"
        " WHEN NEW.id = 1 AND NEW.activity_id IS NOT NULL"
        " BEGIN SELECT RAISE(ABORT, 'made to fail'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = '23514'; END $$",
        "CREATE TRIGGER refused BEFORE UPDATE OF activity_id ON publications FOR EACH ROW"
        " WHEN (NEW.id = 1 AND NEW.activity_id IS NOT NULL) EXECUTE FUNCTION refuse()",
    ),
}
"""The database refuses to record the activity of the first publication."""


async def retry_bad(scene: Scene) -> None:
    row = bad(await scene.rows())
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock())


def names_status(reason: str | None, fault: Fault) -> bool:
    """Whether a reason says what Pipedrive did, with the status of its answer."""
    status = fault.status
    told = rf"answered {status}|isn't responding \({status}\)|rejected it.*\({status}\)"
    return re.search(f"Pipedrive ({told})", str(reason)) is not None


@pytest.mark.parametrize(
    "fault",
    [
        json_error(401),
        json_error(402),
        json_error(403),
        json_error(500),
        json_error(200),
        json_error(404),
        Fault.drop(),
        Fault.html(200),
        Fault.html(527),  # Cloudflare's own
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_an_activity_that_always_fails_stops_nobody_and_fails_in_the_end(
    scene: Scene, fault: Fault
) -> None:
    scene.crm.faults.script(fault, method="POST", path="activities$", about=BAD, times=None)
    await find_one_bad_and_others(scene)
    process = await scene.process()
    started = scene.clock()
    await process.run()
    assert others(await scene.rows()) == [PUBLISHED] * OTHERS
    assert await scene.pause() is None
    before = scene.crm.limits.spent_today
    await scene.settle(process)
    row = bad(await scene.rows())
    assert row.state is FAILED
    if fault.kind is FaultKind.ERROR:
        assert names_status(row.reason, fault)
    assert row.attempts <= MAX_ATTEMPTS
    assert scene.clock() - started < timedelta(days=2)
    # Pipedrive's smallest plan has 30,000 tokens a day. Each attempt can cost 10 more for a
    # comparison with what another installation may have published.
    assert scene.crm.limits.spent_today - before < 600 + 10 * MAX_ATTEMPTS
    scene.crm.faults.clear()
    await retry_bad(scene)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("fault", [json_error(403), json_error(500), json_error(200)], ids=str)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_deal_that_always_fails_stops_nobody_and_fails_in_the_end(
    scene: Scene, fault: Fault, method: str
) -> None:
    about = "bad-one" if method == "POST" else ""
    path = "deals$" if method == "POST" else "deals/1$"
    if method == "GET":
        # There is a deal to adopt, and this user may not see it.
        scene.crm.add_deal("bad-one")
    scene.crm.faults.script(fault, method=method, path=path, about=about, times=None)
    await find_one_bad_and_others(scene)
    process = await scene.process()
    await process.run()
    assert others(await scene.rows()) == [PUBLISHED] * OTHERS
    assert await scene.pause() is None
    before = scene.crm.limits.spent_today
    await scene.settle(process)
    row = bad(await scene.rows())
    assert row.state is FAILED
    assert names_status(row.reason, fault)
    if method == "GET":
        assert "deal 1 can't be read" in str(row.reason)
    assert scene.crm.limits.spent_today - before < 900
    scene.crm.faults.clear()
    await retry_bad(scene)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


LIMITED = Fault.limited({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"})


@pytest.mark.parametrize("fault", [json_error(403), json_error(500), LIMITED], ids=str)
async def test_a_deal_whose_owner_can_not_be_read_stops_nobody_and_fails_in_the_end(
    scene: Scene, fault: Fault
) -> None:
    await scene.set_publishing(activity_owner="deal")
    process = await scene.process()
    await find_one_bad_and_others(scene)
    await scene.settle(process)
    scene.clock.advance(timedelta(days=1))
    deal_id = bad(await scene.rows()).deal_id
    scene.crm.faults.script(fault, method="GET", path=f"deals/{deal_id}$", times=None)
    await scene.find_files("bad-one", "again.py")
    await scene.find_files("user-1", "new.py")
    await process.run()
    if fault is LIMITED:
        assert await scene.pause() is not None, "the first time it can be everybody's"
        await scene.wake()
        await process.run()
    assert await scene.pause() is None
    assert others(await scene.rows())[-2:] == [PENDING, PUBLISHED]
    waiting = (await scene.rows())[-2]
    answered = f"Pipedrive answered {fault.status}"
    if fault is LIMITED:
        answered = f"Pipedrive's rate limit is reached ({answered}"
    said = f"deal {deal_id} can't be read: {answered}"
    assert waiting.attempts == 1
    assert said in str(waiting.reason)
    await scene.settle(process)
    failed = (await scene.rows())[-2]
    assert failed.state is FAILED
    assert f"after {MAX_ATTEMPTS} attempts; the last one: {said}" in str(failed.reason)
    assert await scene.pause() is None
    # Each attempt asks for the owner, and at most once an hour for what people did to the deal.
    assert len(scene.crm.faults.injected) <= 2 * MAX_ATTEMPTS


async def test_a_refusal_that_no_list_explains_is_that_of_one_file(scene: Scene) -> None:
    await scene.set_publishing(activity_type="call")
    process = await scene.process()
    await find_one_bad_and_others(scene)
    await scene.settle(process)
    scene.clock.advance(timedelta(minutes=5))
    refused, unread = json_error(400), json_error(500)
    scene.crm.faults.script(refused, method="POST", path="activities$", about="again", times=None)
    scene.crm.faults.script(unread, method="GET", path="activityTypes$", times=None)
    await scene.find_files("bad-one", "again.py")
    await scene.find_files("user-1", "new.py")
    await process.run()
    assert await scene.pause() is None
    assert others(await scene.rows())[-2:] == [PENDING, PUBLISHED]
    waiting = (await scene.rows())[-2]
    assert waiting.attempts == 1
    assert "could not read the account's lists: Pipedrive answered 500" in str(waiting.reason)


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_token_that_is_refused_for_its_owner_too_pauses_publishing(
    scene: Scene, status: int
) -> None:
    scene.crm.faults.script(json_error(status), times=None)
    await find_one_bad_and_others(scene)
    process = await scene.process()
    await process.run()
    assert len(scene.crm.requests) == 1
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= timedelta(minutes=1)
    assert str(status) in pause.reason
    assert [row.state for row in await scene.rows()] == [PENDING] * (OTHERS + 1)
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_what_the_edge_refuses_alone_with_403_pauses_nothing(scene: Scene) -> None:
    scene.crm.faults.script(
        Fault.html(403), method="POST", path="activities$", about=BAD, times=None
    )
    await find_one_bad_and_others(scene)
    process = await scene.process()
    while bad(await scene.rows()).state is not FAILED:
        await process.run()
        assert await scene.pause() is None
        assert others(await scene.rows()) == [PUBLISHED] * OTHERS
        await scene.wake()
    row = bad(await scene.rows())
    assert "answered 403" in str(row.reason)
    scene.crm.faults.clear()
    await retry_bad(scene)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_what_the_edge_refuses_alone_with_429_pauses_the_others_once(scene: Scene) -> None:
    status = 429
    scene.crm.faults.script(
        Fault.html(status), method="POST", path="activities$", about=BAD, times=None
    )
    await find_one_bad_and_others(scene)
    process = await scene.process()
    await process.run()
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= timedelta(minutes=1)
    assert others(await scene.rows()) == [PENDING] * OTHERS
    assert bad(await scene.rows()).state is PENDING
    await scene.wake()
    asked = len(scene.crm.requests)
    await process.run()
    posted = [r for r in scene.crm.requests[asked:] if r.path.endswith("activities")]
    posted = [request for request in posted if request.method == "POST"]
    assert posted[0].status == 200
    assert others(await scene.rows()) == [PUBLISHED] * OTHERS
    while bad(await scene.rows()).state is not FAILED:
        await process.run()
        assert await scene.pause() is None
        await scene.wake()
    row = bad(await scene.rows())
    assert f"answered {status}" in str(row.reason)
    assert "only this one" in str(row.reason)
    scene.crm.faults.clear()
    await retry_bad(scene)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("status", [403, 429])
async def test_a_ban_by_the_edge_is_met_by_one_probe_after_ever_longer_pauses(
    scene: Scene, status: int
) -> None:
    scene.crm.faults.script(Fault.html(status), times=None)
    await find_one_bad_and_others(scene)
    process = await scene.process()
    lengths = []
    for number in range(1, 5):
        await process.run()
        refused = [request for request in scene.crm.requests if request.status == status]
        assert len(refused) == number
        pause = await scene.pause()
        assert pause is not None
        lengths.append(pause.until - scene.clock())
        await scene.wake()
    assert lengths == sorted(set(lengths))
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_an_owner_who_can_not_be_asked_proves_nothing(scene: Scene) -> None:
    process = await scene.process()
    await process.run()  # it learns the company
    scene.crm.faults.script(json_error(403), method="POST", path="activities$", about=BAD)
    scene.crm.faults.script(json_error(500), path="users/me$", times=None)
    await find_one_bad_and_others(scene)
    await process.run()
    assert others(await scene.rows()) == [PUBLISHED] * OTHERS
    assert await scene.pause() is None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_an_unexpected_error_is_that_of_its_publication(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    await find_one_bad_and_others(scene)
    process = await scene.process()
    async with scene.database.begin() as transaction:
        for statement in REFUSED[transaction.dialect.name]:
            await transaction.exec_driver_sql(statement)
    for _ in range(3):
        await process.run()
        await scene.wake()
    rows = await scene.rows()
    assert bad(rows).state is UNCERTAIN
    assert OWN_FAULT in str(bad(rows).reason)
    assert "IntegrityError" not in str(bad(rows).reason)
    assert others(rows) == [PUBLISHED] * OTHERS
    assert "Traceback" in "".join(capsys.readouterr())
    async with scene.database.begin() as transaction:
        on_table = "" if transaction.dialect.name == "sqlite" else " ON publications"
        await transaction.exec_driver_sql(f"DROP TRIGGER refused{on_table}")
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_look_that_always_fails_holds_up_nobody_and_becomes_rare(scene: Scene) -> None:
    await scene.find_files("bad-one", "bad.py")
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    process = await scene.process()
    await process.run()
    scene.crm.faults.script(
        json_error(500), method="GET", path="activities$", about="deal_id=1&", times=None
    )
    for number in range(OTHERS):
        await scene.find_files(f"user-{number % 4}", f"{number}.py")
    await scene.wake()
    await process.run()
    assert others(await scene.rows()) == [PUBLISHED] * OTHERS
    asked, end = len(scene.crm.requests), scene.clock() + timedelta(days=1)
    while scene.clock() < end:
        await process.run()
        await scene.wake()
    # In its first hour each look asks twice.
    assert len(scene.crm.requests) - asked < 60
    assert "could not check whether it arrived" in str(bad(await scene.rows()).reason)
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_one_list_answers_for_all_uncertain_publications_of_a_deal(scene: Scene) -> None:
    await scene.find_files("ada", *(f"{number}.py" for number in range(30)))
    scene.crm.faults.script(
        *[Fault.drop(processed=True), Fault.slow(timedelta(0))] * 15,
        method="POST",
        path="activities$",
    )
    process = await scene.process()
    await process.run()
    assert (await scene.states()).count(UNCERTAIN) == 15
    asked = len(scene.crm.requests)
    await scene.settle(process)
    assert len(scene.crm.requests) - asked == 1
    await scene.assert_each_is_there_once()


async def test_uncertain_publications_do_not_hold_up_pending_ones(scene: Scene) -> None:
    for number in range(8):
        await scene.find_files(f"d{number}-doubtful", "a.py")
    scene.crm.faults.script(
        json_error(500), method="POST", path="activities$", about="-doubtful", times=8
    )
    process = await scene.process()
    while (await scene.states()).count(UNCERTAIN) < 8:
        await process.run()
        await scene.wake()
    await scene.find_files("ada", *(f"{number}.py" for number in range(30)))
    scene.clock.advance(timedelta(hours=1))
    asked = len(scene.crm.requests)
    await process.run()
    posted = [r.method == "POST" for r in scene.crm.requests[asked:]]
    looks_before_the_last_post = posted[: len(posted) - posted[::-1].index(True)].count(False)
    assert looks_before_the_last_post <= 12
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_rendering_that_fails_is_logged_and_backed_off(scene: Scene) -> None:
    await find_one_bad_and_others(scene)
    process = await scene.process()
    async with scene.database.begin() as transaction:
        # A revision that is not stored can't be shown.
        await transaction.exec_driver_sql("UPDATE publications SET revision = 7 WHERE id = 1")
    await process.run()
    rows = await scene.rows()
    row = bad(rows)
    assert others(rows) == [PUBLISHED] * OTHERS
    assert (row.state, row.sent_at) == (PENDING, None)
    assert row.due_at - scene.clock() >= timedelta(minutes=1)
    assert row.reason == OWN_FAULT
    await scene.settle(process)
    assert bad(await scene.rows()).state is FAILED
