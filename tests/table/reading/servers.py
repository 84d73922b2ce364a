"""Private servers for the tests of databases: a cluster in a folder of the test, run as an ordinary user, stopped at the end."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))))
POSTGRES = ("initdb", "postgres", "pg_ctl", "psql")
MARIADB = ("mariadb-install-db", "mariadbd", "mariadb")


@dataclass(frozen=True)
class Server:
    """A server that runs: its port on 127.0.0.1, and a function that runs statements as its administrator."""

    port: int
    run: Callable[[str], None]


def lacking(programs: tuple[str, ...], package: str) -> pytest.MarkDecorator:
    """Skip if programs are not installed."""
    missing = [program for program in programs if not shutil.which(program, path=PATHS)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} missing: apt-get install {package}")


needs_postgres = lacking(POSTGRES, "postgresql")
needs_mariadb = lacking(MARIADB, "mariadb-server")


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that the ordinary user of `as_user` owns. Its path is short, since the path of a socket must be."""
    with tempfile.TemporaryDirectory(prefix="netc-server-") as path:
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(path, user.pw_uid, user.pw_gid)
        yield Path(path)


def as_user(program: str, *arguments: object) -> list[str]:
    """A command as an ordinary user: database servers refuse to run as root."""
    found = shutil.which(program, path=PATHS) or program
    drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    return [*drop, found, *map(str, arguments)]


def checked(command: list[str], text: str | None = None, folder: Path | None = None) -> str:
    """Run a command and return what it prints. AssertionError with what it printed if it fails."""
    done = subprocess.run(command, input=text, text=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


@contextlib.contextmanager
def postgres(password: str) -> Iterator[Server]:
    """A PostgreSQL server with the user `reader`, who needs a password, and the database `shop`."""
    with folder() as path:
        data, port = path / "data", free_port()
        checked(as_user("initdb", "-D", data, "-U", "admin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"), folder=path)
        rules = "local all admin trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (data / "pg_hba.conf").write_text(rules)
        options = f"-k {path} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        checked(as_user("pg_ctl", "-D", data, "-l", path / "log", "-w", "-o", options, "start"), folder=path)

        def run(statements: str, database: str = "shop") -> None:
            checked(as_user("psql", "-h", path, "-p", port, "-U", "admin", "-v", "ON_ERROR_STOP=1", "-q", database), statements, path)

        try:
            run(f"create user reader password '{password}'", "postgres")
            run("create database shop owner reader", "postgres")
            yield Server(port, run)
        finally:
            checked(as_user("pg_ctl", "-D", data, "-m", "immediate", "stop"), folder=path)


@contextlib.contextmanager
def mariadb(password: str) -> Iterator[Server]:
    """A MariaDB server with the user `reader`, who needs a password, and the database `shop`."""
    with folder() as path:
        data, port, link = path / "data", free_port(), path / "s"
        checked(
            as_user(
                "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"
            )
        )
        server = subprocess.Popen(
            as_user("mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={link}", f"--port={port}", "--bind-address=127.0.0.1",
                    f"--pid-file={path / 'pid'}", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def run(statements: str) -> None:
            checked(as_user("mariadb", "--no-defaults", f"--socket={link}", "-u", "root"), f"{statements}\n")

        try:
            for _ in range(200):
                if link.exists():
                    break
                time.sleep(0.1)
            run(f"create database shop character set utf8mb4; create user reader@'127.0.0.1' identified by '{password}';"
                " create user reader@'localhost' identified by '" + password + "'; grant all on shop.* to reader@'127.0.0.1';"
                " grant all on shop.* to reader@'localhost'")  # fmt: skip
            yield Server(port, run)
        finally:
            server.terminate()
            server.wait(60)
