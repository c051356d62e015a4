"""`/metrics` as Prometheus sees it: documented, bounded, true, and there without the database."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families

from tests.support.tokens import TOKEN
from tests.web.conftest import Served

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def families(served: Served, key: str | None = None) -> list[Metric]:
    headers = {"authorization": f"Bearer {key}"} if key else None
    answer = served.gitpip.get("/metrics", headers)
    assert answer.status_code == 200, answer.text
    return list(text_string_to_metric_families(answer.text))


def value(families: Iterable[Metric], name: str, **labels: str) -> float:
    """The one sample of this name with these labels, among others; 0 where there is none."""
    found = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1
    return found[0] if found else 0.0


def test_the_document_has_a_row_for_each_metric_and_no_other(served_to_all: Served) -> None:
    documented = re.findall(r"^\| `(gitpip_\w+)`", DOCUMENT.read_text(), re.MULTILINE)
    exposed = [
        family.name + ("_total" if family.type == "counter" else "")
        for family in families(served_to_all)
        if family.name.startswith("gitpip_")
    ]
    assert sorted(documented) == sorted(exposed)


def test_openmetrics_is_spoken_where_it_is_asked_for(served_to_all: Served) -> None:
    answer = served_to_all.gitpip.get(
        "/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    read = parser.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    assert list(read)


def test_a_gist_of_the_future_makes_no_sum_fall(served: Served) -> None:
    served.track("octocat")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    served.github.add_gist("octocat", {"future.txt": "text"}, created_at=tomorrow)
    assert served.gitpip.post("/api/v1/checks").status_code == 202
    served.wait_for_files("octocat", 1)
    served.publish_another("octocat", {"now.txt": "text"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 2)
    name = "gitpip_creation_to_activity_seconds"
    counted = served.gitpip.wait_for(
        lambda: found if value(found := families(served), f"{name}_count") == 2 else None,
        "both publications",
    )
    assert 0 <= value(counted, f"{name}_sum") < 600


def test_what_happens_is_counted(served: Served) -> None:
    served.track("octocat", {"old.txt": "old"})
    served.publish_another("octocat", {"new.txt": "new"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 2)
    served.gitpip.get("/people/octocat")
    served.gitpip.get("/people/octocat")
    served.gitpip.get("/wp-login.php")

    counted = served.gitpip.wait_for(
        lambda: (
            found
            if value(found := families(served), "gitpip_publications", state="published") == 2
            and value(found, "gitpip_deliveries_total", state="published") == 2
            and value(found, "gitpip_looks_total", result="read") == 2
            else None
        ),
        "fresh numbers",
    )

    assert value(counted, "gitpip_users", state="active") == 1
    assert value(counted, "gitpip_users_unread") == 0
    assert 0 < value(counted, "gitpip_loss_window_seconds") < 600
    assert value(counted, "gitpip_files_found_total") == 2
    # The old one was there before its user was tracked: how late it came says nothing.
    assert value(counted, "gitpip_creation_to_activity_seconds_count") == 1
    assert value(counted, "gitpip_replicas") == 1
    assert value(counted, "gitpip_database_up") == 1
    page, unknown = (
        {"route": "/people/{login}", "status": "200"},
        {"route": "none", "status": "404"},
    )
    assert value(counted, "gitpip_http_requests_total", **page) == 2
    assert value(counted, "gitpip_http_requests_total", **unknown) == 1
    served.gitpip.wait_for(
        lambda: (
            value(families(served), "gitpip_budget_remaining", budget="pipedrive_tokens") > 0
            and value(families(served), "gitpip_budget_remaining", budget="github_requests") > 0
        ),
        "what is left of the budgets",
    )


def test_labels_are_few_and_tell_no_secret(served: Served) -> None:
    served.track("octocat", {"secret-plan.txt": "x"})
    for path in ("/people/octocat", "/api/v1/users/nobody", "/users/x/y", "/a/b/c", "/static/none"):
        served.gitpip.get(path)
    served.gitpip.request("BREW", "/coffee")
    text = served.gitpip.get("/metrics").text
    assert not re.search("octocat|nobody|coffee|BREW|secret-plan", text)
    assert TOKEN not in text
    assert len(text.splitlines()) < 500


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_without_the_database_what_the_process_knows_is_there(
    served_from_any: Served, postgres: "PostgresServer"
) -> None:
    code = served_from_any.gitpip.code
    first: dict[str, object] = {"name": "prometheus", "role": "admin", "code": code}
    made = served_from_any.api("POST", "/keys", first)
    key = str(made.json()["key"])
    assert value(families(served_from_any, key), "gitpip_database_up") == 1
    postgres.stop()
    try:
        gone = served_from_any.gitpip.wait_for(
            lambda: (
                found
                if value(found := families(served_from_any, key), "gitpip_database_up") == 0
                and value(found, "gitpip_errors_total", kind="database.unavailable")
                else None
            ),
            "numbers without the database",
        )
        assert value(gone, "gitpip_build_info") == 1
        assert not any(family.name == "gitpip_users" for family in gone)
        stranger = {"authorization": f"Bearer {key[:-4]}0000"}
        assert served_from_any.gitpip.get("/metrics", stranger).status_code == 503
        known = {"authorization": f"Bearer {key}"}
        assert served_from_any.gitpip.get("/users", known).status_code == 503
    finally:
        postgres.ensure_postgres_running()
    served_from_any.gitpip.wait_for(
        lambda: value(families(served_from_any, key), "gitpip_database_up") == 1, "numbers again"
    )
