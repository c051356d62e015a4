"""Names that no setting has: which of them are told, and which setting they are told to mean."""

from pathlib import Path

import pytest

from gitpip.config import load_settings
from gitpip.errors import SettingsError
from tests.config.loading import faults, load


def test_an_unknown_setting_is_told_with_the_nearest_name() -> None:
    assert faults(GITPIP_CHECK_INTERVALL="3h") == (
        "GITPIP_CHECK_INTERVALL: no such setting (environment); "
        "did you mean GITPIP_CHECK_INTERVAL?",
    )


@pytest.mark.parametrize("name", ["GITPIP_FOO", "GITPIP_X", "GITPIP_", "GITPIP_HELP"])
def test_an_unknown_setting_that_is_near_to_none_comes_without_a_guess(name: str) -> None:
    assert faults(**{name: "1"}) == (f"{name}: no such setting (environment)",)


MISSPELT = [
    ("PIPEDRIVE_TOKN", "PIPEDRIVE_TOKEN"),
    ("PIPEDRIVE_TOKE", "PIPEDRIVE_TOKEN"),
    ("PIPEDRVE_TOKEN", "PIPEDRIVE_TOKEN"),
    ("pipedrive_token", "PIPEDRIVE_TOKEN"),
    ("PIPEDRIVE_TOKEN_FIEL", "PIPEDRIVE_TOKEN_FILE"),
    ("PIPEDRIVE_OGR", "PIPEDRIVE_ORG"),
    ("GITHUB_TOKNE", "GITHUB_TOKEN"),
    ("GITHUB_TOEKNS", "GITHUB_TOKEN"),
    ("GITHUB_API_ULR", "GITHUB_API_URL"),
    ("POSTGRES_CONECTION_STING", "POSTGRES_CONNECTION_STRING"),
]


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_a_misspelt_name_without_our_prefix_is_told(name: str, meant: str, tmp_path: Path) -> None:
    assert faults(**{name: "hunter22"}) == (
        f"{name}: no such setting (environment); did you mean {meant}?",
    )
    env_file = tmp_path / ".env"
    env_file.write_text(f"{name}=hunter22\n")
    with pytest.raises(SettingsError) as raised:
        load_settings({}, env_file=env_file)
    assert raised.value.faults == (f"{name}: no such setting ({env_file}); did you mean {meant}?",)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("PIPEDRIVE_API_TOKEN", "PIPEDRIVE_TOKEN"), ("GITHUB_ACCESS_TOKEN", "GITHUB_TOKEN")],
)
def test_a_longer_name_of_a_token_is_told_in_the_env_file(
    name: str, meant: str, tmp_path: Path
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"{name}=abc\n")
    with pytest.raises(SettingsError, match=f"did you mean {meant}"):
        load_settings({}, env_file=env_file)
    assert load(**{name: "of-another-program"}).secrets == ()
    env_file.write_text(f"{name}=of-another-program\n{meant}=ours\n")
    assert load_settings({}, env_file=env_file).secrets == ("ours",)


OF_OTHER_PROGRAMS = """
    GITHUB_ACTION GITHUB_ACTIONS GITHUB_ACTION_PATH GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY
    GITHUB_ACTOR GITHUB_ACTOR_ID GITHUB_BASE_REF GITHUB_ENV GITHUB_EVENT_NAME GITHUB_EVENT_PATH
    GITHUB_HEAD_REF GITHUB_JOB GITHUB_OUTPUT GITHUB_PATH GITHUB_REF GITHUB_REF_NAME
    GITHUB_REF_PROTECTED GITHUB_REF_TYPE GITHUB_REPOSITORY GITHUB_REPOSITORY_ID
    GITHUB_REPOSITORY_OWNER GITHUB_RETENTION_DAYS GITHUB_RUN_ATTEMPT GITHUB_RUN_ID
    GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA GITHUB_STATE GITHUB_STEP_SUMMARY
    GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA
    GITHUB_WORKSPACE GITHUB_USER GITHUB_CLIENT_ID GITHUB_APP_ID GITLAB_TOKEN GITEA_TOKEN
    POSTGRES_DB POSTGRES_HOST POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE POSTGRES_PORT POSTGRES_URL
    POSTGRES_USER PIPEDRIVE_URL PIPEDRIVE_DOMAIN PIPEDRIVE_CLIENT_ID PIPEDRIVE_CLIENT_SECRET
"""


def test_variables_of_other_programs_are_no_faults(tmp_path: Path) -> None:
    """The first ones are those of a run of GitHub Actions; then clients of the same vendors."""
    environ = dict.fromkeys(OF_OTHER_PROGRAMS.split(), "1")
    assert load(**environ).secrets == ()
    env_file = tmp_path / ".env"
    env_file.write_text("".join(f"{name}=1\n" for name in environ))
    assert load_settings({}, env_file=env_file).secrets == ()


def test_variables_that_kubernetes_sets_are_no_settings() -> None:
    links = {
        "GITPIP_SERVICE_HOST": "10.0.0.1",
        "GITPIP_SERVICE_PORT": "80",
        "GITPIP_PORT": "tcp://10.0.0.1:80",
        "GITPIP_PORT_80_TCP_ADDR": "10.0.0.1",
        "GITPIP_WEB_SERVICE_HOST": "10.0.0.2",
        "GITPIP_WEB_PORT": "tcp://10.0.0.2:80",
    }
    assert load(**links).port == 8080
    assert load(**links | {"GITPIP_PORT": "81"}).port == 81
