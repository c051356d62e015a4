"""The metrics of this process for Prometheus; docs/metrics.md has a row for each.

A label's values are few and known: never a login, a path, or an error's own words.
"""

import re

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

PROCESS = CollectorRegistry()
ProcessCollector(registry=PROCESS)
PlatformCollector(registry=PROCESS)
GCCollector(registry=PROCESS)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

http_requests = Counter(
    "gitpip_http_requests",
    "Requests answered, by route template.",
    ["method", "route", "status"],
    registry=PROCESS,
)
http_request_seconds = Histogram(
    "gitpip_http_request_seconds",
    "How long answers to requests took.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=PROCESS,
)
outgoing_request_seconds = Histogram(
    "gitpip_outgoing_request_seconds",
    "How long requests to GitHub and Pipedrive took; status none is one without an answer.",
    ["vendor", "status"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60),
    registry=PROCESS,
)
work_runs = Counter(
    "gitpip_work_runs",
    "Runs of a work in this process, by how they ended.",
    ["work", "outcome"],
    registry=PROCESS,
)
work_completed_at = Gauge(
    "gitpip_work_completed_timestamp_seconds",
    "When a run of a work last succeeded in this process.",
    ["work"],
    registry=PROCESS,
)
looks = Counter(
    "gitpip_looks",
    "Checks of single users: unchanged, read or failed.",
    ["result"],
    registry=PROCESS,
)
files_found = Counter("gitpip_files_found", "New gist files stored.", registry=PROCESS)
deliveries = Counter(
    "gitpip_deliveries",
    "Steps of publications, by the state they led to.",
    ["state"],
    registry=PROCESS,
)
reconciled = Counter(
    "gitpip_reconciled",
    "Uncertain publications resolved: found in Pipedrive, or to be sent again.",
    ["result"],
    registry=PROCESS,
)
doubles = Counter(
    "gitpip_doubles",
    "Second activities of one file that were found in Pipedrive: deleted, or left.",
    ["result"],
    registry=PROCESS,
)
creation_to_activity_seconds = Histogram(
    "gitpip_creation_to_activity_seconds",
    "From the creation of a gist to its activity, for gists created while their user was tracked.",
    buckets=(5, 10, 20, 30, 45, 60, 90, 120, 300, 600, 1800, 3600, 10800, 43200, 86400, 604800),
    registry=PROCESS,
)
errors = Counter(
    "gitpip_errors",
    "Warnings and errors logged, by event.",
    ["kind", "severity"],
    registry=PROCESS,
)

for _result in ("unchanged", "read", "failed"):
    looks.labels(_result)
for _result in ("found", "not_found"):
    reconciled.labels(_result)
for _result in ("deleted", "left"):
    doubles.labels(_result)


def http_answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer to a request, and its time; `route` is the template, not the path."""
    known = method if method in METHODS else "other"
    http_requests.labels(known, route, str(status)).inc()
    http_request_seconds.labels(known, route).observe(seconds)


def vendor_answered(vendor: str, status: int | None, seconds: float) -> None:
    """Count a request of ours that has ended, and its time; None means no answer."""
    shown = "none" if status is None else str(status)
    outgoing_request_seconds.labels(vendor, shown).observe(seconds)


def run_ended(work: str, outcome: str) -> None:
    """Count a run of a work."""
    work_runs.labels(work, outcome).inc()
    if outcome == "completed":
        work_completed_at.labels(work).set_to_current_time()


def logged(event: str, logger: str, severity: str) -> None:
    """Count a warning or an error. Those of libraries are counted under the library's name."""
    kind = event if logger == "gitpip" and _EVENT.fullmatch(event) else logger.partition(".")[0]
    errors.labels(kind, severity.lower()).inc()


_EVENT = re.compile(r"[a-z_]{1,30}\.[a-z_]{1,30}")
