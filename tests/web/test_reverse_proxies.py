"""Real proxies with the configurations of docs/reverse-proxy.md, and one that nobody configured."""

import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.network import Certificate
from tests.support.running import Installation
from tests.web.conftest import Served, serving

NOTHING: Mapping[str, str] = {}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "reverse-proxy.md").read_text()
ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def documented(language: str, containing: str) -> str:
    """The configuration in the documentation that contains a text."""
    blocks = re.findall(rf"^```{language}\n(.+?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    return str(block)


class Place(NamedTuple):
    """Where a proxy finds what it needs, and listens."""

    folder: Path
    port: int
    certificate: Certificate

    def adapt_nginx(self, text: str) -> str:
        for written, ours in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("/etc/ssl/gitpip.example.com.pem", str(self.certificate.file)),
            ("/etc/ssl/gitpip.example.com.key", str(self.certificate.key)),
        ):
            assert written in text
            text = text.replace(written, ours)
        return NGINX.format(folder=self.folder, server=text)

    def adapt_caddy(self, text: str) -> str:
        tls = f"    tls {self.certificate.file} {self.certificate.key}\n"
        site, count = re.subn(
            r"^([a-z.]+) \{\n", rf"\1:{self.port} {{\n{tls}", text, flags=re.MULTILINE
        )
        assert count == 1
        return "{\n    admin off\n    auto_https off\n}\n" + site


@contextmanager
def running(program: str, config: str, place: Place) -> Iterator[None]:
    """A proxy with this configuration, until the block ends."""
    file = place.folder / "proxy.conf"
    file.write_text(config)
    command = {
        "nginx": ["nginx", "-p", str(place.folder), "-c", str(file)],
        "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)],
    }[program]
    log_file = place.folder / "proxy.log"
    with log_file.open("wb") as log:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(place.folder)}
        executable = shutil.which(program)
        process = subprocess.Popen(
            command, executable=executable, env=environment, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            try:
                socket.create_connection(("127.0.0.1", place.port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def place(tmp_path: Path) -> Place:
    # Below the range from which the system gives ports to the servers of other tests.
    port = next(
        port for port in iter(lambda: random.randrange(20_000, 30_000), None) if _free(port)
    )
    folder = tmp_path / "proxy"
    folder.mkdir()
    return Place(folder, port, Certificate.make(folder))


@dataclass
class Browser:
    """Somebody elsewhere: knows the public address alone, which a test's proxy has on any port."""

    public_url: str
    port: int
    tls: bool = True
    fetch_metadata: bool = True
    """Whether it sends Sec-Fetch-Site, as browsers do since 2023."""
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> httpx2.Response:
        """A request with our own page's headers, unless others are given; redirects are shown."""
        parts = urlsplit(self.public_url)
        own = {
            "host": parts.netloc,
            "accept": "text/html",
            "origin": f"{parts.scheme}://{parts.netloc}",
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        if self.fetch_metadata:
            own["sec-fetch-site"] = "same-origin"
        with httpx2.Client(verify=False) as client:
            answer = client.request(
                method,
                f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}",
                data=form,
                headers={**own, **headers},
                extensions={"sni_hostname": parts.hostname},
            )
        for cookie in map(SimpleCookie, answer.headers.get_list("set-cookie")):
            for name, morsel in cookie.items():
                self.cookies[name] = morsel.value
                assert bool(morsel["secure"]) == self.public_url.startswith("https")
                assert morsel["path"] == (parts.path or "/")
        return answer


def upstream(text: str, gitpip: Installation) -> str:
    """A configuration with the address on which a test's gitpip happens to listen."""
    assert "127.0.0.1:8080" in text
    return text.replace("127.0.0.1:8080", gitpip.url.removeprefix("http://"))


needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is missing")
needs_caddy = pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is missing")


@needs_nginx
def test_strangers_get_nothing_behind_an_nginx_without_any_configuration(
    served: Served, place: Place
) -> None:
    gitpip = served.gitpip
    site = f"server {{ listen 127.0.0.1:{place.port}; location / {{ proxy_pass {gitpip.url}; }} }}"
    stranger = Browser("http://gitpip.example.com", place.port, tls=False)
    with running("nginx", NGINX.format(folder=place.folder, server=site), place):
        for headers in ({}, {"host": "127.0.0.1"}, {"x-forwarded-for": "127.0.0.1"}):
            made = stranger.ask("POST", "/keys", {"name": "x", "role": "admin"}, headers)
            assert made.status_code == 401
            assert "through a proxy" in made.text
            assert stranger.ask("GET", "/api/v1/users", headers=headers).status_code == 401
        assert gitpip.get("/api/v1/keys").json() == []
        led = stranger.ask("GET", "/people")
        assert led.headers["location"] == "/sign-in?next=%2Fpeople"
        assert "gitpip keys create NAME --role admin" in stranger.ask("GET", "/sign-in").text

        # With a key the pages work, although nginx asks for the host 127.0.0.1.
        made_key = gitpip.command("keys", "create", "ada", "--role", "admin")
        key = made_key.stdout.split()[-1]
        assert stranger.ask("POST", "/sign-in", {"key": key}).headers["location"] == "/"
        assert stranger.ask("GET", "/people").status_code == 200
        assert stranger.ask("POST", "/people/check").status_code == 303
        foreign = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
        assert stranger.ask("POST", "/people/check", headers=foreign).status_code == 403


@needs_nginx
def test_a_stranger_behind_an_nginx_that_leaves_no_trace_makes_no_key(
    served: Served, place: Place
) -> None:
    """What a stock nginx does from 1.29.7 on, where `proxy_http_version 1.1` is the default."""
    gitpip = served.gitpip
    passed_on = f'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass {gitpip.url};'
    site = f"server {{ listen 127.0.0.1:{place.port}; location / {{ {passed_on} }} }}"
    stranger = Browser("http://gitpip.example.com", place.port, tls=False)
    with running("nginx", NGINX.format(folder=place.folder, server=site), place):
        assert stranger.ask("GET", "/people").status_code == 200  # it looks like this machine
        made = stranger.ask("POST", "/keys", {"name": "x", "role": "admin"})
        switched = stranger.ask("POST", "/status-page/accounts/pipedrive/switch")

        assert (made.status_code, switched.status_code) == (403, 403)
        assert gitpip.get("/api/v1/keys").json() == []


NEEDS = {"nginx": needs_nginx, "caddy": needs_caddy}


class Setup(NamedTuple):
    """A proxy and a public address that belong together."""

    program: str
    public_url: str
    config: Callable[[Place], str]


def _nginx_below_a_path(place: Place, change: Callable[[str], str] = str) -> str:
    site, location = documented("nginx", "listen 443"), documented("nginx", "location /gitpip/")
    whole = re.compile(r"    location / \{.+?\n    \}", re.DOTALL)
    return place.adapt_nginx(whole.sub(lambda _: change(location), site))


SETUPS = {
    "nginx": Setup(
        "nginx",
        "https://gitpip.example.com",
        lambda place: place.adapt_nginx(documented("nginx", "listen 443")),
    ),
    "nginx, host without port": Setup(
        "nginx",
        "https://gitpip.example.com:8443",
        lambda place: place.adapt_nginx(
            documented("nginx", "listen 443").replace("$http_host", "$host")
        ),
    ),
    "nginx below a path": Setup("nginx", "https://example.com/gitpip", _nginx_below_a_path),
    "nginx without the path": Setup(
        "nginx",
        "https://example.com/gitpip",
        lambda place: _nginx_below_a_path(place, lambda text: text.replace(":8080;", ":8080/;")),
    ),
    "caddy": Setup(
        "caddy",
        "https://gitpip.example.com",
        lambda place: place.adapt_caddy(documented("caddy", "gitpip.example.com {")),
    ),
    "caddy below a path": Setup(
        "caddy",
        "https://example.com/gitpip",
        lambda place: place.adapt_caddy(documented("caddy", "/gitpip/*")),
    ),
    "caddy without the path": Setup(
        "caddy",
        "https://example.com/gitpip",
        lambda place: place.adapt_caddy(
            documented("caddy", "/gitpip/*").replace("handle ", "handle_path ")
        ),
    ),
}


@pytest.mark.parametrize(
    "setup",
    [pytest.param(setup, id=name, marks=NEEDS[setup.program]) for name, setup in SETUPS.items()],
)
def test_pages_work_behind_the_documented_proxies(
    tmp_path: Path, place: Place, setup: Setup
) -> None:
    settings = {"GITPIP_PUBLIC_URL": setup.public_url, "GITPIP_ADMIN_KEY": ADMIN_KEY}
    url = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with (
        serving(tmp_path, url, **settings) as served,
        running(setup.program, upstream(setup.config(place), served.gitpip), place),
    ):
        for fetch_metadata in (True, False):
            _use(Browser(setup.public_url, place.port, fetch_metadata=fetch_metadata))


def _use(browser: Browser) -> None:
    """Sign in, read pages, send a form, and fail to send one from another site."""
    root = urlsplit(browser.public_url).path
    led = browser.ask("GET", f"{root}/people", headers={"x-forwarded-for": "127.0.0.1"})
    assert led.headers["location"] == f"{root}/sign-in?next=%2Fpeople"
    assert f'action="{root}/sign-in"' in browser.ask("GET", led.headers["location"]).text
    form = {"key": ADMIN_KEY, "next": "/people"}
    assert browser.ask("POST", f"{root}/sign-in", form).headers["location"] == f"{root}/people"
    page = browser.ask("GET", f"{root}/people").text
    assert f'href="{root}/static/gitpip.css"' in page
    assert browser.ask("GET", f"{root}/static/gitpip.css").status_code == 200
    done = browser.ask("POST", f"{root}/people/check")
    assert done.headers["location"].startswith(f"{root}/checks/")
    assert f"{browser.public_url}/feed.json" in browser.ask("GET", f"{root}/feed.json").text

    foreign = {"origin": "https://elsewhere.example"}
    if browser.fetch_metadata:
        foreign["sec-fetch-site"] = "cross-site"
    assert browser.ask("POST", f"{root}/people/check", headers=foreign).status_code == 403
