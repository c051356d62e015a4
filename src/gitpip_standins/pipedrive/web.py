"""Pages of the company's Pipedrive: its deals, its activities, and their notes."""

import html
import re
from collections.abc import Sequence

from gitpip_standins.exchange import Answer, JsonObject
from gitpip_standins.pages import link, page, table

ABOUT = "A simulated Pipedrive. Nothing here is real."
PATH = re.compile(r"/(?:(?P<kind>deal|activities)/(?P<number>[0-9]{1,15}))?")


def web_page(
    path: str, deals: Sequence[JsonObject], activities: Sequence[JsonObject]
) -> Answer | None:
    """The page of a path that people open; None where it is one of the API."""
    found = PATH.fullmatch(path)
    if found is None:
        return None
    number = found["number"]
    if number is None:
        return page(200, "Deals", _deals(deals, activities), about=ABOUT)
    rows = deals if found["kind"] == "deal" else activities
    row = next((row for row in rows if str(row["id"]) == number and not row["is_deleted"]), None)
    if row is None:
        return page(404, "Not found", f"<p>{link('/', 'All deals')}</p>", about=ABOUT)
    if found["kind"] == "deal":
        own = [one for one in activities if one["deal_id"] == row["id"]]
        body = f"<p>{link('/', 'All deals')}</p>{_activities(own)}"
        return page(200, str(row["title"]), body, about=ABOUT)
    return page(200, str(row["subject"]), _activity(row), about=ABOUT)


def _deals(deals: Sequence[JsonObject], activities: Sequence[JsonObject]) -> str:
    shown = [deal for deal in deals if not deal["is_deleted"]]
    rows = [
        (
            link(f"/deal/{deal['id']}", deal["title"]),
            str(deal["status"]),
            str(sum(one["deal_id"] == deal["id"] and not one["is_deleted"] for one in activities)),
        )
        for deal in shown
    ]
    return table(("Title", "Status", "Activities"), rows, "No deals yet.")


def _activities(activities: Sequence[JsonObject]) -> str:
    shown = [one for one in reversed(activities) if not one["is_deleted"]]
    rows = [
        (
            link(f"/activities/{one['id']}", one["subject"]),
            html.escape(str(one["type"])),
            "done" if one["done"] else "to do",
            html.escape(str(one["add_time"])),
        )
        for one in shown
    ]
    return table(("Activity", "Type", "State", "Added"), rows, "No activities yet.")


def _activity(activity: JsonObject) -> str:
    facts = [
        ("Deal", link(f"/deal/{activity['deal_id']}", f"deal {activity['deal_id']}")),
        ("Type", html.escape(str(activity["type"]))),
        ("State", "done" if activity["done"] else "to do"),
        ("Due", html.escape(str(activity["due_date"] or "no date"))),
    ]
    # Sandboxed: whatever the note holds, it runs nothing and leads nowhere from here.
    note = html.escape(str(activity["note"] or ""))
    return table(("", ""), facts, "") + f'<iframe sandbox title="Note" srcdoc="{note}"></iframe>'
