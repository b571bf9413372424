"""The folder of a server that we started: where its parts are, its password, its settings.

How to log in: from the environment, else as the owner of a server that we started.
"""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graphdet.errors import StoreError
from graphdet.store.neo4j import browser
from graphdet.store.neo4j.processes import is_same, read_note, write_note

USERNAME = "neo4j"
HTTP_PORT = 7474
BOLT_PORT = 7687
HEAP_MIB = 1024
PAGE_CACHE_MIB = 512
SETTINGS = {
    "server.default_listen_address": "127.0.0.1",
    "dbms.security.auth_enabled": "true",  # not the default for a server that is started as a library
    "dbms.usage_report.enabled": "false",
    "client.allow_telemetry": "false",
    "db.tx_log.rotation.retention_policy": "256M size",
    "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",  # else every stop waits ten seconds
}


def default_home() -> Path:
    """`$GRAPHDET_NEO4J_HOME`, else graphdet/neo4j in the user's data folder."""
    named = os.environ.get("GRAPHDET_NEO4J_HOME")
    if named:
        return Path(named).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "graphdet" / "neo4j"


@dataclass(frozen=True)
class Memory:
    """What the server may use, MiB."""

    heap_mib: int = HEAP_MIB
    page_cache_mib: int = PAGE_CACHE_MIB


@dataclass(frozen=True)
class Home:
    """One server's folder."""

    path: Path

    @property
    def data(self) -> Path:
        """Databases, transaction logs and users."""
        return self.path / "data"

    @property
    def logs(self) -> Path:
        """The server's logs; `launch.log` has what it printed."""
        return self.path / "logs"

    @property
    def launch_log(self) -> Path:
        """What the server printed when it was last started."""
        return self.logs / "launch.log"

    @property
    def password_file(self) -> Path:
        """The password, readable by its owner only."""
        return self.path / "password"

    @property
    def server_note(self) -> Path:
        """Ports and process of the server, kept after a stop."""
        return self.path / "server.json"

    @property
    def import_note(self) -> Path:
        """Present from before a bulk load until the server runs on what was loaded."""
        return self.path / "importing.json"

    @property
    def import_report(self) -> Path:
        """What the import tool complains of; its path on the command line is how its process is known."""
        return self.logs / "import.report"

    @property
    def hold(self) -> Path:
        """While this file is there, the Java server lets go of its databases (see Launch.java)."""
        return self.path / "hold"

    @property
    def held(self) -> Path:
        """The server's answer to `hold`."""
        return self.path / "held"

    @property
    def lock(self) -> Path:
        """The claim of the process that starts or stops the server."""
        return self.path / "starting.json"

    @property
    def load_lock(self) -> Path:
        """The claim of the process that loads a log in bulk."""
        return self.path / "loading.json"

    def make(self) -> None:
        """Make the folders, closed to others.

        Raises:
            StoreError: the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.path / "conf", self.data, self.logs):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot make {error.filename}: {error.strerror}; name another home") from error

    def note(self) -> dict[str, Any]:
        """What is known of the server: kind, pid, born, http_port, bolt_port; empty before the first start."""
        return read_note(self.server_note)

    def write_note(self, **note: Any) -> None:
        """Keep what is known of the server."""
        write_note(self.server_note, note)

    def password(self) -> str:
        """Read the password.

        Raises:
            StoreError: it is gone or may not be read.
        """
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StoreError(
                f"cannot read the password in {self.password_file}: {error.strerror}; "
                "set NEO4J_USERNAME and NEO4J_PASSWORD"
            ) from error

    def ensure_password(self) -> str:
        """Read the password, or make one in a file that was never open to others.

        Raises:
            StoreError: the server has users already, and the file with their password is gone.
        """
        try:
            handle = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self.password()
        if self.has_users:
            os.close(handle)
            self.password_file.unlink()
            raise StoreError(
                f"{self.path} holds a database but its password file is gone; "
                f"put the password back into {self.password_file}, or name another home"
            )
        password = secrets.token_urlsafe(24)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(password + "\n")
        return password

    @property
    def has_users(self) -> bool:
        """Whether the server ran before, so that its password is set."""
        return (self.data / "databases" / "system").exists()

    def write_settings(self, http_port: int, bolt_port: int, page_cache_mib: int) -> None:
        """Write conf/neo4j.conf."""
        settings = (
            SETTINGS
            | browser.settings()
            | {
                "server.bolt.listen_address": f"127.0.0.1:{bolt_port}",
                "server.bolt.advertised_address": f"localhost:{bolt_port}",
                "server.http.listen_address": f"127.0.0.1:{http_port}",
                "server.http.advertised_address": f"localhost:{http_port}",
                "server.memory.pagecache.size": f"{page_cache_mib}m",
            }
        )
        lines = [f"{key}={value}\n" for key, value in sorted(settings.items())]
        (self.path / "conf" / "neo4j.conf").write_text("".join(lines), encoding="utf-8")

    def is_running(self) -> bool:
        """Whether the Java server noted here still runs, and is ours."""
        note = self.note()
        return is_same(note.get("pid"), note.get("born"), str(self.path))

    def drop_graph(self) -> None:
        """Remove the graph's database, of which a killed bulk load left half; the users stay."""
        for part in ("databases", "transactions"):
            shutil.rmtree(self.data / part / "neo4j", ignore_errors=True)


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def home_of(url: str) -> Home | None:
    """The home of the server at a URL when it is one that we started here, else None."""
    parts = urlsplit(url)
    place = Home(default_home())
    try:
        port = parts.port or BOLT_PORT
    except ValueError:
        return None
    return place if parts.hostname in LOOPBACK and place.note().get("bolt_port") == port else None


def login(url: str, username: str | None, password: str | None) -> tuple[str, str]:
    """User and password: as given, else NEO4J_USERNAME and NEO4J_PASSWORD, else the password file of our server.

    Raises:
        StoreError: there is none.
    """
    username = username or os.environ.get("NEO4J_USERNAME") or USERNAME
    password = password or os.environ.get("NEO4J_PASSWORD")
    if password:
        return username, password
    place = home_of(url)
    if place is None:
        raise StoreError(
            f"no password for {url}: set NEO4J_USERNAME and NEO4J_PASSWORD, "
            "or start a server of your own (graphdet neo4j start)"
        )
    return USERNAME, place.password()
