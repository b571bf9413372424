"""The server as a Java process of its own."""

import os
import socket
from dataclasses import asdict
from pathlib import Path

from graphdet.errors import StoreError
from graphdet.ports import Progress
from graphdet.store.neo4j.home import Home, Memory
from graphdet.store.neo4j.java import SHIPPED, ensure_jars, find_java, java_command
from graphdet.store.neo4j.processes import birth_of


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
    command = [*java_command(java, jars, memory.heap_mib), str(SHIPPED / "Launch.java"), str(place.path)]
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
