"""Credentials of many kinds, made up at random, and ordinary files.

The beginnings of real ones are put together from pieces, so that no scanner of repositories takes
this file for a leak.
"""

import base64
import json
import random
import string
import sysconfig
from collections.abc import Callable
from pathlib import Path

LETTERS = string.ascii_letters + string.digits
CAPITALS = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URL_SAFE = LETTERS + "_-"
BEFORE = (
    "# my notes\nimport os\n\n",
    "services:\n  app:\n    ",
    "How I did it:\n\n",
    "<?php\n",
    "",
)
SUFFIXES = frozenset((".py", ".md", ".txt", ".json", ".toml", ".html", ".js", ".css", ".pyi", ".c"))


def planted(chance: random.Random, each: int) -> list[tuple[str, str]]:
    """So many texts with a credential of each kind, by their kinds."""

    def some(number: int, of: str = LETTERS) -> str:
        return "".join(chance.choices(of, k=number))

    def as_base64(size: int) -> str:
        return base64.b64encode(chance.randbytes(size)).decode()

    return [
        (kind, chance.choice(BEFORE) + text() + "\n\nprint('hello')\n")
        for kind, text in _kinds(some, as_base64).items()
        for _ in range(each)
    ]


def _kinds(
    some: Callable[..., str], as_base64: Callable[[int], str]
) -> dict[str, Callable[[], str]]:
    def pem(name: str) -> str:
        body = as_base64(800)
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"

    def part(data: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    def jwt() -> str:
        head = part({"alg": "HS256", "typ": "JWT"})
        body = part({"sub": some(10, string.digits), "name": some(8)})
        return f"{head}.{body}.{some(43, URL_SAFE)}"

    bot = base64.b64encode(b"4" * 18).decode()
    return {
        "aws": lambda: (
            f"aws_access_key_id = {'AK'}{'IA'}{some(16, string.ascii_uppercase + '234567')}\n"
            f"aws_secret_access_key = {some(40, LETTERS + '/+')}"
        ),
        "github": lambda: f"GITHUB_TOKEN={'gh'}{'p_'}{some(36)}",
        "github-pat": lambda: f"token: {'github'}{'_pat_'}{some(22)}_{some(59)}",
        "gitlab": lambda: f'curl --header "PRIVATE-TOKEN: {"gl"}{"pat-"}{some(20)}"',
        "slack": lambda: f'TOKEN="{"xo"}{"xb-"}{some(12, "123")}-{some(12, "123")}-{some(24)}"',
        "slack-webhook": lambda: (
            f'"https://hooks.slack.{"com"}/services/T{some(10, CAPITALS)}/B{some(10, CAPITALS)}/'
            f'{some(24)}"'
        ),
        "stripe": lambda: f'stripe.api_key = "{"sk_"}{"live_"}{some(24)}"',
        "google": lambda: f'const key = "{"AI"}{"za"}{some(35, URL_SAFE)}";',
        "openai": lambda: (
            f"OPENAI_API_KEY={'sk-'}{'proj-'}{some(74, URL_SAFE)}{'T3Blbk'}{'FJ'}"
            f"{some(74, URL_SAFE)}"
        ),
        "anthropic": lambda: f"KEY={'sk-'}{'ant-api03-'}{some(93, URL_SAFE)}AA",
        "rsa": lambda: pem(f"RSA {'PRIVATE'} KEY"),
        "openssh": lambda: pem(f"OPENSSH {'PRIVATE'} KEY"),
        "sendgrid": lambda: f"KEY={'S'}{'G.'}{some(22, URL_SAFE)}.{some(43, URL_SAFE)}",
        "twilio": lambda: f"TWILIO_AUTH_TOKEN={some(32, HEX)}",
        "npm": lambda: f"//registry.example.com/:_authToken={'np'}{'m_'}{some(36)}",
        "pypi": lambda: f"password = {'py'}{'pi-AgEIcHlwaS5vcmc'}{some(150, URL_SAFE)}",
        "jwt": lambda: f"Authorization: Bearer {jwt()}",
        "postgres": lambda: f"URL=postgres://{some(6, string.ascii_lowercase)}:{some(16)}@db.io/x",
        "azure": lambda: (
            f"DefaultEndpointsProtocol=https;AccountName={some(9, string.ascii_lowercase)};"
            f"AccountKey={as_base64(64)};EndpointSuffix=core.windows.net"
        ),
        "password": lambda: f'db_password = "{some(6)}!{some(6)}${some(4)}"',
        "telegram": lambda: f'TeleBot("{some(10, "123456789")}:{"A"}{"A"}{some(33, URL_SAFE)}")',
        "digitalocean": lambda: f"DO_TOKEN={'dop'}{'_v1_'}{some(64, HEX)}",
        "discord": lambda: f'client.login("{bot}.{some(6)}.{some(38, URL_SAFE)}")',
        "hugging-face": lambda: f'HF_TOKEN="{"h"}{"f_"}{some(34, string.ascii_letters)}"',
        "mailgun": lambda: f'mailgun_key = "{"ke"}{"y-"}{some(32, HEX)}"',
    }


def ordinary(number: int) -> list[tuple[str, str]]:
    """The names and texts of so many files that come with Python and with packages."""
    roots = {sysconfig.get_path(name) for name in ("stdlib", "purelib")}
    paths = sorted(
        path
        for root in roots
        for path in Path(root).rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and 50 < path.stat().st_size < 60_000
    )
    random.Random(3).shuffle(paths)
    found = []
    for path in paths:
        try:
            found.append((path.name, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
        if len(found) == number:
            break
    return found
