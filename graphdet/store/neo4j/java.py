"""Java, Maven and the server's jars: found, checked, fetched once into a cache that all homes share."""

import os
import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from graphdet.errors import StoreError
from graphdet.progress import Progress

INSTALL = (
    "on Debian or Ubuntu: apt install openjdk-17-jdk-headless maven; on a Mac: brew install openjdk@17 maven"
)
OLDEST_JAVA, NEWEST_JAVA = 17, 21
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")  # the server reaches into these
SHIPPED_JAVA = resources.files("graphdet.store.neo4j")


def server_version() -> str:
    """The pinned version of the server, read from the shipped pom."""
    found = re.search(r"<neo4j\.version>([^<]+)<", (SHIPPED_JAVA / "pom.xml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("pom.xml names no neo4j.version")
    return found[1]


def find_java() -> str:
    """Find a Java that can run the server: `$JAVA_HOME/bin/java`, else `java`.

    Raises:
        StoreError: there is none, it is too old or too new, or it cannot compile; says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise StoreError(f"there is no Java; install a JDK {OLDEST_JAVA} ({INSTALL})")
    told = _output([java, "-version"])
    found = re.search(r'version "(\d+)', told)
    version = int(found[1]) if found else 0
    if not OLDEST_JAVA <= version <= NEWEST_JAVA:
        raise StoreError(
            f"{java} is Java {version or 'unknown'}; this server needs {OLDEST_JAVA} ({INSTALL})"
        )
    if "jdk.compiler" not in _output([java, "--list-modules"]):
        raise StoreError(f"{java} is only a runtime; install a whole JDK {OLDEST_JAVA} ({INSTALL})")
    return java


def find_maven() -> str:
    """Find Maven.

    Raises:
        StoreError: there is none; says what to install.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise StoreError(f"there is no Maven (mvn), needed once to fetch the server; install it ({INSTALL})")
    return maven


def jar_folder() -> Path:
    """Where the jars are kept: graphdet/neo4j-VERSION/lib in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "graphdet" / f"neo4j-{server_version()}" / "lib"


def ensure_jars(progress: Progress) -> Path:
    """Fetch the jars from Maven Central unless they are there; whole or not at all.

    Raises:
        StoreError: no Maven, no network, no room.
    """
    folder = jar_folder()
    if folder.is_dir():
        return folder
    maven = find_maven()
    progress.start("fetch Neo4j from Maven Central (140 MB, once)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
            pom = Path(scratch, "pom.xml")
            pom.write_bytes((SHIPPED_JAVA / "pom.xml").read_bytes())
            fetched = Path(scratch, "lib")
            command = [maven, "--batch-mode", "--quiet", "--file", str(pom), COPY_GOAL]
            _run_maven([*command, f"-DoutputDirectory={fetched}"])
            if not folder.is_dir():  # another process may have been faster
                fetched.rename(folder)
    except OSError as error:
        raise StoreError(f"cannot keep the server's jars in {folder}: {error.strerror}") from error
    finally:
        progress.done()
    return folder


def _run_maven(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        first = lines[0] if lines else f"mvn ended with {done.returncode}"
        raise StoreError(
            f"Maven could not fetch the server: {first.strip()[:300]}; is Maven Central reachable?"
        )


def java_command(java: str, jars: Path, heap_mib: int) -> list[str]:
    """The start of a Java command line over the server's jars."""
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    return [java, f"-Xmx{heap_mib}m", *opened, "-cp", str(jars / "*")]


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{command[0]} does not run ({error}); install a JDK {OLDEST_JAVA}") from error
    return done.stdout + done.stderr
