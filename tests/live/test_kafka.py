"""A real Apache Kafka: messages count once, whatever is killed, and poison is put aside."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphdet.errors import StoreError, UsageError
from graphdet.live.feeds import open_feed
from graphdet.store import open_store
from graphdet.store.neo4j.java import COPY_GOAL, find_java, find_maven
from graphdet.verbs.watch import WatchRequest, watch
from tests.live.small_logs import CONFIG, small_log
from tests.store.neo4j_server import free_port

confluent_kafka = pytest.importorskip("confluent_kafka", reason="needs the extra kafka")
pytestmark = pytest.mark.kafka

POM = Path(__file__).parent / "kafka_pom.xml"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"


def jars() -> Path:
    """The broker's jars, fetched once into the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = cache / "graphdet" / "kafka-3.9.1" / "lib"
    if not folder.is_dir():
        fetched = folder.with_name(f"fetching-{os.getpid()}")
        command = [find_maven(), "--batch-mode", "--quiet", "--file", str(POM), COPY_GOAL]
        done = subprocess.run([*command, f"-DoutputDirectory={fetched}"], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("Maven Central does not serve the broker")
        fetched.rename(folder)
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a broker of one node, KRaft."""
    try:
        java, lib = find_java(), jars()
    except StoreError as error:
        pytest.skip(str(error))
    home, port, controller = tmp_path_factory.mktemp("kafka"), free_port(), free_port()
    settings = home / "server.properties"
    settings.write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={home / "data"}
offsets.topic.replication.factor=1
num.partitions=2
"""
    )
    base = [java, "-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp", str(lib / "*")]
    subprocess.run(
        [*base, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings)],
        check=True, capture_output=True,
    )  # fmt: skip
    with (home / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            [*base, "kafka.Kafka", str(settings)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            wait_for_port(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the broker did not start")


def produce(broker: str, topic: str, values: list[bytes | None]) -> None:
    producer: Any = confluent_kafka.Producer({"bootstrap.servers": broker, "log_level": 0})
    for n, value in enumerate(values):
        producer.produce(topic, value, key=str(n % 2))
    assert producer.flush(30) == 0


def take(folder: Path, source: str) -> dict[str, Any]:
    """Watch once with a store that stays."""
    folder.mkdir(exist_ok=True)
    store = open_store(f"duckdb://{folder / 'live.duckdb'}")
    try:
        return watch(source, CONFIG, store, folder, WatchRequest(once=True))
    finally:
        store.close()


def test_messages_count_once_over_restarts_and_poison_is_put_aside(broker: str, tmp_path: Path) -> None:
    rows = small_log(1)
    messages: list[bytes | None] = [
        json.dumps({"user": user, "item": item, "at": at}, indent=1).encode() for user, item, at in rows
    ]
    half = len(messages) // 2
    produce(broker, "acts", [*messages[:half], b"{poison", None, b"\xff\xfe", b""])
    source = f"kafka://{broker}/acts"
    first = take(tmp_path / "w", source)
    assert (first["n_events"], first["n_rejects"]) == (half, 4)
    assert take(tmp_path / "w", source)["n_rows"] == first["n_rows"]  # nothing new
    produce(broker, "acts", messages[half:])
    second = take(tmp_path / "w", source)
    assert (second["n_events"], second["n_rejects"]) == (len(rows), 4)
    assert second["n_flagged"] >= 1
    rejects = (tmp_path / "w" / "rejects.csv").read_text(encoding="utf-8")
    assert f"{source}/" in rejects
    assert "not valid JSON" in rejects
    # A watcher that lost its last commit reads from where the store stands, and the same rows again count once.
    feed = open_feed(source, CONFIG, {"offsets": {"0": 0, "1": 5}})
    got = b"".join(part.lines for part in feed.read(final=True)).count(b"\n")
    assert 0 < got <= len(rows) + 4
    feed.close()


def test_a_broker_or_topic_that_is_not_there_is_worth_a_retry(broker: str) -> None:
    with pytest.raises(StoreError, match="no-such-topic"):
        open_feed(f"kafka://{broker}/no-such-topic", CONFIG, None)
    with pytest.raises(StoreError, match="no broker answers"):
        open_feed(f"kafka://127.0.0.1:{free_port()}/acts", CONFIG, None)
    with pytest.raises(UsageError, match="kafka://HOST:PORT/TOPIC"):
        open_feed("kafka://x", CONFIG, None)


def test_a_topic_that_was_made_anew_is_read_from_its_start(broker: str) -> None:
    produce(broker, "anew", [b'{"user":"a","item":"b","at":1767225600000}'])
    feed = open_feed(f"kafka://{broker}/anew", CONFIG, {"offsets": {"0": 900, "1": 900}})
    assert [part.first_line for part in feed.read(final=True)] == [0]
    assert any("made anew" in note for note in feed.notes)
    feed.close()
