"""The service as it runs: a real server on loopback in a thread, and a plain HTTP client."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdet.config import Config
from graphdet.service.app import serve
from graphdet.service.events import Watching
from graphdet.service.limits import Doors, Limits
from graphdet.service.snapshot import Keeper
from graphdet.store import open_store
from graphdet.verbs.watch import Watcher, WatchRequest


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Running:
    port: int
    doors: Doors
    keeper: Keeper

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(method, path, body, headers or {})
            given = link.getresponse()
            named = {name.lower(): value for name, value in given.getheaders()}
            return Answer(given.status, given.read(), named)
        finally:
            link.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def taking_events(
    folder: Path, config: Config, doors: Doors, request: WatchRequest | None = None, source: str | None = None
) -> Iterator[Running]:
    """A service that takes events into a store of a folder, with hardly a limit of rate."""
    url = f"duckdb:{folder / 'live.duckdb'}"
    store = open_store(url)
    watching = Watching(Watcher.open(source, config, store, folder, request))
    limits = Limits(body=200_000, rate=1e6, burst=10**6)
    try:
        watching.start()
        with running(url, doors, limits, watching) as service:
            yield service
        watching.stop()
    finally:
        watching.watcher.stop.set()
        store.close()


@contextmanager
def running(
    url: str, doors: Doors, limits: Limits | None = None, watching: Watching | None = None
) -> Iterator[Running]:
    """A service of a store, stopped at the end of the block."""
    port = free_port()
    keeper = Keeper(url, None if watching is None else watching.watcher)
    server = serve(keeper, doors, "127.0.0.1", port, limits, watching)
    worker = threading.Thread(target=server.run, daemon=True)
    worker.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.02)
    try:
        yield Running(port, doors, keeper)
    finally:
        server.should_exit = True
        worker.join(30)
