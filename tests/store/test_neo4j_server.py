"""Starting, stopping and losing a real server; logging in to it; loading it in bulk."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import narwhals as nw
import psutil
import pytest

from graphdet.errors import InputError, StoreBusy, StoreError, UsageError
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.store.neo4j import Neo4jStore, importing, server, writing
from graphdet.store.neo4j.home import Home
from graphdet.store.neo4j.processes import birth_of, wait_for_end, write_note
from graphdet.store.neo4j.statements import action_of_type, cypher
from tests.store.checks import INTERACTION_KEY, check_graph, rows_of, same_rows, write
from tests.store.neo4j_client import SEED
from tests.store.neo4j_server import free_port, wipe
from tests.store.sample_logs import INTERACTIONS, WEIRD_IDS, SampleLog, log_tables, random_log, source

pytestmark = pytest.mark.neo4j


@pytest.fixture
def store(neo4j_url: str) -> Iterator[Neo4jStore]:
    opened = Neo4jStore(neo4j_url)
    yield opened
    opened.close()


def kill(home: Path) -> None:
    """Kill a server as a power cut would."""
    pid = server.status(home).pid
    assert pid is not None
    born = birth_of(pid)
    psutil.Process(pid).kill()
    assert wait_for_end(pid, born, 30)


# --- the server ----------------------------------------------------------------------------------------------
def test_a_restart_keeps_data_ports_and_password(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    home = neo4j_server.home
    store = open_store(neo4j_url)
    store.set_meta("kept", "yes")
    store.close()
    password = neo4j_server.password_file.read_text()
    pid = server.status(home).pid
    again = server.start(home)
    assert again.already
    assert server.status(home).pid == pid
    assert server.stop(home) is True
    assert not psutil.pid_exists(pid or 0)
    assert server.status(home).running is False
    assert server.stop(home) is False
    assert server.start(home).url == neo4j_url
    assert neo4j_server.password_file.read_text() == password
    store = open_store(neo4j_url)
    assert store.meta("kept") == "yes"
    store.close()


def test_the_password_is_seen_by_nobody(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    home = neo4j_server.home
    password = neo4j_server.password_file.read_text().strip()
    assert len(password) >= 24
    assert stat.S_IMODE(neo4j_server.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    process = psutil.Process(server.status(home).pid)
    assert password not in " ".join(process.cmdline())
    assert password not in str(process.environ())
    others = [file for file in home.rglob("*") if file.is_file() and file != neo4j_server.password_file]
    assert len(others) > 20
    for file in others:
        assert password.encode() not in file.read_bytes(), file


def test_it_listens_on_loopback_only(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    process = psutil.Process(server.status(neo4j_server.home).pid)
    listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 2
    assert {address.ip.replace("::ffff:", "") for address in listening} == {"127.0.0.1"}


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StoreError, match=f"port {port} .*choose another port"):
            server.start(tmp_path, http_port=free_port(), bolt_port=port, docker=False)
    assert not server.status(tmp_path).running


def test_other_ports_than_those_it_runs_on(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    with pytest.raises(UsageError, match="stop it first"):
        server.start(neo4j_server.home, bolt_port=free_port())


def test_a_pid_of_another_program_is_not_ours(tmp_path: Path) -> None:
    home = Home(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        home.write_note(kind="java", pid=other.pid, born=birth_of(other.pid), http_port=1, bolt_port=2)
        assert server.status(tmp_path).running is False
        assert server.stop(tmp_path) is False
        assert other.poll() is None
        home.write_note(kind="java", pid=os.getpid(), born=1.0, http_port=1, bolt_port=2)
        assert server.stop(tmp_path) is False
    finally:
        other.kill()
        other.wait()


def test_two_starts_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_note(home.lock, {"pid": os.getpid(), "born": birth_of(os.getpid()), "doing": "starting a server"})
    with pytest.raises(StoreBusy, match="starting a server"):
        server.start(tmp_path, docker=False)
    home.lock.unlink()


@pytest.mark.parametrize(("found", "words"), [(["java"], "no Maven"), ([], "there is no Java")])
def test_missing_programs_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[str], words: str
) -> None:
    for name in found:
        real = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(real)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for docker in (None, False):
        with pytest.raises(StoreError, match=f"{words}.*apt install"):
            server.start(tmp_path / "home", http_port=free_port(), bolt_port=free_port(), docker=docker)
    with pytest.raises(StoreError, match="no docker command"):
        server.start(tmp_path / "home", http_port=free_port(), bolt_port=free_port(), docker=True)


# --- logging in ------------------------------------------------------------------------------------------------
def test_wrong_password(neo4j_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="NEO4J_PASSWORD") as told:
        Neo4jStore(neo4j_url, "neo4j", "certainly wrong")
    assert told.value.exit_code == 4
    assert "certainly wrong" not in str(told.value)
    monkeypatch.setenv("NEO4J_PASSWORD", "wrong too")
    with pytest.raises(StoreError, match="refuses our user or password"):
        open_store(neo4j_url)


def test_no_password_and_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRAPHDET_NEO4J_HOME", str(tmp_path))
    monkeypatch.delenv("NEO4J_PASSWORD", raising=False)
    url = f"neo4j://localhost:{free_port()}"
    with pytest.raises(StoreError, match="set NEO4J_USERNAME and NEO4J_PASSWORD"):
        open_store(url)
    monkeypatch.setenv("NEO4J_PASSWORD", "anything")
    for scheme in ("neo4j", "bolt"):
        with pytest.raises(StoreError, match="graphdet neo4j start"):
            open_store(url.replace("neo4j", scheme, 1))


def test_a_port_that_speaks_something_else(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    browser = neo4j_server.browser_url.removeprefix("http://").removesuffix("/browser/")
    with pytest.raises(StoreError):
        Neo4jStore(f"bolt://{browser}", "neo4j", "anything")


@pytest.mark.parametrize("url", ["neo4j://", "bolt://localhost:port", "neo4j://user:secret@localhost"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises((UsageError, StoreError)) as told:
        Neo4jStore(url, "neo4j", "anything")
    assert "secret" not in str(told.value)


# --- killed in the middle ----------------------------------------------------------------------------------------
def ingest_killed(url: str, home: Path, *, at: str, whom: str, bulk: bool, nth: int = 1) -> None:
    """Run the ingest in a process of its own and kill it, or the server, at the nth line that starts with `at`."""
    command = [sys.executable, "-m", "tests.store.neo4j_client", url, "600", "bulk" if bulk else "batches"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stderr is not None
        for line in client.stdout:
            nth -= line.startswith(at)
            if nth == 0:
                break
        assert nth == 0, client.stderr.read()
        if whom == "client":
            client.kill()
        else:
            kill(home)
        client.communicate()
    if whom == "server":
        assert client.returncode == 1


def check_killed(store: Neo4jStore) -> None:
    """The state after the repeat is that of a clean ingest."""
    log = random_log(SEED, 600, n_users=200, n_items=100)
    check_graph(store, log)
    assert list(store.sources()) == ["digest-killed"]
    assert store._client.rows("MATCH (n) WHERE n:Unsettled OR n.complete = false RETURN n") == []


def repeat(store: Neo4jStore) -> None:
    log = random_log(SEED, 600, n_users=200, n_items=100)
    store.write_log(log_tables(store.bench, log), source("killed", log), Silent())


@pytest.mark.parametrize("nth", [1, 5, 11])
def test_the_client_is_killed_in_mid_ingest(
    neo4j_server: server.ServerInfo, neo4j_url: str, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 50)
    ingest_killed(neo4j_url, neo4j_server.home, at="advance", whom="client", bulk=False, nth=nth)
    store = Neo4jStore(neo4j_url)
    try:
        assert store.sources() == {}
        assert rows_of_sessions(store) == []  # what half an ingest wrote does not reach the next reading
        with pytest.raises(StoreError, match=r"killed\.csv is not complete.*run it again"):
            store.interactions()
        with pytest.raises(StoreError, match="not complete"):
            write(store, "other", random_log(1))
        repeat(store)
        check_killed(store)
    finally:
        store.close()


def rows_of_sessions(store: Neo4jStore) -> list[object]:
    return list(store.sessions().collect("pyarrow").to_native().to_pylist())


def test_the_server_is_killed_in_mid_ingest(
    neo4j_server: server.ServerInfo, neo4j_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 50)
    ingest_killed(neo4j_url, neo4j_server.home, at="advance", whom="server", bulk=False, nth=8)
    with pytest.raises(StoreError, match="graphdet neo4j start"):
        open_store(neo4j_url)
    server.start(neo4j_server.home)
    store = Neo4jStore(neo4j_url)
    try:
        repeat(store)
        check_killed(store)
    finally:
        store.close()


def test_a_bulk_load_is_killed(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    for stage in ("start write the import files", "start neo4j-admin", "start start Neo4j"):
        ingest_killed(neo4j_url, neo4j_server.home, at=stage, whom="client", bulk=True)
        store = Neo4jStore(neo4j_url, bulk=False)  # brings the server up again
        try:
            repeat(store)
            check_killed(store)
        finally:
            store.close()
        wipe(neo4j_url, neo4j_server.home)
    assert not Home(neo4j_server.home).import_note.exists()


# --- bulk and packed ------------------------------------------------------------------------------------------
def weird_log() -> SampleLog:
    events = [
        (user, f"session {user}", WEIRD_IDS[-ix - 1], action, 1_700_000_000_000 + ix, 1.5 * ix, None)
        for ix, user in enumerate(WEIRD_IDS)
        for action in ("view", "pv", "filter selection")
    ]
    return SampleLog(
        [*events, events[0]],
        links=[
            (user, kind, user, 1_700_000_000_000) for user in WEIRD_IDS for kind in ("device", "user", "设备")
        ],
        names={item: f"name of {item}" for item in WEIRD_IDS[::2]},
    )


def test_a_bulk_load_equals_batches(neo4j_server: server.ServerInfo, neo4j_url: str) -> None:
    log = weird_log()
    bulk = Neo4jStore(neo4j_url, bulk=True)
    try:
        bulk.set_meta("kept", 'a "text"\nof two lines')
        before = server.status(neo4j_server.home).pid
        bulk.write_log(log_tables(bulk.bench, log), source("weird, `name'\"", log), Silent())
        assert server.status(neo4j_server.home).pid == before
        check_graph(bulk, log)
        assert bulk.meta("kept") == 'a "text"\nof two lines'
        assert bulk.sources() == {"digest-weird, `name'\"": source("weird, `name'\"", log)}
        loaded = graph_of(bulk)
        more = random_log(7)
        write(bulk, "more", more)  # merges as after batches
        check_graph(bulk, log, more)
        assert len(bulk._client.rows("SHOW CONSTRAINTS YIELD name")) >= 9
    finally:
        bulk.close()
    wipe(neo4j_url, neo4j_server.home)
    batched = Neo4jStore(neo4j_url, bulk=False)
    try:
        batched.write_log(log_tables(batched.bench, log), source("weird", log), Silent())
        assert graph_of(batched) == loaded
    finally:
        batched.close()


def graph_of(store: Neo4jStore) -> list[str]:
    """All nodes with labels and properties, and all relationships between them, as sorted texts."""
    nodes = "MATCH (n) WHERE NOT n:Ingest AND NOT n:Meta RETURN apart"
    found = store._client.rows(
        nodes.replace("apart", "labels(n) AS labels, properties(n) AS properties"),
    )
    ends = "coalesce({0}.userId, {0}.sessionId, {0}.itemId, {0}.entityId)"
    edges = store._client.rows(
        f"MATCH (a)-[r]->(b) RETURN {ends.format('a')} AS a, {ends.format('b')} AS b, type(r) AS type, "
        "properties(r) AS properties"
    )
    return sorted(
        [f"{sorted(row['labels'])} {sorted(row['properties'].items())}" for row in found]
        + [f"{row['a']} {row['type']} {row['b']} {sorted(row['properties'].items())}" for row in edges]
    )


def test_bulk_needs_a_server_of_ours(neo4j_url: str, neo4j_server: server.ServerInfo, tmp_path: Path) -> None:
    password = neo4j_server.password_file.read_text().strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHDET_NEO4J_HOME", str(tmp_path))
        store = Neo4jStore(neo4j_url, "neo4j", password, bulk=True)
        try:
            with pytest.raises(UsageError, match="no bulk load"):
                write(store, "one", random_log(1))
        finally:
            store.close()


def test_import_files_are_the_same_each_time(tmp_path: Path, store: Neo4jStore) -> None:
    log = weird_log()
    for name in ("one", "two"):
        with store.bench.borrow() as connection:
            arguments = importing.write_bulk_files(
                connection, log_tables(store.bench, log), tmp_path / name, source("weird", log)
            )
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert {"users.csv", "interactions.csv", importing.COMMAND_FILE} <= set(files)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert "--multiline-fields=true" in arguments
    assert store.sources() == {}


def test_the_packed_read_equals_the_read_by_row(store: Neo4jStore) -> None:
    write(store, "weird", weird_log())
    write(store, "random", random_log(8, n_events=300))
    by_row = [
        {**row, "action": row["action"] or action_of_type(row.pop("type"))}
        for row in store._client.rows(cypher("read/interactions-by-row"))
    ]
    by_row = [{name: row[name] for name in INTERACTIONS} for row in by_row]
    same_rows(rows_of(store.interactions(), INTERACTIONS), by_row, *INTERACTION_KEY)


def test_a_session_of_two_users_is_refused(store: Neo4jStore) -> None:
    write(store, "one", SampleLog([("u1", "s", "i", "view", 1_700_000_000_000, None, None)]))
    with pytest.raises(InputError, match="belongs to user 'u2' in this log and to user 'u1' in the store"):
        write(store, "two", SampleLog([("u2", "s", "i", "view", 1_700_000_000_000, None, None)]))
    assert list(store.sources()) == ["digest-one"]
    assert isinstance(store.interactions(), nw.LazyFrame)
