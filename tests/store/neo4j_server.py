"""A real Neo4j for the tests: one server for the whole run, in a home of its own on free ports."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphdet.errors import StoreError
from graphdet.store.neo4j import server
from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.home import USERNAME, Home
from graphdet.store.neo4j.java import find_java, find_maven, jar_folder


def missing() -> str | None:
    """Why no server can be started here; None when one can."""
    try:
        find_java()
        if not jar_folder().is_dir():
            find_maven()
    except StoreError as error:
        return str(error)
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(home: Path) -> server.ServerInfo:
    """Start a small server on free ports."""
    return server.start(
        home, http_port=free_port(), bolt_port=free_port(), docker=False, heap_mib=768, page_cache_mib=128
    )


def wipe(url: str, home: Path) -> None:
    """Empty the database."""
    client = Client(url, USERNAME, Home(home).password())
    try:
        client.run("MATCH (n) DETACH DELETE n")
    finally:
        client.close()


# A server that lives for seconds is up in half the time where Java compiles quickly rather than well.
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
HOME_OF_TESTS: pytest.StashKey[dict[str, str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def neo4j_server(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[server.ServerInfo]:
    """A running server; GRAPHDET_NEO4J_HOME names its home."""
    why_not = missing()
    if why_not:
        pytest.skip(why_not)
    home = tmp_path_factory.mktemp("neo4j")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHDET_NEO4J_HOME", str(home))
        pytestconfig.stash[HOME_OF_TESTS] = {"GRAPHDET_NEO4J_HOME": str(home)}
        patch.setenv("JDK_JAVA_OPTIONS", QUICK_JAVA)
        patch.delenv("NEO4J_USERNAME", raising=False)
        patch.delenv("NEO4J_PASSWORD", raising=False)
        try:
            yield start(home)
        finally:
            server.stop(home)


@pytest.fixture
def neo4j_url(neo4j_server: server.ServerInfo) -> str:
    """The URL of a running server with an empty database."""
    if not server.status(neo4j_server.home).running:  # an earlier test killed it
        server.start(neo4j_server.home)
    wipe(neo4j_server.url, neo4j_server.home)
    return neo4j_server.url
