"""State machines over one installation: what they set up alike, and how they are run."""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from gitpip.store.database import open_database
from gitpip_standins import Pipedrive as Crm
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.databases import Copied, Databases
from tests.support.scene import Machine, Process, Scene, until_killed
from tests.support.tokens import TOKEN
from tests.support.trials import trials


class Installation(RuleBasedStateMachine):
    """An installation with a database of its own, whose process is killed and started again."""

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.crm = Crm(token=TOKEN, clock=self.clock, burst=100_000, search_burst=None)
        self.server = Server(self.crm.app).start()
        self.open(self.databases.empty)

    def open(self, content: Copied) -> None:
        """Begin with a new database that has this content."""
        url = self.databases.new(content)
        # A suspended process's monotonic clock stands still.
        machine = Machine(monotonic=lambda: 0.0, boot=self._seconds_since_boot)
        self.scene = Scene(
            open_database(url), url, self.crm, self.server.url, self.clock, machine=machine
        )
        self.process: Process | None = None

    def _seconds_since_boot(self) -> float:
        return self.clock.now.timestamp()

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def publish(self, moment: int = 0) -> Process | None:
        """Publish, perhaps until the process is killed; gives it, unless it was."""
        if self.process is None:
            self.process = await self.scene.process()
            await self.process.publisher.take_over()
        database = self.process.database
        if moment:
            database.dies = database.in_moments(moment)
            await until_killed(self.process)
            database.dies = lambda: False
        else:
            await self.process.run()
        self.crm.faults.clear()
        if database.dead:
            self.process = None
        return self.process

    async def in_peace(self) -> None:
        """Check what must hold once nothing goes wrong any more."""

    def teardown(self) -> None:
        try:
            self.do(self.in_peace())
        finally:
            self.do(self.scene.close())
            self.server.stop()
            self.loop.close()


def run(
    kind: type[RuleBasedStateMachine], databases: Databases, *, examples: int, steps: int
) -> None:
    """Try so many examples of a machine that has `databases`."""
    run_state_machine_as_test(
        type(kind.__name__, (kind,), {"databases": databases}),
        settings=settings(
            max_examples=trials(examples),
            stateful_step_count=steps,
            deadline=None,
            # To shrink a failure takes minutes.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
