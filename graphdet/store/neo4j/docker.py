"""Run the Neo4j server as a container of its official image, on machines with a Docker daemon."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import asdict

from graphdet.errors import StoreError
from graphdet.progress import Progress
from graphdet.store.neo4j.home import USERNAME, Home, Memory
from graphdet.store.neo4j.java import server_version

ASK_S = 20.0
DOCKER_STOP_S = 120


def image(version: str) -> str:
    """Name the image of a version."""
    return f"neo4j:{version}-community"


def container(place: Home) -> str:
    """Name the container of a home: one for each."""
    return f"graphdet-neo4j-{hashlib.sha256(str(place.path).encode()).hexdigest()[:12]}"


def is_there() -> bool:
    """Whether a Docker daemon answers."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            check=False,
            timeout=ASK_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def check_docker() -> None:
    """Check that Docker can be used.

    Raises:
        StoreError: no client, or no daemon that answers.
    """
    if shutil.which("docker") is None:
        raise StoreError("there is no docker command; install Docker, or go without it (--no-docker)")
    if not is_there():
        raise StoreError("no Docker daemon answers; start it, or go without it (--no-docker)")


def docker_run_command(place: Home, ports: tuple[int, int], memory: Memory) -> list[str]:
    """Give the command that makes the container; the password is in a mounted file, not in the command."""
    settings = {
        "NEO4J_AUTH_FILE": "/run/secrets/neo4j_auth",
        "NEO4J_server_memory_heap_max__size": f"{memory.heap_mib}m",
        "NEO4J_server_memory_pagecache_size": f"{memory.page_cache_mib}m",
        "NEO4J_server_bolt_advertised__address": f"localhost:{ports[1]}",
        "NEO4J_server_http_advertised__address": f"localhost:{ports[0]}",
        "NEO4J_dbms_usage__report_enabled": "false",
        "NEO4J_client_allow__telemetry": "false",
    }
    command = ["docker", "run", "--detach", "--name", container(place)]
    if hasattr(os, "getuid"):
        command += ["--user", f"{os.getuid()}:{os.getgid()}"]
    command += ["--publish", f"127.0.0.1:{ports[0]}:7474", "--publish", f"127.0.0.1:{ports[1]}:7687"]
    for inside, outside in (
        ("/data", place.data),
        ("/logs", place.logs),
        ("/run/secrets/neo4j_auth:ro", place.path / "auth"),
    ):
        command += ["--volume", f"{outside}:{inside}"]
    for key, value in sorted(settings.items()):
        command += ["--env", f"{key}={value}"]
    return [*command, image(server_version())]


def run_container(place: Home, ports: tuple[int, int], memory: Memory, progress: Progress) -> None:
    """Make and start the container anew; the data are in the home.

    Raises:
        StoreError: Docker refuses; in its own words.
    """
    auth = place.path / "auth"
    auth.unlink(missing_ok=True)
    handle = os.open(auth, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{USERNAME}/{place.ensure_password()}")
    _docker("rm", "--force", container(place), may_fail=True)
    progress.start("start the Neo4j container (the image is fetched once)")
    try:
        _docker(*docker_run_command(place, ports, memory)[1:])
        place.write_note(kind="docker", http_port=ports[0], bolt_port=ports[1], **asdict(memory))
    finally:
        progress.done()


def runs(place: Home) -> bool:
    """Whether the container of a home runs."""
    if shutil.which("docker") is None:
        return False
    told = _docker("inspect", "--format", "{{.State.Running}}", container(place), may_fail=True)
    return told.strip() == "true"


def stop_container(place: Home) -> None:
    """Stop the container and wait for its clean end."""
    _docker("stop", "--time", str(DOCKER_STOP_S), container(place))


def remove_container(place: Home) -> None:
    """Remove the container of a home, where Docker is there to do it; the image stays, as others may use it."""
    if is_there():
        _docker("rm", "--force", container(place), may_fail=True)
    (place.path / "auth").unlink(missing_ok=True)


def last_words(place: Home) -> str:
    """The last line that the container printed."""
    told = _docker("logs", "--tail", "1", container(place), may_fail=True)
    return f"{told.strip()[:300] or 'it said nothing'} (see docker logs {container(place)})"


def _docker(*arguments: str, may_fail: bool = False) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode and not may_fail:
        lines = done.stderr.strip().splitlines() or [f"docker ended with {done.returncode}"]
        raise StoreError(f"docker {arguments[0]}: {lines[-1][:300]}")
    return done.stdout if may_fail else done.stdout + done.stderr
