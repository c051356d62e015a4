"""SQL that is compiled once for all databases of a kind, not once for each test's."""

from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event

Key = tuple[Any, ...]


class Statements(dict[Key, Any]):
    """SQLAlchemy's cache of compiled statements, whose keys begin with an engine's own dialect.

    Each test opens engines of its own, and to compile what they execute took a third of the time
    of tests that work on rows. The dialects of one class are set up alike here.
    """

    def get(self, key: Key, default: Any = None) -> Any:
        return super().get(_of_any_engine(key), default)

    def __setitem__(self, key: Key, compiled: Any) -> None:
        super().__setitem__(_of_any_engine(key), compiled)


def _of_any_engine(key: Key) -> Key:
    dialect: Dialect = key[0]
    return (type(dialect), *key[1:])


def compile_once() -> None:
    """Let every engine use one cache from now on."""
    statements = Statements()

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)
