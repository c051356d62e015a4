"""`/metrics` for Prometheus: what this process counted, and what the rows say for all processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Response, Security
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gitpip.bodies.status import BudgetBody
from gitpip.model import PublicationState, Role, UserState
from gitpip.observability import metrics as counted
from gitpip.status.problem import ProblemKind
from gitpip.status.stats import Stats
from gitpip.store.database import Pool
from gitpip.store.status import pauses
from gitpip.version import VERSION
from gitpip.web.auth.roles import BEARER_KEY, RoleRoute, needs
from gitpip.web.context import Context

router = APIRouter(route_class=RoleRoute, tags=["status"], dependencies=[Security(BEARER_KEY)])


@router.get("/metrics", response_class=Response, include_in_schema=False)
@needs(Role.VIEWER, without_database=True)
async def metrics(context: Context, accept: Annotated[str, Header()] = "") -> Response:
    """Metrics for Prometheus; without the database, those of this process alone."""
    stats = await context.stats.read()
    encode, content_type = choose_encoder(accept)
    together = _Together(
        stats,
        context.database.pool,
        context.settings.check_interval,
        healthy=not context.health_problems(),
    )
    return Response(encode(together), media_type=content_type)


class _Together(Collector):
    def __init__(
        self, stats: Stats | None, pool: Pool, check_interval: timedelta, *, healthy: bool
    ) -> None:
        self._stats = stats
        self._pool = pool
        self._check_interval = check_interval
        self._healthy = healthy

    def collect(self) -> Iterator[Metric]:
        """Every family, with what is known."""
        yield from counted.PROCESS.collect()
        yield _gauge("gitpip_build_info", "The version of gitpip.", {VERSION: 1}, "version")
        yield _one("gitpip_healthy", "1 if /health answers Alive.", self._healthy)
        yield _one("gitpip_database_up", "1 if the database answered.", bool(self._stats))
        yield _gauge(
            "gitpip_database_connections",
            "Connections of this process, by state.",
            {"in_use": self._pool.in_use, "idle": self._pool.idle},
            "state",
        )
        yield _one(
            "gitpip_database_connections_limit",
            "How many connections the pool of this process opens at most.",
            self._pool.limit,
        )
        yield _one(
            "gitpip_check_interval_seconds",
            "How often each user is checked, unless the user has another interval.",
            self._check_interval.total_seconds(),
        )
        if self._stats:
            for families in FAMILIES:
                yield from families(self._stats)


def _of_users(stats: Stats) -> Iterator[Metric]:
    yield _gauge(
        "gitpip_users",
        "Tracked users, by state.",
        {state: stats.users.get(state, 0) for state in UserState},
        "state",
    )
    known = stats.freshness
    yield _one("gitpip_users_unread", "Active users without a complete check yet.", known.unread)
    ages = {
        "median": _age(stats, known.median),
        "p95": _age(stats, known.most),
        "max": _age(stats, known.oldest),
    }
    yield _gauge(
        "gitpip_freshness_seconds",
        "How old the last complete check of the active users is.",
        {name: age for name, age in ages.items() if age is not None},
        "statistic",
    )
    yield _one(
        "gitpip_loss_window_seconds",
        "gitpip found everything public longer ago; absent until each user was read.",
        _age(stats, known.complete_until),
    )


def _of_problems(stats: Stats) -> Iterator[Metric]:
    yield _gauge(
        "gitpip_problems",
        "How many users, files or parts have a problem, by its kind; 0 is good.",
        {kind: stats.problems.get(kind, 0) for kind in ProblemKind},
        "kind",
    )


def _of_watching(stats: Stats) -> Iterator[Metric]:
    yield _gauge(
        "gitpip_paused",
        "1 while it is paused: by a limit, a rejected token or an outage.",
        {name: int(name in stats.paused) for name in pauses.PAUSABLE},
        "what",
    )
    yield _one(
        "gitpip_last_check_timestamp_seconds",
        "When the last check ended.",
        _timestamp(stats.last_check),
    )
    yield _one(
        "gitpip_feed_read_timestamp_seconds",
        "When the public feed last showed something new.",
        _timestamp(stats.public_feed.read_at if stats.public_feed else None),
    )
    gaps = CounterMetricFamily(
        "gitpip_feed_gaps",
        "How often gists may have passed through the public feed between two readings.",
    )
    hints = CounterMetricFamily("gitpip_feed_hints", "Checks that the public feed caused.")
    gaps.add_metric([], stats.public_feed.gaps if stats.public_feed else 0)
    hints.add_metric([], stats.public_feed.hints if stats.public_feed else 0)
    yield gaps
    yield hints
    yield _one("gitpip_replicas", "Replicas with a recent heartbeat.", stats.instances)


def _of_publishing(stats: Stats) -> Iterator[Metric]:
    yield _gauge(
        "gitpip_publications",
        "Publications, by state.",
        {state: stats.publications.get(state, 0) for state in PublicationState},
        "state",
    )
    yield _one(
        "gitpip_publications_overdue_seconds",
        "For how long the publication that waits longest has been due.",
        max(0.0, _age(stats, stats.next_due) or 0.0),
    )


def _of_budgets(stats: Stats) -> Iterator[Metric]:
    known = [BudgetBody.of(budget, stats.at) for budget in stats.budgets]

    def name(budget: BudgetBody) -> str:
        return budget.name.lower().replace(" ", "_")

    yield _gauge(
        "gitpip_budget_remaining",
        "What is left of a vendor's limit, as far as is known.",
        {name(budget): budget.remaining for budget in known},
        "budget",
    )
    yield _gauge(
        "gitpip_budget_limit",
        "A vendor's limit.",
        {name(budget): budget.total for budget in known},
        "budget",
    )
    yield _gauge(
        "gitpip_budget_heard_timestamp_seconds",
        "When a vendor last reported what is left.",
        {name(budget): budget.seen_at.timestamp() for budget in known},
        "budget",
    )


FAMILIES: Sequence[Callable[[Stats], Iterator[Metric]]] = (
    _of_problems,
    _of_users,
    _of_watching,
    _of_publishing,
    _of_budgets,
)


def _age(stats: Stats, time: datetime | None) -> float | None:
    return None if time is None else (stats.at - time).total_seconds()


def _timestamp(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _one(name: str, meaning: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning)
    if value is not None:
        family.add_metric([], value)
    return family


def _gauge(name: str, meaning: str, values: Mapping[str, float], label: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value_of_label, value in values.items():
        family.add_metric([value_of_label], value)
    return family
