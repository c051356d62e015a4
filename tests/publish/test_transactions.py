"""A file whose user's deal is known costs three transactions, and each ends with its block."""

import re
from collections import Counter
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from tests.support.scene import Scene

SOURCE = Path(__file__).parents[2] / "src" / "gitpip"
FILES = 20
OWN = 3
"""One reads the deal and the file, one marks it as being sent, one records the answer."""
SHARED = 2 * FILES
"""Claims and pauses are asked for once for several files, at the most so often."""


async def test_few_transactions(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await process.run()
    await scene.find_files("ada", *(f"{number}.py" for number in range(FILES)))
    begun: Counter[str] = Counter()

    def count(_connection: Connection) -> None:
        begun["transactions"] += 1

    event.listen(Engine, "begin", count)
    try:
        await process.run()
    finally:
        event.remove(Engine, "begin", count)
    assert sum(scene.activities().values()) == FILES + 1
    assert OWN * FILES <= begun["transactions"] <= OWN * FILES + SHARED


def test_a_transaction_ends_with_its_block_and_not_before() -> None:
    """After a rollback within the block, each further statement raises an error of SQLAlchemy."""
    ends = re.compile(r"\.(commit|rollback)\(")
    places = [path for path in SOURCE.rglob("*.py") if ends.search(path.read_text())]
    assert {path.relative_to(SOURCE).parts[0] for path in places} <= {"store"}
