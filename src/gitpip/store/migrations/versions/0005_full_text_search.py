"""Full-text search over logins, file names, descriptions and contents

Triggers keep the index current, so that whatever changes a text, in the same transaction its words
are found. On SQLite the index holds no texts of its own, and must be told what to forget: hence
a text is cut in one way only, and whatever has files forgets them before it goes.

Who rebuilds `gist_files`, `gists` or `users` on SQLite (Alembic's batch mode) has to make these
triggers anew.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# PostgreSQL takes at most 1 MB of words from a text; these are far less in the worst of cases.
INDEXED = 64_000

SQLITE_FILE = """
    SELECT {word}{file}.key, users.login, {file}.filename, gists.description,
        substr({file}.content, 1, {indexed})
    FROM gists JOIN users ON users.key = gists.user_key WHERE gists.id = {file}.gist_id"""
SQLITE_FILES = """
    SELECT {word}gist_files.key, {login}, gist_files.filename, {description},
        substr(gist_files.content, 1, {indexed})
    FROM gist_files JOIN gists ON gists.id = gist_files.gist_id
        JOIN users ON users.key = gist_files.user_key WHERE {those}"""
LEARN = "INSERT INTO gist_search (rowid, login, filename, description, content)"
FORGET = "INSERT INTO gist_search (gist_search, rowid, login, filename, description, content)"
DELETE = "'delete', "

POSTGRES_DOCUMENT = f"""
CREATE FUNCTION gitpip_document(login text, filename text, description text, content text)
RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple', translate(
        concat_ws(' ', login, filename, description, left(content, {INDEXED})),
        '!"#$%&''()*+,-./:;<=>?@[\\]^_`{{|}}~', repeat(' ', 32)))
$$"""
# Without punctuation no parser takes `requests.get` for a host or `a/b` for a path.
POSTGRES_FILES = """
    SELECT gist_files.key,
        gitpip_document(users.login, gist_files.filename, gists.description, gist_files.content)
    FROM gist_files JOIN gists ON gists.id = gist_files.gist_id
        JOIN users ON users.key = gist_files.user_key"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgres()


def _sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE gist_search USING fts5(login, filename, description, content, "
        "content='', columnsize=0, tokenize='unicode61')"
    )
    op.execute(LEARN + _files("1 = 1"))
    changes = {
        "gist_search_file_added AFTER INSERT ON gist_files": (LEARN + _file("NEW"),),
        "gist_search_file_changes BEFORE UPDATE OF filename, content ON gist_files": (
            FORGET + _file("OLD", DELETE),
        ),
        "gist_search_file_changed AFTER UPDATE OF filename, content ON gist_files": (
            LEARN + _file("NEW"),
        ),
        "gist_search_file_deleted BEFORE DELETE ON gist_files": (FORGET + _file("OLD", DELETE),),
        "gist_search_gist_deleted BEFORE DELETE ON gists": (
            "DELETE FROM gist_files WHERE gist_id = OLD.id",
        ),
        "gist_search_user_deleted BEFORE DELETE ON users": (
            "DELETE FROM gist_files WHERE user_key = OLD.key",
        ),
        "gist_search_description AFTER UPDATE OF description ON gists "
        "WHEN OLD.description IS NOT NEW.description": (
            FORGET + _files("gists.id = NEW.id", DELETE, description="OLD.description"),
            LEARN + _files("gists.id = NEW.id"),
        ),
        "gist_search_login AFTER UPDATE OF login ON users WHEN OLD.login IS NOT NEW.login": (
            FORGET + _files("users.key = NEW.key", DELETE, login="OLD.login"),
            LEARN + _files("users.key = NEW.key"),
        ),
    }
    for occasion, statements in changes.items():
        op.execute(f"CREATE TRIGGER {occasion} BEGIN {'; '.join(statements)}; END")


def _file(row: str, word: str = "") -> str:
    return SQLITE_FILE.format(word=word, file=row, indexed=INDEXED)


def _files(
    those: str,
    word: str = "",
    *,
    login: str = "users.login",
    description: str = "gists.description",
) -> str:
    return SQLITE_FILES.format(
        word=word, login=login, description=description, those=those, indexed=INDEXED
    )


def _postgres() -> None:
    op.execute(
        "CREATE TABLE gist_search (file_key bigint CONSTRAINT pk_gist_search PRIMARY KEY "
        "CONSTRAINT fk_gist_search_file_key REFERENCES gist_files (key) ON DELETE CASCADE, "
        "document tsvector NOT NULL)"
    )
    op.execute(POSTGRES_DOCUMENT)
    op.execute(f"INSERT INTO gist_search (file_key, document) {POSTGRES_FILES}")
    op.execute("CREATE INDEX ix_gist_search_document ON gist_search USING gin (document)")
    for name, condition in {
        "file": "gist_files.key = NEW.key",
        "description": "gists.id = NEW.id",
        "login": "users.key = NEW.key",
    }.items():
        op.execute(
            f"CREATE FUNCTION gitpip_search_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN INSERT INTO gist_search (file_key, document) {POSTGRES_FILES} "
            f"WHERE {condition} "
            "ON CONFLICT (file_key) DO UPDATE SET document = excluded.document; "
            "RETURN NULL; END $$"
        )
    changed = "FOR EACH ROW WHEN (OLD.{0} IS DISTINCT FROM NEW.{0})"
    for occasion in (
        "gist_search_file AFTER INSERT OR UPDATE OF filename, content ON gist_files FOR EACH ROW "
        "EXECUTE FUNCTION gitpip_search_file()",
        f"gist_search_description AFTER UPDATE OF description ON gists "
        f"{changed.format('description')} EXECUTE FUNCTION gitpip_search_description()",
        f"gist_search_login AFTER UPDATE OF login ON users {changed.format('login')} "
        "EXECUTE FUNCTION gitpip_search_login()",
    ):
        op.execute(f"CREATE TRIGGER {occasion}")
