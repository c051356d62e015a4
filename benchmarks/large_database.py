"""A database as a large one is after some years, for benchmarks of what reads it.

One gist in ten has a second file, which is in the activity of the first one. Most publications are
published; one in ten was skipped, of a thousand each one failed, was withdrawn and is held, and the
newest wait. One gist in ten was found when it was new, the others are up to three years older. One
user in a hundred is paused, one in a thousand was removed.
"""

from sqlalchemy import text

from gitpip.store.database import Database, open_database

NEWEST = 200
"""So many gists are new for the viewer who was there lately."""
NEVER, LATELY, ALL = "0" * 32, "1" * 32, "2" * 32
"""The browsers of a viewer who was never there, lately, and one who saw everything."""

AGO = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', (-({})) || ' seconds')",
    "postgresql": "now() - ({}) * interval '1 second'",
}
NUMBERS = (
    "(WITH RECURSIVE numbers(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) "
    "SELECT i FROM numbers) AS numbers"
)
AT_A_TIME = 10_000

# A row's number is `i`, and of a file's row `(i - i / 11)` is the number of its gist. These are the
# key of its user, how many gists of that user came before, and how old the file's gist was when it
# was found, in seconds.
OWNER = "(1 + (i - i / 11 - 1) % :users)"
ROUND = "((i - i / 11 - 1) / :users)"
AGE = "(CASE WHEN i % 10 = 5 THEN 60 ELSE (i % 1000 + 1) * 86400 END)"
STATE = (
    "CASE WHEN i % 11 = 0 THEN 'skipped' WHEN i > :files - 200 THEN 'pending' "
    "WHEN i % 1000 = 1 THEN 'failed' WHEN i % 1000 = 2 THEN 'held' "
    "WHEN i % 1000 = 3 THEN 'withdrawn' WHEN i % 1000 BETWEEN 10 AND 99 THEN 'skipped' "
    "ELSE 'published' END"
)
REASON = (
    "CASE WHEN i % 11 = 0 OR i > :files - 200 THEN NULL "
    "WHEN i % 1000 = 1 THEN 'Pipedrive answered 400: the field ' || (i % 7) || ' of ' || i || "
    "' is not valid, cause ' || substr('abcdefghij', 1 + (i / 1000) % 10, 1) "
    "WHEN i % 1000 = 2 THEN 'it looks as if it holds a password' "
    "WHEN i % 1000 BETWEEN 10 AND 99 THEN 'from before the user was added' END"
)

FILL = (
    "INSERT INTO users (key, login, external_id, github_id, backfill, state, created_at, "
    "next_check_at, checked_at, complete_until, gist_count, found_at, last_sequence, found_key, "
    "removed_at, failure, failure_kind) SELECT i, 'user-' || i, i, i, 'all', "
    "CASE WHEN i % 100 = 50 THEN 'paused' WHEN i % 500 = 2 THEN 'unavailable' ELSE 'active' END, "
    "{ago_100000}, {in_a_year}, {ago_i}, {lately}, "
    ":each, {ago_i}, 2 * :each, :gists - :users + i, "
    "CASE WHEN i % 1000 = 999 THEN {ago_60} END, "
    "CASE WHEN i % 500 = 2 THEN 'GitHub does not show the user' END, "
    "CASE WHEN i % 500 = 2 THEN 'not-shown' END FROM numbers_users",
    "INSERT INTO user_tags (user_key, tag) SELECT i, 'tag-' || (i % 40) FROM numbers_users",
    "INSERT INTO deals (user_key, state, due_at, deal_id, title, reason) SELECT i, "
    "CASE WHEN i % 10000 = 7 THEN 'failed' ELSE 'published' END, {ago_i}, i, 'user-' || i, "
    "CASE WHEN i % 10000 = 7 THEN 'Pipedrive answered 400' END FROM numbers_users",
    "INSERT INTO checks (requested_at, started_at, ended_at, users, unchanged, gists, files, "
    "swept) SELECT {ago_i} , {ago_i}, {ago_i}, 1000, 990, 10, 10, 900 FROM numbers_users "
    "WHERE i % 100 = 0",
    "INSERT INTO gists (id, user_key, description, html_url, created_at, updated_at, found_at) "
    "SELECT 'gist' || (i - i / 11), {owner}, 'description of number ' || (i - i / 11), "
    "'https://gist.github.com/user/' || (i - i / 11), {created}, {created}, {found} "
    "FROM numbers_files WHERE i % 11 <> 0",
    "INSERT INTO gist_files (key, gist_id, user_key, filename, sequence, blob_hash, size, "
    "language, content, truncated, raw_url, found_at) "
    "SELECT i, 'gist' || (i - i / 11), {owner}, 'file' || i || '.py', "
    "1 + 2 * {round} + CASE WHEN i % 11 = 0 THEN 1 ELSE 0 END, "
    "'hash' || i, 300, 'Language ' || (i % 50), 'import numpy as np' || :line || "
    "'def token' || (i % 5000) || '(values):' || :line || '    return np.mean(values) * ' || i || "
    ":line || '# every file has these common words, and the rare one rare' || (i % 100000), "
    "0, 'https://gist.githubusercontent.com/user/' || i, {found} FROM numbers_files",
    "INSERT INTO publications (id, file_key, user_key, marker, state, due_at, queued_at, part_of, "
    "activity_id, deal_id, published_at, reason, held_because) "
    "SELECT i, i, {owner}, 'gp-' || i, {state}, {due}, {found}, "
    "CASE WHEN i % 11 = 0 THEN i - 1 END, "
    "CASE WHEN {state} = 'published' THEN i END, "
    "CASE WHEN {state} = 'published' THEN {owner} END, "
    "CASE WHEN {state} = 'published' THEN {found} END, {reason}, "
    "CASE WHEN i % 11 <> 0 AND i <= :files - 200 AND i % 1000 = 2 THEN 'credentials' END "
    "FROM numbers_files",
    # The newest come back as unread.
    "INSERT INTO revisions (file_key, revision, blob_hash, size, language, content, truncated, "
    "raw_url, found_at) SELECT key, 1, 'former' || key, 300, language, 'former content', 0, "
    "raw_url, found_at FROM gist_files WHERE key > :files - 2000 AND key % 10 = 3",
    "UPDATE gist_files SET revision = 2, revised_at = {ago_60} "
    "WHERE key > :files - 2000 AND key % 10 = 3",
    "INSERT INTO home_visits (id, viewer, at, complete_up_to, users, files) VALUES "
    "(1, 'browser:' || :lately, {ago_60}, :files - :newest, :users, :files - :newest), "
    "(2, 'browser:' || :all, {ago_60}, :files, :users, :files)",
    "INSERT INTO inbox_lines (viewer, up_to, visit_id) "
    "SELECT 'browser:' || :lately, max(key) - :newest, 1 FROM inbox UNION ALL "
    "SELECT 'browser:' || :all, max(key), 2 FROM inbox",
    "INSERT INTO visits (user_key, viewer, after, up_to, at, home_visit_id) "
    "SELECT i, 'browser:' || :lately, 0, 2 * :each - CASE WHEN i > :users - :newest THEN 1 ELSE 0 "
    "END, {ago_60}, 1 FROM numbers_users",
    "INSERT INTO visits (user_key, viewer, after, up_to, at, home_visit_id) "
    "SELECT i, 'browser:' || :all, 0, 2 * :each, {ago_60}, 2 FROM numbers_users",
)


def number_of_files(gists: int) -> int:
    """How many files there are with so many gists."""
    return gists + gists // 10


async def fill(database_url: str, users: int, gists: int) -> None:
    """Make a database with so many users and gists; both end with a zero."""
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
        owner=OWNER,
        round=ROUND,
        state=STATE,
        reason=REASON,
        ago_i=ago.format("i % 100000"),
        found=ago.format("(:files - i) * 10"),
        created=ago.format("(:files - i) * 10 + " + AGE),
        due=ago.format("CASE WHEN i > :files - 200 THEN -31536000 ELSE (:files - i) * 10 END"),
        lately=ago.format("i % 1000"),
        ago_60=ago.format("60"),
        ago_100000=ago.format("100000"),
        in_a_year=ago.format("-31536000"),
    )
    files = number_of_files(gists)
    values = {
        "users": users,
        "gists": gists,
        "files": files,
        "each": gists // users,
        "newest": NEWEST,
        "line": "\n",
        "lately": LATELY,
        "all": ALL,
    }
    for name, value in values.items():
        filled = filled.replace(f":{name}", str(value) if isinstance(value, int) else f"'{value}'")
    number = files if "numbers_files" in filled else users
    pieces = range(1, number + 1, AT_A_TIME) if "numbers_" in filled else [1]
    for start in pieces:
        numbers = NUMBERS.format(start, min(start + AT_A_TIME - 1, number))
        piece = filled.replace("numbers_users", numbers).replace("numbers_files", numbers)
        async with database.begin() as transaction:
            await transaction.execute(text(piece.replace(":", r"\:")))
