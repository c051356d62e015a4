"""The page for people: who is tracked, what is new, how it is doing."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gitpip.show.operations import status_of
from gitpip.show.rendering import render
from gitpip.show.setting import In
from gitpip.show.times import ago, utc_now
from gitpip.store import gists, users

NEWEST = 50
USERS = 100

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(setting: In) -> HTMLResponse:
    """The newest gist files of all users, and the tracked users."""
    now = utc_now()
    status = await status_of(setting)
    async with setting.database.read() as transaction:
        newest = await gists.page(transaction, offset=0, limit=NEWEST)
        tracked = await users.page(transaction, offset=0, limit=USERS)
    files = [
        {
            "file": file,
            "link": file.html_url if file.html_url.startswith(("https://", "http://")) else None,
            "age": ago(file.created_at, now),
        }
        for file in newest.items
    ]
    people = [
        {"user": user, "checked": ago(user.checked_at, now) if user.checked_at else "not yet"}
        for user in tracked.items
    ]
    return HTMLResponse(
        render(
            "home.html",
            status=status,
            files=files,
            total=newest.total,
            people=people,
            tracked=tracked.total,
        )
    )
