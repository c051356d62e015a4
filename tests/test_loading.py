"""What a command loads: most of the time of a short one goes into that."""

import subprocess
import sys

SERVERS = {"fastapi", "starlette", "uvicorn", "gitpip_standins"}
CODE = "import sys, gitpip.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"


def test_a_command_loads_no_server() -> None:
    loaded = subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE, check=True)

    names = {*loaded.stdout.decode().split()}
    assert {"gitpip", "typer"} < names
    assert names & SERVERS == set()
