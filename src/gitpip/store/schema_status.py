"""The tables of pauses, limits, processes and imports: the state of the service."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from gitpip.model import Part, PauseCause
from gitpip.store.column_types import (
    Flag,
    Key,
    Lines,
    LongSeconds,
    OneOfOr,
    OneOfOrText,
    Times,
    UTCDateTime,
)
from gitpip.store.schema import metadata

pauses = Table(
    "pauses",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("until", UTCDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    # The fingerprint of the token that was refused: another token ends the pause.
    Column("credential", String(12)),
    Column(
        "cause",
        OneOfOr(PauseCause, 20, other=PauseCause.VENDOR),
        nullable=False,
        server_default=text("'vendor'"),
    ),
    # Whether the reason is that the vendor cannot be reached.
    Column("unreachable", Flag, nullable=False, server_default=text("0")),
    # The time when it began; a pause that follows another without a break keeps that one's time.
    # NULL once its end has been told as an event.
    Column("since", UTCDateTime),
)

# A person's pause of publishing, one row at most; without `until` it lasts until it is ended. It is
# separate from `pauses`: no probe, no token and no "try now" ends it.
publishing_pause = Table(
    "publishing_pause",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("until", UTCDateTime),
    Column("reason", Text, nullable=False),
    Column("paused_by", String(120), nullable=False),
    Column("since", UTCDateTime, nullable=False),
    Column("end_told_at", UTCDateTime),
)

# GitHub's limits, shared by every process that asks GitHub: requests reserved in the last minute as
# `time number` lines, and the wait that GitHub asked for.
github_limits = Table(
    "github_limits",
    metadata,
    # The fingerprint of the token: limits are those of one credential.
    Column("credential", String(12), primary_key=True),
    Column("resource", String(10), primary_key=True),
    Column("until", UTCDateTime),
    Column("refusals", Integer, nullable=False, server_default=text("0")),
    Column("reserved", Text, nullable=False, server_default=text("''")),
    Column("seen_at", UTCDateTime, nullable=False),
)

# The state of reading GitHub's list of all public gists; one row.
public_feed = Table(
    "feed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("etag", String(300)),
    Column("seen", Times, nullable=False),
    Column("read_at", UTCDateTime, nullable=False),
    Column("gaps", Integer, nullable=False, server_default=text("0")),
    Column("gap_at", UTCDateTime),
    Column("hints", BigInteger, nullable=False, server_default=text("0")),
    # The reason why it cannot be read at present, and since when.
    Column("failure", Text),
    Column("failing_since", UTCDateTime),
)

# The company that Pipedrive's token belongs to; one row.
destination_company = Table(
    "pipedrive_company",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain", String(63)),
    # The fingerprint of the token that was asked with: another token may be another company's.
    Column("credential", String(12), nullable=False),
    Column("learned_at", UTCDateTime, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("version", String(40), nullable=False),
    Column("part", OneOfOrText(Part, 10), nullable=False, server_default=text("'all'")),
    Column("started_at", UTCDateTime, nullable=False),
    Column("heartbeat_at", UTCDateTime, nullable=False),
    # The seconds that its clock is ahead of GitHub's; 0 if they agree, or nothing is known.
    Column("clock_ahead", LongSeconds, nullable=False, server_default=text("0")),
    # The problems that its /health reports, a line each.
    Column("health_problems", Lines),
    # NULL if an older version wrote the row.
    Column("has_github_token", Flag),
    Column("has_pipedrive_token", Flag),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("read", BigInteger, nullable=False, server_default=text("0")),
    Column("added", Integer, nullable=False, server_default=text("0")),
    Column("known", Integer, nullable=False, server_default=text("0")),
    Column("faulty", Integer, nullable=False, server_default=text("0")),
    Column("faults", Lines, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("moved_at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("failure", Text),
    # NULL while its file waits for a person to confirm it.
    Column("confirmed_at", UTCDateTime),
    # Usernames of the file that GitHub does not show, among the first ones that it was asked about.
    Column("not_on_github", Lines),
    # The others that are new, each with the number of its public gists.
    Column("gists_on_github", Lines),
    Column("asked", Integer, nullable=False, server_default=text("0")),
    # The time when a person acknowledged that it was interrupted.
    Column("acknowledged_at", UTCDateTime),
)

# The file of an import, until that is done. The process that shows it may not be the one that
# received it, and an import that was cut short can be continued.
import_pieces = Table(
    "import_pieces",
    metadata,
    Column("import_id", Key, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# The columns that people chose for tables with the same headings, as JSON.
import_columns = Table(
    "import_columns",
    metadata,
    Column("signature", String(64), primary_key=True),
    Column("columns", Text, nullable=False),
    Column("used_at", UTCDateTime, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("resets_at", UTCDateTime),
    Column("seen_at", UTCDateTime, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("at", UTCDateTime, primary_key=True),
    Column("waiting", BigInteger, nullable=False),
)
