"""A real Neo4j for people who have none: started, stopped and looked at by one command.

Through Docker where there is a daemon, otherwise as a Java process over the server's own jars (see `java`).
It listens on 127.0.0.1 only; its data live in its home folder and survive a restart.

The server as a Java process of its own.
"""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from graphdet.errors import StoreBusy, StoreError, UsageError
from graphdet.progress import Progress, Silent
from graphdet.store.neo4j import docker as containers
from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.home import (
    BOLT_PORT,
    HEAP_MIB,
    HTTP_PORT,
    PAGE_CACHE_MIB,
    USERNAME,
    Home,
    Memory,
    default_home,
)
from graphdet.store.neo4j.java import (
    SHIPPED_JAVA,
    ensure_jars,
    find_java,
    find_maven,
    jar_folder,
    java_command,
    server_version,
)
from graphdet.store.neo4j.processes import birth_of, claim, end_all, is_same, read_note, wait_for_end


def check_free(port: int) -> None:
    """Check that we may listen on a port of 127.0.0.1.

    Raises:
        StoreError: another program does; names the port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StoreError(
                f"cannot listen on port {port} of 127.0.0.1 ({error.strerror}); "
                "end the program that does, or choose another port (--http-port, --bolt-port)"
            ) from None


def launch(place: Home, ports: tuple[int, int], memory: Memory, progress: Progress) -> None:
    """Make the server's process; it does not answer yet.

    Raises:
        StoreError: Java or the jars cannot be had, or the password file is gone.
    """
    java = find_java()
    jars = ensure_jars(progress)
    place.write_settings(*ports, memory.page_cache_mib)
    for left in (place.hold, place.held):
        left.unlink(missing_ok=True)
    new = not place.has_users
    password = place.ensure_password()
    command = [*java_command(java, jars, memory.heap_mib), str(SHIPPED_JAVA / "Launch.java"), str(place.path)]
    pid = _spawn(command, place.launch_log, password + "\n" if new else "")
    place.write_note(
        kind="java", http_port=ports[0], bolt_port=ports[1], pid=pid, born=birth_of(pid), **asdict(memory)
    )


def _spawn(command: list[str], log: Path, said: str) -> int:
    """Start a process that outlives us, in a session of its own (Ctrl-C does not reach it), told `said`."""
    log.unlink(missing_ok=True)
    ours, theirs = os.pipe()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_DUP2, ours, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setsid=True)
        os.write(theirs, said.encode())
    finally:
        os.close(ours)
        os.close(theirs)
    return pid


START_S = 180.0
SERVER_STOP_S = 120.0
POLL_S = 0.1
IMPORTING, IMPORTED = "importing", "imported"


@dataclass(frozen=True)
class ServerInfo:
    """A running server, and how to log in: the password is in `password_file` and nowhere else."""

    url: str
    browser_url: str
    username: str
    password_file: Path
    home: Path
    kind: str  # java or docker
    version: str
    already: bool  # it ran before we were asked


@dataclass(frozen=True)
class ServerStatus:
    """What `status` saw; url and the like are None when the home was never started."""

    running: bool
    home: Path
    kind: str | None = None
    pid: int | None = None
    url: str | None = None
    browser_url: str | None = None
    password_file: Path | None = None


def start(
    home: Path | None = None,
    *,
    http_port: int | None = None,
    bolt_port: int | None = None,
    docker: bool | None = None,
    heap_mib: int | None = None,
    page_cache_mib: int | None = None,
    progress: Progress | None = None,
) -> ServerInfo:
    """Start the server of a home folder and wait until it answers; a running one is left as it is.

    Args:
        home: its folder; None: `default_home()`.
        http_port, bolt_port: on 127.0.0.1; None: as last time, at first 7474 and 7687.
        docker: through Docker or not; None: as last time, at first Docker when its daemon answers.
        heap_mib, page_cache_mib: memory of the server, MiB; None: as last time, at first 1024 and 512.
        progress: told of the download and of the start.

    Raises:
        UsageError: it runs already, on other ports than asked for.
        StoreError: a port is taken, Java or Maven is missing, or it does not come up.
        StoreBusy: another process is starting it, or loading into it.
    """
    place = Home(home.absolute() if home else default_home())
    place.make()
    with claim(place.lock, "starting a server"):
        note = place.note()
        ports = http_port or note.get("http_port", HTTP_PORT), bolt_port or note.get("bolt_port", BOLT_PORT)
        if _runs(place) and _is_half_loaded(place):
            _end(place)  # it was about to be: its database was to be replaced
        if _runs(place):
            if ports != (note["http_port"], note["bolt_port"]):
                raise UsageError(
                    f"the server in {place.path} runs on the ports {note['http_port']} and "
                    f"{note['bolt_port']}; stop it first (graphdet neo4j stop)"
                )
            place.hold.unlink(missing_ok=True)
            _await(place, progress or Silent())
            place.import_note.unlink(missing_ok=True)
            return _info(place, already=True)
        with _recovered(place):
            for port in ports:
                check_free(port)
            kind = _kind(note.get("kind"), docker)
            memory = Memory(
                heap_mib or note.get("heap_mib", HEAP_MIB),
                page_cache_mib or note.get("page_cache_mib", PAGE_CACHE_MIB),
            )
            make = containers.run_container if kind == "docker" else launch
            make(place, ports, memory, progress or Silent())
            try:
                _await(place, progress or Silent())
            except BaseException:  # Ctrl-C too: half a start would hold the ports
                if _runs(place):
                    _end(place)
                raise
    return _info(place, already=False)


def _kind(last: str | None, docker: bool | None) -> str:
    """Docker or java; a home that has data of one kind is not opened by the other unless asked."""
    if docker is not None:
        if docker:
            containers.check_docker()
        return "docker" if docker else "java"
    if last in ("docker", "java"):
        return last
    if containers.is_there():
        return "docker"
    try:
        find_java()
        if not jar_folder().is_dir():
            find_maven()
    except StoreError as error:
        raise StoreError(f"no Docker daemon answers, and {error}") from None
    return "java"


def _is_half_loaded(place: Home) -> bool:
    """Whether a bulk load was begun and its end not seen.

    Raises:
        StoreBusy: the load still runs, in another process.
    """
    note = read_note(place.import_note)
    if is_same(note.get("pid"), note.get("born")) and note.get("pid") != os.getpid():
        raise StoreBusy(f"process {note['pid']} is loading a log into {place.path}; wait for it to end")
    return place.import_note.exists() and note.get("phase") != IMPORTED


@contextmanager
def _recovered(place: Home) -> Iterator[None]:
    """See to what a killed bulk load left: half a graph is removed, a whole one kept."""
    if _is_half_loaded(place):
        end_all(str(place.import_report), SERVER_STOP_S)  # the tool outlives the process that ran it
        place.drop_graph()
    yield
    place.import_note.unlink(missing_ok=True)


def _await(place: Home, progress: Progress) -> None:
    """Wait until the server takes our password.

    Raises:
        StoreError: it ended, or did not come up in time; says what its log says.
    """
    note = place.note()
    deadline = time.monotonic() + START_S
    progress.start("start Neo4j")
    try:
        while True:
            problem = _try_connect(place, int(note["bolt_port"]))
            if problem is None:
                return
            if not _runs(place):
                raise StoreError(f"Neo4j ended while starting: {_last_words(place)}")
            if time.monotonic() > deadline:
                raise StoreError(f"Neo4j did not come up in {START_S:.0f} s: {problem}; see {place.logs}")
            time.sleep(POLL_S)
    finally:
        progress.done()


def _try_connect(place: Home, port: int) -> StoreError | None:
    with socket.socket() as probe:  # much cheaper than the driver, and tried many times
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)):
            return StoreError("its port is closed")
    try:
        client = Client(f"bolt://127.0.0.1:{port}", USERNAME, place.password())
    except StoreError as error:
        return error
    client.close()
    return None


def _last_words(place: Home) -> str:
    if place.note().get("kind") == "docker":
        return containers.last_words(place)
    try:
        lines = place.launch_log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    causes = [
        line for line in lines if "Caused by" in line or "Exception" in line or "error:" in line.lower()
    ]
    said = (causes or lines or ["it said nothing"])[-1]
    return f"{said.strip()[:300]} (see {place.launch_log} and {place.logs / 'debug.log'})"


def stop(home: Path | None = None, progress: Progress | None = None) -> bool:
    """Stop the server of a home folder and wait for its clean end; False when none ran.

    Raises:
        StoreError: it does not end.
        StoreBusy: another process is starting it.
    """
    place = Home(home.absolute() if home else default_home())
    if not _runs(place):
        return False
    with claim(place.lock, "stopping a server"):
        if not _runs(place):
            return False
        (progress or Silent()).start("stop Neo4j")
        try:
            _end(place)
        finally:
            (progress or Silent()).done()
    return True


def remove(home: Path | None = None, *, data: bool = False, progress: Progress | None = None) -> list[Path]:
    """Stop the server of a home folder and remove its jars, settings and logs; what was removed.

    The jars are shared by all homes; the next start fetches them anew. data: also the databases, their password and
    what is known of the server. Files in the folder that are not the server's stay, and then the folder does.

    Raises:
        UsageError: no server of ours ever ran in that folder.
        StoreError: the server does not end, or something cannot be removed.
        StoreBusy: another process is starting it, or loading into it.
    """
    place = Home(home.absolute() if home else default_home())
    if not place.note():
        raise UsageError(
            f"no server was ever started in {place.path}, so nothing is removed; name its --home"
        )
    _is_half_loaded(place)
    stop(place.path, progress)
    gone = [jar_folder().parent, place.path / "conf", place.logs]
    if data:
        notes = (place.import_note, place.load_lock, place.hold, place.held, place.server_note)
        gone += [place.data, place.password_file, *notes]
    gone = [path for path in gone if path.exists()]
    with claim(place.lock, "removing a server"):
        if place.note().get("kind") == "docker":
            containers.remove_container(place)
        try:
            for path in gone:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise StoreError(
                f"cannot remove {error.filename}: {error.strerror}; see to it and repeat"
            ) from error
    if data:
        with contextlib.suppress(OSError):  # somebody keeps files of their own there
            place.path.rmdir()
    return gone


def hold(place: Home) -> None:
    """Have the Java server of a home let go of its databases, and wait until it has; `start` undoes it.

    Raises:
        StoreError: it does not.
    """
    place.hold.touch()
    deadline = time.monotonic() + SERVER_STOP_S
    while not place.held.exists():
        if not place.is_running() or time.monotonic() > deadline:
            raise StoreError(f"the server in {place.path} does not let go of its database; see {place.logs}")
        time.sleep(POLL_S)


def _end(place: Home) -> None:
    note = place.note()
    if note.get("kind") == "docker":
        containers.stop_container(place)
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(note["pid"]).terminate()
    if not wait_for_end(note["pid"], note["born"], SERVER_STOP_S):
        raise StoreError(
            f"the server (process {note['pid']}) does not end in {SERVER_STOP_S:.0f} s; "
            f"see {place.logs / 'debug.log'}"
        )
    note["pid"] = note["born"] = None
    place.write_note(**note)


def status(home: Path | None = None) -> ServerStatus:
    """Say whether the server of a home folder runs, and where."""
    place = Home(home.absolute() if home else default_home())
    note = place.note()
    if not note:
        return ServerStatus(running=False, home=place.path)
    running = _runs(place)
    return ServerStatus(
        running=running,
        home=place.path,
        kind=note.get("kind"),
        pid=note.get("pid") if running else None,
        url=f"neo4j://localhost:{note.get('bolt_port')}",
        browser_url=f"http://localhost:{note.get('http_port')}/browser/",
        password_file=place.password_file,
    )


def _runs(place: Home) -> bool:
    if place.note().get("kind") == "docker":
        return containers.runs(place)
    return place.is_running()


def _info(place: Home, already: bool) -> ServerInfo:
    now = status(place.path)
    return ServerInfo(
        url=str(now.url),
        browser_url=str(now.browser_url),
        username=USERNAME,
        password_file=place.password_file,
        home=place.path,
        kind=str(now.kind),
        version=server_version(),
        already=already,
    )
