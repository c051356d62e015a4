"""A folder with a file for each secret: what lies in it counts, what is wrong with it is told."""

from pathlib import Path

import pytest

from gitpip.config import describe, load_settings
from gitpip.digests import REDACTED
from gitpip.errors import SettingsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def faults(folder: Path, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load_settings({"GITPIP_SECRETS_DIR": str(folder), **environ}, env_file=None)
    return raised.value.faults


def test_each_secret_has_a_file_of_its_own(folder: Path) -> None:
    (folder / "pipedrive-token").write_text("pipedrive\n")
    (folder / "github-token").write_text("github")
    (folder / "postgres-connection-string").write_text("postgresql://u:pass-word@db/gitpip")
    (folder / "something-else").write_text("of another program")
    (folder / "..data").mkdir()
    settings = load_settings({"GITPIP_SECRETS_DIR": str(folder)}, env_file=None)
    assert settings.secrets == ("pipedrive", "github", "pass-word")
    told = {row.name: row for row in describe(settings)}
    assert told["GITHUB_TOKEN"].value == REDACTED
    assert told["GITHUB_TOKEN"].source == f"file {folder / 'github-token'}"
    assert told["GITPIP_SECRETS_DIR"].value == str(folder)


def test_what_is_given_otherwise_wins_over_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "github-token").write_text("from the folder")
    (folder / "pipedrive-token").write_text("from-the-folder")
    other = tmp_path / "other"
    other.write_text("from-a-file")
    settings = load_settings(
        {
            "GITPIP_SECRETS_DIR": str(folder),
            "GITHUB_TOKEN": "from-the-environment",
            "PIPEDRIVE_TOKEN_FILE": str(other),
        },
        env_file=None,
    )
    assert settings.secrets == ("from-a-file", "from-the-environment")


def test_a_folder_may_be_named_in_the_env_file_and_may_be_empty(
    folder: Path, tmp_path: Path
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"GITPIP_SECRETS_DIR={folder}\n")
    assert load_settings({}, env_file=env_file).secrets == ()


def test_wrong_files_are_named_and_their_contents_are_not(folder: Path) -> None:
    (folder / "github-token").write_text("two words")
    (folder / "pipedrive-token").write_text(" \n")
    (folder / "POSTGRES_CONNECTION_STRING").write_text("postgresql://u:hidden@db/gitpip")
    (folder / "gitpip-database-url").write_bytes(b"\xff\xfe")
    told = faults(folder)
    assert sorted(told) == [
        "GITPIP_SECRETS_DIR, POSTGRES_CONNECTION_STRING: not the name of a secret;"
        " use postgres-connection-string",
        "GITPIP_SECRETS_DIR, github-token: must be printable ASCII without spaces, as the vendor"
        " shows the token, e.g. 0123456789abcdef",
        "GITPIP_SECRETS_DIR, gitpip-database-url: must be a text file with only the secret, but"
        " can't be read (not UTF-8 text)",
        "GITPIP_SECRETS_DIR, pipedrive-token: must be a text file with only the secret, but is"
        " empty",
    ]


def test_a_folder_that_is_none_is_told_once(folder: Path) -> None:
    missing = folder / "missing"
    (told,) = faults(missing)
    assert told == (
        f"GITPIP_SECRETS_DIR={missing} (environment): must be a readable folder with a file for"
        " each secret, e.g. /run/secrets (No such file or directory)"
    )
    file = folder / "file"
    file.write_text("")
    (told,) = faults(file)
    assert "must be a folder" in told


@pytest.mark.parametrize("name", ["pipedrive-tokn", "pipedrive_tokne", "pipedrive-tokens.txt"])
def test_a_misspelt_name_is_told_unless_the_right_one_is_there(folder: Path, name: str) -> None:
    (folder / name).write_text("hunter22")
    assert faults(folder) == (
        f"GITPIP_SECRETS_DIR, {name}: not the name of a secret; use pipedrive-token",
    )
    (folder / "pipedrive-token").write_text("right")
    settings = load_settings({"GITPIP_SECRETS_DIR": str(folder)}, env_file=None)
    assert settings.secrets == ("right",)


def test_a_token_in_quotes_is_refused(folder: Path) -> None:
    (folder / "github-token").write_text('"hunter22"\n')
    [fault] = faults(folder)
    assert fault.startswith("GITPIP_SECRETS_DIR, github-token: ")
    assert "without quotes" in fault
    assert "hunter22" not in fault
