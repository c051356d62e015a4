"""All tables of a database, not only ours."""

from collections.abc import Sequence

from sqlalchemy import text

from gitpip.store.database import Transaction

_TABLES = text(
    """
    SELECT n.nspname || '.' || c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND NOT EXISTS (
        SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      )
    ORDER BY 1
    """
)


async def tables(transaction: Transaction) -> Sequence[str]:
    """Return every table and view of a database with its schema, except those of extensions.

    For PostgreSQL. Those of all schemas count, not only gitpip's.
    """
    return list(await transaction.scalars(_TABLES))
