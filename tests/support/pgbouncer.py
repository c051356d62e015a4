"""PgBouncer between gitpip and PostgreSQL, in either of its pool modes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import make_url

from tests.support.network import nobody_listening

LISTENING = "listening on 127.0.0.1"


@contextmanager
def pgbouncer(dsn: str, mode: Literal["session", "transaction"]) -> Iterator[str]:
    """PgBouncer in front of this database; gives the address there."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is missing")
    url = make_url(dsn)
    folder_of_socket = Path(str(url.query["host"]))
    with nobody_listening() as port:
        pass
    # Not pytest's tmp_path: PgBouncer refuses to be root, and others can't enter that one.
    folder = Path(tempfile.mkdtemp(prefix="gitpip-pgbouncer-"))
    folder.chmod(0o755)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"""
[databases]
* = host={folder_of_socket} user={url.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
{f"user = {folder_of_socket.owner()}" if os.geteuid() == 0 else ""}
pool_mode = {mode}
default_pool_size = 20
"""
    )
    process = subprocess.Popen([program, configuration], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if LISTENING in line:
                break
        else:
            raise AssertionError("".join(said))
        yield f"postgresql://{url.username}@127.0.0.1:{port}/{url.database}"
    finally:
        process.terminate()
        process.communicate()
        shutil.rmtree(folder)
