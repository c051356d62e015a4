"""A `.env` file of the current folder can't redirect secrets that it does not give."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.pq import Conninfo

from gitpip.config import load_settings
from gitpip.config.database_passwords import password_sources
from gitpip.errors import SettingsError

ELSEWHERE = {
    "GITHUB_API_URL": "https://elsewhere.example/api/v3",
    "GITHUB_GRAPHQL_URL": "https://elsewhere.example/graphql",
    "PIPEDRIVE_API_URL": "https://elsewhere.example/api",
    "PIPEDRIVE_ORG": "elsewhere",
}
TOKEN_OF = {host: f"{host.partition('_')[0]}_TOKEN" for host in ELSEWHERE}
PLACES = ("environment", "env_file", "file_of_environment", "file_of_env_file")
FOLDERS = ("folder_of_environment", "folder_of_env_file", "empty_folder_of_environment")


class Place:
    """A current folder with a `.env`, an environment, and secrets next to the folder."""

    def __init__(self, root: Path) -> None:
        self.here = root / "here"
        self.environ: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        self.secrets = root / "secrets"
        for folder in (self.here, self.secrets):
            folder.mkdir(exist_ok=True)
        for file in self.secrets.iterdir():
            file.unlink()

    def give(self, token: str, where: str, *, secrets: Path | None = None) -> None:
        layer = self.lines if where.endswith("env_file") else self.environ
        file = (secrets or self.secrets) / token.lower().replace("_", "-")
        if where in ("environment", "env_file"):
            layer[token] = "the-token"
        elif where.startswith("file_of"):
            file.write_text("the-token")
            layer[f"{token}_FILE"] = str(file)
        else:
            if not where.startswith("empty"):
                file.write_text("the-token")
            layer["GITPIP_SECRETS_DIR"] = str(file.parent)

    def faults(self) -> tuple[str, ...]:
        env_file = self.here / ".env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in self.lines.items()))
        try:
            load_settings(self.environ, env_file=env_file)
        except SettingsError as error:
            return error.faults
        return ()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("destinations")


@given(
    host=st.sampled_from(list(ELSEWHERE)),
    where=st.sampled_from(PLACES + FOLDERS),
    host_in_environment=st.booleans(),
)
def test_a_host_of_the_env_file_gets_no_secret_from_elsewhere(
    root: Path, host: str, where: str, *, host_in_environment: bool
) -> None:
    place = Place(root)
    (place.environ if host_in_environment else place.lines)[host] = ELSEWHERE[host]
    place.give(TOKEN_OF[host], where)

    faults = place.faults()

    if host_in_environment or where == "env_file":
        assert faults == ()
    else:
        (fault,) = faults
        assert fault.startswith(f"{host} ({place.here / '.env'})")
        assert f"put {TOKEN_OF[host]} into" in fault
        assert f"set {host} in the environment" in fault
        assert "the-token" not in fault


@pytest.mark.parametrize("where", ["file_of_env_file", "folder_of_env_file"])
def test_an_installation_keeps_its_secrets_below_its_env_file(tmp_path: Path, where: str) -> None:
    place = Place(tmp_path)
    below = place.here / "secrets"
    below.mkdir()
    place.lines["GITHUB_API_URL"] = "https://git.example/api/v3"
    place.give("GITHUB_TOKEN", where, secrets=below)
    assert place.faults() == ()

    # A link in a downloaded folder leads to a secret of somebody else.
    (below / "github-token").rename(tmp_path / "elsewhere")
    (below / "github-token").symlink_to(tmp_path / "elsewhere")
    assert len(place.faults()) == 1


def test_the_environment_wins_so_its_host_is_the_one_that_counts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.give("GITHUB_TOKEN", "environment")
    place.lines["GITHUB_API_URL"] = ELSEWHERE["GITHUB_API_URL"]
    place.environ["GITHUB_API_URL"] = "https://git.example/api/v3"
    assert place.faults() == ()
    # A token that another one hides is not sent anywhere.
    place.lines["GITHUB_TOKEN"] = "other"
    del place.environ["GITHUB_API_URL"]
    assert len(place.faults()) == 1


FILES = ("~/.pgpass", "PGPASSFILE", "passfile of the service")
PASSWORDS = ("PGPASSWORD", "~/.pgpass", "PGPASSFILE", "service", "passfile of the service")


def give_password(place: Place, how: str) -> str:
    """Give the environment a database password in one of libpq's ways; what is told of it."""
    home = place.here.parent / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    place.environ["HOME"] = str(home)
    pgpass = home / {"~/.pgpass": ".pgpass"}.get(how, "passwords")
    if how == "PGPASSWORD":
        place.environ["PGPASSWORD"] = "the-password"
        return "PGPASSWORD (environment)"
    if how == "service":
        (home / ".pg_service.conf").write_text("[prod]\npassword=the-password\n")
        return "the password of the service prod"
    pgpass.write_text("# of mine\n\ndb.example:5432:*:gitpip:the-password\nlocalhost:*:*:*:other\n")
    if how == "PGPASSFILE":
        place.environ["PGPASSFILE"] = str(pgpass)
    elif how == "passfile of the service":
        (home / ".pg_service.conf").write_text(f"[prod]\nhost=elsewhere\npassfile={pgpass}\n")
    return f"the password in {pgpass}"


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("postgresql://gitpip@elsewhere.example,db.example/gitpip", {*PASSWORDS[:3]}),
        ("host=db.example dbname=gitpip", {*PASSWORDS[:3]}),
        ("host=elsewhere.example dbname=gitpip", {"PGPASSWORD"}),
        ("host=db.example port=5433 dbname=gitpip", {"PGPASSWORD"}),
        ("host=/tmp/elsewhere dbname=gitpip", {*PASSWORDS[:3]}),
        ("host=elsewhere.example hostaddr=10.0.0.1 dbname=gitpip", {"PGPASSWORD"}),
        ("hostaddr=10.0.0.1 dbname=gitpip", {*PASSWORDS[:3]}),
        ("port=6543 dbname=gitpip", {*PASSWORDS[:3]}),
        ("postgresql:///gitpip?sslmode=prefer", {*PASSWORDS[:3]}),
        ("service=prod", {*PASSWORDS}),
        ("postgresql://gitpip@elsewhere.example/gitpip?service=prod", {*PASSWORDS} - {*FILES}),
        ("service=prod password=own", set()),
        ("postgresql://gitpip:own@elsewhere.example/gitpip", set()),
        ("postgresql:///gitpip", set()),
        ("user=gitpip dbname=gitpip", set()),
    ],
)
@pytest.mark.parametrize("how", PASSWORDS)
def test_a_database_of_the_env_file_gets_no_password_from_elsewhere(
    tmp_path: Path, address: str, refused: set[str], how: str
) -> None:
    place = Place(tmp_path)
    source = give_password(place, how)
    place.lines["POSTGRES_CONNECTION_STRING"] = address
    faults = place.faults()
    assert len(faults) == (how in refused)
    for fault in faults:
        assert fault.startswith(f"POSTGRES_CONNECTION_STRING ({place.here / '.env'})")
        assert source in fault
        assert "the-password" not in fault
    place.environ["POSTGRES_CONNECTION_STRING"] = place.lines.pop("POSTGRES_CONNECTION_STRING")
    assert place.faults() == ()


def test_a_password_file_is_only_the_installations_own_beside_its_env_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.environ["HOME"] = str(tmp_path / "home")
    own, others = place.here / "pgpass", place.secrets / "pgpass"
    for file, count in ((own, 0), (others, 1)):
        file.write_text("*:*:*:*:the-password\n")
        place.lines["GITPIP_DATABASE_URL"] = f"postgresql://db.example/gitpip?passfile={file}"
        assert len(place.faults()) == count
    own.unlink()
    own.symlink_to(others)
    place.lines["GITPIP_DATABASE_URL"] = f"postgresql://db.example/gitpip?passfile={own}"
    assert len(place.faults()) == 1


SERVICES = (
    "[prod]\npassword=the-password\n",
    "user=before\n[other]\npassword=other\n[prod]\n# mine\npassword = the-password\nnot one\n",
    "[prod]\npassword=the-password\npassword=second\n[broken",
    "[prod]\nhost=h\n[prod]\npassword=second\n",
    "[production]\npassword=other\n",
    "[prod] \n  password=the-password\n",
)


@pytest.mark.parametrize("text", SERVICES)
@pytest.mark.parametrize("where", ["PGSERVICEFILE", "PGSYSCONFDIR", "home", "servicefile"])
def test_a_service_has_the_password_that_libpq_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, where: str
) -> None:
    file = tmp_path / "pg_service.conf"
    file.write_text(text)
    environ = {"PGSERVICE": "prod", "HOME": str(tmp_path / "nowhere")}
    keywords = {"servicefile": str(file)} if where == "servicefile" else {}
    if where == "home":
        file.rename(tmp_path / ".pg_service.conf")
        environ["HOME"] = str(tmp_path)
    elif where != "servicefile":
        environ[where] = str(tmp_path if where == "PGSYSCONFDIR" else file)
    found = [source.name for source in password_sources(keywords, environ)]

    has_one = "the-password" in text
    assert found == ["the password of the service prod"] * has_one

    # libpq tells what a service gives where the environment names the file.
    named = file if where != "home" else tmp_path / ".pg_service.conf"
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGSERVICE", "prod")
    monkeypatch.setenv("PGSERVICEFILE", str(named))
    given = {option.keyword: option.val for option in Conninfo.get_defaults()}
    assert given[b"password"] in {None, b"the-password", b" the-password"}
    assert has_one or not given[b"password"]


def test_a_link_to_an_env_file_gets_no_secret_that_lies_beside_the_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.lines["GITHUB_API_URL"] = "https://git.example/api/v3"
    place.give("GITHUB_TOKEN", "file_of_env_file", secrets=place.here)
    assert place.faults() == ()

    # A stranger's folder leads to this one.
    link = place.secrets / ".env"
    link.symlink_to(place.here / ".env")
    with pytest.raises(SettingsError, match="GITHUB_TOKEN"):
        load_settings({}, env_file=link)


DOLLARS = st.builds(
    "{}{}{}".format,
    st.text("a/$:", max_size=3),
    st.sampled_from(["$PLANTED", "${PLANTED}", "${PLANTED:-a}", "${:-${PLANTED}}", "$", "${", "$$"])
    | st.from_regex(r"\$\{?[A-Z_]{1,8}(:-)?[A-Z_]{0,8}\}?", fullmatch=True),
    st.text("a/$:", max_size=3),
)


@given(text=DOLLARS, quote=st.sampled_from(["", "'", '"']))
def test_a_dollar_in_the_env_file_is_only_a_dollar(root: Path, text: str, quote: str) -> None:
    env_file = root / "dollars.env"
    host = f"https://elsewhere.example/{text}"
    env_file.write_text(f"GITHUB_TOKEN={quote}{text}{quote}\nGITHUB_API_URL={quote}{host}{quote}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PLANTED", "HOME", "_"):
            patch.setenv(name, "planted-secret")
        settings = load_settings({}, env_file=env_file)
    assert settings.github_token
    assert settings.github_token.get_secret_value() == text
    assert settings.github_api_url == host.rstrip("/")
