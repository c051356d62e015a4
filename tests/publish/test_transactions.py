"""A file whose user's deal is known costs the database three transactions of its own."""

from collections import Counter

from sqlalchemy import Connection, Engine, event

from tests.support.scene import Scene

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
