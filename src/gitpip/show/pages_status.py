"""The status page: one sentence, then the figures behind it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gitpip.clock import utc_now
from gitpip.show.charts import over_a_day
from gitpip.show.operations import status_of
from gitpip.show.rendering import duration, render
from gitpip.show.setting import In
from gitpip.store import gauges

LABELS = (*(f"in the last {duration(step)}" for step in gauges.STEPS), "longer ago", "not read yet")

router = APIRouter(include_in_schema=False)


@router.get("/status-page")
async def status_page(setting: In) -> HTMLResponse:
    """How it is doing, in words and figures."""
    status = await status_of(setting)
    now = utc_now()
    async with setting.database.read() as transaction:
        samples = await gauges.samples_of_a_day(transaction)
        groups = await gauges.freshness_groups(transaction, now)
    page = render(
        "status.html",
        page="status",
        status=status,
        all_good=status.sentence.startswith("All good"),
        queue=over_a_day([(sample.at, sample.waiting) for sample in samples], now),
        now_waiting=samples[-1].waiting if samples else None,
        groups=list(zip(LABELS, groups, strict=True)),
        active=sum(groups),
        now=now,
    )
    return HTMLResponse(page)
