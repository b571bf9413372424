"""A watcher in trouble for a while: is anything lost, is anything doubled?

    python -m benchmarks.live.soak [--seconds 1800] [--per-s 300] [--kill-every 20] [--record]

A log grows under the watcher with rows that cannot be read, that come late, twice and out of order. The watcher is
killed (SIGKILL) again and again and started anew, a second one tries its luck on the same store, and the webhook of its
alerts fails, refuses to answer and hangs. At the end the store has to hold every good row once, rejects.csv every bad
one once, and the webhook every alert of the outbox. Watchers are forked from a clean process with all imports, so that
starting one costs little; the processes that look for rings are spawned as always.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks import recording
from benchmarks.live.kills import CONFIG, START_MS
from graphdet.units import DAY_MS, HOUR_MS

FIRST_ROWS = 500  # that are in the store before the troubles begin
STEP_MS = 20_000  # of the log's time between two rows
HANG_S = 15.0  # longer than an alert waits for its receiver
REFUSED = 4  # exit code where another process holds the store


class Writer:
    """Writes a log that grows, bad rows among the good ones, and knows what should come of them."""

    def __init__(self, path: Path, seed: int) -> None:
        self.good: set[tuple[str, str, int]] = set()
        self.n_bad = self.n_late = self.n_twice = self.n_rows = 0
        self._chance, self._path, self._now = random.Random(seed), path, START_MS
        self.late = False  # whether anything can be: nothing is before a first row is in the store
        path.write_bytes(b"user,item,at\n")

    def write(self, n: int) -> None:
        """Add some rows, in three pieces that are cut anywhere."""
        text = b"".join(self._line() for _ in range(n))
        cuts = sorted(self._chance.randrange(len(text)) for _ in range(2))
        with self._path.open("ab") as file:
            for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                file.write(text[start:end])
                file.flush()

    def _line(self) -> bytes:
        chance, self.n_rows = self._chance, self.n_rows + 1
        at_work = self._now % (5 * HOUR_MS) < HOUR_MS // 3  # a ring
        self._now += STEP_MS // 20 if at_work else STEP_MS
        kind = chance.random()
        if kind < 0.01:
            self.n_bad += 1
            return chance.choice([b"\xff\xfe,i1,5\n", b",i1,1767225600000\n", b"u1,i1,soon\n", b"u1\n"])
        if kind < 0.02 and self.late:
            self.n_late += 1
            return f"u{chance.randrange(300)},late{self.n_late},{START_MS - DAY_MS}\n".encode()
        at = self._now - chance.randrange(HOUR_MS // 3)
        row = (f"u{chance.randrange(300)}", f"i{int(80 * chance.random() ** 2)}", at)
        if at_work and chance.random() < 0.7:
            group = self._now // (5 * HOUR_MS)
            row = (f"bad{group}-{chance.randrange(40)}", f"t{group}-{chance.randrange(10)}", self._now)
        again = row in self.good
        self.good.add(row)
        line = f"{row[0]},{row[1]},{row[2]}\n".encode()
        self.n_twice += again
        if kind < 0.04 and not again:  # sent once more
            self.n_twice, self.n_rows = self.n_twice + 1, self.n_rows + 1
            return line + line
        return line


class Hook:
    """A webhook that takes an alert in half of the cases; keys: how often each was taken."""

    def __init__(self, seed: int) -> None:
        self.keys: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.well = False  # whether all troubles are over
        chance = random.Random(seed)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["content-length"]))
                what = (
                    "taken" if self.well else chance.choice(["taken", "taken", "500", "503", "hangs", "cut"])
                )
                self.answers[what] += 1
                if what == "hangs":
                    time.sleep(HANG_S)
                if what in ("hangs", "cut"):
                    handler.close_connection = True
                    return
                if what == "taken":
                    self.keys[json.loads(body)["key"]] += 1
                    self.keys.update(json.loads(body).get("supersedes", []))
                handler.send_response(200 if what == "taken" else int(what))
                handler.send_header("content-length", "0")
                handler.end_headers()

            def log_message(handler, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @contextmanager
    def open(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        yield
        self._server.shutdown()


def watching(log: Path, folder: Path, hook: str, idle_s: float | None) -> None:
    """A watcher, in a process of its own; it ends with the exit code that the command would."""
    from graphdet.errors import GraphdetError
    from graphdet.live.looking import LiveSettings
    from graphdet.store import open_store
    from graphdet.verbs.watch import WatchRequest, watch

    os.environ["GRAPHDET_ALERT_KEY"] = "of-the-soak"
    code = 0
    try:
        store = open_store(f"duckdb://{(folder / 'live.duckdb').resolve()}")
        request = WatchRequest(
            LiveSettings(most_rows=5_000), look_s=1.0, until_idle_s=idle_s,
            alerts=(hook, f"file:{folder / 'alerts.jsonl'}"),
        )  # fmt: skip
        watch(str(log), CONFIG, store, folder, request)
        store.close()
    except GraphdetError as error:
        print(error, flush=True)
        code = error.exit_code
    os._exit(code)


def soak(folder: Path, seconds: float, per_s: int, kill_every_s: float, seed: int = 0) -> dict[str, Any]:
    chance, log = random.Random(seed), folder / "log.csv"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["graphdet.verbs.watch", "graphdet.store.duckdb.store"])
    writer, hook, kills, refused, own_ends, memory = Writer(log, seed), Hook(seed), 0, 0, 0, []

    def started(idle_s: float | None = None) -> Any:
        process = context.Process(target=watching, args=(log, folder, hook.url, idle_s))
        process.start()
        return process

    with hook.open():
        writer.write(FIRST_ROWS)
        first = started(idle_s=0.0)
        first.join()
        writer.late = True
        watcher, began = started(), time.monotonic()
        kill_at = began + kill_every_s * chance.uniform(0.2, 1.5)
        while (now := time.monotonic()) < began + seconds:
            writer.write(max(per_s // 10, 1))
            if now >= kill_at:
                if watcher.is_alive():
                    memory.append(psutil.Process(watcher.pid).memory_info().rss / 2**20)
                    if chance.random() < 0.3 and (folder / "live.duckdb").exists():
                        second = started()
                        second.join(60)
                        refused += second.exitcode == REFUSED
                    os.kill(watcher.pid, signal.SIGKILL)
                    kills += 1
                else:
                    own_ends += 1
                watcher.join()
                watcher = started()
                kill_at = now + kill_every_s * chance.uniform(0.2, 1.5)
            time.sleep(max(0.0, now + 0.1 - time.monotonic()))
        os.kill(watcher.pid, signal.SIGKILL)
        watcher.join()
        hook.well = True
        last = started(idle_s=2.0)
        last.join()
    return {
        "seconds": round(seconds), "rows": writer.n_rows, "kills": kills + 1, "second_watchers_refused": refused,
        "ended_by_themselves": own_ends + (last.exitcode != 0), "webhook": dict(hook.answers),
        "mib_at_most": round(max(memory, default=0)), **outcome(folder, writer, hook),
    }  # fmt: skip


def outcome(folder: Path, writer: Writer, hook: Hook) -> dict[str, Any]:
    """What was lost and what is there twice."""
    with duckdb.connect(str(folder / "live.duckdb"), read_only=True) as store:
        held = Counter(store.execute("SELECT user_id, item_id, at_ms FROM events").fetchall())
        keys = Counter(key for (key,) in store.execute("SELECT key FROM alerts").fetchall())
        state = json.loads(store.execute("SELECT value FROM meta WHERE key = 'live.state'").fetchall()[0][0])
    sent = (
        {json.loads(line)["key"] for line in (folder / "alerts.jsonl").read_text().splitlines()}
        if keys
        else set()
    )
    n_aside = len((folder / "rejects.csv").read_bytes().splitlines()) - 1
    return {
        "events": len(held), "lost": len(writer.good - held.keys()), "not_written": len(held.keys() - writer.good),
        "doubled": sum(n > 1 for n in held.values()),
        "rejects_off_by": state["n_rejects"] - writer.n_bad - writer.n_late,
        "late_off_by": state["n_late"] - writer.n_late, "duplicates_off_by": state["n_duplicates"] - writer.n_twice,
        "rejects_csv_off_by": n_aside - state["n_rejects"] - state["n_duplicates"],
        "alerts": len(keys), "alerts_doubled": sum(n > 1 for n in keys.values()),
        "alerts_not_in_the_file": len(keys.keys() - sent),
        "alerts_not_at_the_webhook": len(keys.keys() - hook.keys.keys()),
        "alerts_taken_again": sum(n > 1 for n in hook.keys.values()),
    }  # fmt: skip


FAULTS = (
    "lost", "not_written", "doubled", "rejects_off_by", "late_off_by", "duplicates_off_by", "rejects_csv_off_by",
    "alerts_doubled", "alerts_not_in_the_file", "alerts_not_at_the_webhook", "ended_by_themselves",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--per-s", type=int, default=300, help="rows a second")
    parser.add_argument("--kill-every", type=float, default=20, help="seconds between two kills, about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="also append to results.jsonl")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = {"figure": "soak", **soak(Path(folder), args.seconds, args.per_s, args.kill_every, args.seed)}
    recording.told(args.record, "live", **row)
    if any(row[name] for name in FAULTS):
        raise SystemExit(f"faults: {', '.join(name for name in FAULTS if row[name])}")


if __name__ == "__main__":
    main()
