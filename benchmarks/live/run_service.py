"""Events into `graphdet serve` over HTTP, and questions meanwhile: a JSON line per flow.

    python -m benchmarks.live.run_service [--seconds 60] [--per-s 1000 0] [--users 20000] [--record]

The service is the command in a process of its own, with looks as it takes them. Four callers send calls of 500 JSON
lines as fast as they are answered (--per-s 0), or together so many events a second, and one asks for an account at 50
requests a second, each at its time whether the one before was answered or not. events_per_s: of the events that were
answered, which are in the store. ask: from the time at which a question was due to its answer.
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import recording
from benchmarks.live.run_live import REALISTIC, log_lines
from graphdet.service.keys import KeyRing
from graphdet.verbs.simulate import make

CALL_ROWS, N_CALLERS, ASKS_PER_S = 500, 4, 50
NAMES = ("user_id", "item_id", "session_id", "timestamp", "action")


@dataclass
class Flow:
    """Calls that wait to be sent, and what was seen of them."""

    port: int
    token: str
    calls: list[bytes]
    per_s: int
    began: float = field(default_factory=time.perf_counter)
    next_call: int = 0
    n_events: int = 0
    delays: list[float] = field(default_factory=list)
    asks: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, link: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/x-ndjson"}
        link.request(method, path, body, headers)
        answer = link.getresponse()
        return answer.status, answer.read()

    def send(self, until: float) -> None:
        """Send calls at their times until the end."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while time.perf_counter() < until:
            with self.lock:
                number, self.next_call = self.next_call, self.next_call + 1
            if number >= len(self.calls):
                return
            if self.per_s:
                time.sleep(max(0.0, self.began + number * CALL_ROWS / self.per_s - time.perf_counter()))
            sent = time.perf_counter()
            status, body = self.ask(link, "POST", "/events", self.calls[number])
            assert status == 202, body
            with self.lock:
                self.n_events += json.loads(body)["n_events"]
                self.delays.append(time.perf_counter() - sent)

    def ask_at(self, due: float, user: str) -> None:
        time.sleep(max(0.0, due - time.perf_counter()))
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        status, _ = self.ask(link, "GET", f"/users/{user}")
        assert status in (200, 404)  # without a model only members of rings are known
        link.close()
        self.asks.append(time.perf_counter() - due)


@contextmanager
def service(folder: Path) -> Iterator[tuple[int, str]]:
    """The command, ready; its port and a key."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    token = KeyRing(folder / "keys.json").add("bench", ["read", "write"])
    words = [
        "serve",
        "--store",
        f"duckdb:{folder / 'live.duckdb'}",
        "--config",
        "simulated",
        "--out",
        str(folder),
    ]
    words += ["--port", str(port), "--keys", str(folder / "keys.json"), "--most-events", "20000"]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen([sys.executable, "-m", "graphdet", *words], stdout=said, stderr=said)
        try:
            until = time.monotonic() + 120
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit((folder / "said.txt").read_text()) from None
                    time.sleep(0.1)
            yield port, token
        finally:
            process.terminate()
            process.wait(60)


def flow(folder: Path, per_s: int, args: argparse.Namespace) -> dict[str, Any]:
    log = make(replace(REALISTIC, n_users=args.users, n_items=max(args.users // 10, 50))).log
    lines = [
        json.dumps(dict(zip(NAMES, line.decode().strip().split(","), strict=True))) for line in log_lines(log)
    ]
    calls = ["\n".join(lines[at : at + CALL_ROWS]).encode() for at in range(0, len(lines), CALL_ROWS)]
    users = log["user_id"].to_pylist()
    with (
        service(folder) as (port, token),
        ThreadPoolExecutor(N_CALLERS) as senders,
        ThreadPoolExecutor(32) as askers,
    ):
        own = Flow(port, token, calls, per_s)
        until = own.began + args.seconds
        sending = [senders.submit(own.send, until) for _ in range(N_CALLERS)]
        asking = [
            askers.submit(own.ask_at, own.began + n / ASKS_PER_S, users[n * 97 % len(users)])
            for n in range(args.seconds * ASKS_PER_S)
        ]
        for one in sending:
            one.result()
        seconds = time.perf_counter() - own.began
        for one in asking:
            if not one.cancel():
                one.result()
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        ready = json.loads(own.ask(link, "GET", "/ready")[1])
        metrics = own.ask(link, "GET", "/metrics")[1].decode()
        link.close()
    looks = {
        name: float(line.split()[1])
        for line in metrics.splitlines()
        for name in ("count", "sum")
        if line.startswith(f"graphdet_look_seconds_{name} ")
    }
    assert ready["n_events"] >= own.n_events
    return {
        "figure": "http", "asked_per_s": per_s or "as answered", "events": own.n_events, "seconds": round(seconds, 1),
        "events_per_s": round(own.n_events / seconds), "call_p50_s": quantile(own.delays, 0.5),
        "call_p99_s": quantile(own.delays, 0.99), "asks": len(own.asks), "ask_p50_ms": quantile(own.asks, 0.5, 1000),
        "ask_p99_ms": quantile(own.asks, 0.99, 1000), "looks": looks.get("count"),
        "look_s": round(looks.get("sum", 0.0) / max(looks.get("count", 0.0), 1.0), 2),
    }  # fmt: skip


def quantile(values: list[float], share: float, factor: float = 1) -> float | None:
    return round(float(np.quantile(values, share)) * factor, 3) if values else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--per-s", type=int, nargs="*", default=[1000, 0], help="events a second; 0: as answered"
    )
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--record", action="store_true", help="also append to results.jsonl")
    args = parser.parse_args()
    for per_s in args.per_s:
        with tempfile.TemporaryDirectory() as folder:
            row = flow(Path(folder), per_s, args)
        recording.told(args.record, "live", **row)


if __name__ == "__main__":
    main()
