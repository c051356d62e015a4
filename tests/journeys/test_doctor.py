"""The doctor says what keeps gitpip from working, and what to do, even when everything is gone."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gitpip_standins import Fault, FaultKind, GitHub, Server
from gitpip_standins.exchange import utc_now
from tests.journeys.conftest import World
from tests.support.network import Certificate, Proxy, in_front_of, nobody_listening
from tests.support.tokens import TOKEN

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Findings = Mapping[str, Mapping[str, str]]


def ask(world: World, **environment: str) -> tuple[int, Findings]:
    """What `gitpip doctor` found, by what it is about, and its exit code."""
    gitpip = world.gitpip
    gitpip.environment = {**gitpip.environment, **environment}
    answer = gitpip.command("doctor", "--json")
    assert answer.stderr == ""
    assert TOKEN not in answer.stdout
    return answer.returncode, {finding["about"]: finding for finding in json.loads(answer.stdout)}


def verdicts(findings: Findings) -> dict[str, str]:
    return {about: finding["verdict"] for about, finding in findings.items()}


def test_before_the_first_start_and_beside_a_service_all_is_well(world: World) -> None:
    code, before = ask(world)
    assert code == 0
    assert before["GitHub"]["found"].startswith("the token belongs to 0; 4999 of 5000 ")
    assert "5000 of 5000 GraphQL points" in before["GitHub"]["found"]
    assert before["Pipedrive"]["found"] == (
        "the token belongs to Petra Pipe of Example; 29998 of 30000 tokens left today"
    )
    world.gitpip.start()
    code, beside = ask(world)
    assert code == 0
    assert set(verdicts(beside).values()) == {"ok"}
    assert set(beside) - {"disk"} == {
        *("settings", "database", "migrations", "access", "service"),
        *("GitHub connection", "GitHub", "Pipedrive connection", "Pipedrive", "clock"),
        *("publishing settings", "credentials detector"),
    }
    assert "is running" in beside["service"]["found"]
    assert "without TLS" in beside["GitHub connection"]["found"]
    read = world.gitpip.command("doctor")
    assert read.returncode == 0
    assert "ok      database: " in read.stdout
    world.gitpip.stop()
    code, after = ask(world)
    assert code == 0
    assert after["service"]["verdict"] == "warning"
    assert "gitpip serve" in after["service"]["advice"]
    assert world.github.abuse == world.pipedrive.abuse == []


@on_sqlite
def test_a_fine_grained_token_is_said_to_cost_more(world: World) -> None:
    world.github.add_user("ada")
    world.github.add_gist("ada", {"a.txt": "a"})
    code, findings = ask(world)
    assert (code, findings["GitHub"]["verdict"]) == (0, "ok")
    world.github.graphql.hides_gists = True
    code, findings = ask(world)
    assert (code, findings["GitHub"]["verdict"]) == (0, "warning")
    assert "fine-grained" in findings["GitHub"]["found"]
    assert "classic token" in findings["GitHub"]["advice"]
    world.github.faults.script(Fault.html(404), path="/graphql", times=None)
    code, findings = ask(world)
    assert (code, findings["GitHub"]["verdict"]) == (0, "warning")
    assert "GraphQL does not answer" in findings["GitHub"]["found"]
    for status in (500, 502):
        world.github.faults.clear()
        world.github.faults.script(Fault.error(status), path="/graphql", times=None)
        code, findings = ask(world)
        assert (code, findings["GitHub"]["verdict"]) == (0, "warning")
        assert "GitHub's GraphQL API has trouble" in findings["GitHub"]["advice"]
        assert "classic" not in findings["GitHub"]["advice"]


@on_sqlite
def test_it_says_what_the_account_lacks_of_the_publishing_settings(world: World) -> None:
    about = "publishing settings"
    world.gitpip.start()
    refused = world.gitpip.command("publishing", "settings", "set", "deal_pipeline=Nowhere")
    assert refused.returncode == 2
    assert "deal_pipeline: the Pipedrive account has no pipeline 'Nowhere'" in refused.stderr
    assert "choose one of Sales" in refused.stderr
    done = world.gitpip.command("publishing", "settings", "set", "deal_pipeline=sales", "--json")
    assert {one["value"] for one in json.loads(done.stdout) if one["source"] == "stored"} == {
        "sales"
    }
    world.pipedrive.setup.pipelines = {1: "Purchase"}
    code, findings = ask(world)
    assert (code, findings[about]["verdict"]) == (1, "failure")
    assert "no pipeline 'sales'; choose one of Purchase" in findings[about]["found"]
    assert world.gitpip.command("publishing", "settings", "unset", "deal_pipeline").returncode == 0
    world.pipedrive.setup.require("Value")
    code, findings = ask(world)
    assert (code, findings[about]["verdict"]) == (0, "warning")
    assert "Value (deal_value)" in findings[about]["found"]
    world.pipedrive.activity_types = ("visit",)
    code, findings = ask(world, GITPIP_DEAL_VALUE="10")
    assert (code, findings[about]["verdict"]) == (0, "warning")
    assert "no activity type 'task', so 'visit' is sent" in findings[about]["found"]
    code, findings = ask(world, GITPIP_DEAL_STAGE="Nowhere")
    assert code == 1
    assert "choose one of Qualified, Offer" in findings[about]["found"]


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens."""
    with nobody_listening() as port:
        yield port


def test_it_tells_all_even_when_the_vendors_and_the_database_are_gone(
    world: World, tmp_path: Path, nobody: int
) -> None:
    if "postgres" in world.gitpip.environment["GITPIP_DATABASE_URL"]:
        gone = f"postgresql://gitpip:database-password@127.0.0.1:{nobody}/gitpip"
    else:
        damaged = tmp_path / "damaged.sqlite3"
        damaged.write_bytes(b"this is no database" * 1000)
        gone = f"sqlite:///{damaged}"
    nowhere = f"http://127.0.0.1:{nobody}"
    code, findings = ask(
        world, GITHUB_API_URL=nowhere, PIPEDRIVE_API_URL=nowhere, GITPIP_DATABASE_URL=gone
    )
    assert code == 1
    told = verdicts(findings)
    for failed in ("database", "GitHub connection", "Pipedrive connection"):
        assert told[failed] == "failure"
    assert told["clock"] == "warning"
    assert all(finding["advice"] for finding in findings.values() if finding["verdict"] != "ok")
    assert "database-password" not in str(findings)


@on_sqlite
def test_a_certificate_of_pipedrive_that_is_not_trusted_is_told(
    world: World, tmp_path: Path
) -> None:
    certificate = Certificate.make(tmp_path)
    pipedrive = urlsplit(world.gitpip.environment["PIPEDRIVE_API_URL"])
    assert pipedrive.port is not None
    with in_front_of(pipedrive.port, certificate) as tls:
        address = f"https://localhost:{tls.port}{pipedrive.path}"
        code, distrusted = ask(world, PIPEDRIVE_API_URL=address)
        assert code == 1
        assert (
            f"of localhost:{tls.port} is not trusted: "
            in distrusted["Pipedrive connection"]["found"]
        )
        assert "SSL_CERT_FILE" in distrusted["Pipedrive connection"]["advice"]
        _, trusted = ask(world, PIPEDRIVE_API_URL=address, SSL_CERT_FILE=str(certificate.file))
        assert trusted["Pipedrive connection"]["verdict"] == "ok"


@on_sqlite
def test_a_damaged_file_is_to_be_restored_not_made_writable(world: World, tmp_path: Path) -> None:
    file = tmp_path / "damaged.db"
    world.gitpip.environment = {
        **world.gitpip.environment,
        "GITPIP_DATABASE_URL": f"sqlite:///{file}",
    }
    assert world.gitpip.command("check").returncode == 0
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 3], b"this is no database" * 1000):
        file.write_bytes(damaged)
        code, findings = ask(world)
        assert (code, findings["database"]["verdict"]) == (1, "failure")
        assert "restore a backup" in findings["database"]["advice"]
        assert "writable" not in findings["database"]["advice"]
        assert "restore a backup" in world.gitpip.command("status").stderr
    code, findings = ask(world, GITPIP_DATABASE_URL=f"sqlite:///{tmp_path}")
    assert code == 1
    assert findings["database"]["found"].endswith(f"{tmp_path} is a folder, not a file")
    assert "writable" not in findings["database"]["advice"]


@on_sqlite
def test_tokens_that_are_refused_or_missing_are_told_with_what_to_do(world: World) -> None:
    code, refused = ask(world, GITHUB_TOKEN="refused-one", PIPEDRIVE_TOKEN="refused-two")
    assert code == 1
    assert verdicts(refused)["GitHub"] == verdicts(refused)["Pipedrive"] == "failure"
    assert verdicts(refused)["GitHub connection"] == "ok"
    assert "classic token" in refused["GitHub"]["advice"]
    assert "refused-" not in str(refused)
    code, missing = ask(world, GITHUB_TOKEN="", PIPEDRIVE_TOKEN="")
    assert code == 0
    assert verdicts(missing)["GitHub"] == verdicts(missing)["Pipedrive"] == "warning"
    assert "60 of 60 requests" in missing["GitHub"]["found"]
    assert "classic token" in missing["GitHub"]["advice"]
    assert "PIPEDRIVE_TOKEN" in missing["Pipedrive"]["advice"]


@on_sqlite
def test_limits_that_are_nearly_used_up_are_told(world: World) -> None:
    world.pipedrive.limits.spent_today = 29_000
    world.github.limits.with_token = 100
    for resource in ("core", "graphql"):
        world.github.limits.charge("#0", resource, utc_now(), 95)
    code, findings = ask(world)
    assert code == 0
    assert "of 100 requests left" in findings["GitHub"]["found"]
    assert "998 of 30000 tokens" in findings["Pipedrive"]["found"]
    assert verdicts(findings)["GitHub"] == verdicts(findings)["Pipedrive"] == "warning"
    world.github.limits.charge("#0", "core", utc_now(), 5)
    code, findings = ask(world)
    assert (code, findings["GitHub"]["verdict"]) == (0, "warning")
    assert "used up until" in findings["GitHub"]["found"]


@on_sqlite
def test_answers_that_are_none_are_told(world: World) -> None:
    world.github.faults.script(Fault.error(500), times=None)
    world.pipedrive.faults.script(Fault.html(403), times=None)
    code, findings = ask(world)
    assert code == 1
    assert "500" in findings["GitHub connection"]["found"]
    assert "without JSON" in findings["Pipedrive"]["found"]
    for fault, verdict, advice in (
        (Fault.error(500), "warning", "check PIPEDRIVE_API_URL and the proxy"),
        (Fault.error(502), "warning", "check PIPEDRIVE_API_URL and the proxy"),
        (Fault(FaultKind.ERROR, processed=False, status=402), "failure", "subscription"),
    ):
        world.pipedrive.faults.clear()
        world.pipedrive.faults.script(fault, times=None)
        _, findings = ask(world)
        assert findings["Pipedrive"]["verdict"] == verdict
        assert advice in findings["Pipedrive"]["advice"]


@on_sqlite
def test_a_clock_that_is_wrong_is_told(world: World) -> None:
    ahead = GitHub(tokens={TOKEN}, clock=lambda: utc_now() + timedelta(minutes=10))
    with Server(ahead.app) as server:
        code, findings = ask(world, GITHUB_API_URL=server.url)
    assert code == 0
    assert findings["clock"]["verdict"] == "warning"
    assert 590 < int(findings["clock"]["found"].split()[0]) < 610


@on_sqlite
def test_tls_and_the_proxy_are_told(world: World, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    github = world.gitpip.environment["GITHUB_API_URL"].rpartition(":")[2]
    with in_front_of(int(github), certificate) as tls, Proxy("user", "proxy-password") as proxy:
        address = f"https://localhost:{tls.port}"
        code, distrusted = ask(world, GITHUB_API_URL=address)
        assert code == 1
        refused = distrusted["GitHub connection"]
        assert f"of localhost:{tls.port} is not trusted: " in refused["found"]
        assert "SSL_CERT_FILE" in refused["advice"]

        code, trusted = ask(
            world,
            SSL_CERT_FILE=str(certificate.file),
            HTTPS_PROXY=f"http://user:proxy-password@127.0.0.1:{proxy.port}",
        )
        assert code == 0
        assert trusted["GitHub connection"]["found"] == (
            f"{address} (via proxy http://127.0.0.1:{proxy.port},"
            f" with TLS, trusting SSL_CERT_FILE={certificate.file})"
        )
        assert proxy.asked

        other = f"http://user:other-password@127.0.0.1:{proxy.port}"
        code, shut_out = ask(world, HTTPS_PROXY=other)
        assert code == 1
        assert "407" in shut_out["GitHub connection"]["found"]
        assert "proxy" in shut_out["GitHub connection"]["advice"].lower()

        code, wrong = ask(world, HTTPS_PROXY="socks5://user:proxy-password@127.0.0.1:1")
        assert code == 1
        assert "HTTPS_PROXY" in wrong["GitHub connection"]["found"]
        told = f"{trusted}{shut_out}{wrong}"
        assert "Who is " in told
        for secret in ("proxy-password", "other-password"):
            assert secret not in told
            assert b64encode(f"user:{secret}".encode()).decode()[:-4] not in told


def test_who_may_ask_is_told(world: World) -> None:
    world.gitpip.start()
    world.gitpip.stop()
    code, nobody = ask(world, GITPIP_HOST="0.0.0.0")  # noqa: S104 (nothing is started)
    assert (code, nobody["access"]["verdict"]) == (1, "failure")
    assert "gitpip keys create" in nobody["access"]["advice"]
    code, anybody = ask(world, GITPIP_ALLOW_ANONYMOUS="all")
    assert (code, anybody["access"]["verdict"]) == (0, "warning")
    code, somebody = ask(world, GITPIP_ALLOW_ANONYMOUS="", GITPIP_ADMIN_KEY="k" * 32)
    assert (code, somebody["access"]["verdict"]) == (0, "ok")
    assert world.gitpip.command("keys", "create", "ada", "--role", "admin").returncode == 0
    code, somebody = ask(world, GITPIP_ADMIN_KEY="")
    assert (code, somebody["access"]["verdict"]) == (0, "ok")
    assert world.gitpip.command("keys", "revoke", "ada", "--force").returncode == 0
    code, nobody = ask(world)
    assert (code, nobody["access"]["verdict"]) == (1, "failure")
    code, nobody = ask(world, GITPIP_HOST="127.0.0.1")
    assert (code, nobody["access"]["verdict"]) == (0, "warning")
    assert "revoked" in nobody["access"]["found"]


@on_sqlite
def test_wrong_settings_are_told_as_findings(world: World) -> None:
    world.gitpip.environment = {**world.gitpip.environment, "GITPIP_PORT": "x", "GITPIP_FEDE": "1"}
    answer = world.gitpip.command("doctor", "--json")
    assert answer.returncode == 1
    told = json.loads(answer.stdout)
    assert [(one["about"], one["verdict"]) for one in told] == [("settings", "failure")] * 2
    assert "GITPIP_PORT=x" in told[0]["found"] + told[1]["found"]


@on_sqlite
def test_an_unreadable_line_of_the_env_file_stops_the_start_and_is_told(world: World) -> None:
    (world.gitpip.folder / ".env").write_text(f'GITPIP_FEED=on\nPIPEDRIVE_TOKEN="{TOKEN}\n')
    answer = world.gitpip.command("serve")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("gitpip: .env, line 2: the quote is not closed")
    assert answer.stderr.count("\n") == 1
    assert TOKEN not in answer.stderr
    code, findings = ask(world)
    assert (code, verdicts(findings)) == (1, {"settings": "failure"})
    assert findings["settings"]["found"].startswith(".env, line 2: the quote is not closed")


@on_sqlite
def test_a_schema_of_a_newer_gitpip_is_told(world: World) -> None:
    world.gitpip.start()
    world.gitpip.stop()
    file = world.gitpip.environment["GITPIP_DATABASE_URL"].partition("///")[2]
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    code, findings = ask(world)
    assert (code, findings["migrations"]["verdict"]) == (1, "failure")
    assert "newer gitpip" in findings["migrations"]["found"]
