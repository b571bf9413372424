"""A Kafka topic as a source of events: each message is a JSON object.

Offsets are kept in the store with the events and never committed to the broker, so a message counts once however
often a watcher is killed. While the broker is away the client tries again by itself.
"""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from graphdet.errors import StoreError, UsageError
from graphdet.logs.parts import LogPart

PASSWORD_VARIABLE = "GRAPHDET_KAFKA_PASSWORD"
MOST_MESSAGES = 10_000
CONSUME_S, ANSWER_S = 0.2, 15.0
LOOK_FOR_PARTITIONS_S = 60.0


class KafkaFeed:
    """All partitions of a topic, from where an earlier feed of it stood.

    Args:
        source: kafka://HOST:PORT[,HOST:PORT…]/TOPIC, with settings of librdkafka after `?`, such as
            `security.protocol=SASL_SSL&sasl.mechanism=PLAIN&sasl.username=me`; the password is in
            GRAPHDET_KAFKA_PASSWORD.
        position: what `position` gave.

    Raises:
        UsageError: the source names no host or topic, or the extra `kafka` is not installed.
        StoreError: no broker answers, or there is no such topic; worth a retry.
    """

    ended = False

    def __init__(self, source: str, position: Mapping[str, Any] | None) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise UsageError("reading Kafka needs the extra kafka: pip install 'graphdet[kafka]'") from error
        self._kafka = confluent_kafka
        url = urlsplit(source)
        self._servers, self._topic = url.netloc, url.path.strip("/")
        if not self._servers or not self._topic or "/" in self._topic:
            raise UsageError(f"{source}: write kafka://HOST:PORT/TOPIC")
        self.notes: list[str] = []
        self._offsets = {int(p): int(offset) for p, offset in ((position or {}).get("offsets") or {}).items()}
        self._assigned: set[int] = set()
        self._at_end: set[int] = set()
        settings: dict[str, Any] = {name: values[0] for name, values in parse_qs(url.query).items()}
        if os.environ.get(PASSWORD_VARIABLE):
            settings["sasl.password"] = os.environ[PASSWORD_VARIABLE]
        settings |= {
            "bootstrap.servers": self._servers, "group.id": "graphdet", "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "earliest", "error_cb": self._heard, "log_level": 0,
        }  # fmt: skip
        try:
            self._consumer = confluent_kafka.Consumer(settings)
        except confluent_kafka.KafkaException as error:
            raise UsageError(f"{self._name}: {error.args[0].str()}") from error
        self._assign()

    @property
    def _name(self) -> str:
        return f"kafka://{self._servers}/{self._topic}"

    def read(self, final: bool = False) -> list[LogPart]:
        """The messages that have come; with `final`, waits until something came or every partition is at its end."""
        if time.monotonic() - self._looked > LOOK_FOR_PARTITIONS_S:
            self._assign()
        end = time.monotonic() + ANSWER_S
        while True:
            parts = self._taken(self._consumer.consume(MOST_MESSAGES, CONSUME_S))
            if parts or not final or self._at_end >= self._assigned:
                return parts
            if time.monotonic() > end:
                raise StoreError(f"{self._name}: the broker does not answer any more; try again later")

    def position(self) -> dict[str, Any]:
        """The next offset of every partition."""
        return {"offsets": {str(partition): offset for partition, offset in sorted(self._offsets.items())}}

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _heard(self, error: Any) -> None:
        """An error of the client; it tries again by itself."""
        self.notes.append(f"{self._name}: {error.str()}")

    def _assign(self) -> None:
        """Take the partitions that there are, each from where it was read to."""
        self._looked = time.monotonic()
        kafka = self._kafka
        try:
            found = self._consumer.list_topics(self._topic, timeout=ANSWER_S / 3).topics[self._topic]
            if found.error is not None:
                raise StoreError(f"{self._name}: {found.error.str()}; check the name of the topic")
            new = set(found.partitions) - self._assigned
            for partition in sorted(new):
                self._check(partition)
        except kafka.KafkaException as error:
            if self._assigned:  # the broker is away for a while
                return
            raise StoreError(
                f"{self._name}: no broker answers ({error.args[0].str()}); try again later"
            ) from error
        if new:
            self._assigned |= new
            starts = [
                kafka.TopicPartition(self._topic, p, self._offsets.get(p, kafka.OFFSET_BEGINNING))
                for p in sorted(self._assigned)
            ]
            self._consumer.assign(starts)

    def _check(self, partition: int) -> None:
        """Say what was deleted before it was read; a topic that was made anew is read from its start."""
        where = self._kafka.TopicPartition(self._topic, partition)
        low, high = self._consumer.get_watermark_offsets(where, timeout=ANSWER_S / 3)
        stands = self._offsets.get(partition)
        if stands is not None and stands < low:
            self.notes.append(f"{self._name}/{partition}: messages {stands} to {low - 1} were deleted unread")
            self._offsets[partition] = low
        if stands is not None and stands > high:
            self.notes.append(f"{self._name}/{partition}: was made anew; it is read from its start")
            self._offsets[partition] = low

    def _taken(self, messages: list[Any]) -> list[LogPart]:
        """Messages as parts, one for each run of offsets of a partition."""
        runs: dict[int, list[tuple[int, list[bytes]]]] = {}
        for message in messages:
            partition, error = message.partition(), message.error()
            if error is not None:
                if error.code() == self._kafka.KafkaError._PARTITION_EOF:
                    self._at_end.add(partition)
                else:
                    self.notes.append(f"{self._name}/{partition}: {error.str()}")
                continue
            self._at_end.discard(partition)
            offset, own = message.offset(), runs.setdefault(partition, [])
            if not own or own[-1][0] + len(own[-1][1]) != offset:
                own.append((offset, []))
            own[-1][1].append(_line(message.value()))
            self._offsets[partition] = offset + 1
        return [
            LogPart(f"{self._name}/{partition}", "jsonl", b"", b"".join(lines), first)
            for partition, its in sorted(runs.items())
            for first, lines in its
        ]


def _line(value: bytes | None) -> bytes:
    """A message on one line; one without a value is no object, and is put aside as such."""
    if value is None or not value.strip():
        return b"null\n"
    return value.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
